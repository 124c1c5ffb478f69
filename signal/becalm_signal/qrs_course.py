"""The course of a QRS: what two beats are compared by. Without mean and trend, of length 1."""

import math
from collections.abc import Sequence
from operator import mul

# The steep part of a QRS, narrow or wide, without P and T wave.
REACH_S = 0.07
# Quiets mains and muscle; a longer one makes P and T waves look like a QRS.
SMOOTH_S = 0.02
# Correlation with the nearest shape: 19 of 20 beats of MIT-BIH exceed 0.9; P waves, T waves and noise mostly do not.
LIKE = 0.9
# A usual beat, one or two kinds of early ones, and fusions of them.
MAX_SHAPES = 5
GAIN = 0.1
# A shape not seen for some fifty beats makes room.
FADE = 0.98


class Leveller:
    """Takes mean and trend out of pieces of `2 * reach + 1` samples."""

    def __init__(self, reach: int) -> None:
        self._ramp = [float(k) for k in range(-reach, reach + 1)]
        self._ramp_square = sum(k * k for k in self._ramp)

    def course(self, part: Sequence[float]) -> list[float]:
        """Return the course of a piece.

        Parameters
        ----------
        part : in the unit of the signal, shape (2 * reach + 1,)

        Returns
        -------
        without mean and trend, of length 1, the same shape; empty where it is flat
        """
        mean = sum(part) / len(part)
        slope = sum(map(mul, part, self._ramp)) / self._ramp_square
        return _unit([x - mean - slope * k for x, k in zip(part, self._ramp, strict=True)])


def gain_of(weight: float) -> float:
    """Return how much one more beat counts in what is made of `weight` of them.

    Parameters
    ----------
    weight : how many beats are in it

    Returns
    -------
    share of 1
    """
    return max(GAIN, 1.0 / (weight + 1.0))


def blended(known: Sequence[float], course: Sequence[float], *, gain: float) -> list[float]:
    """Return a known course with a share of another beat's in it.

    Parameters
    ----------
    known, course : without mean and trend, of length 1, shape (n_course,)
    gain : share of `course`

    Returns
    -------
    a course, shape (n_course,)
    """
    return _unit([a + gain * (b - a) for a, b in zip(known, course, strict=True)])


def _unit(course: list[float]) -> list[float]:
    length = math.sqrt(sum(map(mul, course, course)))
    return [x / length for x in course] if length > 0.0 else []
