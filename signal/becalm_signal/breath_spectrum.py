"""At which rate do several slow traces of one chest breathe? A short spectrum of each, weighed by how sharp it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Lines = npt.NDArray[np.complex128]

GRID_HZ = 2.5
"""Traces are read on an even grid: three points and more to the fastest breath told of here."""
LOWEST_BPM = 4.5
HIGHEST_BPM = 42.0
# A Hann window of 24 s resolves 5 a minute; a quarter of that and a parabola lose nothing.
STEP_BPM = 1.25
# A peak is as wide as its window makes it: this many steps to either side.
PEAK_STEPS = 2

_RATES_BPM = [LOWEST_BPM + k * STEP_BPM for k in range(round((HIGHEST_BPM - LOWEST_BPM) / STEP_BPM) + 1)]
# A transform of so many points has its lines a step apart; zeros follow a window, which is shorter (48 s).
_N_TRANSFORM = round(60.0 * GRID_HZ / STEP_BPM)


@dataclass(frozen=True, slots=True)
class Common:
    """What the traces have in common."""

    rate_bpm: float
    sharpness: float
    """Share of power at this rate, 0 to 1: about 0.25 in noise, above 0.6 for an even breath."""
    trace: tuple[float, ...]
    """The traces, each in its own standard deviation, weighed and turned the same way; newest last."""


class _Tables:
    """What every spectrum of a window of so many points needs; made once."""

    def __init__(self, n_window: int, tilt: float) -> None:
        self._hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(n_window) + 0.5) / n_window)
        self.from_lowest = self.wave(LOWEST_BPM)
        self.weights = (np.array(_RATES_BPM) / LOWEST_BPM) ** tilt

    def wave(self, rate_bpm: float) -> Lines:
        """Return one line of a transform: a taper that turns at a rate."""
        turn = -2j * np.pi * rate_bpm / 60.0 / GRID_HZ
        return np.asarray(self._hann * np.exp(turn * np.arange(len(self._hann))))


_tables = cache(_Tables)


class BreathSpectrum:
    """The rate that traces of so many seconds have in common.

    `tilt`: power is weighed by this power of its rate, for a trace whose slow wander is larger than its quick one.

    Notes
    -----
    Delay and Warm-up: the window's.

    References
    ----------
    Karlen et al. 2013, DOI 10.1109/TBME.2013.2246160; Charlton et al. 2016, DOI 10.1088/0967-3334/37/4/610.
    """

    def __init__(self, window_s: float, *, tilt: float = 0.0) -> None:
        self.n_window = 2 * round(window_s * GRID_HZ / 2.0)
        """Grid points of a window."""
        self._tilt = tilt

    def common_breath(self, traces: Sequence[Sequence[float]], *, heart_bpm: float) -> Common | None:
        """Return the rate that the traces have in common.

        Beats sample a breath once each, so that nothing above half the heart rate can be told. Spectra are added, so
        that a trace without breath adds a floor and no false peak.

        Parameters
        ----------
        traces : in any unit, shape (n_window,) each
        heart_bpm : heart rate in 1/min

        Returns
        -------
        the common rate and how sharp it is; None where all are flat

        References
        ----------
        Karlen et al. 2013, DOI 10.1109/TBME.2013.2246160; Charlton et al. 2016, DOI 10.1088/0967-3334/37/4/610.
        """
        n_rates = sum(bpm <= heart_bpm / 2.0 for bpm in _RATES_BPM)
        even = _even(np.array(traces))
        if len(even) == 0 or n_rates < 3:
            return None
        power = self._power(even, n_rates)
        shares = power / power.sum(axis=1, keepdims=True)
        # No higher power: of three traces of noise one alone would then pass for a breath.
        weights = np.array([_sharpness(each) for each in shares.tolist()])
        weights /= weights.sum()
        total = (weights[:, None] * shares).sum(axis=0).tolist()
        rate_bpm = _peak_bpm(total)
        lines = (even * _tables(self.n_window, self._tilt).wave(rate_bpm)).sum(axis=1)
        lead = lines[np.argmax(weights * np.abs(lines))]
        turned = np.where((lines * lead.conjugate()).real >= 0.0, weights, -weights)
        # The first trace that was given says which way is up.
        turned = turned if turned[0] >= 0.0 else -turned
        return Common(rate_bpm, _sharpness(total), tuple((turned[:, None] * even).sum(axis=0).tolist()))

    def _power(self, even: Floats, n_rates: int) -> Floats:
        tables = _tables(self.n_window, self._tilt)
        # Turned back by the lowest rate, a trace has that rate in the first line.
        lines = np.fft.fft(even * tables.from_lowest, _N_TRANSFORM)[:, :n_rates]
        return np.asarray(tables.weights[:n_rates] * (lines.real**2 + lines.imag**2))


def _even(traces: Floats) -> Floats:
    """Return the traces without their straight lines, in standard deviations; flat ones are left out."""
    n = traces.shape[1]
    mean, from_middle = traces.sum(axis=1, keepdims=True) / n, np.arange(n) - (n - 1) / 2.0
    slope = (traces * from_middle).sum(axis=1, keepdims=True) / (n * (n * n - 1) / 12.0)
    level = traces - mean - slope * from_middle
    deviation = np.sqrt((level * level).sum(axis=1, keepdims=True) / n)
    told = (deviation > 1e-9 * (np.abs(mean) + 1e-9))[:, 0]
    return np.asarray(level[told] / deviation[told])


def _sharpness(shares: Sequence[float]) -> float:
    top = max(range(len(shares)), key=shares.__getitem__)
    return sum(shares[max(0, top - PEAK_STEPS) : top + PEAK_STEPS + 1]) / sum(shares)


def _peak_bpm(power: Sequence[float]) -> float:
    top = max(range(len(power)), key=power.__getitem__)
    if not 0 < top < len(power) - 1:
        return _RATES_BPM[top]
    before, at, after = power[top - 1 : top + 2]
    curvature = before - 2.0 * at + after
    shift = 0.5 * (before - after) / curvature if curvature < 0.0 else 0.0
    return _RATES_BPM[top] + STEP_BPM * max(-0.5, min(0.5, shift))
