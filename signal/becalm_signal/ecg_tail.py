"""What follows a QRS, ST segment and T wave: the same after each beat of a heart, and nothing of it after a knock."""

import math
from collections import deque
from collections.abc import Sequence
from statistics import fmean, stdev

from becalm_signal.ecg_recent import RecentSamples
from becalm_signal.ecg_tail_kind import TailKind, nearest_kind
from becalm_signal.qrs_course import MAX_SHAPES
from becalm_signal.qrs_shapes import Shape

# From the end of a QRS to the end of a usual T wave, in boxes of this width, which quiets mains.
BEGIN_S, END_S, BOX_S = 0.08, 0.38, 0.025
# How long before its R peak the next QRS begins.
NEXT_S = 0.06
# Mean square by which a tail differs from those before it over the usual one. Of worn hearts 99 of 100 are below 5 to
# 11 (a record with many kinds of beats: 47), of knocked electrodes 19 of 20 of those unlike all before are above 22.
MOST_ODD = 14.0
# What is odder is not learned: one odd tail must not make the next one look usual.
USUAL = 6.0
MAX_KINDS = 4
# One odd tail may be any beat's, and two in a row those of early beats, which come in pairs and count half. What is
# less odd, but not usual, counts once it goes on.
N_STRANGE = 1.5
EARLY_COUNTS = 0.5
ODD_COUNTS = 0.3
# A QRS that looks like none of this heart is a second sign: with an odd tail one beat is enough, and where no wave
# shows three are. A tail that the next beat came into tells nothing, and its QRS little.
FOREIGN_COUNTS, FOREIGN_ALONE_COUNTS, UNREAD_COUNTS = 0.5, 0.5, 0.1
# Less so of a heart that has shown such beats, one or two at a time among its own; of a hundred beats ago it counts
# a third.
N_PASSING, PASSED_FADE = 2, 0.99
# Electrodes come off once in tens of beats; what comes oftener for longer is another look of this heart (paced beats).
MOST_BOUTS, BOUT_FADE = 4.0, 0.97
# So many new QRS in a row of a heart without a wave to be missed are how it looks now.
N_NEW_LOOK = 12
# A heart may change for good, or have many looks (paced beats). So many in doubt in a row are learned anew: knocks that
# go on for longer cannot be told from it. A heart that did so is doubted less by new QRS.
MOST_DOUBTED = 30
# Early is after so much of the mean of the last intervals; of knocks that are nearly even, few come so soon.
EARLY_SHARE = 0.68
N_RR = 8
# Another heart beats this evenly; one that does not needs more beats. Knocks by hand scatter by 10 % and more.
EVEN_RR, N_UNEVEN = 0.08, 24
# Of a heart too fast for its tails to be read nothing is known any more after so many beats; of a new QRS, after twice
# as many.
N_UNREAD = 6


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
        self._kinds: list[TailKind] = []
        self._others: deque[TailKind] = deque(maxlen=MAX_KINDS)
        self._own: deque[Shape] = deque(maxlen=2 * MAX_SHAPES)
        """Shapes of QRS whose tails were this heart's."""
        self._rr: deque[float] = deque(maxlen=N_RR)
        self._n_run = self._n_new_look = 0
        """How many tails in a row were not as usual, and of how many of them only the QRS was new."""
        self._bouts = self._passed = 0.0
        """How many longer runs, and how many beats of shorter ones, came among its own lately."""
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap: kinds are kept."""
        self._before: tuple[float, float, Shape | None] | None = None
        self._is_early = False
        self.n_strange = 0.0
        """How many tails in a row were unlike all that are known; early beats and less odd tails count less."""
        self.recognised_at: float | None = None
        """The sample of the beat before the newest, if its tail was as usual."""
        self.known_at: float | None = None
        """The sample of the last beat whose tail was known."""
        self._n_unread = 0.0
        """How many tails in a row the next beat came into."""

    @property
    def is_strange(self) -> bool:
        """Whether what comes is no heart as far as its tails tell."""
        return self.n_strange >= N_STRANGE

    def beat(self, at: float, *, height: float, noise: float, shape: Shape | None) -> None:
        """Take the next beat.

        Parameters
        ----------
        at : its sample since the restart
        height : of its QRS, in the unit of the signal
        noise : how many times louder it is than usual, at least 1
        shape : what its QRS looks like; None where too little of it was seen
        """
        before, self._before = self._before, (at, height, shape)
        self.recognised_at = None
        if before is None or before[1] == 0.0:
            return
        before_at, before_height, before_shape = before
        course = self._course(before_at, at)
        if course is None:
            self._pass_over(is_foreign=self._is_foreign(before_shape))
        else:
            self._n_unread = 0.0
            if self._judge(course, before_height, noise=noise, shape=before_shape):
                self.recognised_at = before_at
            if self._n_run >= MOST_DOUBTED:
                self._learn_anew(before_shape)
        if self.n_strange == 0.0:
            self.known_at = before_at
        self._is_early = at - before_at < EARLY_SHARE * fmean([*self._rr, at - before_at])
        self._rr.append(at - before_at)

    def _pass_over(self, *, is_foreign: bool) -> None:
        """Take a beat whose tail the next one came into."""
        self._n_unread += 0.5 if is_foreign else 1.0
        if is_foreign:
            self.n_strange += UNREAD_COUNTS / (1.0 + self._passed)
        if self._n_unread >= N_UNREAD:
            self.n_strange = 0.0

    def _judge(self, course: Sequence[float], height: float, *, noise: float, shape: Shape | None) -> bool:
        """Return whether a tail is as usual, however loud it is."""
        if not self._kinds:
            self._kinds.append(TailKind([x / height for x in course]))
        known, square = nearest_kind(self._kinds, course, height)
        oddity = known.oddity(square, height) / noise**2
        if not known.is_learned:
            known.learn(course, height, square=square)
            self._recognise(shape)
            return known.is_learned and oddity * noise**2 <= USUAL
        lacks = known.lacks_wave(course, height, noise=noise)
        is_foreign = self._is_foreign(shape)
        if oddity > USUAL or lacks:
            is_odd = lacks or oddity > MOST_ODD
            counts = (1.0 if is_odd else ODD_COUNTS) + (FOREIGN_COUNTS / (1.0 + self._passed) if is_foreign else 0.0)
            self._doubt(counts)
            if is_odd:
                self._liken(course, height, noise=noise, shape=shape)
            return False
        if self.n_strange >= 1.0 and not is_foreign and known.tells_nothing(course, height, noise=noise):
            self._n_run += 1
            return False
        if is_foreign and not known.has_wave(course, height, noise=noise):
            self._doubt(FOREIGN_ALONE_COUNTS / (1.0 + self._passed))
            self._liken(course, height, noise=noise, shape=shape)
            self._n_new_look += 1
            if self._n_new_look >= N_NEW_LOOK:
                self._recognise(shape)
            return oddity * noise**2 <= USUAL
        known.learn(course, height, square=square)
        self._recognise(shape)
        return oddity * noise**2 <= USUAL

    def _is_foreign(self, shape: Shape | None) -> bool:
        return bool(self._own) and shape is not None and all([own is not shape for own in self._own])

    def _recognise(self, shape: Shape | None) -> None:
        """Take a beat as this heart's; what came between its beats for long was no other heart's."""
        self.n_strange = 0.0
        is_bout = self._n_run > N_PASSING
        if is_bout and self._bouts < MOST_BOUTS:
            self._others.clear()
        else:
            self._passed += self._n_run
        self._bouts = BOUT_FADE * self._bouts + is_bout
        self._passed *= PASSED_FADE
        self._n_run = self._n_new_look = 0
        if shape is not None and all([own is not shape for own in self._own]):
            self._own.append(shape)

    def _doubt(self, counts: float) -> None:
        self.n_strange += counts * (EARLY_COUNTS if self._is_early else 1.0)
        self._n_run += 1

    def _liken(self, course: Sequence[float], height: float, *, noise: float, shape: Shape | None) -> None:
        """Compare a tail with the others in doubt: so many alike are another heart."""
        other, square = nearest_kind(self._others, course, height) if self._others else (None, 0.0)
        if other is None or other.oddity(square, height) > MOST_ODD * noise * noise:
            self._others.append(TailKind([x / height for x in course]))
            return
        other.learn(course, height, square=square)
        if other.n_heard >= MOST_DOUBTED or (other.is_heart and (self._is_even() or other.n_heard > N_UNEVEN)):
            self._others.remove(other)
            self._kinds = [*self._kinds, other][-MAX_KINDS:]
            self._recognise(shape)

    def _learn_anew(self, shape: Shape | None) -> None:
        self._passed += self._n_run
        self._kinds.clear()
        self._recognise(shape)

    def _is_even(self) -> bool:
        return len(self._rr) == N_RR and stdev([math.log(rr) for rr in self._rr]) < EVEN_RR

    def _course(self, at: float, until: float) -> list[float] | None:
        first = round(at) + self._begin
        last = first + self._n_boxes * self._n_box
        part = self._recent.between(first, last)
        if last + self._n_next > until or len(part) < last - first:
            return None
        boxes = [sum(part[k : k + self._n_box]) / self._n_box for k in range(0, len(part), self._n_box)]
        mean = sum(boxes) / len(boxes)
        return [box - mean for box in boxes]
