"""The last few thousand durations of one kind, and their percentiles."""

from collections import deque

from becalm_protocol.units import NS_PER_MS

# At 20 frames a second this looks three minutes back.
N_KEPT = 4_096


class Latency:
    """Keeps the newest durations; percentile() answers in milliseconds."""

    def __init__(self) -> None:
        self._newest_ns: deque[int] = deque(maxlen=N_KEPT)

    def add(self, spent_ns: int) -> None:
        """Keep one duration."""
        self._newest_ns.append(spent_ns)

    def percentile_ms(self, share_pct: float) -> float | None:
        """Return the duration that `share_pct` of them do not exceed; None before the first."""
        if not self._newest_ns:
            return None
        ordered = sorted(self._newest_ns)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share_pct / 100))] / NS_PER_MS
