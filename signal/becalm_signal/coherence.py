"""How much of the heart's slow rhythm is one single wave."""

import math
from collections.abc import Sequence
from itertools import pairwise
from operator import add, mul, sub

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

_HALF = N_GRID // 2
_N_BAND = round((BAND_HZ[1] - BAND_HZ[0]) / STEP_HZ) + 1
_HZ = [BAND_HZ[0] + k * STEP_HZ for k in range(_N_BAND)]
_HANN = [0.5 - 0.5 * math.cos(2.0 * math.pi * (k + 0.5) / N_GRID) for k in range(N_GRID)]
_FROM_MIDDLE = [(N_GRID - 1 - 2 * k) / 2.0 / GRID_HZ for k in range(_HALF)]
_WAVES = [
    ([math.cos(2.0 * math.pi * hz * t) for t in _FROM_MIDDLE], [math.sin(2.0 * math.pi * hz * t) for t in _FROM_MIDDLE])
    for hz in _HZ
]
_N_NEAR = round(NEAR_HZ / STEP_HZ)
_PEAKS = [k for k, hz in enumerate(_HZ) if PEAK_HZ[0] <= hz <= PEAK_HZ[1]]


def coherence_share(times_s: Sequence[float], rr_ms: Sequence[float]) -> tuple[float, float]:
    """Return the share of power within 0.015 Hz of the largest peak in 0.04-0.26 Hz, of that in 0.005-0.4 Hz.

    Beats of shape (n,) over the last 64 s. After McCraty & Zayas 2014 (10.3389/fpsyg.2014.01090), as PP / TP; it is not
    HeartMath's score. A single pure wave reaches 0.85: a Hann window of 64 s spreads it further than 0.015 Hz. The
    lower edge is the resolution of 64 s. Bound (95 %, of measuring this window): jitter of the beats as white noise,
    and the share of the window that had to be bridged over intervals that are not accepted.
    """
    even = _even(times_s, rr_ms)
    tapered = list(map(mul, even, _HANN))
    same = list(map(add, tapered[:_HALF], tapered[: -_HALF - 1 : -1]))
    opposite = list(map(sub, tapered[:_HALF], tapered[: -_HALF - 1 : -1]))
    power = [sum(map(mul, same, c)) ** 2 + sum(map(mul, opposite, s)) ** 2 for c, s in _WAVES]
    whole = sum(power)
    if whole <= 0.0:
        return 0.0, 1.0
    top = max(_PEAKS, key=power.__getitem__)
    share = sum(power[max(0, top - _N_NEAR) : top + _N_NEAR + 1]) / whole
    variance = sum(map(mul, even, even)) / len(even)
    mean_s = sum(rr_ms) / len(rr_ms) / 1000.0
    in_band = min(1.0, 2.0 * BAND_HZ[1] * mean_s)
    noise = in_band * JITTER_MS**2 / max(variance, 1e-9)
    bridged = sum(b - a - ms / 1000.0 for (a, b), ms in zip(pairwise(times_s), rr_ms[1:], strict=True) if b - a > 0)
    bridged_share = max(0.0, bridged) / COHERENCE_S
    return share, min(1.0, 0.02 + Z_95 * min(0.5, noise) + math.sqrt(bridged_share) * 0.5)


def _even(times_s: Sequence[float], rr_ms: Sequence[float]) -> list[float]:
    """Return the tachogram on an even grid up to its newest beat, without its straight line."""
    end_s = times_s[-1]
    grid, k = [], 0
    for n in range(N_GRID):
        t_s = end_s - (N_GRID - 1 - n) / GRID_HZ
        while k < len(times_s) - 2 and times_s[k + 1] < t_s:
            k += 1
        a_s, b_s = times_s[k], times_s[k + 1]
        share = min(1.0, max(0.0, (t_s - a_s) / max(b_s - a_s, 1e-3)))
        grid.append(rr_ms[k] + share * (rr_ms[k + 1] - rr_ms[k]))
    mean, middle = sum(grid) / N_GRID, (N_GRID - 1) / 2.0
    slope = sum([(n - middle) * x for n, x in enumerate(grid)]) / (N_GRID * (N_GRID**2 - 1) / 12.0)
    return [x - mean - slope * (n - middle) for n, x in enumerate(grid)]
