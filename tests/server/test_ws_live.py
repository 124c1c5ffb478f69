"""What a client sees, and what a slow or wrong one cannot do."""

import asyncio
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from becalm_protocol.codec import encode_json
from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import (
    SUBPROTOCOL_JSON,
    ClientHello,
    Live,
    Ping,
    Pong,
    Problem,
    SessionPhase,
    Waveform,
)
from becalm_protocol.limits import MAX_FRAME_BYTES


async def test_unknown_version_is_refused(server: Any) -> None:
    async with server.client() as client:
        await client.send(ClientHello(versions=(7,), client="old"))
        assert await client.closed() == CloseCode.VERSION


async def test_program_without_a_subprotocol_speaks_json(server: Any) -> None:
    async with websockets.connect(f"{server.ws_url}/v1/live", compression=None, proxy=None) as connection:
        await connection.send(encode_json(ClientHello(versions=(1,), client="curl")))
        assert str(await connection.recv()).startswith('{"type":"client_welcome","version":1')


@pytest.mark.parametrize("frame", [b"\x00", "nonsense", '{"type":"data"}', '{"type":"ping","sent_ns":0.5}'])
async def test_garbage_closes_with_a_reason(server: Any, frame: str | bytes) -> None:
    async with server.client() as client:
        await client.hello()
        await client.connection.send(frame)
        assert await client.closed() == CloseCode.MALFORMED
        assert isinstance(client.heard[-1], Problem)


async def test_oversize_frame_is_refused(server: Any) -> None:
    async with server.client() as client:
        await client.hello()
        await client.connection.send("x" * (MAX_FRAME_BYTES + 1))
        assert await client.closed() == CloseCode.TOO_BIG


async def test_heartbeat_is_answered_and_kept(server: Any) -> None:
    async with server.client() as client:
        await client.hello()
        await client.send(Ping(sent_ns=-5))
        assert await client.wait(Pong) == Pong(sent_ns=-5)
        for _ in range(4):  # two seconds: longer than the silence that is allowed
            await client.wait(Ping)


async def test_client_without_hello_is_let_go(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("becalm_server.wire_socket.HELLO_LIMIT_S", 0.2)
    async with server.client() as client:
        assert await client.closed() == CloseCode.MALFORMED


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1", "http://[::1"]
)
@pytest.mark.parametrize("path", ["/v1/live", "/v1/ingest"])
async def test_page_of_another_place_is_refused(server: Any, origin: str, path: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await websockets.connect(server.ws_url + path, origin=websockets.Origin(origin), proxy=None)
    assert refusal.value.response.status_code == 403


async def test_own_page_may_connect(server: Any) -> None:
    async with websockets.connect(
        f"{server.ws_url}/v1/live", origin=websockets.Origin(server.url), compression=None, proxy=None
    ) as connection:
        await connection.send(encode_json(ClientHello(versions=(1,), client="own page")))
        assert "client_welcome" in str(await connection.recv())


async def test_rebound_name_is_refused(server: Any) -> None:
    """A page of evil.example whose name now points here has the same origin and host: the name gives it away."""
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await websockets.connect(
            f"{server.ws_url}/v1/live", additional_headers={"Host": "evil.example"}, origin=None, proxy=None
        )
    assert refusal.value.response.status_code == 403


async def test_late_client_learns_where_the_session_is(server: Any, sensors: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        for n in range(3):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        async with server.client() as client:
            welcome = await client.hello()
            assert welcome.session is not None
            assert (welcome.session.session_id, welcome.session.phase) == (opened.session_id, SessionPhase.BASELINE)
            await client.send(Ping(sent_ns=1))
            pong = await client.wait(Pong)
            assert pong.clock_ns is not None


async def test_slow_clients_cost_the_others_nothing(server: Any, sensors: Any) -> None:
    """Five clients stop reading: the sixth still gets every frame, in order, and they are told or let go."""
    n_seconds = 400  # 3 MB of waveform: more than sockets and outboxes hold
    async with server.agent() as agent, server.client() as good:
        await agent.hello()
        await good.hello()
        async with asyncio.TaskGroup() as group:
            stuck = [await _stuck_client(server) for _ in range(5)]
            await agent.open(sensors.streams)
            reading = group.create_task(_read_seconds(good, n_seconds))
            for n in range(n_seconds):
                await agent.send(*sensors.second(n))
                if n % 50 == 49:
                    await agent.wait_acks(sensors.last)
            frames = await reading
        assert len(frames) == 2 * n_seconds
        numbers = [frame.seq for frame in good.heard if isinstance(frame, Live)]
        assert numbers == list(range(1, len(numbers) + 1))
        for client in stuck:
            client.transport.abort()


async def _stuck_client(server: Any) -> ClientConnection:
    connection = await websockets.connect(
        f"{server.ws_url}/v1/live",
        subprotocols=[websockets.Subprotocol(SUBPROTOCOL_JSON)],
        compression=None,
        proxy=None,
    )
    await connection.send(encode_json(ClientHello(versions=(1,), client="stuck")))
    await connection.recv()
    connection.transport.pause_reading()
    return connection


async def _read_seconds(client: Any, n_seconds: int) -> list[Live]:
    frames: list[Live] = []
    while len(frames) < 2 * n_seconds:
        frames.append(await client.wait_live(Waveform))
    return frames
