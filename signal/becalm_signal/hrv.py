"""Heart rate and its variability from confirmed beats, over sliding windows."""

import itertools
import math
from collections.abc import Sequence

from becalm_protocol.derived import Beat, Index, Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95
from becalm_signal.differences import Differences, differences
from becalm_signal.heart_rate import HeartRate
from becalm_signal.interval_log import IntervalLog
from becalm_signal.intervals import Interval, jitter_ms, newest_ns

WINDOW_S = 60.0
WINDOW_NS = round(WINDOW_S * NS_PER_S)
MIN_ACCEPTED_SHARE = 0.8
MAX_BOUND_SHARE = 0.15
# What flags may be to blame for: an artefact now and then must not show.
MAX_FLAGGED_SHARE = 0.05
# What no interval tells from an early beat is told of in the bound: one in a minute may be a heart's own swing. These
# are 0.6 of a square.
MAX_EARLY_SHARE = 0.37
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
    early = value - math.sqrt(max(0.0, mean - found.outlying - found.unseen))
    if flagged > MAX_FLAGGED_SHARE * value or early > MAX_EARLY_SHARE * value:
        return Index(reason=Reason.TOO_MANY_ARTEFACTS)
    bound = math.hypot(jitter, flagged, Z_95 * found.sampling / (2.0 * value))
    if bound > MAX_BOUND_SHARE * value:
        return Index(reason=Reason.TOO_MANY_ARTEFACTS if found.sampling > 0.0 else Reason.NOISY)
    bound = math.hypot(bound, early)
    return Index(value=value, bound=bound, sample_ns=newest_ns(window))


class BeatWindow:
    """The confirmed intervals of one source, and heart rate and RMSSD of the last of them.

    Notes
    -----
    Delay: one to two beats. Warm-up: two intervals; for RMSSD 48 s of accepted ones.

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043; Definition of becalm: docs/indices.md.
    """

    def __init__(self, source: SignalKind) -> None:
        self.intervals = IntervalLog()
        self._rate = HeartRate(source)
        self._is_heard = False
        """Whether a beat was ever confirmed."""
        self._cached: Index | None = None
        """RMSSD while no interval came or went."""
        self._n_cached = 0
        """Intervals behind it."""

    def apply(self, beat: Beat) -> None:
        """Take a beat; provisional ones only tell that the heart is still being heard."""
        if beat.confirmed:
            self._is_heard = True
            self.intervals.apply(beat)
            self._cached = None
        self._rate.apply(beat)

    def heart_rate(self, now_ns: int) -> Index:
        """Return the heart rate, see `HeartRate.at`."""
        return self._rate.at(now_ns)

    def rmssd(self, now_ns: int) -> Index:
        """Return RMSSD over the last 60 s in ms: adjacent accepted pairs, and what repaired beats hide of others.

        The bound is the error of *measuring this window*, not of how RMSSD varies from minute to minute (about 20 % in
        any 60 s, and that belongs to the heart): beat jitter adds 6 sigma^2 to the mean square and, through its product
        with the true differences, a normal error of sqrt(6 / n) sigma; what flags and breaks hide: `differences.py`.
        """
        since_ns = now_ns - WINDOW_NS
        window = self.intervals.since(since_ns)
        if self._cached is None or len(window) != self._n_cached:
            self._cached, self._n_cached = self._rmssd(window, since_ns=since_ns), len(window)
        return self._cached

    def _rmssd(self, window: Sequence[Interval], *, since_ns: int) -> Index:
        short = why_short(window, window_s=WINDOW_S)
        if short is not None:
            return Index(reason=short if window or not self._is_heard else Reason.TOO_FEW_BEATS)
        found = differences(window, since_ns=since_ns)
        if found is None or len(found.steps_ms) < MIN_PAIRS:
            return Index(reason=Reason.TOO_FEW_BEATS)
        return rmssd_index(found, window)
