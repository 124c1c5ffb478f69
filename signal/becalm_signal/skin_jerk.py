"""Changes of skin conductance that no skin makes: a jerk of the electrode, or a rail that cuts in.

Sweat rises smoothly and dries more slowly than it came, however quick it is; a jerk has a corner.
"""

import math
from collections import deque
from itertools import pairwise
from statistics import median

from becalm_signal.skin_quick import LOST_IN_HALF_S, MOST_LOST_AT_ONCE

# Steeper than this an electrode moved (Kleckner 2018, 10.1109/TBME.2017.2758643): over so long, for a jerk is there at
# once, and a slope over single samples of a fast sensor would be its noise.
MAX_SLOPE_US_S = 10.0
SLOPE_OVER_S = 0.1
# A large response is as steep as that, but never a corner: going on as in its steepest part it would take longer than
# this for all its height, while a jerk is there within a sample. The quickest that is simulated (NeuroKit2: from 5 % to
# its peak in 0.24 s) takes 0.17 s.
LEAST_RISE_S = 0.14
MOST_SHARE = 0.95
AROUND_S = 0.25
"""The height is that within so long before and after."""
# Sweat dries slowly: half of a response is lost in 2 s and more (Boucsein 2012). What falls faster than by this share a
# second of all that the signal has moved by within ten is the electrode. Three real recordings stay below 0.65.
MAX_FALL_SHARE_PER_S = 0.7
OVER_S = 0.25
RANGE_S = 10
# The smallest response is 0.05 uS: what falls by less does little harm, and noise with long tails falls by 0.03.
LEAST_FALL_US = 0.04
# Slower sensors than this take a quick rise in one step themselves, and their filters ring by a sample before it: what
# falls must last for two.
LEAST_RATE_HZ = 5.0
# Noise falls too: between two samples hardly by more than so many of its mean bends (7 standard deviations of that).
FALL_BENDS = 5.0
BEND_TAU_S, LEAST_BEND_TAU = 1.0, 10
"""Seconds, and no fewer samples than these."""
# A jerk is a bend as well: one counts at most for so many usual ones, and noise is known within some seconds.
BEND_CLIP = 3.0
LEAST_BEND_US = 1e-4
# A quick response falls faster than that, too, though not as fast as it rose, and soon after.
MAX_FALL_OF_RISE = 0.7
SEEN_S = 1.5


def corner(rate_hz: float) -> tuple[int, float]:
    """Return how a corner is told from a rise of the skin.

    Parameters
    ----------
    rate_hz : of the samples

    Returns
    -------
    over how many samples slopes are taken, and which share of its height a rise of the skin makes in them at most
    """
    n_over = max(1, round(SLOPE_OVER_S * rate_hz))
    return n_over, min(MOST_SHARE, n_over / rate_hz / LEAST_RISE_S)


class SlopeWatch:
    """Returns whether the electrode moved just before: by a steep change with a corner.

    Notes
    -----
    Delay: 0.25 s, after which a steep change is known to be a corner or part of something larger. Warm-up: none.

    References
    ----------
    Kleckner 2018, DOI 10.1109/TBME.2017.2758643.
    """

    def __init__(self, rate_hz: float) -> None:
        self._n_over, self._corner_share = corner(rate_hz)
        self._least_us = MAX_SLOPE_US_S * self._n_over / rate_hz
        self._n_wait = max(2, round(AROUND_S * rate_hz))
        self._is_slow = rate_hz < LEAST_RATE_HZ
        self._recent: deque[float] = deque(maxlen=2 * self._n_wait + self._n_over)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._recent.clear()
        self._n_waited = 0
        self._steepest_us = 0.0

    def step(self, x: float) -> bool:
        """Take a sample, every one at the sensor's own rate.

        Parameters
        ----------
        x : in uS

        Returns
        -------
        whether the electrode moved
        """
        recent = self._recent
        recent.append(x)
        step_us = abs(x - recent[-1 - self._n_over]) if len(recent) > self._n_over else 0.0
        if self._steepest_us == 0.0:
            if step_us > self._least_us:
                self._steepest_us, self._n_waited = step_us, 0
            return False
        if step_us > self._steepest_us:
            self._steepest_us = step_us
        self._n_waited += 1
        if self._n_waited < self._n_wait:
            return False
        steepest_us, self._steepest_us = self._steepest_us, 0.0
        height_us = max(recent) - min(recent)
        return steepest_us >= self._corner_share * height_us and not (self._is_slow and self._recovers(height_us))

    def _recovers(self, height_us: float) -> bool:
        """Return whether a rise within one sample has gone back since as the quickest responses do."""
        _, *falls_us = [before - after for before, after in pairwise(list(self._recent)[-self._n_wait - 2 :])]
        least, most = LOST_IN_HALF_S
        return max(falls_us) <= MOST_LOST_AT_ONCE * height_us and least <= sum(falls_us) / height_us <= most


