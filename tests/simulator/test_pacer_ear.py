"""The ear: maps the pacer into body time, goes quiet when it should, and outlives the server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from becalm_protocol.codec import decode_json, encode_json
from becalm_protocol.events import Pacer
from becalm_protocol.handshake import (
    SUBPROTOCOL_JSON,
    ClientHello,
    ClientWelcome,
    Ping,
    Pong,
    SessionPhase,
    SessionView,
    Source,
)
from becalm_protocol.units import NS_PER_S
from becalm_simulator.pacer_ear import PacerEar

SESSION_AHEAD_NS = 5_000 * NS_PER_S
"""How far the session clock of the small server is ahead of the machine's."""
PACER = Pacer(started_ns=SESSION_AHEAD_NS + 60 * NS_PER_S, inhale_s=4.0, exhale_s=6.0)
TOLERANCE_NS = 50_000_000


def view(phase: SessionPhase, *, source: Source = Source.LIVE, session_id: str = "a" * 32) -> SessionView:
    return SessionView(session_id=session_id, phase=phase, source=source, baseline_s=60.0, pacer=PACER)


class LiveServer:
    """The client side of a becalm server, as small as it can be."""

    def __init__(self, session: SessionView | None) -> None:
        self.session = session
        self.hellos: list[ClientHello] = []
        self.pongs: list[Pong] = []
        self.answered = asyncio.Event()
        self.connections: list[ServerConnection] = []

    async def talk(self, connection: ServerConnection) -> None:
        self.hellos.append(decode_json(await connection.recv(), ClientHello))
        self.connections.append(connection)
        welcome = ClientWelcome(
            version=1, heartbeat_s=5.0, playout_delay_ms=700.0, session=self.session, agent_connected=True
        )
        await connection.send(encode_json(welcome))
        await connection.send('{"type":"of_a_later_version"}')
        await connection.send(encode_json(Ping(sent_ns=77)))
        async for frame in connection:
            message: Any = decode_json(frame)
            if isinstance(message, Ping):
                clock_ns = time.monotonic_ns() + SESSION_AHEAD_NS if self.session else None
                await connection.send(encode_json(Pong(sent_ns=message.sent_ns, clock_ns=clock_ns)))
            else:
                self.pongs.append(message)
                self.answered.set()

    async def tell(self, session: SessionView) -> None:
        self.session = session
        for connection in self.connections:
            await connection.send(encode_json(session))

    @asynccontextmanager
    async def offer(self, port: int = 0) -> AsyncIterator[Server]:
        async with serve(self.talk, "127.0.0.1", port, subprotocols=[SUBPROTOCOL_JSON]) as server:  # type: ignore[list-item]
            yield server


class Body:
    """Notes what it hears and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Pacer | None] = asyncio.Queue()
        self.presences: asyncio.Queue[bool] = asyncio.Queue()

    async def wait_heard(self, is_wanted: Callable[[Pacer | None], bool]) -> Pacer | None:
        while not is_wanted(pacer := await self.heard.get()):
            pass
        return pacer


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Body]:
    body = Body()
    ear = PacerEar(
        f"ws://127.0.0.1:{port}/",
        hear=body.heard.put_nowait,
        now_ns=time.monotonic_ns,
        on_presence=body.presences.put_nowait,
    )
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        task = group.create_task(ear.run())
        yield body
        task.cancel()


def port_of(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


def is_pacer_in_body_time(pacer: Pacer | None) -> bool:
    return pacer is not None and abs(pacer.started_ns - 60 * NS_PER_S) < TOLERANCE_NS


async def test_the_pacer_is_told_in_body_time() -> None:
    live = LiveServer(view(SessionPhase.BASELINE))
    async with live.offer() as server, listening(port_of(server)) as body:
        pacer = await body.wait_heard(is_pacer_in_body_time)
        assert pacer is not None
        assert (pacer.inhale_s, pacer.exhale_s) == (4.0, 6.0)
        await live.answered.wait()
    assert live.pongs == [Pong(sent_ns=77)]
    assert [hello.waveforms for hello in live.hellos] == [False]


@pytest.mark.parametrize(
    "quiet",
    [view(SessionPhase.ENDED), view(SessionPhase.PRACTICE, source=Source.REPLAY), view(SessionPhase.WAITING)],
    ids=["ended", "replay", "waiting"],
)
async def test_the_ear_goes_quiet_when_no_pacer_runs_for_this_body(quiet: SessionView) -> None:
    live = LiveServer(view(SessionPhase.PRACTICE))
    async with live.offer() as server, listening(port_of(server)) as body:
        await body.wait_heard(is_pacer_in_body_time)
        await live.tell(quiet)
        await body.wait_heard(lambda pacer: pacer is None)
        await live.tell(view(SessionPhase.PRACTICE))
        await body.wait_heard(is_pacer_in_body_time)


async def test_a_new_session_waits_for_its_own_clock() -> None:
    live = LiveServer(view(SessionPhase.PRACTICE))
    async with live.offer() as server, listening(port_of(server)) as body:
        await body.wait_heard(is_pacer_in_body_time)
        await live.tell(view(SessionPhase.PRACTICE, session_id="b" * 32))
        assert await body.wait_heard(lambda pacer: pacer is None) is None


async def test_the_ear_outlives_a_restart_of_the_server() -> None:
    live = LiveServer(view(SessionPhase.PRACTICE))
    async with live.offer() as server:
        port = port_of(server)
        async with listening(port) as body:
            await body.wait_heard(is_pacer_in_body_time)
            server.close()
            await server.wait_closed()
            await body.wait_heard(lambda pacer: pacer is None)
            assert await body.presences.get() is False
            async with live.offer(port):
                await body.wait_heard(is_pacer_in_body_time)
                assert await body.presences.get() is True
            assert body.presences.empty()


async def test_a_server_that_talks_nonsense_is_left_and_met_again() -> None:
    met = asyncio.Queue[None]()

    async def nonsense(connection: ServerConnection) -> None:
        await connection.recv()
        met.put_nowait(None)
        await connection.send("not a message")
        await connection.wait_closed()

    async with (
        serve(nonsense, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL_JSON]) as server,  # type: ignore[list-item]
        listening(port_of(server)) as body,
    ):
        await met.get()
        await met.get()
    assert body.heard.empty()
