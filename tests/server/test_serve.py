import asyncio
import contextlib
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import websockets
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from becalm_protocol.codec import encode_json
from becalm_protocol.errors import ConfigError, StorageError
from becalm_protocol.events import PhaseChange
from becalm_protocol.handshake import ClientHello, Ping
from becalm_server.access import pace
from becalm_server.serve import listen, serve
from becalm_server.settings import ServerSettings


async def refused(settings: ServerSettings) -> None:
    async with asyncio.timeout(20.0):
        await serve(settings, on_ready=lambda _url: pytest.fail("it must not get ready"), stop=asyncio.Event())


async def test_busy_port_is_a_clear_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port: cannot listen on 127.0.0.1:{port}.*another port"):
            await refused(ServerSettings(port=port, data_dir=tmp_path))


async def test_small_frames_are_sent_at_once() -> None:
    """Without TCP_NODELAY each small frame waits for the delayed acknowledgement of the one before: 40 ms."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    with listen(ServerSettings(port=0, data_dir=Path())) as listener:
        serving = await asyncio.start_server(lambda _, writer: accepted.set_result(writer), sock=listener)
        async with serving:
            _, client = await asyncio.open_connection(*listener.getsockname()[:2])
            ours = await accepted
            assert ours.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            for writer in (client, ours):
                writer.close()
                await writer.wait_closed()


async def test_unusable_folder_is_a_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="data_dir: cannot use"):
        await refused(ServerSettings(port=0, data_dir=tmp_path / "file"))


async def test_unreachable_database_is_a_clear_sentence(tmp_path: Path) -> None:
    url = f"postgresql://nobody@/none?host={tmp_path}"
    with pytest.raises(StorageError, match="database: expected"):
        await refused(ServerSettings(port=0, data_dir=tmp_path, database_url=url))


async def test_everything_embedded_starts_and_stops(start_server: Any, traversable_dir: Path, sensors: Any) -> None:
    async with AsyncExitStack() as later:
        async with start_server(None, data_dir=traversable_dir, durable=False) as server:
            agent = await later.enter_async_context(server.agent())
            await agent.hello()
            await agent.open(sensors.streams, session_id="4" * 32)
            await agent.send(*sensors.second(0))
            await agent.wait_acks(sensors.last)
        assert await agent.closed() == 1012
    async with (
        start_server(None, data_dir=traversable_dir, durable=False) as server,
        server.http() as http,
    ):
        assert (await http.get("/v1/sessions/current")).json()["session_id"] == "4" * 32
    assert not list((traversable_dir / "postgres" / "run").glob(".s.PGSQL*"))


async def test_clients_hear_of_a_restart(start_server: Any, database_url: str) -> None:
    async with AsyncExitStack() as later:
        async with start_server(database_url) as server:
            client = await later.enter_async_context(server.client())
            await client.hello()
        assert await client.closed() == 1012


async def test_client_that_hears_no_goodbye_is_cut_off_quietly(
    start_server: Any, database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MESSAGES_PER_S", 10**9)  # or it would be sent away for asking so often
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    async with start_server(database_url) as server:
        plug.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        plug.setblocking(False)
        client = await websockets.connect(f"{server.ws_url}/v1/live", sock=plug, compression=None)
        await client.send(encode_json(ClientHello(versions=(1,), client="stuck", token=server.token)))
        client.transport.pause_reading()
        question = encode_json(Ping(sent_ns=2**62))
        with contextlib.suppress(TimeoutError):
            while True:  # bounded: until its unread answers fill all buffers, and nobody takes a question any more
                async with asyncio.timeout(0.5):
                    await client.send(question)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 15  # it must not wait for ever for a client that is stuck
    client.transport.abort()
    await client.wait_closed()
    assert [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


async def test_fault_in_the_pipeline_costs_no_event_and_quotes_none(
    start_server: Any, database_url: str, sensors: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with start_server(database_url, make_pipeline=FaultyPipeline) as server, server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        await agent.send(*sensors.second(0))
        await agent.close_session(opened.session_id, sensors.last)
    assert "the pipeline failed on an event with a ValueError at test_serve.py:" in caplog.text
    assert str(sensors.sent[0].event.counts) not in caplog.text


class FaultyPipeline:
    """Fails on every raw event, and says on which."""

    def __init__(self, _streams: Any) -> None:
        pass

    def feed(self, event: Any) -> tuple[Any, ...]:
        if isinstance(event, PhaseChange):
            return ()
        raise ValueError(event)

    def finish(self) -> tuple[Any, ...]:
        return ()


def test_environment_names_a_database(tmp_path: Path) -> None:
    given = ServerSettings.from_environment(data_dir=tmp_path, port=1, environment={"BECALM_DATABASE_URL": "x"})
    assert (given.database_url, given.port) == ("x", 1)
    assert ServerSettings.from_environment(data_dir=tmp_path, environment={}).database_url is None
    hosts = {"BECALM_ALLOWED_HOSTS": "calm.example.org, home"}
    assert ServerSettings.from_environment(data_dir=tmp_path, environment=hosts).allowed_hosts == (
        "calm.example.org",
        "home",
    )
    public = {"BECALM_PUBLIC_URL": "calm.example.org/"}
    assert (
        ServerSettings.from_environment(data_dir=tmp_path, environment=public).public_url == "http://calm.example.org"
    )
    days = {"BECALM_METRICS_DAYS": "365"}
    assert ServerSettings.from_environment(data_dir=tmp_path, environment=days).metrics_days == 365
    with pytest.raises(ConfigError, match="metrics_days: expected a whole number"):
        ServerSettings.from_environment(data_dir=tmp_path, environment={"BECALM_METRICS_DAYS": "a year"})


@pytest.mark.parametrize(
    ("trusted", "peer", "believed"),
    [
        ("10.0.0.5", "10.0.0.5", True),
        ("10.0.0.5", "::ffff:10.0.0.5", True),  # as a listener on :: sees it
        ("10.0.0.5", "::ffff:10.0.0.6", False),
        ("172.18.0.0/16", "::ffff:172.18.9.9", True),
        ("172.18.0.0/16", "::ffff:172.19.0.1", False),
        ("fd00::5", "fd00::5", True),
        ("fd00::5", "::ffff:10.0.0.5", False),
    ],
)
async def test_a_trusted_proxy_is_known_by_either_form_of_its_address(
    tmp_path: Path, trusted: str, peer: str, believed: bool
) -> None:
    settings = ServerSettings(data_dir=tmp_path, trust_proxy=trusted)
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    scope: Any = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", b"203.0.113.7")]}
    nothing: Any = None
    await ProxyHeadersMiddleware(app, settings.trusted_proxies)(scope, nothing, nothing)
    assert seen == ["203.0.113.7" if believed else peer]


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("port", 70_000),
        ("port", -1),
        ("heartbeat_s", 0.0),
        ("metrics_days", 0),
        ("public_url", "https://a/b"),
        ("trust_proxy", "*"),
        ("trust_proxy", "0.0.0.0/0"),
        ("trust_proxy", "the proxy"),
    ],
)
def test_unusable_settings_are_named(tmp_path: Path, name: str, choice: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        ServerSettings(data_dir=tmp_path, **{name: choice})