class JerkWatch:
    """Returns whether skin conductance fell too fast, and not after a smooth rise.

    Notes
    -----
    Delay: none for a jerk downwards, 0.25 s for one upwards, seen as it springs back. Below 5 Hz a sample
    downwards; upwards only where it springs back as fast as it came. Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._n_over = max(1, round(OVER_S * rate_hz))
        self._is_slow = rate_hz < LEAST_RATE_HZ
        self._n_before = self._n_over + (2 if self._is_slow else 1)
        self._share = MAX_FALL_SHARE_PER_S * self._n_over / rate_hz
        self._bend_share = -math.expm1(-1.0 / max(BEND_TAU_S * rate_hz, LEAST_BEND_TAU))
        self._n_second = max(1, round(rate_hz))
        self._past: deque[float] = deque(maxlen=max(3, self._n_before))
        self._ranges: deque[tuple[float, float]] = deque(maxlen=RANGE_S)
        self._n_slope, self._corner_share = corner(rate_hz)
        self._raw: deque[float] = deque(maxlen=max(3, round(SEEN_S * rate_hz)))
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._past.clear()
        self._raw.clear()
        self._ranges.clear()
        self._low, self._high = math.inf, -math.inf
        self._n = 0
        self._bend_us = 0.0

    def step(self, x: float, *, raw: float) -> bool:
        """Take a sample, some ten a second.

        Parameters
        ----------
        x : in uS
        raw : the newest sample as it came, which no filter has rounded, in uS

        Returns
        -------
        whether the electrode jerked
        """
        past = self._past
        past.append(x)
        self._raw.append(raw)
        if x < self._low:
            self._low = x
        if x > self._high:
            self._high = x
        low_us = past[-2] if self._is_slow and len(past) > 1 and past[-2] > x else x
        fell_us = (past[-self._n_before] if len(past) >= self._n_before else past[0]) - low_us
        is_jerk = (
            fell_us > LEAST_FALL_US
            and fell_us > FALL_BENDS * self._bend_us
            and fell_us > self._share * self._range_us()
            and not self._recovers(fell_us)
        )
        self._n += 1
        if len(past) > 2:
            self._learn(abs(past[-3] - 2.0 * past[-2] + x))
        if self._n % self._n_second == 0:
            self._ranges.append((self._low, self._high))
            self._low = self._high = x
        return is_jerk

    def _recovers(self, fell_us: float) -> bool:
        """Return whether what fell by so much has come up smoothly just before, by as much and faster."""
        raw = list(self._raw)
        top = raw.index(max(raw))
        foot = raw.index(min(raw[: top + 1]))
        height_us = raw[top] - raw[foot]
        if len(raw) < self._n_slope + 2 or height_us < fell_us or raw[-1] < raw[foot]:
            return False
        steps_us = [after - before for before, after in zip(raw, raw[self._n_slope :], strict=False)]
        noise_us = median([abs(after - before) for before, after in pairwise(steps_us)])
        rise_us = max(steps_us[max(0, foot - self._n_slope + 1) : top])
        fall_us = -min(steps_us[top:], default=0.0)
        is_smooth = self._is_slow or rise_us - noise_us <= self._corner_share * height_us
        return is_smooth and fall_us - noise_us <= MAX_FALL_OF_RISE * rise_us

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
