"""A small server that speaks the agent's side of the wire for real, and can be told to misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from becalm_protocol.codec import decode, encode
from becalm_protocol.errors import CloseCode
from becalm_protocol.events import RawEvent
from becalm_protocol.forms import AGENT_SUBPROTOCOLS, version_of
from becalm_protocol.handshake import (
    Ack,
    AgentHello,
    AgentStatus,
    AgentWelcome,
    CloseSession,
    Data,
    OpenSession,
    Ping,
    Pong,
    Problem,
    Reset,
    SessionClosed,
    SessionOpened,
    StreamAck,
)


@dataclass(kw_only=True)
class WireServer:
    """Stores events in memory, acknowledges them, refuses what is out of order. Its attributes change its manners."""

    subprotocols: tuple[str, ...] = AGENT_SUBPROTOCOLS
    heartbeat_s: float = 0.2
    credit_frames: int = 256
    refuse: Problem | None = None
    is_mute: bool = False
    """Take everything, answer nothing after the welcome."""
    swallow: Callable[[Data], bool] = lambda _: False
    """Events to lose on the way in."""
    on_data: Callable[[Data], None] = lambda _: None
    stored: dict[str, list[RawEvent]] = field(default_factory=dict)
    opened: list[OpenSession] = field(default_factory=list)
    closed: list[CloseSession] = field(default_factory=list)
    statuses: list[AgentStatus] = field(default_factory=list)
    pongs: list[Pong] = field(default_factory=list)
    hellos: list[AgentHello] = field(default_factory=list)
    n_doubles: int = 0
    n_resets: int = 0
    n_taken: int = 0
    n_pings: int = 0
    n_closings: int = 0
    url: str = ""
    link: ServerConnection | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self, message: object) -> None:
        """Send a message to the agent."""
        assert self.link is not None
        await self.link.send(encode(message, subprotocol=str(self.link.subprotocol)))

    async def until(self, is_true: Callable[[], object]) -> None:
        """Wait until something the agent did made it true."""
        async with asyncio.timeout(20.0), self.changed:
            await self.changed.wait_for(is_true)

    def events(self, kind: type[Any] | None = None) -> list[Any]:
        """Everything stored, stream after stream."""
        return [e for events in self.stored.values() for e in events if kind is None or isinstance(e, kind)]

    async def handle(self, link: ServerConnection) -> None:
        """Talk with one agent until it goes."""
        self.link = link
        try:
            async for data in link:
                await self._answer(link, decode(data, subprotocol=link.subprotocol))
                async with self.changed:
                    self.changed.notify_all()
        except ConnectionClosed:
            pass
        finally:
            async with self.changed:
                self.changed.notify_all()

    async def _answer(self, link: ServerConnection, message: object) -> None:
        answer: object = None
        match message:
            case AgentHello():
                await self._welcome(link, message)
                return
            case OpenSession():
                answer = self._open(message)
            case Data():
                answer = self._take(message)
            case CloseSession():
                answer = self._close(message)
            case Ping(sent_ns=sent_ns):
                self.n_pings += 1
                answer = Pong(sent_ns=sent_ns)
            case Pong():
                self.pongs.append(message)
            case AgentStatus():
                self.statuses.append(message)
        if answer is not None and not self.is_mute:
            await link.send(encode(answer, subprotocol=str(link.subprotocol)))

    async def _welcome(self, link: ServerConnection, hello: AgentHello) -> None:
        self.hellos.append(hello)
        if self.refuse is not None:
            await link.send(encode(self.refuse, subprotocol=str(link.subprotocol)))
            await link.close(self.refuse.close_code or CloseCode.MALFORMED)
            return
        version = version_of(str(link.subprotocol))
        welcome = AgentWelcome(version=version, heartbeat_s=self.heartbeat_s, credit_frames=self.credit_frames)
        await link.send(encode(welcome, subprotocol=str(link.subprotocol)))

    def _open(self, opened: OpenSession) -> SessionOpened:
        self.opened.append(opened)
        for info in opened.streams:
            self.stored.setdefault(info.stream_id, [])
        acks = tuple(StreamAck(stream_id=i.stream_id, seq=len(self.stored[i.stream_id])) for i in opened.streams)
        return SessionOpened(session_id=opened.session_id, acks=acks)

    def _take(self, data: Data) -> Ack | Reset | None:
        if self.swallow(data):
            return None
        self.on_data(data)
        self.n_taken += 1
        stream_id = data.event.stream_id
        events = self.stored[stream_id]
        if data.seq > len(events) + 1:
            self.n_resets += 1
            return Reset(stream_id=stream_id, seq=len(events))
        if data.seq <= len(events):
            self.n_doubles += 1
        else:
            events.append(data.event)
        return Ack(acks=(StreamAck(stream_id=stream_id, seq=len(events)),))

    def _close(self, closed: CloseSession) -> SessionClosed | Reset:
        self.n_closings += 1
        for last in closed.last:
            if len(self.stored[last.stream_id]) < last.seq:
                return Reset(stream_id=last.stream_id, seq=len(self.stored[last.stream_id]))
        self.closed.append(closed)
        return SessionClosed(session_id=closed.session_id)


ServeWire = Callable[..., Awaitable[Server]]


@asynccontextmanager
async def serving(wire: WireServer, *, port: int = 0) -> AsyncIterator[Server]:
    async with serve(
        wire.handle,
        "127.0.0.1",
        port,
        subprotocols=[Subprotocol(name) for name in wire.subprotocols],
        compression=None,
        ping_interval=None,
        close_timeout=0.2,
    ) as server:
        wire.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield server


Until = Callable[[Callable[[], object]], Awaitable[None]]


async def _until(is_true: Callable[[], object]) -> None:
    async with asyncio.timeout(20.0):
        while not is_true():  # noqa: ASYNC110 - plain attributes have no event to wait for
            await asyncio.sleep(0)


@pytest.fixture
def until() -> Until:
    """Wait until something in the agent is true."""
    return _until


@pytest.fixture
def make_wire() -> type[WireServer]:
    return WireServer


@pytest.fixture
def serve_wire() -> Callable[..., Any]:
    return serving


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    server = WireServer()
    async with serving(server):
        yield server


@pytest.fixture
def data_dir() -> Path:
    """The folder of real recordings; tests that need it skip where it is absent."""
    import os

    path = Path(os.environ.get("BECALM_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real recordings at {path}")
    return path
