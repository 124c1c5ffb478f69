"""Who talks to the server: an agent and a front end, each as becalm messages over one WebSocket."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from becalm_protocol.codec import decode, encode
from becalm_protocol.errors import WireError
from becalm_protocol.events import StreamInfo
from becalm_protocol.forms import VERSIONS
from becalm_protocol.handshake import (
    Ack,
    AgentHello,
    AgentWelcome,
    ClientHello,
    ClientWelcome,
    CloseSession,
    Live,
    OpenSession,
    Ping,
    Pong,
    SessionClosed,
    SessionOpened,
    Source,
    StreamAck,
)
from becalm_protocol.live import Subscribe, Subscribed

# For the least urgent processes too, on a machine that does other tests beside these.
LIMIT_S = 120.0


class Peer:
    """One WebSocket to the server as becalm messages; heartbeats are answered while a test waits for others."""

    def __init__(self, connection: ClientConnection, subprotocol: str) -> None:
        self.connection = connection
        self.subprotocol = subprotocol
        self.heard: list[Any] = []
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self._listening: asyncio.Task[None] | None = None

    async def send(self, *messages: object) -> None:
        for message in messages:
            await self.connection.send(encode(message, subprotocol=self.subprotocol))

    async def next(self) -> Any:
        """The next message. Who has never asked for one is silent, as far as the server can tell."""
        self._listening = self._listening or asyncio.ensure_future(self._listen())
        message = await self._arrived.get()
        if isinstance(message, Exception):
            self._arrived.put_nowait(message)  # nothing comes after it
            raise message
        self.heard.append(message)
        return message

    async def _listen(self) -> None:
        """Answer heartbeats until the connection ends, or something comes that is no message."""
        try:
            while True:  # bounded by the connection
                message: Any = decode(await self.connection.recv(), subprotocol=self.subprotocol)
                self._arrived.put_nowait(message)
                if isinstance(message, Ping):
                    with contextlib.suppress(websockets.ConnectionClosed):  # what came before the close is still read
                        await self.send(self.pong(message))
        except (websockets.ConnectionClosed, WireError) as exc:  # told where the test asks next
            self._arrived.put_nowait(exc)

    def pong(self, ping: Ping) -> Pong:
        return Pong(sent_ns=ping.sent_ns)

    async def wait(self, wanted: type | Callable[[Any], bool]) -> Any:
        """The next message of a type, or for which a condition holds."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                message = await self.next()
                if isinstance(message, wanted) if isinstance(wanted, type) else wanted(message):
                    return message

    async def closed(self) -> int:
        """The code with which the server closes."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while True:
                    await self.next()
        except websockets.ConnectionClosed as exc:
            return exc.rcvd.code if exc.rcvd else 1006


class AgentPeer(Peer):
    """An agent with a session clock."""

    agent_id = "agent-of-tests"
    began_ns: int | None = None

    def now_ns(self) -> int | None:
        return None if self.began_ns is None else time.monotonic_ns() - self.began_ns

    def pong(self, ping: Ping) -> Pong:
        return Pong(sent_ns=ping.sent_ns, clock_ns=self.now_ns())

    async def hello(self, agent_id: str = agent_id) -> AgentWelcome:
        await self.send(AgentHello(versions=VERSIONS, agent_id=agent_id))
        welcome = await self.wait(AgentWelcome)
        assert isinstance(welcome, AgentWelcome)
        return welcome

    async def open(
        self, streams: Sequence[StreamInfo], *, session_id: str | None = None, source: Source = Source.LIVE
    ) -> SessionOpened:
        self.began_ns = self.began_ns or time.monotonic_ns()
        opening = OpenSession(
            session_id=session_id or secrets.token_hex(16),
            started_unix_ns=time.time_ns(),
            source=source,
            streams=tuple(streams),
        )
        await self.send(opening)
        opened = await self.wait(SessionOpened)
        assert isinstance(opened, SessionOpened)
        return opened

    async def wait_acks(self, wanted: dict[str, int]) -> None:
        """Return once every stream is acknowledged up to its number."""
        acked: dict[str, int] = {}
        while any(acked.get(stream_id, 0) < seq for stream_id, seq in wanted.items()):
            ack = await self.wait(Ack)
            acked |= {one.stream_id: one.seq for one in ack.acks}

    async def close_session(self, session_id: str, last: dict[str, int]) -> None:
        await self.send(
            CloseSession(session_id=session_id, last=tuple(StreamAck(stream_id=s, seq=n) for s, n in last.items()))
        )
        await self.wait(SessionClosed)


class ClientPeer(Peer):
    """A front end."""

    async def hello(self, *, waveforms: bool = True, follow: bool = True) -> ClientWelcome:
        """Say hello and, where the version needs it, that the session under way is wanted."""
        await self.send(ClientHello(versions=VERSIONS, client="test", waveforms=waveforms))
        welcome = await self.wait(ClientWelcome)
        assert isinstance(welcome, ClientWelcome)
        if welcome.version > 1 and follow:
            await self.send(Subscribe(waveforms=None if waveforms else ()))
        return welcome

    async def subscribe(self, wish: Subscribe) -> Subscribed:
        await self.send(wish)
        subscribed = await self.wait(Subscribed)
        assert isinstance(subscribed, Subscribed)
        return subscribed

    def frames(self) -> list[Live]:
        return [message for message in self.heard if isinstance(message, Live)]

    async def wait_live(self, event_type: type) -> Live:
        frame = await self.wait(lambda message: isinstance(message, Live) and isinstance(message.event, event_type))
        assert isinstance(frame, Live)
        return frame
