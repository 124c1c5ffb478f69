"""Heart rate and its variability from confirmed beats, over sliding windows."""

import itertools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import pvariance

from becalm_protocol.derived import Beat, BeatFlag, Index, Reason
from becalm_protocol.events import UNTIMED_KINDS, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95
from becalm_signal.differences import Differences, differences
from becalm_signal.interval_log import IntervalLog
from becalm_signal.intervals import BEAT_JITTER_MS, Interval, jitter_ms, newest_ns
from becalm_signal.rr import MAX_RR_MS

WINDOW_S = 60.0
N_HEART_RATE = 5
# An ectopic beat is a beat: where some are about, the rate is that of the last ten intervals, early and late together.
# Accepted intervals alone are 8 bpm off on a real strap where every other beat is early, the ten 3 bpm.
N_HEART_RATE_ODD = 10
# One interval alone, the first after a break, may be two of them or half of one.
MIN_HEARD = 2
HEARD = frozenset({BeatFlag.OK, BeatFlag.ECTOPIC})
REPAIRED = frozenset({BeatFlag.MISSED, BeatFlag.EXTRA})
HEART_RATE_STALE_S = 3.0
# One beat may be hidden; where the next one does not come either, nothing is left that a rate could rest on.
OVERDUE_BEATS = 2.0
# From an R peak until its beat is told.
TOLD_S = 0.25
# A strap tells its intervals up to 4 s after the beat and once in 1-2 s.
STRAP_STALE_S = 6.5
# At rest.
USUAL_SPREAD_MS = 50.0
# Where the mean of a few intervals is known no better than this, they are no rhythm (atrial fibrillation: about 20 %).
MAX_RATE_BOUND_SHARE = 0.3
MIN_ACCEPTED_SHARE = 0.8
MAX_BOUND_SHARE = 0.15
# What flags may be to blame for: an artefact now and then must not show.
MAX_FLAGGED_SHARE = 0.05
MIN_PAIRS = 10


def rmssd_ms(rr_ms: Sequence[float]) -> float:
    """Return the root mean square of successive differences.

    Equals NeuroKit2's HRV_RMSSD on the same intervals.

    Parameters
    ----------
    rr_ms : intervals in ms, shape (n_beats,), n_beats >= 2

    Returns
    -------
    RMSSD in ms

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043.
    """
    steps = [(after - before) ** 2 for before, after in itertools.pairwise(rr_ms)]
    return math.sqrt(sum(steps) / len(steps))


def why_short(window: Sequence[Interval], *, window_s: float) -> Reason | None:
    """Return why a window holds too little of accepted intervals, or None where it holds enough.

    Parameters
    ----------
    window : confirmed intervals in order, shape (n_beats,)
    window_s : its length in s

    Returns
    -------
    the reason, or None
    """
    needed_ms = MIN_ACCEPTED_SHARE * window_s * 1000.0
    if sum([rr.rr_ms for rr in window if rr.accepted]) >= needed_ms:
        return None
    return Reason.TOO_MANY_ARTEFACTS if sum([rr.rr_ms for rr in window]) >= needed_ms else Reason.WARMING_UP


def rmssd_index(found: Differences, window: Sequence[Interval]) -> Index:
    """Return RMSSD with its bound, or why it is withheld.

    Parameters
    ----------
    found : mean square of the differences, in ms^2, and its doubts
    window : confirmed intervals in order, shape (n_beats,)

    Returns
    -------
    RMSSD in ms

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043.
    """
    mean = found.mean_square
    value = math.sqrt(mean)
    if value == 0.0:
        return Index(reason=Reason.NOISY)
    sigma_ms = jitter_ms(window)
    inflated = value - math.sqrt(max(0.0, mean - 6.0 * sigma_ms**2))
    jitter = inflated + Z_95 * math.sqrt(6.0 / len(found.steps_ms)) * sigma_ms
    flagged = Z_95 * found.repairing / (2.0 * value) + (math.sqrt(mean + found.doubted) - value)
    outlying = value - math.sqrt(max(0.0, mean - found.outlying))
    if max(flagged, outlying) > MAX_FLAGGED_SHARE * value:
        return Index(reason=Reason.TOO_MANY_ARTEFACTS)
    bound = math.hypot(jitter, flagged, outlying, Z_95 * found.sampling / (2.0 * value))
    if bound > MAX_BOUND_SHARE * value:
        return Index(reason=Reason.TOO_MANY_ARTEFACTS if found.sampling > 0.0 else Reason.NOISY)
    return Index(value=value, bound=bound, sample_ns=newest_ns(window))


