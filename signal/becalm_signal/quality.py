"""Can a signal carry indices? Flat, stuck and saturated stretches, judged in half-second segments."""

import itertools
from collections import deque
from dataclasses import dataclass

from becalm_protocol.derived import Reason

SEGMENT_S = 0.5
# A clipped R wave touches the rail for some 30 ms a second; an amplifier at its rail stays there.
SATURATED_SHARE = 0.3
BOTH_RAILS_SHARE = 0.1
# A rail cuts a signal off in full stride; a waveform without noise comes to rest on its baseline in ever smaller steps.
STEEP_SHARE = 0.25
# Coarse signals repeat their extremes all the time; a rail is only a rail in a signal of some resolution.
MIN_SATURATED_COUNTS = 24


@dataclass(frozen=True, slots=True)
class _Segment:
    low: float
    high: float
    on_low: float
    """Share of samples that lie exactly on the lowest value."""
    on_high: float
    steepest: float
    """Largest step between neighbours."""
    into_low: float
    """Largest step of two samples that ends or begins on the lowest value."""
    into_high: float


def _segment(samples: list[float]) -> _Segment:
    low, high = min(samples), max(samples)
    return _Segment(
        low=low,
        high=high,
        on_low=samples.count(low) / len(samples),
        on_high=samples.count(high) / len(samples),
        steepest=max(abs(b - a) for a, b in itertools.pairwise(samples)),
        into_low=_stride(samples, low),
        into_high=_stride(samples, high),
    )


def _stride(samples: list[float], rail: float) -> float:
    """Return the largest distance from the rail two samples before it is reached, or after it is left."""
    return max(
        (abs(b - a) for a, _, b in zip(samples, samples[1:], samples[2:], strict=False) if rail in (a, b)), default=0.0
    )


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
        self._segments.append(_segment(self._open))
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
        if high - low >= self._saturated_range and self._at_rail(low, high):
            return Reason.SATURATED
        return None

    def _at_rail(self, low: float, high: float) -> bool:
        """Return whether the last second lies on both rails, or on one that cuts it off and is no resting level."""
        recent = list(self._segments)[-2:]
        on_low = [s.on_low if s.low == low else 0.0 for s in recent]
        on_high = [s.on_high if s.high == high else 0.0 for s in recent]
        if min(sum(on_low), sum(on_high)) > BOTH_RAILS_SHARE * len(recent):
            return True
        steep = STEEP_SHARE * max(segment.steepest for segment in self._segments)
        rails = (
            (on_low, [s.into_low for s in recent], sum(s.on_low for s in self._segments if s.low == low)),
            (on_high, [s.into_high for s in recent], sum(s.on_high for s in self._segments if s.high == high)),
        )
        return any(
            min(shares) > SATURATED_SHARE and max(strides) > steep and at_rest < len(self._segments) / 2
            for shares, strides, at_rest in rails
        )
