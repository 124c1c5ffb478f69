"""A kind of tail, ST segment and T wave: its usual course, and how much of its wave a tail has."""

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
# A wave shows where none at all would lie so many standard deviations from what single tails have of it.
SHOWN = 3.0
# A heart's beat has at least this share of its wave, and a beat in doubt is the heart's own with so much of it.
LEAST_WAVE, OWN_WAVE = 0.25, 0.5
# What is left of a tail without its wave is noise, and moves the wave by so much more than if it were white.
COLOURED = 2.0
# Electrodes that lie elsewhere show another heart: so many tails that are alike, after beats as high as each other, and
# more of those without a wave. Heights of a heart scatter by some 4 %, those of knocks by 20 % and more.
N_ALIKE, N_ALIKE_FLAT = 8, 16
MOST_SCATTER = 0.08


@dataclass(slots=True)
class WaveShare:
    """How much of its heart's wave a tail has, 1 as usual."""

    share: float
    vagueness: float
    """Square of how far it may be off; from 1 on a whole wave may as well be none."""

    @property
    def is_missing(self) -> bool:
        """Whether there is no wave, as surely as can be told."""
        return self.share < LEAST_WAVE and self.is_doubtful

    @property
    def is_doubtful(self) -> bool:
        """Whether no wave is likelier than a whole one by far."""
        return 1.0 - 2.0 * self.share >= self.vagueness

    @property
    def is_vague(self) -> bool:
        """Whether a whole wave cannot be told from none."""
        return self.vagueness >= 1.0

    @property
    def is_there(self) -> bool:
        """Whether there is enough of it for the heart's own."""
        return self.share > OWN_WAVE

    @property
    def doubt(self) -> float:
        """How much likelier no wave is than a whole one, 1 where by far, below 0 where it is less likely."""
        return (1.0 - 2.0 * self.share) / self.vagueness


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
    n_heard: int = 1
    heights: deque[float] = field(default_factory=partial(deque, maxlen=N_ALIKE))
    energy: float = field(init=False)
    """Sum of the squares of its course."""

    def __post_init__(self) -> None:
        self.energy = sum(map(mul, self.course, self.course))

    @property
    def is_learned(self) -> bool:
        """Whether enough of its tails were heard to judge others by."""
        return self.n_heard > N_LEAST

    @property
    def is_heart(self) -> bool:
        """Whether its last beats were as high as each other; without a wave, more of them."""
        n_needed = N_ALIKE if self._shows(louder=1.0) else N_ALIKE_FLAT
        logs = [math.log(abs(height)) for height in self.heights]
        return self.n_heard >= n_needed and len(logs) == N_ALIKE and stdev(logs) < MOST_SCATTER

    def wave(self, course: Sequence[float], height: float, *, noise: float) -> WaveShare:
        """Return how much of its wave a tail has; all of it where its usual beats in this noise would not show it.

        A smaller beat has a smaller wave in the same noise: as much as usual at most, and what else is in this tail.

        Parameters
        ----------
        course : of the tail, without its mean, in the unit of the signal, shape (n_boxes,)
        height : of its QRS, in the same unit
        noise : how many times louder it is than usual, at least 1

        Returns
        -------
        the share and how vague it is
        """
        smaller = (self.height / height) ** 2
        louder = max(1.0, noise**2 * min(1.0, smaller))
        if not self._shows(louder=louder):
            return WaveShare(1.0, 0.0)
        usual = self.spread * louder
        share = self._share(course, height)
        if smaller > 1.0:
            rest = sum(map(mul, course, course)) / (self.energy * height**2) - share**2
            usual += min(COLOURED**2 * max(0.0, rest) / (len(course) - 2), usual * (smaller - 1.0))
        return WaveShare(share, SHOWN**2 * usual)

    def _shows(self, *, louder: float) -> bool:
        """Return whether a usual beat without its wave would stand out of what tails differ by, so much more."""
        return self.is_learned and self.energy > 0.0 and SHOWN**2 * self.spread * louder < 1.0

    def _share(self, course: Sequence[float], height: float) -> float:
        return sum(map(mul, course, self.course)) / (height * self.energy) if self.energy > 0.0 else 1.0

    def oddity(self, square: float, height: float) -> float:
        """Return by how many times more than usual a tail differs, in squares."""
        return square / max(self.square, self.share * height**2, (LEAST_SHARE * height) ** 2)

    def learn(self, course: Sequence[float], height: float, *, square: float, noise: float) -> None:
        """Take a tail of this kind; smaller and louder ones, whose wave is less clear, count less.

        Parameters
        ----------
        course : without its mean, in the unit of the signal, shape (n_boxes,)
        height : of its QRS, in the same unit
        square : the mean square by which it differs
        noise : how many times louder it is than usual, at least 1
        """
        self.height = self.height or abs(height)
        gain = gain_of(float(self.n_heard))
        if self.is_learned:
            gain *= min(1.0, (height / self.height) ** 2) / noise
        self.height += gain * (abs(height) - self.height)
        self.spread += gain * ((self._share(course, height) - 1.0) ** 2 - self.spread)
        self.square += gain * (square - self.square)
        self.share += gain * (square / height**2 - self.share)
        self.course = [a + gain * (b / height - a) for a, b in zip(self.course, course, strict=True)]
        self.energy = sum(map(mul, self.course, self.course))
        self.n_heard += 1
        self.heights.append(height)

    def square_to(self, course: Sequence[float], height: float) -> float:
        """Return the mean square by which a tail differs from it."""
        return sum([(a - height * b) ** 2 for a, b in zip(course, self.course, strict=True)]) / len(course)


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
    if len(kinds) == 1:
        return kinds[0], kinds[0].square_to(course, height)
    squares = [kind.square_to(course, height) for kind in kinds]
    nearest = min(range(len(kinds)), key=lambda k: kinds[k].oddity(squares[k], height))
    return kinds[nearest], squares[nearest]
