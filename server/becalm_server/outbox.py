"""What one client is still to be sent, bounded, with a policy for each kind of frame.

Waveforms drop the oldest and say so in a gap; metrics conflate to the newest second, what is told of agents to the
newest; everything else waits in order, and a client that lets too much of it pile up is disconnected. What is repeated
for a client that came back goes first.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from becalm_protocol.derived import Metrics
from becalm_protocol.errors import CloseCode
from becalm_protocol.events import Gap, GapReason
from becalm_protocol.handshake import AgentPresence, ServerToClient, Waveform
from becalm_protocol.live import Subscribed
from becalm_server.frames import LiveFrame

# Three signals at four frames a second make 12 a second: five seconds of drawing, and then it is old anyway.
MAX_WAVEFORMS = 64
# One packet of a chest strap settles two or three ticks at once: all of them reach a client that keeps up.
MAX_METRICS = 4
# Beats, breaths and changes of state come about four times a second: a minute of them.
MAX_OTHERS = 256


@dataclass(slots=True)
class _Lost:
    """Waveform of one stream that was dropped since the client last heard of a gap."""

    session_id: str
    start_ns: int
    end_ns: int
    n_samples: int


class Outbox:
    """Filled by the hub without waiting, emptied by one sender."""

    def __init__(self) -> None:
        self._repeated: dict[str, deque[LiveFrame | ServerToClient]] = {}
        """By session."""
        self._pending: dict[int, LiveFrame | ServerToClient] = {}
        self._n_put = 0
        self._waveforms: deque[int] = deque()
        self._metrics: deque[int] = deque()
        self._presence = -1
        """Number of the newest; meaningless once that is sent."""
        self._lost: dict[str, _Lost] = {}
        self._filled = asyncio.Event()
        self._n_dropped = 0
        self._n_conflated = 0
        self._peak = 0
        self.closing: CloseCode | None = None
        """Set where the client is to be disconnected."""
        self.is_repeating = False
        """Whether what get() returned last is repeated: it was published long before this client asked."""

    def put_nowait(self, item: LiveFrame | ServerToClient) -> None:
        """Take one more frame or message."""
        if self.closing is not None:
            return
        event = item.event if isinstance(item, LiveFrame) else None
        if isinstance(event, Waveform):
            self._waveforms.append(self._n_put)
        elif isinstance(event, Metrics):
            self._metrics.append(self._n_put)
        elif isinstance(item, AgentPresence):
            self._pending.pop(self._presence, None)
            self._presence = self._n_put
        self._pending[self._n_put] = item
        self._n_put += 1
        self._bound()
        self._peak = max(self._peak, len(self._pending))
        self._filled.set()

    def repeat(self, heading: Subscribed, *, frames: Iterable[LiveFrame]) -> None:
        """Send kept frames of a session, in place of all of it that still waits here. The feed bounds them."""
        if self.closing is not None:
            return
        self.discard(heading.session_id)
        self._repeated[heading.session_id] = deque((heading, *frames))
        self._filled.set()

    def discard(self, session_id: str) -> None:
        """Send nothing of a session that still waits here."""
        for waiting in [n for n, item in self._pending.items() if getattr(item, "session_id", None) == session_id]:
            self._take(waiting)
        self._lost = {stream_id: lost for stream_id, lost in self._lost.items() if lost.session_id != session_id}
        self._repeated.pop(session_id, None)

    def close_nowait(self, code: CloseCode) -> None:
        """Ask the sender to disconnect the client."""
        self.closing = self.closing or code
        self._filled.set()

    async def get(self) -> LiveFrame | ServerToClient | None:
        """Return the next item once there is one; None when the client is to be disconnected."""
        while True:
            if self.closing is not None:
                return None
            self.is_repeating = bool(self._repeated)
            if self._repeated:
                return self._take_repeated()
            if self._lost:
                return self._gap()
            if self._pending:
                return self._take(next(iter(self._pending)))
            self._filled.clear()
            await self._filled.wait()

    def statistics(self) -> dict[str, int]:
        """Depth, peak, dropped waveforms and metrics that newer ones replaced."""
        return {
            "depth": sum(map(len, self._repeated.values())) + len(self._pending),
            "peak": self._peak,
            "dropped": self._n_dropped,
            "conflated": self._n_conflated,
        }

    def _take_repeated(self) -> LiveFrame | ServerToClient:
        session_id, items = next(iter(self._repeated.items()))
        item = items.popleft()
        if not items:
            del self._repeated[session_id]
        return item

    def _take(self, number: int) -> LiveFrame | ServerToClient:
        for numbers in (self._waveforms, self._metrics):
            if number in numbers:
                numbers.remove(number)
        return self._pending.pop(number)

    def _bound(self) -> None:
        if len(self._waveforms) > MAX_WAVEFORMS:
            self._drop_waveform(self._pending.pop(self._waveforms.popleft()))
        if len(self._metrics) > MAX_METRICS:
            del self._pending[self._metrics.popleft()]
            self._n_conflated += 1
        if len(self._pending) - len(self._waveforms) > MAX_OTHERS:
            self._pending.clear()
            self.close_nowait(CloseCode.OVERLOADED)

    def _drop_waveform(self, item: LiveFrame | ServerToClient) -> None:
        if not (isinstance(item, LiveFrame) and isinstance(item.event, Waveform)):
            return
        wave = item.event
        end_ns = wave.t_ns + round(wave.sample_period_ns * len(wave.values))
        lost = self._lost.setdefault(wave.stream_id, _Lost(item.session_id, wave.t_ns, end_ns, 0))
        lost.start_ns, lost.end_ns = min(lost.start_ns, wave.t_ns), max(lost.end_ns, end_ns)
        lost.n_samples += len(wave.values)
        self._n_dropped += 1

    def _gap(self) -> LiveFrame:
        stream_id = next(iter(self._lost))
        lost = self._lost.pop(stream_id)
        gap = Gap(
            stream_id=stream_id,
            received_ns=lost.end_ns,
            start_ns=lost.start_ns,
            end_ns=lost.end_ns,
            n_missing=lost.n_samples,
            reason=GapReason.SLOW_CLIENT,
        )
        return LiveFrame(gap, ledger=None, queued_ns=time.monotonic_ns(), session_id=lost.session_id, seq=None)
