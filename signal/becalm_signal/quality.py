"""Can a signal carry indices? Flat, stuck and saturated stretches, judged in half-second segments."""

from collections import deque
from dataclasses import dataclass

from becalm_protocol.derived import Reason

SEGMENT_S = 0.5
# A clipped R wave touches the rail for some 30 ms a second; an amplifier at its rail stays there.
SATURATED_SHARE = 0.3
# Coarse signals repeat their extremes all the time; a rail is only a rail in a signal of some resolution.
MIN_SATURATED_COUNTS = 24


@dataclass(frozen=True, slots=True)
class _Segment:
    low: float
    high: float
    railed: float
    """Share of samples that lie exactly on the lowest or the highest value."""


class RangeWatch:
    """Flat or saturated: `step(x)` returns True when a segment ended and `reason` was judged anew.

    `flat_range` is the largest range, in the unit of the signal, over `window_s` that no living signal stays within.
    """

    def __init__(self, rate_hz: float, *, window_s: float, flat_range: float, unit_per_count: float) -> None:
        self._n_segment = max(2, round(SEGMENT_S * rate_hz))
        self._flat_range = flat_range
        self._saturated_range = MIN_SATURATED_COUNTS * unit_per_count
        self._segments: deque[_Segment] = deque(maxlen=max(2, round(window_s / SEGMENT_S)))
        self._open: list[float] = []
        self.reason: Reason | None = None

    def restart(self) -> None:
        """Begin again after a gap; the last judgement stays until a new window is full."""
        self._segments.clear()
        self._open.clear()

    def step(self, x: float) -> bool:
        """Take one sample."""
        self._open.append(x)
        if len(self._open) < self._n_segment:
            return False
        low, high = min(self._open), max(self._open)
        railed = (self._open.count(low) + self._open.count(high)) / len(self._open)
        self._segments.append(_Segment(low, high, railed))
        self._open.clear()
        self.reason = self._judge()
        return True

    def _judge(self) -> Reason | None:
        segments = self._segments
        if len(segments) < (segments.maxlen or 0):
            return self.reason
        low = min(segment.low for segment in segments)
        high = max(segment.high for segment in segments)
        if high - low <= self._flat_range:
            return Reason.FLAT
        recent = list(segments)[-2:]
        at_rail = all(s.railed > SATURATED_SHARE and (s.low == low or s.high == high) for s in recent)
        if at_rail and high - low >= self._saturated_range:
            return Reason.SATURATED
        return None
