"""Where a heart has no rhythm: flags there are on sound beats, and breaks hide what is as uneven."""

import math
from collections import deque
from collections.abc import Iterator

from becalm_protocol.units import NS_PER_S
from becalm_signal.intervals import Interval

# Flagged intervals that come to so many usual ones are a misread beat or two. What is off by more than two deviations
# of a usual difference (0.7 is one, for independent intervals) is none, what is off by this share no rhythm.
STEP_DEVIATIONS = 2.0
STEP_MS = 5.0
LOST_SHARE = 0.15
# An interval as of early beats.
EARLY_SHARE = 0.85
# Mean square of usual differences, and the usual interval: over so many.
DIFFERENCES_OVER, INTERVALS_OVER = 20.0, 4.0
# So many intervals that are nothing of the kind within this time are a heart without a rhythm.
N_ODD = 2
# Or one among so many flagged ones in a row.
LONG_RUN = 3
LOST_NS = 20 * NS_PER_S
# The last of a longer run say as much.
MAX_RUN = 64


class RhythmWatch:
    """Follows confirmed intervals one by one. State: the flagged ones under way and when the last odd ones were.

    Notes
    -----
    Delay: the second odd interval in 20 s, or one of three flagged ones in a row. Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._usual_ms2 = self._usual_ms = 0.0
        self._before_ms: float | None = None
        self._run: list[Interval] = []
        self._odd_ns: deque[int] = deque(maxlen=N_ODD)
        self._lost_ns: int | None = None

    def hear(self, rr: Interval, *, is_placed: bool) -> int | None:
        """Take an interval.

        Parameters
        ----------
        rr : confirmed, in order
        is_placed : the beats at its ends look like those of this heart, so that its length is known

        Returns
        -------
        since when there is no rhythm, session time in ns; None where there is one
        """
        if not rr.joined:
            self._judge(rr.t_ns, broken=True)
            self._before_ms = None
        if rr.is_sound:
            self._judge(rr.t_ns, broken=False)
            self._learn(rr.rr_ms)
        else:
            self._before_ms = None
            if is_placed:
                self._run.append(rr)
                del self._run[:-MAX_RUN]
            else:
                self._run.clear()
        if self._lost_ns is None or rr.t_ns - self._lost_ns > LOST_NS:
            return None
        return self._lost_ns - LOST_NS

    def _learn(self, rr_ms: float) -> None:
        if self._before_ms is not None:
            self._usual_ms2 += ((rr_ms - self._before_ms) ** 2 - self._usual_ms2) / DIFFERENCES_OVER
        self._before_ms = rr_ms
        self._usual_ms += (rr_ms - self._usual_ms) / INTERVALS_OVER if self._usual_ms else rr_ms

    def _judge(self, t_ns: int, *, broken: bool) -> None:
        """Judge a run of flagged intervals that has ended."""
        if not self._run:
            return
        if self._usual_ms:
            lost_ms = LOST_SHARE * self._usual_ms
            off_ms = max(STEP_MS, STEP_DEVIATIONS * math.sqrt(self._usual_ms2))
            for rr in self._odd(off_ms=min(off_ms, lost_ms), broken=broken):
                rr.is_doubted = True
            n_odd = len(list(self._odd(off_ms=lost_ms, broken=broken)))
            self._odd_ns.extend([t_ns] * (N_ODD if n_odd and len(self._run) >= LONG_RUN else n_odd))
        self._run.clear()
        if len(self._odd_ns) == N_ODD and t_ns - self._odd_ns[0] <= LOST_NS:
            self._lost_ns = t_ns

    def _odd(self, *, off_ms: float, broken: bool) -> Iterator[Interval]:
        """Yield the intervals of the run that neither misread nor early beats explain."""
        early_ms = EARLY_SHARE * self._usual_ms
        run, at = self._run, 0
        while at < len(run):
            one, two = run[at].rr_ms, [rr.rr_ms for rr in run[at : at + 2]]
            if self._in_step(one, off_ms=off_ms):
                at += 1
            elif len(two) > 1 and (self._is_misread(sum(two), off_ms=off_ms) or self._is_early(*two)):
                at += 2
            elif (broken and len(two) == 1 and one <= early_ms) or (not run[at].joined and one > self._usual_ms):
                at += 1
            else:
                yield run[at]
                at += 1

    def _in_step(self, length_ms: float, *, off_ms: float) -> bool:
        return abs(length_ms / max(1, round(length_ms / self._usual_ms)) - self._usual_ms) <= off_ms

    def _is_misread(self, two_ms: float, *, off_ms: float) -> bool:
        """Whether two intervals are one with a beat too many, or two with one out of place."""
        return two_ms < 2.5 * self._usual_ms and self._in_step(two_ms, off_ms=off_ms)

    def _is_early(self, short_ms: float, after_ms: float) -> bool:
        usual_ms, lost_ms = self._usual_ms, LOST_SHARE * self._usual_ms
        if short_ms > EARLY_SHARE * usual_ms:
            return False
        return usual_ms - lost_ms <= after_ms <= 2.0 * (usual_ms + lost_ms) - short_ms
