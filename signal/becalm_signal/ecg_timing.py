"""How well the time of a beat is known: how much like the beats before it it looks, right where it was put."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import mul

from becalm_signal.ecg_recent import RecentSamples
from becalm_signal.kernels import smoothing_taps, weighed
from becalm_signal.qrs_course import FADE, LIKE, MAX_SHAPES, REACH_S, SMOOTH_S, Leveller, blended, gain_of

# Points about as far apart as the samples of a chest strap.
POINTS_HZ = 130.0
# The peak is sought this far around the middle of the hump: a uniform error within.
UNPLACED_MS = 100.0 / math.sqrt(3.0)
# A parabola through three samples uses little of a QRS: measured, twice the error of a matched filter in white noise
# (Cramer-Rao: Rao 1945, reprinted as 10.1007/978-1-4612-0919-5_16), for virtual people in muscle and mains
# noise of every size; and the noise of one beat is itself known from no more than some eight points that have nothing
# to do with each other (Student's t over the normal: 1.18).
OVER_CRAMER_RAO = 2.1 * 1.18


@dataclass(slots=True)
class _Shape:
    """A kind of beat around its peak: without mean and trend, of length 1."""

    course: list[float]
    weight: float = 1.0

    def learn(self, course: Sequence[float]) -> None:
        self.course = blended(self.course, course, gain=gain_of(self.weight))
        self.weight += 1.0

    def error(self, share: float) -> float:
        """Return the error, in points, of the place of a beat so much like it: what is no part of it is noise."""
        noise = math.sqrt(max(0.0, 1.0 - share * share) / len(self.course)) / share
        return OVER_CRAMER_RAO * noise / math.sqrt(sum([(b - a) ** 2 for a, b in pairwise(self.course)]))


class TimingWatch:
    """Keeps the shapes of beats around the very peaks they were given; they outlive a gap.

    Notes
    -----
    Delay: none. Warm-up: one beat of each shape.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, recent: RecentSamples) -> None:
        self._recent = recent
        self._taps = smoothing_taps(SMOOTH_S, rate_hz=recent.rate_hz)
        self._step = max(1, round(recent.rate_hz / POINTS_HZ))
        self._step_ms = 1000.0 * self._step / recent.rate_hz
        self._reach = max(1, round(1000.0 * REACH_S / self._step_ms))
        self._leveller = Leveller(self._reach)
        self._shapes: list[_Shape] = []

    def error_ms(self, at: float) -> float:
        """Return how unsure the time of a beat is, and learn its shape.

        `UNPLACED_MS` for the first of its kind: nothing says yet that it is a beat rather than noise on one. The very
        first has nothing to be unlike (`ecg_trust.py` tells it once others were like it).

        Parameters
        ----------
        at : its sample since the restart

        Returns
        -------
        standard deviation, in ms
        """
        course = self._course(at)
        if not self._shapes:
            self._shapes.append(_Shape(course))
            return 0.0
        for shape in self._shapes:
            shape.weight *= FADE
        shares = [sum(map(mul, course, shape.course)) for shape in self._shapes]
        share, mirrored = max(shares), -min(shares)
        if share >= LIKE:
            shape = self._shapes[shares.index(share)]
            shape.learn(course)
            return self._step_ms * shape.error(share)
        error_ms = UNPLACED_MS
        if mirrored >= LIKE:  # electrodes the other way round show a beat that is known
            error_ms = self._step_ms * self._shapes[shares.index(-mirrored)].error(mirrored)
        self._shapes = sorted(self._shapes, key=_weight)[1 - MAX_SHAPES :]
        self._shapes.append(_Shape(course))
        return error_ms

    def _course(self, at: float) -> list[float]:
        """Return the smoothed samples around a place, without their straight line, of length 1."""
        whole = math.floor(at)
        ahead = self._step * self._reach + len(self._taps) // 2
        part = self._recent.between(whole - ahead, whole + ahead + 2)
        part += [0.0] * (2 * ahead + 2 - len(part))
        smooth, share = weighed(part, self._taps), at - whole
        return self._leveller.course([a + share * (b - a) for a, b in pairwise(smooth)][:: self._step])


def _weight(shape: _Shape) -> float:
    return shape.weight
