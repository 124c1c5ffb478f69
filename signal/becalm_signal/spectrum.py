"""Power of the heart's swings by frequency: a Lomb-Scargle periodogram that slides along with the beats.

Intervals come unevenly and with holes, and nothing is interpolated (Lomb 1976, 10.1007/BF00648343; Scargle 1982,
10.1086/160554; for heart rate Laguna, Moody, Mark 1998, 10.1109/10.678605). The sums that it is made of grow and shrink
by one interval at a time; a straight line is taken off the intervals first.
"""

import cmath
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, repeat
from operator import add, mul, sub

WINDOW_S = 120.0
# Whole cycles in a window: 0.0417 to 0.4 Hz. Powers at these frequencies add up to the variance.
CYCLES = range(5, 49)
# The bin at 0.15 Hz lies half in either band, the last one half outside (Task Force 1996, 10.1161/01.CIR.93.5.1043).
LF_WEIGHTS = tuple(1.0 if k < 18 else 0.5 if k == 18 else 0.0 for k in CYCLES)
HF_WEIGHTS = tuple(0.0 if k < 18 else 0.5 if k in {18, 48} else 1.0 for k in CYCLES)
N_LF = 14
MAX_INTERVALS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Powers in ms^2, and the highest peak of the low band in Hz."""

    lf_ms2: float
    hf_ms2: float
    lf_peak_hz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The straight line through the intervals."""

    at_s: float
    level_ms: float
    slope_ms_per_s: float


class SlidingSpectrum:
    """Intervals of the last 120 s, in ms at times in s. Cost: 0.03 ms an interval; delay and warm-up: the window's."""

    def __init__(self) -> None:
        self._intervals: deque[tuple[float, float]] = deque()
        self._of_values = [0j] * len(CYCLES)
        self._of_ones = [0j] * len(CYCLES)
        self._of_times = [0j] * len(CYCLES)
        self._of_squares = [0j] * len(CYCLES)

    def add(self, t_s: float, rr_ms: float) -> None:
        """Take the next interval, at its end."""
        if len(self._intervals) >= MAX_INTERVALS:
            self._count(*self._intervals.popleft(), sign=-1.0)
        self._intervals.append((t_s, rr_ms))
        self._count(t_s, rr_ms, sign=1.0)

    def forget(self, until_s: float) -> None:
        """Drop the intervals that ended by then."""
        while self._intervals and self._intervals[0][0] <= until_s:
            self._count(*self._intervals.popleft(), sign=-1.0)

    def told_s(self) -> float:
        """Return how much time the intervals take."""
        return sum(rr_ms for _, rr_ms in self._intervals) / 1000.0

    def powers_ms2(self) -> list[float]:
        """Return the power at each whole number of cycles a window, in ms^2, shape (44,): together the variance."""
        return self._powers_ms2(self._line())

    def _powers_ms2(self, line: _Line) -> list[float]:
        n = len(self._intervals)
        scale = 2.0 / n * min(1.0, self.told_s() / WINDOW_S)
        return [
            scale * _periodogram(values - line.level_ms * ones - line.slope_ms_per_s * (times - line.at_s * ones), s, n)
            for values, ones, times, s in zip(
                self._of_values, self._of_ones, self._of_times, self._of_squares, strict=True
            )
        ]

    def bands(self) -> Bands | None:
        """Return what the window holds, or None for fewer than ten intervals."""
        if len(self._intervals) < 10:
            return None
        line = self._line()
        powers = self._powers_ms2(line)
        best = max(range(N_LF), key=powers.__getitem__)
        return Bands(
            lf_ms2=sum(map(mul, powers, LF_WEIGHTS)),
            hf_ms2=sum(map(mul, powers, HF_WEIGHTS)),
            lf_peak_hz=self._peak_hz(CYCLES[best], line),
        )

    def periodogram(self, frequency_hz: float) -> float:
        """Return Scargle's periodogram (not normalised) at any frequency, in ms^2."""
        return self._power_at(frequency_hz, self._line())

    def _power_at(self, frequency_hz: float, line: _Line) -> float:
        turn_per_s = 2j * math.pi * frequency_hz
        values = squares = 0j
        for t_s, rr_ms in self._intervals:
            after_s = t_s - line.at_s
            turn = cmath.exp(turn_per_s * after_s)
            values += (rr_ms - line.level_ms - line.slope_ms_per_s * after_s) * turn
            squares += turn * turn
        return _periodogram(values, squares, len(self._intervals))

    def _peak_hz(self, cycles: int, line: _Line) -> float:
        """Return the top of a parabola, a quarter of a bin to either side of the highest half bin about this one."""
        powers = {part: self._power_at((cycles + part) / WINDOW_S, line) for part in (-0.5, 0.0, 0.5)}
        middle = max(powers, key=powers.__getitem__)
        left, right = (self._power_at((cycles + middle + part) / WINDOW_S, line) for part in (-0.25, 0.25))
        bend = left - 2.0 * powers[middle] + right
        shift = 0.125 * (left - right) / bend if bend < 0.0 else 0.0
        return (cycles + middle + max(-0.25, min(0.25, shift))) / WINDOW_S

    def _count(self, t_s: float, rr_ms: float, *, sign: float) -> None:
        turn = cmath.exp(2j * math.pi * math.fmod(t_s, WINDOW_S) / WINDOW_S)
        turns = list(accumulate(repeat(turn, len(CYCLES) - 1), mul, initial=turn ** CYCLES[0]))
        self._of_ones = list(map(add if sign > 0.0 else sub, self._of_ones, turns))
        self._of_values = _added(self._of_values, turns, sign * rr_ms)
        self._of_times = _added(self._of_times, turns, sign * t_s)
        self._of_squares = _added(self._of_squares, [z * z for z in turns], sign)

    def _line(self) -> _Line:
        n = len(self._intervals)
        at_s = sum([t_s for t_s, _ in self._intervals]) / n
        level_ms = sum([rr_ms for _, rr_ms in self._intervals]) / n
        spread = sum([(t_s - at_s) ** 2 for t_s, _ in self._intervals])
        rise = sum([(t_s - at_s) * rr_ms for t_s, rr_ms in self._intervals])
        return _Line(at_s=at_s, level_ms=level_ms, slope_ms_per_s=rise / spread if spread > 0.0 else 0.0)


def _added(sums: Iterable[complex], turns: Iterable[complex], weight: float) -> list[complex]:
    return [total + weight * turn for total, turn in zip(sums, turns, strict=True)]


def _periodogram(values: complex, squares: complex, n: int) -> float:
    """Return Scargle's estimate from the sums of y z and of z z, z on the unit circle."""
    size = abs(squares)
    turned = values * cmath.exp(-0.5j * cmath.phase(squares))
    cosines, sines = (n + size) / 2.0, (n - size) / 2.0
    power = turned.real**2 / cosines
    return 0.5 * (power + turned.imag**2 / sines if sines > 1e-6 * n else power)
