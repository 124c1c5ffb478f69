"""Can a signal carry indices? Flat, stuck and saturated stretches, judged in half-second segments."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

from becalm_protocol.derived import Reason

SEGMENT_S = 0.5
# A clipped R wave touches the rail for some 30 ms a second; an amplifier at its rail stays there.
SATURATED_SHARE = 0.3
BOTH_RAILS_SHARE = 0.1
# What is over only now still has as much of the last seconds on its rail.
RAIL_SHARE = 0.05
# A rail cuts a signal off in full stride; a waveform without noise comes to rest on its baseline in ever smaller steps.
STEEP_SHARE = 0.25
# Coarse signals repeat their extremes all the time; a rail is only a rail in a signal of some resolution.
MIN_SATURATED_COUNTS = 24


class Segment:
    """Half a second of samples."""

    def __init__(self, samples: list[float]) -> None:
        self.samples = samples
        self.low, self.high = min(samples), max(samples)

    def share_on(self, rail: float) -> float:
        """Return the share of samples that lie exactly on a value."""
        return self.samples.count(rail) / len(self.samples) if self.low <= rail <= self.high else 0.0

    def steepest(self) -> float:
        """Return the largest step between neighbours."""
        return max(abs(b - a) for a, b in pairwise(self.samples))

    def stride(self, rail: float) -> float:
        """Return the largest distance from the rail two samples before it is reached, or after it is left."""
        two_apart = zip(self.samples, self.samples[2:], strict=False)
        return max((abs(b - a) for a, b in two_apart if rail in (a, b)), default=0.0)


class RangeWatch:
    """Flat or saturated: `feed` returns True when a segment ended and `reason` was judged anew.

    `flat_range` is the largest range, in the unit of the signal, over `window_s` that no living signal stays within.

    Notes
    -----
    Delay and Warm-up: `window_s`, judged every half second.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float, *, window_s: float, flat_range: float, unit_per_count: float) -> None:
        self._n_segment = max(2, round(SEGMENT_S * rate_hz))
        self._flat_range = flat_range
        self._saturated_range = MIN_SATURATED_COUNTS * unit_per_count
        n_segments = max(2, round(window_s / SEGMENT_S))
        self._segments: deque[Segment] = deque(maxlen=n_segments)
        self._lows: deque[float] = deque(maxlen=n_segments)
        self._highs: deque[float] = deque(maxlen=n_segments)
        self._open: list[float] = []
        self.reason: Reason | None = None

    def restart(self) -> None:
        """Begin again after a gap; the last judgement stays until a new window is full."""
        for kept in (self._segments, self._lows, self._highs):
            kept.clear()
        self._open = []

    def pieces(self, samples: Sequence[float]) -> Iterator[Sequence[float]]:
        """Cut samples so that, where each piece is fed before the next is asked for, judgement comes at its end."""
        done = 0
        while done < len(samples):
            end = done + self.n_left
            yield samples[done:end]
            done = end

    def stops(self, n_samples: int) -> range:
        """Return after how many of so many samples to come judgement is due, the last of them left out."""
        return range(self.n_left, n_samples, self._n_segment)

    @property
    def n_left(self) -> int:
        """How many samples are left to the next judgement."""
        return self._n_segment - len(self._open)

    @property
    def newest(self) -> Segment:
        """The segment that ended with the last judgement."""
        return self._segments[-1]

    @property
    def n_alive(self) -> int:
        """How many samples at the end of what has been judged came after the last of a flat or saturated stretch."""
        *before, newest = self._segments
        low, high = min(segment.low for segment in before), max(segment.high for segment in before)
        if high - low <= self._flat_range:
            return len(newest.samples) - next(n for n, x in enumerate(newest.samples) if not low <= x <= high)
        samples = [x for segment in self._segments for x in segment.samples]
        rails = [x for x in (min(samples), max(samples)) if samples.count(x) > RAIL_SHARE * len(samples)]
        return next((n for n, x in enumerate(reversed(samples)) if x in rails), len(samples))

    def feed(self, samples: Sequence[float]) -> bool:
        """Take samples.

        Parameters
        ----------
        samples : in the unit of the signal, shape (n_samples,), not more than `n_left`

        Returns
        -------
        whether `reason` was judged anew
        """
        self._open += samples
        if len(self._open) < self._n_segment:
            return False
        newest = Segment(self._open)
        self._segments.append(newest)
        self._lows.append(newest.low)
        self._highs.append(newest.high)
        self._open = []
        self.reason = self._judge()
        return True

    def _judge(self) -> Reason | None:
        segments = self._segments
        if len(segments) < (segments.maxlen or 0):
            return self.reason
        low, high = min(self._lows), max(self._highs)
        if high - low <= self._flat_range:
            return Reason.FLAT
        if high - low >= self._saturated_range and self._at_rail(low, high):
            return Reason.SATURATED
        return None

    def _at_rail(self, low: float, high: float) -> bool:
        """Return whether the last second lies on both rails, or on one that cuts it off and is no resting level."""
        before, newest = recent = self._segments[-2], self._segments[-1]
        n_ends = sum([before.low == low, newest.low == low, before.high == high, newest.high == high])
        if n_ends < 2:  # both halves of the second reach the one rail, or there are two
            return False
        on_low = before.share_on(low), newest.share_on(low)
        on_high = before.share_on(high), newest.share_on(high)
        if min(sum(on_low), sum(on_high)) > 2.0 * BOTH_RAILS_SHARE:
            return True
        return (min(on_low) > SATURATED_SHARE and self._cuts_off(low, recent)) or (
            min(on_high) > SATURATED_SHARE and self._cuts_off(high, recent)
        )

    def _cuts_off(self, rail: float, recent: Sequence[Segment]) -> bool:
        """Return whether the signal comes to the rail in full stride, and does not rest there most of the time."""
        segments = self._segments
        steep = STEEP_SHARE * max(segment.steepest() for segment in segments)
        at_rest = sum(segment.share_on(rail) for segment in segments)
        return max(segment.stride(rail) for segment in recent) > steep and at_rest < len(segments) / 2
