"""How long the server takes to acknowledge: from the first sending of an event to the answer after its commit."""

from collections import deque
from collections.abc import Iterable

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_MS

# Half an hour of three sensors; older figures make room.
_MAX_KEPT = 20_000


@value
class Percentiles:
    """Milliseconds; None before the first acknowledgement."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class AckLatency:
    """Matches cumulative acknowledgements with sendings."""

    def __init__(self) -> None:
        self._sent: dict[str, deque[tuple[int, int]]] = {}
        self._newest_seq: dict[str, int] = {}
        self._kept_ms: deque[float] = deque(maxlen=_MAX_KEPT)

    def sent(self, stream_id: str, *, seq: int, sent_ns: int) -> None:
        """Note a sending; repeated ones do not count."""
        if seq <= self._newest_seq.get(stream_id, 0):
            return
        self._newest_seq[stream_id] = seq
        self._sent.setdefault(stream_id, deque(maxlen=_MAX_KEPT)).append((seq, sent_ns))

    def acked(self, stream_id: str, *, seq: int, acked_ns: int) -> None:
        """Note an acknowledgement of everything up to `seq`."""
        waiting = self._sent.get(stream_id, deque())
        while waiting and waiting[0][0] <= seq:
            self._kept_ms.append((acked_ns - waiting.popleft()[1]) / NS_PER_MS)

    def forget(self, stream_ids: Iterable[str]) -> None:
        """Drop what is kept of streams that have ended."""
        for stream_id in stream_ids:
            self._sent.pop(stream_id, None)
            self._newest_seq.pop(stream_id, None)

    def newest_seq(self, stream_id: str) -> int:
        """Return the highest number sent of a stream, 0 before the first."""
        return self._newest_seq.get(stream_id, 0)

    def percentiles(self) -> Percentiles:
        """Return the percentiles of what is kept."""
        ordered = sorted(self._kept_ms)
        if not ordered:
            return Percentiles(p50_ms=None, p95_ms=None, p99_ms=None)
        p50_ms, p95_ms, p99_ms = (round(ordered[int(share * (len(ordered) - 1))], 3) for share in (0.5, 0.95, 0.99))
        return Percentiles(p50_ms=p50_ms, p95_ms=p95_ms, p99_ms=p99_ms)
