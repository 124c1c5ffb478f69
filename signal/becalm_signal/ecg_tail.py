"""What follows a QRS, ST segment and T wave: the same after each beat of a heart, and nothing of it after a knock."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import mul
from statistics import fmean, median, stdev

from becalm_signal.ecg_recent import RecentSamples
from becalm_signal.qrs_course import gain_of

# From the end of a QRS to the end of a usual T wave, in boxes of this width, which quiets mains.
BEGIN_S, END_S, BOX_S = 0.08, 0.38, 0.025
# How long before its R peak the next QRS begins.
NEXT_S = 0.06
# A box varies by no less than this share of the R peak.
LEAST_SHARE = 0.009
# Mean square by which a tail differs from those before it over the usual one. Of worn hearts 99 of 100 are below 5 to
# 11 (a record with many kinds of beats: 47), of knocked electrodes 19 of 20 of those unlike all before are above 22.
MOST_ODD = 14.0
# What is odder is not learned: one odd tail must not make the next one look usual.
USUAL = 6.0
# The smaller a beat, the less odd is a flat line after it. A heart's has at least this share of a wave that would stand
# out of usual differences by so much, in squares.
SMALLER, SHOWN, LEAST_WAVE = 0.75, 2.0, 0.25
N_LEAST = 5
MAX_KINDS = 4
# One odd tail may be any beat's, and two in a row those of early beats, which come in pairs and count half. What is
# less odd, but not usual, counts once it goes on.
N_STRANGE = 1.5
EARLY_COUNTS = 0.5
ODD_COUNTS = 0.3
# Early is after so much of the mean of the last intervals; of knocks that are nearly even, few come so soon.
EARLY_SHARE = 0.68
N_RR = 8
# Electrodes that lie elsewhere show another heart: so many tails that are alike, after beats as high as each other, and
# more of those without a wave. Heights of a heart scatter by some 4 %, those of knocks by 20 % and more.
N_ALIKE, N_ALIKE_FLAT = 8, 16
# Of a heart too fast for its tails to be read nothing is known any more after so many beats.
N_UNREAD = 6
MOST_SCATTER = 0.08
# Heights of a heart that swing with the breath, over more beats, scatter less than knocks as well.
N_SWINGING, MOST_SWING = 24, 0.14
# Whatever beats look like, they are not held strange for longer than so many: a heart must not stay hidden.
N_LONGEST = 90


@dataclass(slots=True)
class _Kind:
    """A kind of tail: its running mean over the height of its beat, and what single ones differ by, in both units."""

    course: list[float]
    share: float = 0.0
    square: float = 0.0
    n_heard: int = 1
    heights: deque[float] = field(default_factory=partial(deque, maxlen=N_SWINGING))

    @property
    def is_heart(self) -> bool:
        """Whether its last beats were as high as each other; without a wave, more of them."""
        n_needed = N_ALIKE if self._waves(self.heights[-1], noise=1.0) else N_ALIKE_FLAT
        logs = [math.log(abs(height)) for height in self.heights]
        is_even = len(logs) >= N_ALIKE and stdev(logs[-N_ALIKE:]) < MOST_SCATTER
        return self.n_heard >= n_needed and (is_even or (len(logs) == N_SWINGING and stdev(logs) < MOST_SWING))

    def lacks_wave(self, course: Sequence[float], height: float, *, noise: float) -> bool:
        """Return whether after a beat smaller than usual nothing is seen of the wave that would show."""
        if abs(height) > SMALLER * median(map(abs, list(self.heights)[-N_ALIKE:])):
            return False
        waves = self._waves(height, noise=noise)
        return waves > 0.0 and sum(map(mul, course, self.course)) / height < LEAST_WAVE * waves

    def _waves(self, height: float, *, noise: float) -> float:
        """Return the square of its course, 0 where it would not stand out of what tails differ by."""
        square = sum([x * x for x in self.course])
        least = max(self.square / height**2, self.share, LEAST_SHARE**2) * noise**2
        return square if square > SHOWN * least * len(self.course) else 0.0

    def oddity(self, square: float, height: float) -> float:
        return square / max(self.square, self.share * height**2, (LEAST_SHARE * height) ** 2)

    def learn(self, course: Sequence[float], height: float, *, square: float) -> None:
        gain = gain_of(float(self.n_heard))
        self.square += gain * (square - self.square)
        self.share += gain * (square / height**2 - self.share)
        self.course = [a + gain * (b / height - a) for a, b in zip(self.course, course, strict=True)]
        self.n_heard += 1
        self.heights.append(height)

    def square_to(self, course: Sequence[float], height: float) -> float:
        return sum([(a - height * b) ** 2 for a, b in zip(course, self.course, strict=True)]) / len(course)


class TailWatch:
    """Counts beats in a row whose tails are unlike all that this heart has shown, turned or of any size.

    Notes
    -----
    Delay: what followed a beat is judged with the next one. Warm-up: 5 beats.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, recent: RecentSamples) -> None:
        self._recent = recent
        self._n_box = max(1, round(BOX_S * recent.rate_hz))
        self._begin = round(BEGIN_S * recent.rate_hz)
        self._n_boxes = round((END_S - BEGIN_S) / BOX_S)
        self._n_next = round(NEXT_S * recent.rate_hz)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget this heart: after a dead lead it may look otherwise, and in other noise."""
        self._forget()
        self._rr: deque[float] = deque(maxlen=N_RR)
        self.restart()

    def _forget(self) -> None:
        """Learn what beats look like from the next one on."""
        self._kinds: list[_Kind] = []
        self._others: deque[_Kind] = deque(maxlen=MAX_KINDS)
        self.n_strange = 0.0

    def restart(self) -> None:
        """Begin again after a gap: kinds are kept."""
        self._before: tuple[float, float] | None = None
        self._is_early = False
        self.n_strange = 0.0
        """How many tails in a row were unlike all that are known; early beats and less odd tails count less."""
        self.recognised_at: float | None = None
        """The sample of the beat before the newest, if its tail was as usual."""
        self.known_at: float | None = None
        """The sample of the last beat whose tail was known."""
        self._n_unread = 0
        """How many tails in a row the next beat came into."""
        self._n_unknown = 0
        """How many beats in a row were not known."""

    @property
    def is_strange(self) -> bool:
        """Whether what comes is no heart as far as its tails tell."""
        return self.n_strange >= N_STRANGE

    def beat(self, at: float, *, height: float, noise: float) -> None:
        """Take the next beat.

        Parameters
        ----------
        at : its sample since the restart
        height : of its QRS, in the unit of the signal
        noise : how many times louder it is than usual, at least 1
        """
        before, self._before = self._before, (at, height)
        self.recognised_at = None
        if before is None or before[1] == 0.0:
            return
        course = self._course(before[0], at)
        self._n_unread = self._n_unread + 1 if course is None else 0
        if course is not None and self._judge(course, before[1], noise=noise):
            self.recognised_at = before[0]
        if self._n_unread >= N_UNREAD:
            self.n_strange = 0.0
        self._n_unknown = self._n_unknown + 1 if self.n_strange > 0.0 else 0
        if self._n_unknown >= N_LONGEST:
            self._forget()
        if self.n_strange == 0.0:
            self.known_at = before[0]
        self._is_early = at - before[0] < EARLY_SHARE * fmean([*self._rr, at - before[0]])
        self._rr.append(at - before[0])

    def _judge(self, course: Sequence[float], height: float, *, noise: float) -> bool:
        """Return whether a tail is as usual, however loud it is."""
        if not self._kinds:
            self._kinds.append(_Kind([x / height for x in course]))
        known, square = _nearest(self._kinds, course, height)
        oddity = known.oddity(square, height) / noise**2
        if known.n_heard > N_LEAST and known.lacks_wave(course, height, noise=noise):
            self._stray(course, height, noise=noise)
            return False
        if known.n_heard < N_LEAST or oddity <= USUAL:
            known.learn(course, height, square=square)
        if known.n_heard <= N_LEAST or oddity <= USUAL:
            self.n_strange = 0.0
        elif oddity > MOST_ODD:
            self._stray(course, height, noise=noise)
        else:
            self.n_strange += ODD_COUNTS
        return known.n_heard > N_LEAST and oddity * noise**2 <= USUAL

    def _stray(self, course: Sequence[float], height: float, *, noise: float) -> None:
        self.n_strange += EARLY_COUNTS if self._is_early else 1.0
        other, square = _nearest(self._others, course, height) if self._others else (None, 0.0)
        if other is None or other.oddity(square, height) > MOST_ODD * noise * noise:
            self._others.append(_Kind([x / height for x in course]))
            return
        other.learn(course, height, square=square)
        if other.is_heart:
            self._others.remove(other)
            self._kinds = [*self._kinds, other][-MAX_KINDS:]
            self.n_strange = 0.0

    def _course(self, at: float, until: float) -> list[float] | None:
        first = round(at) + self._begin
        last = first + self._n_boxes * self._n_box
        part = self._recent.between(first, last)
        if last + self._n_next > until or len(part) < last - first:
            return None
        boxes = [sum(part[k : k + self._n_box]) / self._n_box for k in range(0, len(part), self._n_box)]
        mean = sum(boxes) / len(boxes)
        return [box - mean for box in boxes]


def _nearest(kinds: Sequence[_Kind], course: Sequence[float], height: float) -> tuple[_Kind, float]:
    """Return the kind that a tail is least odd among, and the mean square by which it differs."""
    squares = [kind.square_to(course, height) for kind in kinds]
    nearest = min(range(len(kinds)), key=lambda k: kinds[k].oddity(squares[k], height))
    return kinds[nearest], squares[nearest]
