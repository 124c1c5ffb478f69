"""At which rate do several slow traces of one chest breathe? A short spectrum of each, weighed by how sharp it is."""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import add, mul, sub

GRID_HZ = 2.5
"""Traces are read on an even grid: three points and more to the fastest breath told of here."""
N_WINDOW = 60
"""Grid points of a spectrum: 24 s hold two breaths at 5 a minute, and are soon free of what is over."""
N_HALF = N_WINDOW // 2
LOWEST_BPM = 4.5
HIGHEST_BPM = 42.0
# A Hann window of 24 s resolves 5 a minute; a quarter of that and a parabola lose nothing.
STEP_BPM = 1.25
# A peak is as wide as its window makes it: this many steps to either side.
PEAK_STEPS = 2
# A sharp trace counts for much more than a blurred one (on BIDMC: linear 1.73, cubed 1.65 a minute).
SHARPNESS_POWER = 3

_HANN = [0.5 - 0.5 * math.cos(2.0 * math.pi * (k + 0.5) / N_WINDOW) for k in range(N_WINDOW)]
_RATES_BPM = [LOWEST_BPM + k * STEP_BPM for k in range(round((HIGHEST_BPM - LOWEST_BPM) / STEP_BPM) + 1)]
_WAVES = [
    (
        [math.cos(2.0 * math.pi * bpm / 60.0 * (N_WINDOW - 1 - 2 * k) / 2.0 / GRID_HZ) for k in range(N_HALF)],
        [math.sin(2.0 * math.pi * bpm / 60.0 * (N_WINDOW - 1 - 2 * k) / 2.0 / GRID_HZ) for k in range(N_HALF)],
    )
    for bpm in _RATES_BPM
]


@dataclass(frozen=True, slots=True)
class Common:
    """What the traces have in common."""

    rate_bpm: float
    sharpness: float
    """Share of power at this rate, 0 to 1: about 0.25 in noise, above 0.6 for an even breath."""
    trace: tuple[float, ...]
    """The traces, each in its own standard deviation, weighed and turned the same way; newest last."""


def common_breath(traces: Sequence[Sequence[float]], *, heart_bpm: float) -> Common | None:
    """Return the common rate of traces of shape (N_WINDOW,) each; None where all are flat.

    Beats sample a breath once each, so that nothing above half the heart rate can be told. After the fusion of
    modulations by Karlen 2013 (10.1109/TBME.2013.2246160) and Charlton 2016 (10.1088/0967-3334/37/4/610): spectra are
    added here, so that a trace without breath adds a floor and no false peak.
    """
    n_rates = sum(bpm <= heart_bpm / 2.0 for bpm in _RATES_BPM)
    spectra = []
    for trace in traces:
        even = _even(trace)
        if even is None or n_rates < 3:
            continue
        tapered = list(map(mul, even, _HANN))
        # Cosines about the middle see only what is the same on both sides of it, sines only what is opposite.
        same = list(map(add, tapered[:N_HALF], tapered[: -N_HALF - 1 : -1]))
        opposite = list(map(sub, tapered[:N_HALF], tapered[: -N_HALF - 1 : -1]))
        power = [sum(map(mul, same, c)) ** 2 + sum(map(mul, opposite, s)) ** 2 for c, s in _WAVES[:n_rates]]
        whole = sum(power)
        shares = [p / whole for p in power]
        spectra.append((even, shares, _sharpness(shares) ** SHARPNESS_POWER))
    if not spectra:
        return None
    weight = sum(w for _, _, w in spectra)
    weighed = ([w * share for share in shares] for _, shares, w in spectra)
    total = [sum(column) / weight for column in zip(*weighed, strict=True)]
    rate_bpm = _peak_bpm(total)
    lines = [(even, _line(even, rate_bpm), w) for even, _, w in spectra]
    lead = max(lines, key=lambda line: line[2] * abs(line[1]))[1]
    turned = [(even, w if (line * lead.conjugate()).real >= 0.0 else -w) for even, line, w in lines]
    # The first trace that was given says which way is up.
    up = 1.0 if turned[0][1] >= 0.0 else -1.0
    columns = zip(*([w * x for x in even] for even, w in turned), strict=True)
    return Common(rate_bpm, _sharpness(total), tuple([up * sum(column) / weight for column in columns]))


def _even(trace: Sequence[float]) -> list[float] | None:
    """Return the trace without its straight line, in standard deviations; None where it is flat."""
    n = len(trace)
    mean, middle = sum(trace) / n, (n - 1) / 2.0
    slope = sum([(k - middle) * x for k, x in enumerate(trace)]) / (n * (n * n - 1) / 12.0)
    level = [x - mean - slope * (k - middle) for k, x in enumerate(trace)]
    deviation = math.sqrt(sum(map(mul, level, level)) / n)
    return [x / deviation for x in level] if deviation > 1e-9 * (abs(mean) + 1e-9) else None


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


def _line(even: Sequence[float], rate_bpm: float) -> complex:
    turn = cmath.exp(-2j * math.pi * rate_bpm / 60.0 / GRID_HZ)
    total, wave = 0j, 1.0 + 0j
    for x, taper in zip(even, _HANN, strict=True):
        total += x * taper * wave
        wave *= turn
    return total
