"""Durations of one kind: the newest few thousand for percentiles, and all of them counted in buckets."""

from bisect import bisect_left
from collections import deque

from becalm_protocol.units import NS_PER_MS, NS_PER_S

# At 20 frames a second this looks three minutes back.
N_KEPT = 4_096
BOUNDS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000)
_BOUNDS_NS = tuple(bound_ms * NS_PER_MS for bound_ms in BOUNDS_MS)


class Latency:
    """Keeps the newest durations; percentile() answers in milliseconds."""

    def __init__(self) -> None:
        self._newest_ns: deque[int] = deque(maxlen=N_KEPT)
        self._n_within = [0] * (len(_BOUNDS_NS) + 1)
        self._sum_ns = 0

    def add(self, spent_ns: int) -> None:
        """Keep one duration."""
        self._newest_ns.append(spent_ns)
        self._n_within[bisect_left(_BOUNDS_NS, spent_ns)] += 1
        self._sum_ns += spent_ns

    @property
    def n_added(self) -> int:
        """All durations that were ever added."""
        return sum(self._n_within)

    @property
    def sum_s(self) -> float:
        """Their sum."""
        return self._sum_ns / NS_PER_S

    def buckets(self) -> list[tuple[float, int]]:
        """Return (bound in seconds, how many did not exceed it), the last bound infinite."""
        bounds_s = [*(bound_ns / NS_PER_S for bound_ns in _BOUNDS_NS), float("inf")]
        counted, n_so_far = [], 0
        for bound_s, n_more in zip(bounds_s, self._n_within, strict=True):
            n_so_far += n_more
            counted.append((bound_s, n_so_far))
        return counted

    def percentile_ms(self, share_pct: float) -> float | None:
        """Return the duration that `share_pct` of them do not exceed; None before the first."""
        if not self._newest_ns:
            return None
        ordered = sorted(self._newest_ns)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share_pct / 100))] / NS_PER_MS
