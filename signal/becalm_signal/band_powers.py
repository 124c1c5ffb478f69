"""Powers of the heart's swings by band, each with its bound (Task Force 1996, 10.1161/01.CIR.93.5.1043)."""

import math
from collections.abc import Sequence

import numpy as np

from becalm_protocol.derived import Index, Reason
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95
from becalm_signal.differences import Differences, differences, outlying
from becalm_signal.intervals import Interval, jitter_ms, newest_ns
from becalm_signal.spectrum import Spectrum

NAMES = ("lf_ms2", "hf_ms2", "lf_hf", "lf_peak_hz")
# Two and a half cycles of the lowest frequency, 0.04 Hz.
MIN_TOLD_S = 62.5
MAX_BOUND_SHARE = 0.3
# What no interval tells from an early beat (`hrv.py`): as much of a square.
MAX_EARLY_SHARE = 0.6
# Edges of the bands in Hz, and how long intervals in a hole go together in them.
LF_HZ, HF_HZ = (0.04, 0.15), (0.15, 0.4)
LF_ALIKE_S, HF_ALIKE_S = 10.0, 4.0
# Intervals are not missing at random: flags come where the swings are largest.
NOT_AT_RANDOM = 1.4


def band_powers(window: Sequence[Interval], *, since_ns: int) -> dict[str, Index]:
    """Return the powers by `NAMES`, each with its bound or its reason.

    Parameters
    ----------
    window : intervals of the last 120 s in order, shape (n_beats,); accepted ones count
    since_ns : where the window begins, session time in ns

    Returns
    -------
    the indices, in the unit of their names

    Notes
    -----
    Delay: one to two beats. Warm-up: 62.5 s of accepted intervals.

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043; Lomb 1976, DOI 10.1007/BF00648343.
    """
    told = [rr for rr in window if rr.accepted]
    if sum([rr.rr_ms for rr in told]) < 1000.0 * MIN_TOLD_S:
        is_seen = sum([rr.rr_ms for rr in window]) >= 1000.0 * MIN_TOLD_S
        return dict.fromkeys(NAMES, Index(reason=Reason.TOO_MANY_ARTEFACTS if is_seen else Reason.WARMING_UP))
    found = differences(window, since_ns=since_ns)
    if found is None:
        return dict.fromkeys(NAMES, Index(reason=Reason.TOO_FEW_BEATS))
    bands = Spectrum(np.array([rr.t_ns for rr in told]) / NS_PER_S, np.array([rr.rhythm_ms for rr in told])).bands()
    doubts = _Doubts(told, found, power_ms2=bands.lf_ms2 + bands.hf_ms2)
    low = doubts.index(bands.lf_ms2, LF_HZ, alike_s=LF_ALIKE_S)
    high = doubts.index(bands.hf_ms2, HF_HZ, alike_s=HF_ALIKE_S)
    peak = low
    if low.value is not None:
        peak = Index(value=bands.lf_peak_hz, bound=0.5 / doubts.told_s, sample_ns=low.sample_ns)
    return {"lf_ms2": low, "hf_ms2": high, "lf_hf": _ratio(low, high), "lf_peak_hz": peak}


class _Doubts:
    """What the accepted intervals of a window may have besides the heart's swings, and what is missing of them."""

    def __init__(self, told: Sequence[Interval], found: Differences, *, power_ms2: float) -> None:
        self._n = len(told)
        self.told_s = sum([rr.rr_ms for rr in told]) / 1000.0
        self._mean_s = self.told_s / self._n
        self._sample_ns = newest_ns(told)
        self._power_ms2 = power_ms2
        self._noise_ms2 = 2.0 * jitter_ms(told) ** 2 + sum([rr.rhythm_error_ms**2 for rr in told]) / self._n
        doubted = [rr - 1000.0 * self._mean_s for hole in found.holes for rr in hole.doubted_ms()]
        self._doubted_ms2 = sum([rr * rr for rr in doubted]) / self._n
        # A swing that sets in at once counts, too: else HF kept in 86 instead of 91 % with one beat in 100 early.
        early = outlying([rr.early_ms**2 for rr in told if rr.early_ms > 0.0], has_early=found.has_early)
        self._early_ms2 = early / self._n + found.hidden_ms2 / self._n
        self._missing_s = [hole.length_ms / 1000.0 for hole in found.holes]
        # At its beginning a window is only shorter: nothing leaks.
        inside = [hole for hole in found.holes if hole.before_ms is not None or hole.inside_ms]
        self._inside_s = [hole.length_ms / 1000.0 for hole in inside]

    def index(self, power_ms2: float, band_hz: tuple[float, float], *, alike_s: float) -> Index:
        """Return a power with its bound.

        Timing jitter, early beats and what doubtful flags hide are white noise; what is missing is missing of the band,
        and makes the other swings leak into it.
        """
        white = min(1.0, (band_hz[1] - band_hz[0]) * 2.0 * self._mean_s)
        lost = self._lost_share(self._missing_s, alike_s=alike_s)
        leak = white * self._lost_share(self._inside_s, alike_s=alike_s)
        leaking_ms2 = lost * power_ms2 + leak * self._power_ms2
        random_ms2 = math.hypot(self._beside_ms2(power_ms2, self._noise_ms2), leaking_ms2)
        bound_ms2 = (self._noise_ms2 + self._doubted_ms2) * white + Z_95 * random_ms2
        early_ms2 = self._early_ms2 * white + Z_95 * self._beside_ms2(power_ms2, self._early_ms2)
        if bound_ms2 > MAX_BOUND_SHARE * power_ms2:
            return Index(reason=Reason.TOO_MANY_ARTEFACTS if self._missing_s else Reason.NOISY)
        if early_ms2 > MAX_EARLY_SHARE * power_ms2:
            return Index(reason=Reason.TOO_MANY_ARTEFACTS)
        return Index(value=power_ms2, bound=math.hypot(bound_ms2, early_ms2), sample_ns=self._sample_ns)

    def _beside_ms2(self, power_ms2: float, noise_ms2: float) -> float:
        """Return the standard deviation of the products of the swings and a noise beside them."""
        return 2.0 * math.sqrt(power_ms2 * noise_ms2 / self._n)

    def _lost_share(self, lengths_s: Sequence[float], *, alike_s: float) -> float:
        together = sum([length * length / max(1.0, length / alike_s) for length in lengths_s])
        return NOT_AT_RANDOM * math.sqrt(2.0 * together) / self.told_s


def _ratio(low: Index, high: Index) -> Index:
    if low.value is None or low.bound is None:
        return low
    if high.value is None or high.bound is None:
        return high
    value = low.value / high.value
    bound = value * math.hypot(low.bound / low.value, high.bound / high.value)
    return Index(value=value, bound=bound, sample_ns=low.sample_ns)
