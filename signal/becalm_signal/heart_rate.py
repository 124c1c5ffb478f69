"""Heart rate from confirmed beats: the mean of the last intervals, and how far off it may be."""

import math
from collections import deque
from dataclasses import dataclass
from statistics import pvariance

from becalm_protocol.derived import Beat, BeatFlag, Index, Reason
from becalm_protocol.events import UNTIMED_KINDS, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95
from becalm_signal.intervals import BEAT_JITTER_MS, is_placed
from becalm_signal.rr import MAX_RR_MS

N_HEART_RATE = 5
# An ectopic beat is a beat: where some are about, the rate is that of the last ten intervals, early and late together.
# Accepted intervals alone are 8 bpm off on a real strap where every other beat is early, the ten 3 bpm.
N_HEART_RATE_ODD = 10
# One interval alone, the first after a break, may be two of them or half of one, unless it is near those before the
# break: a missed beat makes it twice as long, a T wave or an early beat a third shorter. After longer breaks than this
# the heart may have another rate.
MIN_HEARD = 2
MAX_BREAK_S = 30.0
NEAR_SHORT, NEAR_LONG = 0.8, 1.25
HEARD = frozenset({BeatFlag.OK, BeatFlag.ECTOPIC})
REPAIRED = frozenset({BeatFlag.MISSED, BeatFlag.EXTRA})
HEART_RATE_STALE_S = 3.0
# One beat may be hidden; where the next one does not come either, nothing is left that a rate could rest on.
OVERDUE_BEATS = 2.0
# From an R peak until its beat is told.
TOLD_S = 0.25
# A strap tells its intervals up to 4 s after the beat and once in 1-2 s.
STRAP_STALE_S = 6.5
# So many beats in a row this much sooner than the last ones are another rhythm: halved by chance it would pass for a
# beat too many at a time, and what follows it for missed ones. None counts until so many in a row pass for neither.
RACING_SHARE, N_RACING, N_SETTLED = 0.7, 3, 3
# An irregular heart (atrial fibrillation: a spread of about 20 %) has such beats in a row in its own rhythm.
MAX_REGULAR_SPREAD_SHARE = 0.15
# At rest; and of how many intervals the own spread is known.
USUAL_SPREAD_MS, N_USUAL = 50.0, 60
# Where the mean of a few intervals is known no better than this, they are no rhythm (atrial fibrillation: about 20 %).
MAX_RATE_BOUND_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class _Heard:
    """An interval that tells of the rate."""

    ms: float
    flag: BeatFlag
    error_ms: float | None
    is_repaired: bool = False
    n_measured: float = 1.0
    """How many intervals it was measured as: half of one where a beat was put in, two where one was taken out."""


