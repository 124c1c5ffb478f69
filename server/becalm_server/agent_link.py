"""One connection of an agent: what it still has to be told, its sensors and its clock."""

import asyncio
from collections import deque

from becalm_protocol.errors import CloseCode
from becalm_protocol.events import value
from becalm_protocol.handshake import Ack, Held, SensorState, ServerToAgent, StreamAck

# Heartbeats, resets and session messages: a handful at a time; more means that nobody reads.
MAX_QUEUED = 256
AWAY = "The server's database is away. Feedback goes on, and everything is kept here until it is stored"


@value
class Goodbye:
    """Why a link is to be closed."""

    code: CloseCode
    detail: str


class AgentLink:
    """Filled without waiting, emptied by one sender. Acknowledgements are cumulative: only the newest waits."""

    def __init__(self, agent_id: str, *, person_id: str | None) -> None:
        self.agent_id = agent_id
        self.person_id = person_id
        """Whose body it stands beside."""
        self.sensors: tuple[SensorState, ...] = ()
        self.session_ids: set[str] = set()
        """Sessions this agent has opened on this link."""
        self.stream_ids: set[str] = set()
        """Streams of them, also once they have ended."""
        self.goodbye: Goodbye | None = None
        self._queue: deque[ServerToAgent] = deque()
        self._acks: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._filled = asyncio.Event()

    def put_nowait(self, message: ServerToAgent) -> None:
        """Queue a message; an agent that reads none of them is disconnected."""
        self._queue.append(message)
        if len(self._queue) > MAX_QUEUED:
            self._queue.clear()
            self.close_nowait(CloseCode.OVERLOADED, detail=f"expected an agent that reads, got {MAX_QUEUED} unread")
        self._filled.set()

    def ack_nowait(self, acks: dict[str, int]) -> None:
        """Queue acknowledgements, in place of older ones."""
        self._acks |= acks
        self._filled.set()

    def hold_nowait(self, held: dict[str, int]) -> None:
        """Queue what is kept in memory while the database is away, in place of what was told before."""
        self._held |= held
        self._filled.set()

    def close_nowait(self, code: CloseCode, *, detail: str) -> None:
        """Ask the sender to close the link; nothing more is accepted from it."""
        self.goodbye = self.goodbye or Goodbye(code=code, detail=detail)
        self._filled.set()

    async def get(self) -> ServerToAgent | None:
        """Return the next message once there is one; None when the link is to be closed."""
        while True:
            if self._queue:
                # An acknowledgement must not fall behind what was decided after it, nor delay it: it goes first.
                return self._take_acks() if self._acks else self._queue.popleft()
            if self._acks:
                return self._take_acks()
            if self._held:
                return self._take_held()
            if self.goodbye is not None:
                return None
            self._filled.clear()
            await self._filled.wait()

    def _take_acks(self) -> Ack:
        acks, self._acks = self._acks, {}
        return Ack(acks=tuple(StreamAck(stream_id=stream_id, seq=seq) for stream_id, seq in acks.items()))

    def _take_held(self) -> Held:
        held, self._held = self._held, {}
        return Held(held=tuple(StreamAck(stream_id=key, seq=seq) for key, seq in held.items()), detail=AWAY)
