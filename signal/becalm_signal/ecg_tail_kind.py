"""A kind of tail, ST segment and T wave: its usual course, and what single ones differ from it by."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import mul
from statistics import stdev

from becalm_signal.qrs_course import gain_of

# A box varies by no less than this share of the R peak.
LEAST_SHARE = 0.009
N_LEAST = 5
# A wave is missed so many standard deviations below what single tails have of it; a heart's beat has at least this
# share of it, and a beat in doubt is the heart's own with so much of it.
MISSED, LEAST_WAVE, OWN_WAVE = 2.5, 0.25, 0.5
# Electrodes that lie elsewhere show another heart: so many tails that are alike, after beats as high as each other, and
# more of those without a wave. Heights of a heart scatter by some 4 %, those of knocks by 20 % and more.
N_ALIKE, N_ALIKE_FLAT = 10, 20
MOST_SCATTER = 0.08
# A T wave goes there and back by so much of its range; what leaks away from an electrode goes one way.
HUMP_SHARE = 0.3


@dataclass(slots=True)
class TailKind:
    """Its running mean over the height of its beat, and what single ones differ by, in both units and in their wave.

    Notes
    -----
    Delay: none. Warm-up: 5 tails.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    course: list[float]
    share: float = 0.0
    square: float = 0.0
    spread: float = 0.0
    """Mean square by which the share of the wave that single tails have differs from 1."""
    height: float = 0.0
    """Running mean of the heights of its beats, without their signs."""
    energy: float = 0.0
    """Sum of the squares of its course."""
    n_heard: int = 1
    heights: deque[float] = field(default_factory=partial(deque, maxlen=N_ALIKE_FLAT))

    @property
    def is_learned(self) -> bool:
        """Whether enough of its tails were heard to judge others by."""
        return self.n_heard > N_LEAST

    @property
    def is_heart(self) -> bool:
        """Whether its last beats were as high as each other; without a wave like a T wave, more of them."""
        n_needed = N_ALIKE if self._is_hump() and self.shows_wave(self.heights[-1], noise=1.0) else N_ALIKE_FLAT
        logs = [math.log(abs(height)) for height in self.heights]
        return self.n_heard > n_needed and len(logs) >= N_ALIKE and stdev(logs) < MOST_SCATTER

    def lacks_wave(self, course: Sequence[float], height: float, *, noise: float) -> bool:
        """Return whether nothing is seen of the wave that would show after a beat of this height."""
        if not self.is_learned:
            return False
        least = min(LEAST_WAVE, 1.0 - MISSED * noise * self._deviation(height))
        return least > 0.0 and self._wave(course, height) < least

    def has_wave(self, course: Sequence[float], height: float, *, noise: float) -> bool:
        """Return whether the wave shows after a beat of this height, and is there."""
        return self.shows_wave(height, noise=noise) and OWN_WAVE < self._wave(course, height) < 1.0 / OWN_WAVE

    def _deviation(self, height: float) -> float:
        """Return the standard deviation of the share of its wave that a tail has after a beat of this height."""
        return math.sqrt(self.spread / self._clearness(height))

    def shows_wave(self, height: float, *, noise: float) -> bool:
        """Return whether a beat of this height without its wave would stand out of what tails differ by."""
        return self.is_learned and MISSED * noise * self._deviation(height) < 1.0

    def tells_nothing(self, course: Sequence[float], height: float, *, noise: float) -> bool:
        """Return whether a wave that shows after usual beats may as well be absent here."""
        return self.shows_wave(self.heights[-1], noise=1.0) and not self.has_wave(course, height, noise=noise)

    def oddity(self, square: float, height: float) -> float:
        """Return by how many times more than usual a tail differs, in squares."""
        return square / max(self.square, self.share * height**2, (LEAST_SHARE * height) ** 2)

    def learn(self, course: Sequence[float], height: float, *, square: float) -> None:
        """Take a tail of this kind; the clearer, the more it counts.

        Parameters
        ----------
        course : without its mean, in the unit of the signal, shape (n_boxes,)
        height : of its QRS, in the same unit
        square : the mean square by which it differs
        """
        gain = gain_of(float(self.n_heard))
        self.height += (gain if self.height else 1.0) * (abs(height) - self.height)
        gain *= self._clearness(height)
        self.spread += gain * ((self._wave(course, height) - 1.0) ** 2 - self.spread)
        self.square += gain * (square - self.square)
        self.share += gain * (square / height**2 - self.share)
        self.course = [a + gain * (b / height - a) for a, b in zip(self.course, course, strict=True)]
        self.energy = sum(map(mul, self.course, self.course))
        self.n_heard += 1
        self.heights.append(height)

    def square_to(self, course: Sequence[float], height: float) -> float:
        """Return the mean square by which a tail differs from it."""
        return sum([(a - height * b) ** 2 for a, b in zip(course, self.course, strict=True)]) / len(course)

    def _clearness(self, height: float) -> float:
        """Return how clear a wave is after a beat of this height, at most 1: it is smaller then, noise is not."""
        return min(1.0, (height / self.height) ** 2)

    def _wave(self, course: Sequence[float], height: float) -> float:
        """Return how much of its wave a tail has, 1 as usual."""
        return sum(map(mul, course, self.course)) / (height * self.energy) if self.energy > 0.0 else 1.0

    def _is_hump(self) -> bool:
        """Whether it goes there and back, as a T wave."""
        ends, low, high = (self.course[0], self.course[-1]), min(self.course), max(self.course)
        return max(high - max(ends), min(ends) - low) > HUMP_SHARE * (high - low)


def nearest_kind(kinds: Sequence[TailKind], course: Sequence[float], height: float) -> tuple[TailKind, float]:
    """Return the kind that a tail is least odd among, and the mean square by which it differs.

    Parameters
    ----------
    kinds : at least one
    course : of the tail, without its mean, in the unit of the signal, shape (n_boxes,)
    height : of its QRS, in the same unit

    Returns
    -------
    the kind, and the mean square
    """
    squares = [kind.square_to(course, height) for kind in kinds]
    nearest = min(range(len(kinds)), key=lambda k: kinds[k].oddity(squares[k], height))
    return kinds[nearest], squares[nearest]