class HeartRate:
    """The last intervals of one source that tell of the rate.

    Notes
    -----
    Delay: one beat. Warm-up: two intervals; after a break one that is near those before it.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, source: SignalKind) -> None:
        self._is_untimed = source in UNTIMED_KINDS
        self._stale_s = self._overdue_s = STRAP_STALE_S if self._is_untimed else HEART_RATE_STALE_S
        self._heard: deque[_Heard] = deque(maxlen=N_HEART_RATE_ODD)
        self._open: Beat | None = None
        """The newest beat while it is provisional, if an interval of the rhythm seems to end there."""
        self._usual: deque[float] = deque(maxlen=N_USUAL)
        """The last intervals as they were measured, early and late ones among them, across breaks."""
        self._before: tuple[int, float] | None = None
        """End and mean interval in ms of the last stretch without a break in which a rate was known."""
        self._n_racing = 0
        """Beats in a row that came so much sooner."""
        self._mean_ms = 0.0
        """The interval of the rate told last."""
        self._n_settled: int | None = None
        """Beats in a row that were heard as they are since another rhythm began, None where none has."""
        self._accepted_ns: int | None = None
        self._confirmed_ns: int | None = None
        self._newest_ns = 0
        self._cached: Index | None = None

    def apply(self, beat: Beat) -> None:
        """Take a beat; provisional ones only tell that the heart is still being heard."""
        if self._is_heard(beat):
            self._newest_ns = max(self._newest_ns, beat.t_ns)
        if not beat.confirmed:
            self._foresee(beat)
            return
        if self._open is not None and self._open.beat_idx == beat.beat_idx:
            self._open = None
        before_ns, self._confirmed_ns = self._confirmed_ns, beat.t_ns
        if beat.rr_ms is not None and beat.flag is not BeatFlag.OUT_OF_RANGE:
            self._usual.append(beat.rr_ms)
        if self._n_settled is not None:
            self._settle(beat.flag)
        if beat.flag in REPAIRED and self._heard and beat.rr_ms is not None and beat.rr_corrected_ms is not None:
            # A missed beat has made one interval of two or three, an extra one two of one.
            n_beats = max(1, round(beat.rr_ms / beat.rr_corrected_ms))
            n_measured = 2.0 if beat.flag is BeatFlag.EXTRA else 1.0 / n_beats
            put_in = _Heard(
                beat.rr_corrected_ms, BeatFlag.OK, beat.rr_error_ms, is_repaired=True, n_measured=n_measured
            )
            self._heard.extend([put_in] * n_beats)
        elif beat.flag in HEARD and beat.rr_ms is not None:
            self._heard.append(_Heard(beat.rr_ms, beat.flag, beat.rr_error_ms))
            if self._is_heard(beat):
                self._accepted_ns = max(beat.t_ns, self._accepted_ns or beat.t_ns)
        elif beat.rr_ms is None or beat.rr_ms > MAX_RR_MS:  # nobody knows what was in between
            self._break_off(before_ns)
        self._cached = None

    def _is_heard(self, beat: Beat) -> bool:
        """Whether a beat tells that the heart is still heard; one that was laid on noise does not."""
        return self._is_untimed or is_placed(beat)

    def _settle(self, flag: BeatFlag) -> None:
        """Follow whether the beats since another rhythm began are heard as they are; no other counts."""
        n_settled = (self._n_settled or 0) + 1 if flag in HEARD else 0
        if n_settled == 0:
            self._heard.clear()
        self._n_settled = n_settled if n_settled < N_SETTLED else None

    def _break_off(self, before_ns: int | None) -> None:
        if len(self._heard) >= MIN_HEARD and before_ns is not None:
            self._before = before_ns, sum([rr.ms for rr in self._heard]) / len(self._heard)
        self._heard.clear()
        self._mean_ms = 0.0
        self._n_racing, self._n_settled = 0, None

    def _foresee(self, beat: Beat) -> None:
        if beat.flag in HEARD and self._is_heard(beat):
            self._accepted_ns = beat.t_ns
        is_racing = beat.rr_ms is not None and beat.rr_ms < RACING_SHARE * self._mean_ms
        self._n_racing = self._n_racing + 1 if is_racing else 0
        if self._n_racing == N_RACING and self._is_regular():
            self._n_settled, self._cached = 0, None
        self._open = beat if beat.flag is BeatFlag.OK and beat.rr_ms is not None else None
        if len(self._heard) < MIN_HEARD:
            self._cached = None

    def at(self, now_ns: int) -> Index:
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
        if self._cached is None:
            self._cached = self._rate()
            self._overdue_s = self._overdue_after_s(self._cached)
        is_overdue = now_ns - self._newest_ns > self._overdue_s * NS_PER_S
        return Index(reason=Reason.TOO_FEW_BEATS) if is_overdue else self._cached

    def _overdue_after_s(self, told: Index) -> float:
        """Return how long after a beat the next but one is overdue at the lowest rate within the bound."""
        if self._is_untimed or told.value is None or told.bound is None or told.bound >= told.value:
            return self._stale_s
        return OVERDUE_BEATS * 60.0 / (told.value - told.bound) + TOLD_S

    def _rate(self) -> Index:
        if self._n_settled is not None:
            return Index(reason=Reason.TOO_MANY_ARTEFACTS)
        heard, newest_ns = list(self._heard), self._confirmed_ns
        if len(heard) < MIN_HEARD and self._open is not None and self._open.rr_ms is not None:
            heard.append(_Heard(self._open.rr_ms, self._open.flag, self._open.rr_error_ms))
            newest_ns = self._open.t_ns
        if not heard or (len(heard) < MIN_HEARD and not self._is_as_before(heard[0].ms, newest_ns)):
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
        # What looks like one missed may be a pause (an ECG shows one in six hundred too few), and one too many a beat
        # (five in six are, in twelve records of MIT-BIH): this far off is the rate as it was measured. Where one was
        # put in and another taken out, each may be right alone.
        n_fewer = sum([min(1.0, rr.n_measured) for rr in recent])
        n_more = sum([max(1.0, rr.n_measured) for rr in recent])
        far_ms = math.hypot(far_ms, mean * max(n - n_fewer, n_more - n) / n)
        error_ms = math.hypot(Z_95 * math.sqrt(variance / n + (ends_ms / n) ** 2), far_ms)
        if error_ms > MAX_RATE_BOUND_SHARE * mean:
            return Index(reason=Reason.TOO_MANY_ARTEFACTS)
        rate_bpm, self._mean_ms = 60_000.0 / mean, mean
        return Index(value=rate_bpm, bound=rate_bpm * error_ms / mean, sample_ns=newest_ns)

    def _is_regular(self) -> bool:
        return math.sqrt(self._usual_spread_ms2()) < MAX_REGULAR_SPREAD_SHARE * self._mean_ms

    def _is_as_before(self, rr_ms: float, t_ns: int | None) -> bool:
        """Whether an interval that ends here, soon after a break, is near those before it."""
        if self._before is None or t_ns is None:
            return False
        before_ns, before_ms = self._before
        return t_ns - before_ns < MAX_BREAK_S * NS_PER_S and NEAR_SHORT < rr_ms / before_ms < NEAR_LONG

    def _usual_spread_ms2(self) -> float:
        return max(USUAL_SPREAD_MS**2, pvariance(self._usual)) if self._usual else USUAL_SPREAD_MS**2
