"""What a sensor has ready for the next connection events: bounded, and where notifications are lost or mixed up."""

from collections import deque

from becalm_protocol.events import SignalKind, value
from becalm_protocol.units import NS_PER_MS
from becalm_simulator.gatt import Outgoing

# Twenty seconds of a strap, six of a belt: small sensors have no memory for more.
MAX_WAITING = 64
# Long enough for an ECG frame (one in 0.56 s) to be overtaken by the heart rate of its second.
OVERTAKING_NS = 700 * NS_PER_MS


@value
class _Waiting:
    since_ns: int
    outgoing: Outgoing


class Outbox:
    """A queue of notifications; where it is full the oldest is dropped. Pure: body times are given in.

    Samples that are dropped are counted in `lost`; of a packet in pieces, with the loss of any piece.
    """

    def __init__(self, lost: dict[SignalKind, int]) -> None:
        self._lost = lost
        self.is_doubling = False
        self.is_mixing = False
        """Let notifications of one characteristic overtake those of another, never those of their own."""
        self.n_to_lose = 0
        """How many of the next measurements are never sent."""
        self._waiting: deque[_Waiting] = deque()
        self._torn_in: set[str] = set()
        """Characteristics of which the packet now coming in has lost a piece."""
        self._torn_out: set[str] = set()
        """Those of which the oldest packet that waits has."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, outgoing: Outgoing, *, now_ns: int) -> None:
        """Queue what the sensor has measured."""
        if self.n_to_lose > 0:
            self.n_to_lose -= 1
            self._lose(outgoing, torn=self._torn_in)
        else:
            self.answer(outgoing, now_ns=now_ns)

    def answer(self, outgoing: Outgoing, *, now_ns: int) -> None:
        """Queue an answer, which a buffer overrun of measurements does not touch."""
        if len(self._waiting) >= MAX_WAITING:
            self._lose(self._waiting.popleft().outgoing, torn=self._torn_out)
        self._waiting.append(_Waiting(since_ns=now_ns, outgoing=self._told(outgoing, torn=self._torn_in)))

    def take(self, n_most: int, *, now_ns: int) -> list[Outgoing]:
        """Return what may leave in a connection event at this time, in order."""
        taken: list[Outgoing] = []
        while len(taken) < n_most and (waiting := self._next(now_ns)) is not None:
            taken.append(self._told(waiting.outgoing, torn=self._torn_out))
            if self.is_doubling and not waiting.outgoing.indicate:
                taken.append(Outgoing(uuid=waiting.outgoing.uuid, data=waiting.outgoing.data))
        return taken

    def due_ns(self) -> int | None:
        """Return from when on something may leave."""
        if not self._waiting:
            return None
        oldest_ns = self._waiting[0].since_ns
        return oldest_ns + OVERTAKING_NS if self.is_mixing and self._overtaking() is None else oldest_ns

    def clear(self) -> None:
        """Lose everything: the peer is gone."""
        for waiting in self._waiting:
            self._lose(waiting.outgoing, torn=self._torn_out)
        self._waiting.clear()
        self._torn_in.clear()
        self._torn_out.clear()

    def _next(self, now_ns: int) -> _Waiting | None:
        if not self._waiting:
            return None
        if self.is_mixing:
            if (place := self._overtaking()) is not None:
                overtaking = self._waiting[place]
                del self._waiting[place]
                return overtaking
            if self._waiting[0].since_ns + OVERTAKING_NS > now_ns:
                return None
        return self._waiting.popleft()

    def _overtaking(self) -> int | None:
        """Return the place of the first notification of another characteristic than the oldest one's."""
        oldest = self._waiting[0].outgoing.uuid
        return next((i for i, waiting in enumerate(self._waiting) if waiting.outgoing.uuid != oldest), None)

    def _lose(self, outgoing: Outgoing, *, torn: set[str]) -> None:
        if outgoing.kind is None:
            torn.add(outgoing.uuid)
        else:
            torn.discard(outgoing.uuid)
            for kind in outgoing.kinds:
                self._lost[kind] += outgoing.n_sent

    def _told(self, outgoing: Outgoing, *, torn: set[str]) -> Outgoing:
        """Return it as it is, or the last piece of a torn packet as one that completes no sample."""
        if outgoing.kind is None or outgoing.uuid not in torn:
            return outgoing
        self._lose(outgoing, torn=torn)
        return Outgoing(uuid=outgoing.uuid, data=outgoing.data, indicate=outgoing.indicate)
