import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from becalm_protocol.errors import ConfigError, StorageError
from becalm_server.serve import serve
from becalm_server.settings import ServerSettings


async def refused(settings: ServerSettings) -> None:
    async with asyncio.timeout(4):
        await serve(settings, on_ready=lambda _url: pytest.fail("it must not get ready"), stop=asyncio.Event())


async def test_busy_port_is_a_clear_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port: cannot listen on 127.0.0.1:{port}.*another port"):
            await refused(ServerSettings(port=port, data_dir=tmp_path))


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
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        assert (await http.get("/v1/sessions/current")).json()["session_id"] == "4" * 32
    assert not list((traversable_dir / "postgres" / "run").glob(".s.PGSQL*"))


async def test_clients_hear_of_a_restart(start_server: Any, database_url: str) -> None:
    async with AsyncExitStack() as later:
        async with start_server(database_url) as server:
            client = await later.enter_async_context(server.client())
            await client.hello()
        assert await client.closed() == 1012


def test_environment_names_a_database(tmp_path: Path) -> None:
    given = ServerSettings.from_environment(data_dir=tmp_path, port=1, environment={"BECALM_DATABASE_URL": "x"})
    assert (given.database_url, given.port) == ("x", 1)
    assert ServerSettings.from_environment(data_dir=tmp_path, environment={}).database_url is None


@pytest.mark.parametrize(("name", "choice"), [("port", 70_000), ("port", -1), ("heartbeat_s", 0.0)])
def test_unusable_settings_are_named(tmp_path: Path, name: str, choice: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        ServerSettings(data_dir=tmp_path, **{name: choice})
