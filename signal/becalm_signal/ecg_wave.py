"""The T wave that a heart usually has: how much of it follows a beat, and how far beats differ in that."""

from collections.abc import Sequence
from operator import mul

N_LEARNED = 8
GAIN = 0.1
# What one beat differs by counts up to so many variances; the course of a beat that differs more counts less.
MOST_VARIANCES, OUTLIER_COUNTS = 9.0, 0.2
# Shares are known no better than this (standard deviation).
LEAST_SHARE_SD = 0.055
FIRST_VARIANCE = 0.02
MOST_SHARE = 2.0


class UsualWave:
    """The mean course of tails over the size of their beats; a running one after the first eight.

    Notes
    -----
    Delay: none. Warm-up: 8 beats.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._course: list[float] = []
        self._energy = 0.0
        self._size = 1.0
        self._variance = FIRST_VARIANCE
        self._n_heard = 0

    def share(self, course: Sequence[float], size: float) -> float:
        """Return how much of the wave there is.

        Parameters
        ----------
        course : of a tail, without its mean, in the unit of the signal, shape (n_boxes,)
        size : of its QRS, in the same unit

        Returns
        -------
        1 where the wave is as usual, 0 where it is missing, below 0 where it is turned
        """
        if self._energy == 0.0:
            return 1.0
        share: float = sum(map(mul, course, self._course)) / (size * self._energy)
        return max(-MOST_SHARE, min(MOST_SHARE, share))

    def missing(self, share: float, size: float, *, noise: float, usual: float = 1.0, variance: float = 0.0) -> float:
        """Return how much likelier it is that the wave is not there than that it is.

        Parameters
        ----------
        share : of the wave
        size : of the QRS
        noise : how many times louder it is than usual, at least 1
        usual : share that beats of its kind have
        variance : of the shares of these, where it is larger than that of all

        Returns
        -------
        logarithm of the likelihood ratio
        """
        louder = max(1.0, self._size / size) * noise
        spread = (max(variance, self._variance) + LEAST_SHARE_SD**2) * louder**2
        return usual * (0.5 * usual - share) / spread

    def learn(self, course: Sequence[float], size: float, *, share: float, noise: float) -> None:
        """Take a beat of this heart.

        Parameters
        ----------
        course, size, noise : as above
        share : of the wave that it has
        """
        self._n_heard += 1
        gain = max(GAIN, 1.0 / self._n_heard)
        if not self._course:
            self._course = [0.0] * len(course)
        elif self._n_heard > N_LEARNED // 2:
            square, most = (share - 1.0) ** 2 / noise**2, MOST_VARIANCES * self._variance
            if square > most:
                gain *= OUTLIER_COUNTS
            self._variance += GAIN * (min(square, most + 0.01) - self._variance)
        self._size += gain * (size - self._size)
        self._course = [a + gain * (b / size - a) for a, b in zip(self._course, course, strict=True)]
        self._energy = sum(map(mul, self._course, self._course))
