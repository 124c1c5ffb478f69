"""How much of the heart's slow rhythm is one single wave."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from becalm_signal.bounds import Z_95

COHERENCE_S = 64.0
GRID_HZ = 2.0
N_GRID = round(COHERENCE_S * GRID_HZ)
STEP_HZ = 0.005
# The peak is sought here, its power taken this far to either side, and held against all of the band.
PEAK_HZ = (0.04, 0.26)
NEAR_HZ = 0.015
BAND_HZ = (0.005, 0.4)
# Half a millisecond at either end of an interval (`hrv`), as white noise in the tachogram.
JITTER_MS = 0.7

# With zeros up to this length a transform has its bins at whole steps.
_N_TRANSFORM = round(GRID_HZ / STEP_HZ)
_BAND = slice(round(BAND_HZ[0] / STEP_HZ), round(BAND_HZ[1] / STEP_HZ) + 1)
_HZ = [BAND_HZ[0] + k * STEP_HZ for k in range(_BAND.stop - _BAND.start)]
_FROM_MIDDLE = np.arange(N_GRID) - (N_GRID - 1) / 2.0
_BEFORE_END_S = (np.arange(N_GRID) - (N_GRID - 1)) / GRID_HZ
_HANN = 0.5 + 0.5 * np.cos(2.0 * np.pi * _FROM_MIDDLE / N_GRID)
_N_NEAR = round(NEAR_HZ / STEP_HZ)
_PEAKS = [k for k, hz in enumerate(_HZ) if PEAK_HZ[0] <= hz <= PEAK_HZ[1]]


def coherence_share(times_s: Sequence[float], rr_ms: Sequence[float]) -> tuple[float, float]:
    """Return the share of power within 0.015 Hz of the largest peak in 0.04-0.26 Hz, of that in 0.005-0.4 Hz.

    PP / TP; it is not HeartMath's score. A single pure wave reaches 0.85: a Hann window of 64 s spreads it further
    than 0.015 Hz. The lower edge is the resolution of 64 s. The bound is one of measuring this window: jitter of the
    beats as white noise, and the share of the window that had to be bridged over intervals that are not accepted.

    Parameters
    ----------
    times_s : ends of the intervals in s, the last 64 s, shape (n_beats,)
    rr_ms : the intervals in ms, shape (n_beats,)

    Returns
    -------
    the share, 0 to 1, and the half width of its 95 % interval

    References
    ----------
    McCraty & Zayas 2014, DOI 10.3389/fpsyg.2014.01090.
    """
    even = _even(times_s, rr_ms)
    lines = np.fft.rfft(even * _HANN, _N_TRANSFORM)[_BAND]
    power = (lines.real**2 + lines.imag**2).tolist()
    whole = sum(power)
    if whole <= 0.0:
        return 0.0, 1.0
    top = max(_PEAKS, key=power.__getitem__)
    share = sum(power[max(0, top - _N_NEAR) : top + _N_NEAR + 1]) / whole
    variance = float((even * even).sum()) / N_GRID
    mean_s = sum(rr_ms) / len(rr_ms) / 1000.0
    in_band = min(1.0, 2.0 * BAND_HZ[1] * mean_s)
    noise = in_band * JITTER_MS**2 / max(variance, 1e-9)
    bridged = sum(b - a - ms / 1000.0 for (a, b), ms in zip(pairwise(times_s), rr_ms[1:], strict=True) if b - a > 0)
    bridged_share = max(0.0, bridged) / COHERENCE_S
    return share, min(1.0, 0.02 + Z_95 * min(0.5, noise) + math.sqrt(bridged_share) * 0.5)


def _even(times_s: Sequence[float], rr_ms: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the tachogram on an even grid up to its newest beat, without its straight line."""
    grid = np.interp(times_s[-1] + _BEFORE_END_S, times_s, rr_ms)
    slope = (_FROM_MIDDLE * grid).sum() / (N_GRID * (N_GRID**2 - 1) / 12.0)
    return np.asarray(grid - grid.sum() / N_GRID - slope * _FROM_MIDDLE)
