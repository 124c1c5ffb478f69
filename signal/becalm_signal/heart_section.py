"""The heart's indices over 60, 120 and 300 s."""

import math
from collections.abc import Sequence

from becalm_protocol.derived import Index, Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95
from becalm_signal.differences import Differences, differences
from becalm_signal.hrv import WINDOW_NS, WINDOW_S
from becalm_signal.interval_log import LONG_NS, LONG_S, IntervalLog
from becalm_signal.intervals import Interval, jitter_ms, newest_ns
from becalm_signal.slow_board import LONG_RENEWED_NS, MINUTE_RENEWED_NS, Moment, Renewed
from becalm_signal.spectrum import WINDOW_S as SPECTRUM_S
from becalm_signal.spectrum import Bands, SlidingSpectrum
from becalm_signal.stage import Output
from becalm_signal.variability import logarithm, time_domain

SPECTRUM_NS = round(SPECTRUM_S * NS_PER_S)
OF_MINUTE = ("mean_rr_ms", "sdnn_ms", "pnn50_pct", "sd1_ms", "sd2_ms")
OF_LONG = ("mean_rr_ms", "rmssd_ms", "sdnn_ms", "pnn50_pct")
OF_BANDS = ("lf_ms2", "hf_ms2", "lf_hf", "lf_peak_hz")
# Two and a half cycles of the lowest frequency, 0.04 Hz.
MIN_TOLD_S = 62.5
MAX_POWER_BOUND_SHARE = 0.3
# Edges of the bands in Hz, and how long intervals in a hole go together in them.
LF_HZ, HF_HZ = (0.04, 0.15), (0.15, 0.4)
LF_ALIKE_S, HF_ALIKE_S = 10.0, 4.0
# Intervals are not missing at random: flags come where the swings are largest.
NOT_AT_RANDOM = 1.4
# Why the live indices of the heart are withheld altogether.
ALL_WITHHELD = frozenset({Reason.NO_SENSOR, Reason.SENSOR_LOST, Reason.DISAGREES})


class HeartSection:
    """Speaks of the source whose beats count now, from the intervals that are kept of each.

    Notes
    -----
    Delay: one or two beats. Warm-up: 80 % of each window in accepted intervals; 62.5 s for powers.

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043.
    """

    def __init__(self) -> None:
        self._hearts: dict[SignalKind, _Heart] = {}

    def apply(self, event: Output) -> None:
        """The intervals come with the moment."""

    def indices(self, moment: Moment) -> dict[str, Index]:
        """Return the time-domain indices of 60 s and 300 s, and the powers of 120 s."""
        live = moment.metrics.rmssd_ms
        if live.reason in ALL_WITHHELD or moment.heart is None:
            told = dict.fromkeys(_names(), Index(reason=live.reason or Reason.WARMING_UP))
        else:
            if moment.heart not in self._hearts:
                self._hearts[moment.heart] = _Heart(moment.intervals)
            told = {"ln_rmssd": logarithm(live), **self._hearts[moment.heart].indices(moment.now_ns)}
        bad = moment.bad.get(moment.heart) if moment.heart is not None else None
        if bad is None:
            return told
        return {name: Index(reason=bad) if index.value is None else index for name, index in told.items()}


def _names() -> tuple[str, ...]:
    return ("ln_rmssd", *OF_MINUTE, *map(_long_name, OF_LONG), *OF_BANDS)


def _long_name(name: str) -> str:
    stem, unit = name.rsplit("_", 1)
    return f"{stem}_300s_{unit}"


