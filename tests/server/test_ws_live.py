"""What a client sees, and what a slow or wrong one cannot do."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import websockets

from becalm_protocol.codec import encode_json
from becalm_protocol.errors import CloseCode
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import (
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
        await connection.send(encode_json(ClientHello(versions=(1,), client="curl", token=server.token)))
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


async def test_page_of_another_place_is_refused(server: Any) -> None:
    strangers = ("http://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1", "http://[::1")
    for origin in map(websockets.Origin, strangers):
        for path in ("/v1/live", "/v1/ingest"):
            with pytest.raises(websockets.InvalidStatus) as refusal:
                await websockets.connect(server.ws_url + path, origin=origin, proxy=None)
            assert refusal.value.response.status_code == 403, origin


async def test_own_page_may_connect(server: Any) -> None:
    async with websockets.connect(
        f"{server.ws_url}/v1/live", origin=websockets.Origin(server.url), compression=None, proxy=None
    ) as connection:
        await connection.send(encode_json(ClientHello(versions=(1,), client="own page", token=server.token)))
        assert "client_welcome" in str(await connection.recv())


async def test_rebound_name_is_refused(server: Any) -> None:
    """A page of evil.example whose name now points here has the same origin and host: the name gives it away."""
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await websockets.connect(f"ws://evil.example:{port}/v1/live", host="127.0.0.1", port=port, proxy=None)
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


async def test_slow_clients_cost_the_others_nothing(start_server: Any, database_url: str, sensors: Any) -> None:
    """Three clients stop reading: the fourth still gets every frame, in order, and what they lose is counted."""
    n_seconds = 240  # 600 KB for each client: more than sockets and outboxes hold
    sensors.ecg = replace(sensors.ecg, unit_per_count=1 / 3)
    async with (
        AsyncExitStack() as stack,
        start_server(database_url, heartbeat_s=10.0) as server,
        server.agent() as agent,
        server.client() as good,
        server.http() as http,
    ):
        await agent.hello()
        await good.hello()
        for _ in range(3):
            await stack.enter_async_context(_stuck_client(server))
        await agent.open((sensors.ecg, sensors.rr, sensors.belt))
        await agent.send(*sensors.second(0))
        waves = await _read_waveforms(good, 2)
        for n in range(1, n_seconds):
            await agent.send(*sensors.second(n))
            waves += await _read_waveforms(good, 2)  # as a client that keeps up does
            if n % 20 == 19:
                await agent.wait_acks(sensors.last)
        first_values = [wave.values[0] for wave in waves if wave.kind is SignalKind.ECG]
        assert first_values == [data.event.counts[0] * (1 / 3) for data in sensors.sent[::3]]
        numbers = [frame.seq for frame in good.heard if isinstance(frame, Live)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert (await http.get("/v1/health")).json()["clients"]["dropped"] > 0


@asynccontextmanager
async def _stuck_client(server: Any) -> AsyncIterator[None]:
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    plug.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    plug.setblocking(False)
    connection = await websockets.connect(f"{server.ws_url}/v1/live", sock=plug, compression=None, close_timeout=0.1)
    await connection.send(encode_json(ClientHello(versions=(1,), client="stuck", token=server.token)))
    await connection.recv()
    connection.transport.pause_reading()
    try:
        yield
    finally:
        connection.transport.abort()
        await connection.wait_closed()


async def _read_waveforms(client: Any, n: int) -> list[Waveform]:
    return [(await client.wait_live(Waveform)).event for _ in range(n)]
