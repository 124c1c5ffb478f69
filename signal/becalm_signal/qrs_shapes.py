"""Shapes of beats that a heart has shown: what looks like one of them is a beat, what looks like none is in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from becalm_signal.kernels import smoothing_taps, weighed
from becalm_signal.qrs_course import FADE, LIKE, MAX_SHAPES, REACH_S, SMOOTH_S, Leveller, blended, gain_of
from becalm_signal.qrs_place import HUMP_DELAY_S

# Noise moves the middle of a hump by as much.
SHIFT_S = 0.023
CLEARLY_LIKE = 0.95
# Energies of beats of one shape differ by less: 19 of 20 of most records, one in three of what handled cables give.
STEADY = 1.28
SEEN_TWICE = 1.5
SEEN_THRICE = 2.5
# Knocks and noise may look like one of their own kind before them, but rarely so often lately.
SEEN_OFTEN = 3.5


@dataclass(slots=True)
class Shape:
    """One kind of beat: its course without mean and trend, of length 1, and how large and how frequent it is."""

    course: list[float]
    energy: float
    side: float
    """Running mean of where its beats were placed: 1 on the upward deflection, -1 on the downward one."""
    weight: float = 1.0
    newest: float = 0.0
    """Energy of its newest beat."""

    def adopt(self) -> None:
        """Take it for one of this heart, however seldom it was seen."""
        self.weight = max(self.weight, SEEN_OFTEN + 1.0)


@dataclass(slots=True)
class Likeness:
    """Correlation of a hump with the nearest shape, and its own course in the same place."""

    share: float
    shape: Shape | None
    course: list[float]
    is_new: bool = False
    """Whether it is of no heart that was heard before electrodes came off."""
    is_own: bool = False
    """Whether it is of that heart, if in another size or turned."""
    turned: float = 0.0
    """Correlation with the nearest shape turned upside down."""

    @property
    def habit(self) -> float:
        """Where beats like it were placed so far; 0: nobody knows."""
        shape = self.shape
        return shape.side if shape is not None and self.share >= LIKE and shape.weight > SEEN_THRICE else 0.0

    @property
    def is_usual(self) -> bool:
        """Whether the nearest shape is one that this heart has shown often."""
        return not self.is_new and self.shape is not None and self.shape.weight > SEEN_OFTEN

    def is_known(self, energy: float, *, least: float) -> bool:
        """Whether a hump of this energy is one of a shape that has been seen twice, in course and in size."""
        shape = self.shape
        return (
            shape is not None
            and self.share >= least
            and shape.weight > SEEN_TWICE
            and 0.5 * shape.energy < energy < 2.0 * shape.energy
        )

    def is_steady(self, energy: float) -> bool:
        """Whether a hump of this energy is like a beat before it, and as large as the last such."""
        shape = self.shape
        return shape is not None and self.share >= LIKE and shape.newest < energy * STEADY < shape.newest * STEADY**2


class Shapes:
    """The kinds of beats told so far, the most frequent first, at most five.

    Notes
    -----
    Delay: none. Warm-up: a shape counts once it was seen twice.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._reach = max(3, round(REACH_S * rate_hz))
        n_shifts = max(1, round(SHIFT_S * rate_hz))
        self._shifts = sorted(range(-n_shifts, n_shifts + 1), key=abs)
        self._taps = smoothing_taps(SMOOTH_S, rate_hz=rate_hz)
        self._delay = round(HUMP_DELAY_S * rate_hz)
        self._leveller = Leveller(self._reach)
        self._known: list[Shape] = []

    @property
    def is_settled(self) -> bool:
        """Whether there is a shape to judge others by."""
        return bool(self._known) and self._known[0].weight > SEEN_TWICE

    @property
    def usual_energy(self) -> float:
        """Energy of the most frequent shape."""
        return self._known[0].energy if self._known else 0.0

    def clear(self) -> None:
        """Forget all shapes."""
        self._known.clear()

    def compare(self, samples: Sequence[float], hump: int) -> Likeness:
        """Compare a hump with the shapes known.

        Parameters
        ----------
        samples : in the unit of the signal, shape (n_samples,)
        hump : its index among them

        Returns
        -------
        likeness to the nearest shape
        """
        best = Likeness(0.0, None, [])
        first = hump - self._delay - self._reach - self._shifts[-1]
        smooth = self._smooth(samples, first)
        for shift in self._shifts:
            course = self._course(smooth, self._shifts[-1] + shift)
            if not course:
                continue
            if not best.course:
                best.course = course
            for shape in self._known:
                share = sum(map(mul, course, shape.course))
                if -share > best.turned:
                    best.turned = -share
                if share > best.share:
                    best.share, best.shape, best.course = share, shape, course
            if best.share > CLEARLY_LIKE:
                break
        return best

    def learn(self, like: Likeness, *, energy: float, side: int) -> Shape | None:
        """Take a beat into its shape, or as a new one.

        Parameters
        ----------
        like : what it was compared to
        energy : of its hump
        side : 1 upward, -1 downward

        Returns
        -------
        the shape that it has become one of; None where too little of it was seen
        """
        if not like.course:
            return None
        for known in self._known:
            known.weight *= FADE
        shape = like.shape
        if shape is None or like.share < LIKE:
            del self._known[MAX_SHAPES - 1 :]
            shape = Shape(like.course, energy, side)
            self._known.append(shape)
        else:
            gain = gain_of(shape.weight)
            shape.course = blended(shape.course, like.course, gain=gain)
            shape.energy += gain * (energy - shape.energy)
            shape.side += gain * (side - shape.side)
            shape.weight += 1.0
        shape.newest = energy
        self._known.sort(key=lambda known: -known.weight)
        return shape

    def _smooth(self, samples: Sequence[float], first: int) -> list[float]:
        """Return the samples about a hump from `first` on without mains, as many as there are."""
        half = len(self._taps) // 2
        last = min(first + 2 * (self._reach + self._shifts[-1]) + 1 + half, len(samples))
        if first < half:
            return []
        return weighed(samples[first - half : last], self._taps)

    def _course(self, smooth: Sequence[float], low: int) -> list[float]:
        part = smooth[low : low + 2 * self._reach + 1]
        return self._leveller.course(part) if len(part) > 2 * self._reach else []
