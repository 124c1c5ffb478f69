"""Power of the heart's swings by frequency: a Lomb-Scargle periodogram of one window of intervals.

Intervals come unevenly and with holes, and nothing is interpolated (Lomb 1976, 10.1007/BF00648343; Scargle 1982,
10.1086/160554; for heart rate Laguna, Moody, Mark 1998, 10.1109/10.678605). A straight line is taken off them first.
"""

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

Floats = npt.NDArray[np.float64]
Lines = npt.NDArray[np.complex128]
_TURN_PER_S = 2j * np.pi / WINDOW_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Powers in ms^2, and the highest peak of the low band in Hz."""

    lf_ms2: float
    hf_ms2: float
    lf_peak_hz: float


class Spectrum:
    """The swings in a window of intervals.

    Parameters
    ----------
    t_s : their ends in s, in order, shape (n_beats,); at least two
    rr_ms : their lengths in ms, shape (n_beats,)

    Notes
    -----
    Delay and Warm-up: the window's.

    References
    ----------
    Lomb 1976, DOI 10.1007/BF00648343; Scargle 1982, DOI 10.1086/160554; Laguna et al. 1998, DOI 10.1109/10.678605.
    """

    def __init__(self, t_s: Floats, rr_ms: Floats) -> None:
        self._n = len(t_s)
        self._told_s = float(rr_ms.sum()) / 1000.0
        self._after_s = t_s - float(t_s.sum()) / self._n
        spread = float((self._after_s * self._after_s).sum())
        slope_ms_per_s = float((self._after_s * rr_ms).sum()) / spread if spread > 0.0 else 0.0
        self._beside_ms = rr_ms - 1000.0 * self._told_s / self._n - slope_ms_per_s * self._after_s

    def powers_ms2(self) -> list[float]:
        """Return the power at each whole number of cycles a window: together the variance.

        Returns
        -------
        in ms^2, shape (44,)
        """
        turn: Lines = np.exp(_TURN_PER_S * self._after_s)
        turns = np.empty((len(CYCLES), self._n), dtype=complex)
        turns[0] = turn ** CYCLES[0]
        turns[1:] = turn
        np.multiply.accumulate(turns, axis=0, out=turns)
        scale = 2.0 / self._n * min(1.0, self._told_s / WINDOW_S)
        return [scale * power for power in self._periodogram(turns)]

    def bands(self) -> Bands:
        """Return the powers of the bands and the peak of the lower one."""
        powers = self.powers_ms2()
        best = max(range(N_LF), key=powers.__getitem__)
        return Bands(
            lf_ms2=sum(map(mul, powers, LF_WEIGHTS)),
            hf_ms2=sum(map(mul, powers, HF_WEIGHTS)),
            lf_peak_hz=self._peak_hz(CYCLES[best]),
        )

    def periodogram(self, cycles: list[float]) -> list[float]:
        """Return Scargle's periodogram (not normalised).

        Parameters
        ----------
        cycles : any numbers of cycles a window

        Returns
        -------
        in ms^2, one each
        """
        return self._periodogram(np.exp(_TURN_PER_S * np.multiply.outer(cycles, self._after_s)))

    def _peak_hz(self, cycles: int) -> float:
        """Return the top of a parabola, a quarter of a bin to either side of the highest half bin about this one."""
        halves = [cycles - 0.5, float(cycles), cycles + 0.5]
        powers = self.periodogram(halves)
        top = max(range(len(halves)), key=powers.__getitem__)
        middle, at = halves[top], powers[top]
        left, right = self.periodogram([middle - 0.25, middle + 0.25])
        bend = left - 2.0 * at + right
        shift = 0.125 * (left - right) / bend if bend < 0.0 else 0.0
        return (middle + max(-0.25, min(0.25, shift))) / WINDOW_S

    def _periodogram(self, turns: Lines) -> list[float]:
        """Return Scargle's estimate for each row of places on the unit circle."""
        values, squares = (turns * self._beside_ms).sum(axis=1), (turns * turns).sum(axis=1)
        size = np.abs(squares)
        turned = values * np.exp(-0.5j * np.angle(squares))
        cosines, sines = (self._n + size) / 2.0, (self._n - size) / 2.0
        power = turned.real**2 / cosines
        seen = sines > 1e-6 * self._n
        across = np.where(seen, turned.imag**2 / np.where(seen, sines, 1.0), power)
        powers: list[float] = (0.5 * (power + across)).tolist()
        return powers
