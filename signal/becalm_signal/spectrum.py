"""Power of the heart's swings by frequency: a Lomb-Scargle periodogram that slides along with the beats.

Intervals come unevenly and with holes, and nothing is interpolated (Lomb 1976, 10.1007/BF00648343; Scargle 1982,
10.1086/160554; for heart rate Laguna, Moody, Mark 1998, 10.1109/10.678605). The sums that it is made of grow and shrink
by one interval at a time; a straight line is taken off the intervals first.
"""

from collections import deque
from dataclasses import dataclass
from operator import mul

import numpy as np
import numpy.typing as npt

WINDOW_S = 120.0
# Whole cycles in a window: 0.0417 to 0.4 Hz. Powers at these frequencies add up to the variance.
CYCLES = range(5, 49)
# The bin at 0.15 Hz lies half in either band, the last one half outside (Task Force 1996, 10.1161/01.CIR.93.5.1043).
LF_WEIGHTS = tuple(1.0 if k < 18 else 0.5 if k == 18 else 0.0 for k in CYCLES)
HF_WEIGHTS = tuple(0.0 if k < 18 else 0.5 if k in {18, 48} else 1.0 for k in CYCLES)
N_LF = 14
MAX_INTERVALS = 600
# Counted together: one interval costs nearly as much as ten.
MAX_UNCOUNTED = 64

