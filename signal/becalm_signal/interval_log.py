"""The confirmed intervals of the last five minutes, as beats bring them."""

import math
from bisect import bisect_right
from itertools import pairwise
from operator import attrgetter

from becalm_protocol.derived import Beat
from becalm_protocol.units import NS_PER_S
from becalm_signal.early import EarlyWatch
from becalm_signal.intervals import BEAT_JITTER_MS, Interval, is_placed, is_sound
from becalm_signal.rhythm import RhythmWatch

LONG_S = 300.0
LONG_NS = round(LONG_S * NS_PER_S)
MAX_INTERVALS = round(4.2 * LONG_S)
_end_ns = attrgetter("t_ns")


class IntervalLog:
    """The confirmed intervals of one source. Bounded: at most `MAX_INTERVALS` of them."""

    def __init__(self) -> None:
        self._intervals: list[Interval] = []
        self._rhythm = RhythmWatch()
        self._early = EarlyWatch()
        self._joined = False

    def since(self, t_ns: int) -> list[Interval]:
        """Return the intervals that ended after a moment, in order."""
        return self._intervals[self._n_ended(t_ns) :]

    def _n_ended(self, t_ns: int) -> int:
        return bisect_right(self._intervals, t_ns, key=_end_ns)

    def apply(self, beat: Beat) -> None:
        """Take a confirmed beat."""
        joined, self._joined = self._joined, beat.rr_ms is not None
        if beat.rr_ms is None:
            return
        before = self._intervals[-1] if joined and self._intervals else None
        newest = Interval(
            beat.t_ns,
            beat.rr_ms,
            is_sound(beat),
            joined,
            # An interval has the errors of two beats.
            max(BEAT_JITTER_MS, (beat.rr_error_ms or 0.0) / math.sqrt(2.0)) ** 2,
        )
        self._intervals.append(newest)
        self._doubt(newest, is_placed=is_placed(beat))
        if self._early.hear(newest):
            self._step_anew()
        if before is not None and before.is_sound and newest.is_sound:
            newest.step_ms = newest.rhythm_ms - before.rhythm_ms
            before.accepted = newest.accepted = True
        n_kept = min(MAX_INTERVALS, len(self._intervals) - self._n_ended(beat.t_ns - LONG_NS))
        del self._intervals[: len(self._intervals) - n_kept]

    def _step_anew(self) -> None:
        """Take the differences of what now counts of the intervals."""
        for before, rr in pairwise(self._intervals):
            if rr.step_ms is not None:
                rr.step_ms = rr.rhythm_ms - before.rhythm_ms

    def _doubt(self, newest: Interval, *, is_placed: bool) -> None:
        lost_ns = self._rhythm.hear(newest, is_placed=is_placed)
        if lost_ns is None:
            return
        for rr in reversed(self._intervals):
            if rr.t_ns < lost_ns or (rr.is_irregular and rr is not newest):
                break
            rr.is_irregular = True
