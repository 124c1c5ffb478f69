"""What the last beats of a heart were like, worked out once a beat for all the humps that are held against it."""

from collections import deque
from statistics import median

from becalm_signal.qrs_humps import Candidate

N_RR = 9
N_BEATS = 8
# The largest P and T waves have a third of the energy of their QRS; below a quarter is no beat of the same heart.
MISTAKEN_SHARE = 0.25
# Two of the last ones that are alike and so much larger are the heart: the others are its T waves, what a rail had left
# of it, or noise.
GROWN, ALIKE = 10.0, 1.5


class Usual:
    """Medians of intervals (in decimated samples), energies and slopes; 0 before there are any.

    Notes
    -----
    Delay: none. Warm-up: one beat; medians of the last eight, of nine intervals.

    References
    ----------
    Pan & Tompkins 1985, DOI 10.1109/TBME.1985.325532.
    """

    def __init__(self) -> None:
        self._rr: deque[int] = deque(maxlen=N_RR)
        self._energies: deque[float] = deque(maxlen=N_BEATS)
        self._slopes: deque[float] = deque(maxlen=N_BEATS)
        self._sum_up()

    def clear(self) -> None:
        """Forget everything."""
        self._rr.clear()
        self._energies.clear()
        self._slopes.clear()
        self._sum_up()

    def learn(self, *, energy: float, slope: float) -> None:
        """Begin again from what beats are found to be like; intervals are kept.

        Parameters
        ----------
        energy, slope : usual of the beats to come
        """
        self._energies.clear()
        self._slopes.clear()
        self._take(energy, slope)

    def add(self, hump: Candidate, *, rr: int | None) -> None:
        """Take a beat.

        Parameters
        ----------
        hump : of the beat
        rr : the interval that it ends, in decimated samples; None: the first
        """
        if rr is not None:
            self._rr.append(rr)
        largest = max(self._energies, default=0.0)
        smaller, larger = sorted((hump.energy, largest))
        if smaller > GROWN * self.energy > 0.0 and larger < ALIKE * smaller:
            self.learn(energy=largest, slope=self._slopes[self._energies.index(largest)])
            self._rr.clear()
        self._take(hump.energy, hump.slope)

    def withdraw(self) -> int:
        """Take back the last beat; return its interval, or 0 where there is none."""
        if self._energies:
            self._energies.pop()
            self._slopes.pop()
        rr = self._rr.pop() if self._rr else 0
        self._sum_up()
        return rr

    def _take(self, energy: float, slope: float) -> None:
        self._energies.append(energy)
        self._slopes.append(slope)
        self._sum_up()

    def _sum_up(self) -> None:
        self.n_rr = len(self._rr)
        self.rr = median(self._rr) if self._rr else 0.0
        self.slope = median(self._slopes) if self._slopes else 0.0
        self.energy = median(self._energies) if self._energies else 0.0
        # Humps far below the second largest got in by mistake.
        ordered = sorted(self._energies)
        sound = [energy for energy in ordered if energy >= MISTAKEN_SHARE * ordered[-2:][0]]
        self.sound_energy = median(sound) if sound else 0.0
        """Median of the energies without those that got in by mistake."""
