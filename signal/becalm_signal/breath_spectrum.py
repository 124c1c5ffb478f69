"""At which rate do several slow traces of one chest breathe? A short spectrum of each, weighed by how sharp it is."""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import add, mul, sub

GRID_HZ = 2.5
"""Traces are read on an even grid: three points and more to the fastest breath told of here."""
LOWEST_BPM = 4.5
HIGHEST_BPM = 42.0
# A Hann window of 24 s resolves 5 a minute; a quarter of that and a parabola lose nothing.
STEP_BPM = 1.25
# A peak is as wide as its window makes it: this many steps to either side.
PEAK_STEPS = 2
# A sharp trace counts for much more than a blurred one (on BIDMC: linear 1.73, cubed 1.65 a minute).
SHARPNESS_POWER = 3

_RATES_BPM = [LOWEST_BPM + k * STEP_BPM for k in range(round((HIGHEST_BPM - LOWEST_BPM) / STEP_BPM) + 1)]


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
        self.hann = [0.5 - 0.5 * math.cos(2.0 * math.pi * (k + 0.5) / n_window) for k in range(n_window)]
        turns_s = [(n_window - 1 - 2 * k) / 2.0 / GRID_HZ for k in range(n_window // 2)]
        self.waves = [
            (
                [math.cos(2.0 * math.pi * bpm / 60.0 * t_s) for t_s in turns_s],
                [math.sin(2.0 * math.pi * bpm / 60.0 * t_s) for t_s in turns_s],
            )
            for bpm in _RATES_BPM
        ]
        self.weights = [(bpm / LOWEST_BPM) ** tilt for bpm in _RATES_BPM]


_tables = cache(_Tables)


class BreathSpectrum:
    """The rate that traces of so many seconds have in common.

    `tilt`: power is weighed by this power of its rate, for a trace whose slow wander is larger than its quick one.
    """

    def __init__(self, window_s: float, *, tilt: float = 0.0) -> None:
        self.n_window = 2 * round(window_s * GRID_HZ / 2.0)
        """Grid points of a window."""
        self._tilt = tilt

    def common_breath(self, traces: Sequence[Sequence[float]], *, heart_bpm: float) -> Common | None:
        """Return the common rate of traces of shape (n_window,) each; None where all are flat.

        Beats sample a breath once each, so that nothing above half the heart rate can be told. After the fusion of
        modulations by Karlen 2013 (10.1109/TBME.2013.2246160) and Charlton 2016 (10.1088/0967-3334/37/4/610): spectra
        are added here, so that a trace without breath adds a floor and no false peak.
        """
        n_rates = sum(bpm <= heart_bpm / 2.0 for bpm in _RATES_BPM)
        spectra = []
        for trace in traces:
            even = _even(trace)
            if even is None or n_rates < 3:
                continue
            power = self._power(even, n_rates)
            whole = sum(power)
            shares = [p / whole for p in power]
            spectra.append((even, shares, _sharpness(shares) ** SHARPNESS_POWER))
        if not spectra:
            return None
        weight = sum(w for _, _, w in spectra)
        weighed = ([w * share for share in shares] for _, shares, w in spectra)
        total = [sum(column) / weight for column in zip(*weighed, strict=True)]
        rate_bpm = _peak_bpm(total)
        lines = [(even, self._line(even, rate_bpm), w) for even, _, w in spectra]
        lead = max(lines, key=lambda line: line[2] * abs(line[1]))[1]
        turned = [(even, w if (line * lead.conjugate()).real >= 0.0 else -w) for even, line, w in lines]
        # The first trace that was given says which way is up.
        up = 1.0 if turned[0][1] >= 0.0 else -1.0
        columns = zip(*([w * x for x in even] for even, w in turned), strict=True)
        return Common(rate_bpm, _sharpness(total), tuple([up * sum(column) / weight for column in columns]))

    def _power(self, even: Sequence[float], n_rates: int) -> list[float]:
        half, tables = self.n_window // 2, _tables(self.n_window, self._tilt)
        tapered = list(map(mul, even, tables.hann))
        # Cosines about the middle see only what is the same on both sides of it, sines only what is opposite.
        same = list(map(add, tapered[:half], tapered[: -half - 1 : -1]))
        opposite = list(map(sub, tapered[:half], tapered[: -half - 1 : -1]))
        return [
            weight * (sum(map(mul, same, c)) ** 2 + sum(map(mul, opposite, s)) ** 2)
            for weight, (c, s) in zip(tables.weights[:n_rates], tables.waves, strict=False)
        ]

    def _line(self, even: Sequence[float], rate_bpm: float) -> complex:
        turn = cmath.exp(-2j * math.pi * rate_bpm / 60.0 / GRID_HZ)
        total, wave = 0j, 1.0 + 0j
        for x, taper in zip(even, _tables(self.n_window, self._tilt).hann, strict=True):
            total += x * taper * wave
            wave *= turn
        return total


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