Floats = npt.NDArray[np.float64]
Lines = npt.NDArray[np.complex128]
_TURNS_PER_S = 2j * np.pi * np.array(CYCLES) / WINDOW_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Powers in ms^2, and the highest peak of the low band in Hz."""

    lf_ms2: float
    hf_ms2: float
    lf_peak_hz: float


@dataclass(slots=True, kw_only=True)
class _Line:
    """The straight line through the intervals, and the intervals beside it."""

    at_s: float
    level_ms: float
    slope_ms_per_s: float
    after_s: Floats
    """When the intervals end, from `at_s` on."""
    beside_ms: Floats
    """How much longer than the line they are."""


class SlidingSpectrum:
    """Intervals of the last 120 s, in ms at times in s.

    Notes
    -----
    Delay and Warm-up: the window's.

    References
    ----------
    Lomb 1976, DOI 10.1007/BF00648343; Scargle 1982, DOI 10.1086/160554; Laguna et al. 1998, DOI 10.1109/10.678605.
    """

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()
        self._rr_ms: deque[float] = deque()
        self._of_ones: Lines = np.zeros(len(CYCLES), dtype=complex)
        self._of_values, self._of_times, self._of_squares = (self._of_ones.copy() for _ in range(3))
        self._uncounted: list[tuple[float, float, float]] = []
        """Intervals that the sums have still to gain (sign 1) or to lose (-1)."""

    def add(self, t_s: float, rr_ms: float) -> None:
        """Take the next interval, at its end.

        Parameters
        ----------
        t_s : its end in s
        rr_ms : its length in ms
        """
        if len(self._times_s) >= MAX_INTERVALS:
            self._drop()
        self._times_s.append(t_s)
        self._rr_ms.append(rr_ms)
        self._note(t_s, rr_ms, sign=1.0)

    def forget(self, until_s: float) -> None:
        """Drop the intervals that ended by then."""
        while self._times_s and self._times_s[0] <= until_s:
            self._drop()

    def _drop(self) -> None:
        self._note(self._times_s.popleft(), self._rr_ms.popleft(), sign=-1.0)

    def told_s(self) -> float:
        """Return how much time the intervals take."""
        return sum(self._rr_ms) / 1000.0

    def powers_ms2(self) -> list[float]:
        """Return the power at each whole number of cycles a window: together the variance.

        Returns
        -------
        in ms^2, shape (44,)
        """
        return self._powers_ms2(self._line())

    def _powers_ms2(self, line: _Line) -> list[float]:
        self._count()
        n = len(self._times_s)
        scale = 2.0 / n * min(1.0, self.told_s() / WINDOW_S)
        after = self._of_times - line.at_s * self._of_ones
        values: Lines = self._of_values - line.level_ms * self._of_ones - line.slope_ms_per_s * after
        return [scale * power for power in _periodogram(values, self._of_squares, n)]

    def bands(self) -> Bands | None:
        """Return what the window holds, or None for fewer than ten intervals."""
        if len(self._times_s) < 10:
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
        """Return Scargle's periodogram (not normalised).

        Parameters
        ----------
        frequency_hz : any

        Returns
        -------
        in ms^2
        """
        return self._powers_at([frequency_hz], self._line())[0]

    def _powers_at(self, frequencies_hz: list[float], line: _Line) -> list[float]:
        turns: Lines = np.exp(2j * np.pi * np.multiply.outer(frequencies_hz, line.after_s))
        return _periodogram((line.beside_ms * turns).sum(axis=1), (turns * turns).sum(axis=1), len(self._times_s))

    def _peak_hz(self, cycles: int, line: _Line) -> float:
        """Return the top of a parabola, a quarter of a bin to either side of the highest half bin about this one."""
        halves = [cycles - 0.5, float(cycles), cycles + 0.5]
        powers = self._powers_at([half / WINDOW_S for half in halves], line)
        top = max(range(len(halves)), key=powers.__getitem__)
        middle, at = halves[top], powers[top]
        left, right = self._powers_at([(middle - 0.25) / WINDOW_S, (middle + 0.25) / WINDOW_S], line)
        bend = left - 2.0 * at + right
        shift = 0.125 * (left - right) / bend if bend < 0.0 else 0.0
        return (middle + max(-0.25, min(0.25, shift))) / WINDOW_S

    def _note(self, t_s: float, rr_ms: float, *, sign: float) -> None:
        self._uncounted.append((t_s, rr_ms, sign))
        if len(self._uncounted) >= MAX_UNCOUNTED:
            self._count()

    def _count(self) -> None:
        """Bring the sums up to date."""
        if not self._uncounted:
            return
        times_s, rr_ms, signs = np.array(self._uncounted).T
        self._uncounted.clear()
        turns = np.exp(np.multiply.outer(_TURNS_PER_S, np.fmod(times_s, WINDOW_S)))
        signed = signs * turns
        self._of_ones += signed.sum(axis=1)
        self._of_values += (rr_ms * signed).sum(axis=1)
        self._of_times += (times_s * signed).sum(axis=1)
        self._of_squares += (signed * turns).sum(axis=1)

    def _line(self) -> _Line:
        n = len(self._times_s)
        times_s, rr_ms = np.fromiter(self._times_s, float, n), np.fromiter(self._rr_ms, float, n)
        at_s, level_ms = float(times_s.sum()) / n, float(rr_ms.sum()) / n
        after_s = times_s - at_s
        spread = float((after_s * after_s).sum())
        rise = float((after_s * rr_ms).sum())
        slope_ms_per_s = rise / spread if spread > 0.0 else 0.0
        beside_ms = rr_ms - level_ms - slope_ms_per_s * after_s
        return _Line(at_s=at_s, level_ms=level_ms, slope_ms_per_s=slope_ms_per_s, after_s=after_s, beside_ms=beside_ms)


def _periodogram(values: Lines, squares: Lines, n: int) -> list[float]:
    """Return Scargle's estimate from the sums of y z and of z z, z on the unit circle."""
    size = np.abs(squares)
    turned = values * np.exp(-0.5j * np.angle(squares))
    cosines, sines = (n + size) / 2.0, (n - size) / 2.0
    power = turned.real**2 / cosines
    seen = sines > 1e-6 * n
    powers: list[float] = (0.5 * (power + np.where(seen, turned.imag**2 / np.where(seen, sines, 1.0), power))).tolist()
    return powers
