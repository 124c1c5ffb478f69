"""Falls of skin conductance that no skin makes: a jerk of the electrode, or a rail that cuts in."""

import math
from collections import deque

# Sweat dries slowly: half of a response is lost in 2 s and more (Boucsein 2012). What falls faster than by this share a
# second of all that the signal has moved by within ten is the electrode. Three real recordings stay below 0.65.
MAX_FALL_SHARE_PER_S = 0.7
OVER_S = 0.25
RANGE_S = 10
LEAST_FALL_US = 0.03
# Noise falls too: between two samples hardly by more than so many of its mean bends (7 standard deviations of that).
FALL_BENDS = 5.0
BEND_TAU_S, LEAST_BEND_TAU = 1.0, 10
"""Seconds, and no fewer samples than these."""
# A jerk is a bend as well: one counts at most for so many usual ones, and noise is known within some seconds.
BEND_CLIP = 3.0
LEAST_BEND_US = 1e-4


class JerkWatch:
    """Returns whether skin conductance fell too fast.

    Notes
    -----
    Delay: none for a jerk downwards, 0.25 s for one upwards, seen as it springs back. Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._n_over = max(1, round(OVER_S * rate_hz))
        self._share = MAX_FALL_SHARE_PER_S * self._n_over / rate_hz
        self._bend_share = -math.expm1(-1.0 / max(BEND_TAU_S * rate_hz, LEAST_BEND_TAU))
        self._n_second = max(1, round(rate_hz))
        self._past: deque[float] = deque(maxlen=max(3, self._n_over + 1))
        self._ranges: deque[tuple[float, float]] = deque(maxlen=RANGE_S)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._past.clear()
        self._ranges.clear()
        self._low, self._high = math.inf, -math.inf
        self._n = 0
        self._bend_us = 0.0

    def step(self, x: float) -> bool:
        """Take a sample, some ten a second.

        Parameters
        ----------
        x : in uS

        Returns
        -------
        whether the electrode jerked
        """
        past = self._past
        past.append(x)
        if x < self._low:
            self._low = x
        if x > self._high:
            self._high = x
        fell_us = (past[-self._n_over - 1] if len(past) > self._n_over else past[0]) - x
        is_jerk = (
            fell_us > LEAST_FALL_US
            and fell_us > FALL_BENDS * self._bend_us
            and fell_us > self._share * self._range_us()
        )
        self._n += 1
        if len(past) > 2:
            self._learn(abs(past[-3] - 2.0 * past[-2] + x))
        if self._n % self._n_second == 0:
            self._ranges.append((self._low, self._high))
            self._low = self._high = x
        return is_jerk

    def _learn(self, bend_us: float) -> None:
        if self._n <= self._n_second:
            self._bend_us = max(self._bend_us, bend_us, LEAST_BEND_US)
            return
        most_us = BEND_CLIP * self._bend_us
        usual_us = self._bend_us + self._bend_share * ((bend_us if bend_us < most_us else most_us) - self._bend_us)
        self._bend_us = usual_us if usual_us > LEAST_BEND_US else LEAST_BEND_US

    def _range_us(self) -> float:
        lows, highs = zip((self._low, self._high), *self._ranges, strict=True)
        return float(max(highs) - min(lows))