class _Heart:
    """What is worked out from the intervals of one source."""

    def __init__(self, intervals: IntervalLog) -> None:
        self._intervals = intervals
        self._spectrum = SlidingSpectrum()
        self._newest_ns = -1
        """Of the intervals in the spectrum."""
        self._minute = Renewed(every_ns=MINUTE_RENEWED_NS)
        self._bands = Renewed(every_ns=LONG_RENEWED_NS)
        self._long = Renewed(every_ns=LONG_RENEWED_NS)

    def indices(self, now_ns: int) -> dict[str, Index]:
        return (
            self._minute.at(now_ns, self._of_minute)
            | self._long.at(now_ns, self._of_long)
            | self._bands.at(now_ns, self._powers)
        )

    def _of_minute(self, now_ns: int) -> dict[str, Index]:
        minute = time_domain(self._intervals.since(now_ns - WINDOW_NS), now_ns=now_ns, window_s=WINDOW_S)
        return {name: minute[name] for name in OF_MINUTE}

    def _of_long(self, now_ns: int) -> dict[str, Index]:
        long = time_domain(self._intervals.since(now_ns - LONG_NS), now_ns=now_ns, window_s=LONG_S)
        return {_long_name(name): long[name] for name in OF_LONG}

    def _powers(self, now_ns: int) -> dict[str, Index]:
        since_ns = now_ns - SPECTRUM_NS
        window = self._intervals.since(since_ns)
        self._slide(window, since_ns=since_ns)
        bands = self._spectrum.bands() if self._spectrum.told_s() >= MIN_TOLD_S else None
        if bands is None:
            told_s = sum(rr.rr_ms for rr in window) / 1000.0
            reason = Reason.TOO_MANY_ARTEFACTS if told_s >= MIN_TOLD_S else Reason.WARMING_UP
            return dict.fromkeys(OF_BANDS, Index(reason=reason))
        found = differences(window, since_ns=since_ns)
        if found is None:
            return dict.fromkeys(OF_BANDS, Index(reason=Reason.TOO_FEW_BEATS))
        return _band_indices(bands, found, window)

    def _slide(self, window: list[Interval], *, since_ns: int) -> None:
        """Bring the spectrum to this window."""
        for rr in window:
            if rr.accepted and rr.t_ns > self._newest_ns:
                self._spectrum.add(rr.t_ns / NS_PER_S, rr.rr_ms)
                self._newest_ns = rr.t_ns
        self._spectrum.forget(since_ns / NS_PER_S)


def _band_indices(bands: Bands, found: Differences, window: list[Interval]) -> dict[str, Index]:
    """Return the powers with their bounds.

    Timing jitter and what doubtful flags hide are white noise; what is missing is missing of the band, and makes the
    other swings leak into it.
    """
    told = [rr for rr in window if rr.accepted]
    told_s = sum(rr.rr_ms for rr in told) / 1000.0
    mean_ms = 1000.0 * told_s / len(told)
    jitter_ms2 = 2.0 * jitter_ms(told) ** 2
    doubted = [(rr - mean_ms) ** 2 for hole in found.holes for rr in hole.doubted_ms()]
    doubted_ms2 = sum(doubted) / len(told)
    missing_s = [hole.length_ms / 1000.0 for hole in found.holes]
    # At its beginning a window is only shorter: nothing leaks.
    inside_s = [hole.length_ms / 1000.0 for hole in found.holes if hole.before_ms is not None or hole.inside_ms]
    powers: dict[str, Index] = {}
    for name, power_ms2, (low_hz, high_hz), alike_s in (
        ("lf_ms2", bands.lf_ms2, LF_HZ, LF_ALIKE_S),
        ("hf_ms2", bands.hf_ms2, HF_HZ, HF_ALIKE_S),
    ):
        white = min(1.0, (high_hz - low_hz) * 2.0 * mean_ms / 1000.0)
        noise_ms2 = jitter_ms2 * white
        lost = _lost_share(missing_s, told_s=told_s, alike_s=alike_s)
        leak = white * _lost_share(inside_s, told_s=told_s, alike_s=alike_s)
        leaking_ms2 = lost * power_ms2 + leak * (bands.lf_ms2 + bands.hf_ms2)
        random_ms2 = math.hypot(math.sqrt(2.0 * power_ms2 * noise_ms2), leaking_ms2)
        bound_ms2 = noise_ms2 + doubted_ms2 * white + Z_95 * random_ms2
        powers[name] = _within(power_ms2, bound_ms2, sample_ns=newest_ns(window), missing=bool(missing_s))
    peak = powers["lf_ms2"]
    if peak.value is not None:
        peak = Index(value=bands.lf_peak_hz, bound=0.5 / told_s, sample_ns=peak.sample_ns)
    return {**powers, "lf_hf": _ratio(powers["lf_ms2"], powers["hf_ms2"]), "lf_peak_hz": peak}


def _lost_share(missing_s: Sequence[float], *, told_s: float, alike_s: float) -> float:
    return NOT_AT_RANDOM * math.sqrt(2.0 * sum([s * s / max(1.0, s / alike_s) for s in missing_s])) / told_s


def _within(value: float, bound: float, *, sample_ns: int, missing: bool) -> Index:
    if bound > MAX_POWER_BOUND_SHARE * value:
        return Index(reason=Reason.TOO_MANY_ARTEFACTS if missing else Reason.NOISY)
    return Index(value=value, bound=bound, sample_ns=sample_ns)


def _ratio(low: Index, high: Index) -> Index:
    if low.value is None or low.bound is None:
        return low
    if high.value is None or high.bound is None:
        return high
    value = low.value / high.value
    bound = value * math.hypot(low.bound / low.value, high.bound / high.value)
    return Index(value=value, bound=bound, sample_ns=low.sample_ns)
