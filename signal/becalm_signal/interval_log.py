"""The confirmed intervals of the last so many seconds, as beats bring them."""

import math
from collections import deque
from itertools import pairwise

from becalm_protocol.derived import Beat
from becalm_protocol.units import NS_PER_S
from becalm_signal.early import EarlyWatch
from becalm_signal.intervals import BEAT_JITTER_MS, Interval, is_placed, is_sound
from becalm_signal.rhythm import RhythmWatch

MAX_PER_S = 4.2


class IntervalLog:
    """The confirmed intervals of the last so many seconds. Bounded: at most `MAX_PER_S` of them a second."""

    def __init__(self, window_s: float) -> None:
        self._window_ns = round(window_s * NS_PER_S)
        self.intervals: deque[Interval] = deque(maxlen=math.ceil(MAX_PER_S * window_s))
        self._rhythm = RhythmWatch()
        self._early = EarlyWatch()
        self._joined = False

    def apply(self, beat: Beat) -> tuple[Interval, ...]:
        """Take a confirmed beat; return the intervals that are accepted now, its own and maybe the one before."""
        joined, self._joined = self._joined, beat.rr_ms is not None
        if beat.rr_ms is None:
            return ()
        before = self.intervals[-1] if joined and self.intervals else None
        newest = Interval(
            beat.t_ns,
            beat.rr_ms,
            is_sound(beat),
            joined,
            # An interval has the errors of two beats.
            max(BEAT_JITTER_MS, (beat.rr_error_ms or 0.0) / math.sqrt(2.0)) ** 2,
        )
        self.intervals.append(newest)
        self._doubt(newest, is_placed=is_placed(beat))
        if self._early.hear(newest):
            self._step_anew()
        if before is None or not (before.is_sound and newest.is_sound):
            return ()
        newest.step_ms = newest.rhythm_ms - before.rhythm_ms
        told = (newest,) if before.accepted else (before, newest)
        before.accepted = newest.accepted = True
        return told

    def _step_anew(self) -> None:
        """Take the differences of what now counts of the intervals."""
        for before, rr in pairwise(self.intervals):
            if rr.step_ms is not None:
                rr.step_ms = rr.rhythm_ms - before.rhythm_ms

    def _doubt(self, newest: Interval, *, is_placed: bool) -> None:
        lost_ns = self._rhythm.hear(newest, is_placed=is_placed)
        if lost_ns is None:
            return
        for rr in reversed(self.intervals):
            if rr.t_ns < lost_ns or (rr.is_irregular and rr is not newest):
                break
            rr.is_irregular = True

    def forget(self, now_ns: int) -> bool:
        """Drop what ended before the window; return whether there was such."""
        intervals, n = self.intervals, len(self.intervals)
        while intervals and intervals[0].t_ns <= now_ns - self._window_ns:
            intervals.popleft()
        return len(intervals) < n