@dataclass(frozen=True, slots=True)
class _Heard:
    """An interval that tells of the rate."""

    ms: float
    flag: BeatFlag
    error_ms: float | None
    is_repaired: bool = False


class BeatWindow:
    """The confirmed intervals of the last minute, and heart rate and RMSSD of them.

    Notes
    -----
    Delay: one to two beats. Warm-up: two intervals; for RMSSD 48 s of accepted ones.

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043; Definition of becalm: docs/indices.md.
    """

    def __init__(self, source: SignalKind) -> None:
        self._is_untimed = source in UNTIMED_KINDS
        self._stale_s = self._overdue_s = STRAP_STALE_S if self._is_untimed else HEART_RATE_STALE_S
        self._log = IntervalLog(WINDOW_S)
        self._heard: deque[_Heard] = deque(maxlen=N_HEART_RATE_ODD)
        self._open: Beat | None = None
        """The newest beat while it is provisional, if an interval of the rhythm seems to end there."""
        self._accepted_ns: int | None = None
        self._confirmed_ns: int | None = None
        self._newest_ns = 0
        self._cached: Index | None = None
        self._cached_rate: Index | None = None

    def apply(self, beat: Beat) -> None:
        """Take a beat; provisional ones only tell that the heart is still being heard."""
        self._newest_ns = max(self._newest_ns, beat.t_ns)
        if not beat.confirmed:
            if beat.flag in HEARD:
                self._accepted_ns = beat.t_ns
            self._open = beat if beat.flag is BeatFlag.OK and beat.rr_ms is not None else None
            if len(self._heard) < MIN_HEARD:
                self._cached_rate = None
            return
        if self._open is not None and self._open.beat_idx == beat.beat_idx:
            self._open = None
        self._confirmed_ns = beat.t_ns
        self._log.apply(beat)
        if beat.flag in REPAIRED and self._heard and beat.rr_ms is not None and beat.rr_corrected_ms is not None:
            # A missed beat has made one interval of two or three, an extra one two of one.
            n_beats = max(1, round(beat.rr_ms / beat.rr_corrected_ms))
            self._heard.extend(
                [_Heard(beat.rr_corrected_ms, BeatFlag.OK, beat.rr_error_ms, is_repaired=True)] * n_beats
            )
        elif beat.flag in HEARD and beat.rr_ms is not None:
            self._heard.append(_Heard(beat.rr_ms, beat.flag, beat.rr_error_ms))
            self._accepted_ns = max(beat.t_ns, self._accepted_ns or beat.t_ns)
        elif beat.rr_ms is None or beat.rr_ms > MAX_RR_MS:  # nobody knows what was in between
            self._heard.clear()
        self._cached = self._cached_rate = None

    def heart_rate(self, now_ns: int) -> Index:
        """Return 60000 / mean of the last five intervals (ten where ectopic ones are among them).

        Parameters
        ----------
        now_ns : the moment, session time in ns

        Returns
        -------
        heart rate in 1/min; bound: standard error of that mean (the rate varies from beat to beat), the jitter of both
            ends, and how far the last five are from the ten
        """
        if self._accepted_ns is None:
            return Index(reason=Reason.WARMING_UP)
        if now_ns - self._accepted_ns > self._stale_s * NS_PER_S:
            return Index(reason=Reason.TOO_FEW_BEATS)
        if self._cached_rate is None:
            self._cached_rate = self._rate()
            self._overdue_s = self._overdue_after_s(self._cached_rate)
        is_overdue = now_ns - self._newest_ns > self._overdue_s * NS_PER_S
        return Index(reason=Reason.TOO_FEW_BEATS) if is_overdue else self._cached_rate

    def _overdue_after_s(self, told: Index) -> float:
        """Return how long after a beat the next but one is overdue at the lowest rate within the bound."""
        if self._is_untimed or told.value is None or told.bound is None or told.bound >= told.value:
            return self._stale_s
        return OVERDUE_BEATS * 60.0 / (told.value - told.bound) + TOLD_S

    def _rate(self) -> Index:
        heard, newest_ns = list(self._heard), self._confirmed_ns
        if len(heard) < MIN_HEARD and self._open is not None and self._open.rr_ms is not None:
            heard.append(_Heard(self._open.rr_ms, self._open.flag, self._open.rr_error_ms))
            newest_ns = self._open.t_ns
        if len(heard) < MIN_HEARD:
            return Index(reason=Reason.TOO_FEW_BEATS)
        recent = heard[-N_HEART_RATE:]
        newest = sum([rr.ms for rr in recent]) / len(recent)
        if BeatFlag.ECTOPIC in [rr.flag for rr in recent]:
            recent = heard
        n = len(recent)
        mean = sum([rr.ms for rr in recent]) / n
        variance = sum([(rr.ms - mean) ** 2 for rr in recent]) / max(1, n - 1)
        if n < 3:  # they say little of their own spread
            variance = max(variance, self._usual_spread_ms2())
        ends_ms = math.hypot(math.sqrt(2.0) * BEAT_JITTER_MS, recent[0].error_ms or 0.0, recent[-1].error_ms or 0.0)
        # What was not heard may have been an early beat: then the ten would count.
        other = heard if any([rr.is_repaired for rr in recent]) else recent
        far_ms = math.hypot(newest - mean, sum([rr.ms for rr in other]) / len(other) - mean)
        error_ms = math.hypot(Z_95 * math.sqrt(variance / n + (ends_ms / n) ** 2), far_ms)
        if error_ms > MAX_RATE_BOUND_SHARE * mean:
            return Index(reason=Reason.TOO_MANY_ARTEFACTS)
        rate_bpm = 60_000.0 / mean
        return Index(value=rate_bpm, bound=rate_bpm * error_ms / mean, sample_ns=newest_ns)

    def _usual_spread_ms2(self) -> float:
        """Return the variance of the last minute's intervals, early and late ones among them."""
        known = [rr.rr_ms for rr in self._log.intervals if rr.rr_ms <= MAX_RR_MS]
        return max(USUAL_SPREAD_MS**2, pvariance(known)) if known else USUAL_SPREAD_MS**2

    def rmssd(self, now_ns: int) -> Index:
        """Return RMSSD over the last 60 s in ms: adjacent accepted pairs, and what repaired beats hide of others.

        The bound is the error of *measuring this window*, not of how RMSSD varies from minute to minute (about 20 % in
        any 60 s, and that belongs to the heart): beat jitter adds 6 sigma^2 to the mean square and, through its product
        with the true differences, a normal error of sqrt(6 / n) sigma; what flags and breaks hide: `differences.py`.
        """
        if self._log.forget(now_ns) or self._cached is None:
            self._cached = self._rmssd(now_ns - round(WINDOW_S * NS_PER_S))
        return self._cached

    def _rmssd(self, since_ns: int) -> Index:
        window = self._log.intervals
        short = why_short(window, window_s=WINDOW_S)
        if short is not None:
            return Index(reason=short if window or self._confirmed_ns is None else Reason.TOO_FEW_BEATS)
        found = differences(window, since_ns=since_ns)
        if found is None or len(found.steps_ms) < MIN_PAIRS:
            return Index(reason=Reason.TOO_FEW_BEATS)
        return rmssd_index(found, window)
