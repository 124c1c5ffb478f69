"""Where exactly a beat is: on the dominant deflection, its polarity learned, its time to a fraction of a sample.

A wide or two-sided QRS has no one peak: people mark its first deflection or its second, up to 70 ms later. Such a beat
lies near the centre of its steepness instead, between the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from becalm_signal.kernels import parabola_vertex, smoothing_taps, weighed

# From the energy hump back to the R peak: band-pass 14 ms, half of the slope step 6 ms, half of the 90 ms box 45 ms.
HUMP_DELAY_S = 0.065
# A QRS is 60 to 160 ms wide; its largest deflection lies within this of the middle of the hump.
REACH_S = 0.1
# On a steep baseline (7 mV/s) the largest sample is the last one.
BORDER = 2
# The other polarity is taken only where it is clearly larger (a ventricular beat in a lead where it points down).
SWITCH_RATIO = 1.7
LEAN_GAIN = 0.1
# A shape nearly always placed on one side stays there: changing sides moves a peak, and its intervals, by 30 ms.
SETTLED_HABIT = 0.8
HABIT_RATIO = 2.0
# The peak of a narrow QRS lies within 15 ms of the centre of its steepness: its time is left alone.
MAX_OFF_CENTRE_S = 0.018


@dataclass(slots=True)
class Placed:
    """A peak: position among the samples, height over its surroundings, and its balance.

    Balance: 1 for a deflection upward only, 0 for one as deep as it is high, -1 for one downward only.
    """

    at: float
    height: float
    balance: float
    side: int
    """1: the upward deflection, -1: the downward one."""


class PeakPlacer:
    """Places the peak of a hump, and learns from the beats whether this lead shows them upward or downward.

    Notes
    -----
    Delay: 65 ms behind the peak. Warm-up: none; the lead's habit is learned with every beat.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._taps = smoothing_taps(0.02, rate_hz=rate_hz)
        self._delay = round(HUMP_DELAY_S * rate_hz)
        self._reach = max(3, round(REACH_S * rate_hz))
        self._edge = max(1, round(0.03 * rate_hz))
        self._off_centre = MAX_OFF_CENTRE_S * rate_hz
        self._lean = 0.0

    def learn(self, balance: float) -> None:
        """Take the balance of a beat.

        Parameters
        ----------
        balance : 1 upward only, -1 downward only
        """
        self._lean += LEAN_GAIN * (balance - self._lean)

    def place(self, samples: Sequence[float], hump: int, *, habit: float) -> Placed:
        """Return the peak of a hump.

        Parameters
        ----------
        samples : in the unit of the signal, shape (n_samples,)
        hump : index of its energy's maximum
        habit : running mean of the sides that beats of this shape were placed on, 1 upward, -1 downward

        Returns
        -------
        position, height and balance of the peak
        """
        half = len(self._taps) // 2
        centre = hump - self._delay
        low = max(half + 1, centre - self._reach)
        high = min(len(samples) - half - 2, centre + self._reach)
        if high <= low:
            return Placed(float(max(0, min(centre, len(samples) - 1))), 0.0, 0.0, 0)
        smooth = weighed(samples[low - 1 - half : high + 2 + half], self._taps)
        placed, k = self._side(smooth, self._baseline(smooth), habit=habit)
        if not BORDER < k < len(smooth) - 1 - BORDER:
            self._level(smooth)
            placed, k = self._side(smooth, 0.0, habit=habit)
        peak = k + parabola_vertex(smooth[k - 1], smooth[k], smooth[k + 1])
        middle = _centre(smooth)
        placed.at = low - 1 + min(max(peak, middle - self._off_centre), middle + self._off_centre)
        return placed

    def _side(self, smooth: list[float], base: float, *, habit: float) -> tuple[Placed, int]:
        inner = smooth[1:-1]
        top, bottom = max(inner), min(inner)
        rise, fall = top - base, base - bottom
        side = self._choose(rise, fall, habit=habit)
        k = 1 + inner.index(top if side > 0 else bottom)
        return Placed(float(k), smooth[k] - base, (rise - fall) / max(rise, fall, 1e-12), side), k

    def _baseline(self, smooth: list[float]) -> float:
        edge = min(self._edge, len(smooth) // 2)
        return (sum(smooth[:edge]) + sum(smooth[-edge:])) / (2.0 * edge)

    def _level(self, smooth: list[float]) -> None:
        """Take away the line through both ends."""
        edge = min(self._edge, len(smooth) // 2)
        before, after = sum(smooth[:edge]) / edge, sum(smooth[-edge:]) / edge
        slope = (after - before) / max(1, len(smooth) - edge)
        first = before - slope * (edge - 1) / 2.0
        for k in range(len(smooth)):
            smooth[k] -= first + slope * k

    def _choose(self, rise: float, fall: float, *, habit: float) -> int:
        is_settled = abs(habit) > SETTLED_HABIT
        ratio = HABIT_RATIO if is_settled else SWITCH_RATIO
        lean = habit if is_settled else self._lean or rise - fall  # of the first beat the larger one
        if lean >= 0.0:
            return -1 if fall > ratio * rise else 1
        return 1 if rise > ratio * fall else -1


def _centre(smooth: Sequence[float]) -> float:
    """Return the mean position of the squared slope, the usual slope of the baseline taken off."""
    slopes = [after - before for before, after in pairwise(smooth)]
    drift = median(slopes)
    total = moment = 0.0
    for k, slope in enumerate(slopes):
        weight = (slope - drift) * (slope - drift)
        total += weight
        moment += k * weight
    return moment / total + 0.5 if total > 0.0 else len(slopes) / 2.0
