"""Time-domain indices of a window of intervals, each with its bound (Task Force 1996, 10.1161/01.CIR.93.5.1043).

Bounds speak of *measuring this window*: timing jitter, and what flags and breaks keep out of it. They do not say how
much the heart itself varies from one window to the next.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from becalm_protocol.derived import Index, Reason
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95, of_count
from becalm_signal.differences import IRREGULAR_SHARE, MIN_SPREAD, NEIGHBOURS, Differences, differences, outlying
from becalm_signal.holes import Hole
from becalm_signal.hrv import MAX_BOUND_SHARE, MAX_EARLY_SHARE, MIN_PAIRS, rmssd_index, why_short
from becalm_signal.intervals import Interval, jitter_ms, newest_ns
from becalm_signal.packet_clock import CRYSTAL_SD

NAMES = ("mean_rr_ms", "rmssd_ms", "sdnn_ms", "pnn50_pct", "sd1_ms", "sd2_ms")
PNN50_MS = 50.0
# A share near nothing has no small share of itself for a bound.
MAX_PNN50_BOUND_PCT = 5.0
# Intervals a twelfth of a window apart say something new of each other, and their squares those half as far; of the
# level nothing does within a hole.
ALIKE_SHARE = 24.0


def time_domain(window: Sequence[Interval], *, now_ns: int, window_s: float) -> dict[str, Index]:
    """Return the indices by `NAMES`, each with its bound or its reason.

    Parameters
    ----------
    window : intervals of the last `window_s` seconds in order, shape (n_beats,); accepted ones count
    now_ns : end of the window, session time in ns
    window_s : length of the window in s

    Returns
    -------
    the indices, in the unit of their names

    Notes
    -----
    Delay: one to two beats. Warm-up: 80 % of the window in accepted intervals.

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043; Brennan et al. 2001, DOI 10.1109/10.959330.
    """
    short = why_short(window, window_s=window_s)
    if short is not None:
        return dict.fromkeys(NAMES, Index(reason=short))
    found = differences(window, since_ns=now_ns - round(window_s * NS_PER_S))
    if found is None or len(found.steps_ms) < MIN_PAIRS:
        return dict.fromkeys(NAMES, Index(reason=Reason.TOO_FEW_BEATS))
    rmssd = rmssd_index(found, window)
    told = _Spread(window, found, window_s=window_s)
    sdnn, sd1 = told.sdnn(), _sd1(found, rmssd)
    return {
        "mean_rr_ms": told.mean(),
        "rmssd_ms": rmssd,
        "sdnn_ms": sdnn,
        "pnn50_pct": _pnn50(found, told, window),
        "sd1_ms": sd1,
        "sd2_ms": _sd2(sdnn, sd1),
    }


def logarithm(index: Index) -> Index:
    """Return the natural logarithm of an index with the wider half of its interval.

    Parameters
    ----------
    index : above 0, in any unit, with its bound

    Returns
    -------
    its logarithm
    """
    if index.value is None or index.bound is None:
        return index
    return Index(value=math.log(index.value), bound=-math.log1p(-index.bound / index.value), sample_ns=index.sample_ns)


class _Spread:
    """Mean and deviation of the accepted intervals, and what is missing of them."""

    def __init__(self, window: Sequence[Interval], found: Differences, *, window_s: float) -> None:
        told_ms = [rr.rhythm_ms for rr in window if rr.accepted]
        self.n = len(told_ms)
        self.mean_ms = sum(told_ms) / self.n
        self.variance = sum([(rr - self.mean_ms) ** 2 for rr in told_ms]) / (self.n - 1)
        self.sample_ns = newest_ns(window)
        self.jitter_ms = math.sqrt(2.0) * jitter_ms(window)
        self._holes = found.holes
        n_beats = [self._n_beats(hole) for hole in found.holes]
        alike_s = window_s / ALIKE_SHARE
        self.missing = math.sqrt(sum(k * k for k in n_beats)) / self.n
        alike = (k * k / max(1.0, k * self.mean_ms / 1000.0 / alike_s) for k in n_beats)
        self.missing_of_spread = math.sqrt(sum(alike)) / self.n
        self.n_unseen = sum(hole.n_unseen(self.mean_ms) for hole in found.holes if hole.is_irregular)
        self.unseen_ms2 = self.n_unseen * (IRREGULAR_SHARE * self.mean_ms) ** 2
        self._outliers_ms = found.outliers_ms
        self._hidden_ms2 = found.hidden_ms2 / self.n

    def _n_beats(self, hole: Hole) -> int:
        return hole.n_beats(self.mean_ms)

    def mean(self) -> Index:
        deviation_ms = math.sqrt(self.variance)
        doubted = [rr for hole in self._holes for rr in hole.doubted_ms()]
        clock_ms = CRYSTAL_SD * self.mean_ms  # the same in every beat: it does not average out
        # Those of one irregular stretch have a level of their own.
        unseen_ms = math.hypot(math.sqrt(self.unseen_ms2), self.n_unseen * deviation_ms) / self.n
        bound_ms = Z_95 * math.hypot(self.jitter_ms / self.n, self.missing * deviation_ms, unseen_ms, clock_ms)
        odd_ms = [rr - self.mean_ms for rr in (*doubted, *self._outliers_ms)]
        longer_ms, shorter_ms = sum([rr for rr in odd_ms if rr > 0.0]), -sum([rr for rr in odd_ms if rr < 0.0])
        return self._index(self.mean_ms, bound_ms + max(longer_ms, shorter_ms) / self.n)

    def sdnn(self) -> Index:
        value = math.sqrt(self.variance)
        if value == 0.0:
            return Index(reason=Reason.NOISY)
        inflated = value - math.sqrt(max(0.0, self.variance - self.jitter_ms**2))
        jitter = inflated + Z_95 * self.jitter_ms / math.sqrt(self.n)
        missing = Z_95 * MIN_SPREAD * self.missing_of_spread * value / 2.0
        gained = self.unseen_ms2
        gained += sum((rr - self.mean_ms) ** 2 for hole in self._holes for rr in hole.doubted_ms())
        doubted = math.sqrt(self.variance + gained / self.n) - value
        return self._index(value, math.hypot(jitter, missing) + doubted, early=self._outlying(value))

    def _outlying(self, value: float) -> float:
        """Return how far the deviation may be moved by leaving any of the intervals at early beats out, seen or not."""
        gained = [((rr - self.mean_ms) ** 2 - self.variance) / (self.n - 1) for rr in self._outliers_ms]
        beside_ms2 = 2.0 * value * math.sqrt(self._hidden_ms2 / self.n)
        less = self.variance - sum([one for one in gained if one > 0.0]) - math.hypot(self._hidden_ms2, beside_ms2)
        more = self.variance - sum([one for one in gained if one < 0.0]) + max(0.0, beside_ms2 - self._hidden_ms2)
        return max(value - math.sqrt(max(0.0, less)), math.sqrt(more) - value)

    def _index(self, value: float, bound: float, *, early: float = 0.0) -> Index:
        if early > MAX_EARLY_SHARE * value:
            return Index(reason=Reason.TOO_MANY_ARTEFACTS)
        if bound > MAX_BOUND_SHARE * value:
            return Index(reason=Reason.TOO_MANY_ARTEFACTS if self.missing > 0.0 else Reason.NOISY)
        return Index(value=value, bound=bound + early, sample_ns=self.sample_ns)


def _pnn50(found: Differences, told: _Spread, window: Sequence[Interval]) -> Index:
    """Bound: differences that jitter or early beats may have moved across 50 ms, and those that were left out."""
    n = len(found.steps_ms)
    jitter_ms2 = 3.0 * told.jitter_ms**2
    near = sum([_swapped(before, rr, jitter_ms2) for before, rr in pairwise(window) if rr.step_ms is not None])
    beyond = sum([abs(step) > PNN50_MS for step in found.steps_ms])
    left_out = sum(hole.n_beats(told.mean_ms) + 1 for hole in found.holes)
    share = (beyond + 1.0) / (n + 2.0)
    doubted = sum(abs(step) > PNN50_MS for hole in found.holes for step in hole.doubted_steps_ms() if any(hole.doubted))
    doubted += sum(hole.n_unseen(told.mean_ms) for hole in found.holes if hole.is_irregular)
    missing = NEIGHBOURS * math.sqrt(left_out * share * (1.0 - share))
    bound_pct = 100.0 * (
        math.hypot(of_count(math.sqrt(near)) / n, Z_95 * missing / (n + left_out)) + doubted / (n + left_out)
    )
    carried_pct = 100.0 * outlying(_carried(window, found), has_early=found.has_early) / n
    hidden_pct = 100.0 * _hidden(found) / n if found.n_hidden else 0.0
    value_pct = 100.0 * beyond / n
    if carried_pct > max(MAX_PNN50_BOUND_PCT, MAX_EARLY_SHARE * value_pct):
        return Index(reason=Reason.TOO_MANY_ARTEFACTS)
    if bound_pct > max(MAX_PNN50_BOUND_PCT, MAX_BOUND_SHARE * value_pct):
        return Index(reason=Reason.TOO_MANY_ARTEFACTS if left_out else Reason.NOISY)
    return Index(value=value_pct, bound=math.hypot(bound_pct, carried_pct + hidden_pct), sample_ns=told.sample_ns)


def _carried(window: Sequence[Interval], found: Differences) -> list[int]:
    """Return how many differences each beat that may be early has carried across the limit."""
    carried = [0] if window[0].may_be_early(has_early=found.has_early) else []
    for before, rr in pairwise(window):
        if rr.may_be_early(has_early=found.has_early):
            carried.append(0)
        if carried and rr.step_ms is not None:
            without_ms = rr.step_ms + rr.early_ms - before.early_ms
            carried[-1] += (abs(rr.step_ms) > PNN50_MS) != (abs(without_ms) > PNN50_MS)
    return carried


def _hidden(found: Differences) -> float:
    """Return how many differences the early beats that no swing is told from have carried across the limit."""
    carried = [(abs(step + found.unseen_ms) > PNN50_MS) - (abs(step) > PNN50_MS) for step in found.steps_ms]
    return 2.0 * found.n_hidden * max(carried.count(1), carried.count(-1)) / len(carried)


def _swapped(before: Interval, rr: Interval, jitter_ms2: float) -> float:
    """Return the variance of the side of the limit on which a difference lies."""
    sd_ms = math.sqrt(jitter_ms2 + before.rhythm_error_ms**2 + rr.rhythm_error_ms**2)
    beyond_ms = abs(abs(rr.step_ms or 0.0) - PNN50_MS)
    if beyond_ms > 5.0 * sd_ms:
        return 0.0
    wrong = 0.5 * math.erfc(beyond_ms / (math.sqrt(2.0) * sd_ms))
    return wrong * (1.0 - wrong)


def _sd1(found: Differences, rmssd: Index) -> Index:
    """Return the deviation across the line of identity: that of the differences, over root two."""
    if rmssd.value is None or rmssd.bound is None:
        return rmssd
    n = len(found.steps_ms)
    mean_ms = sum(found.steps_ms) / n
    value = math.sqrt(max(0.0, found.mean_square - mean_ms**2) * n / (n - 1) / 2.0)
    return Index(value=value, bound=rmssd.bound * value / rmssd.value, sample_ns=rmssd.sample_ns)


def _sd2(sdnn: Index, sd1: Index) -> Index:
    """Return the deviation along the line of identity (Brennan 2001, 10.1109/10.959330)."""
    if sdnn.value is None or sdnn.bound is None:
        return sdnn
    if sd1.value is None or sd1.bound is None:
        return sd1
    square = 2.0 * sdnn.value**2 - sd1.value**2
    if square <= 0.0:
        return Index(reason=Reason.NOISY)
    value = math.sqrt(square)
    bound = math.hypot(2.0 * sdnn.value * sdnn.bound, sd1.value * sd1.bound) / value
    if bound > MAX_EARLY_SHARE * value:  # the rest is bounded by less in both
        return Index(reason=Reason.TOO_MANY_ARTEFACTS)
    return Index(value=value, bound=bound, sample_ns=sdnn.sample_ns)
