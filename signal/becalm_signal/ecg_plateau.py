"""Beats whose top an amplifier has cut off: how well their time is known."""

import math
from collections import deque
from collections.abc import Sequence

from becalm_signal.ecg_cause import MIN_CLIPPED_STEPS
from becalm_signal.ecg_recent import RecentSamples

# Both deflections of a narrow QRS lie within this of its peak.
REACH_S = 0.07
# A shorter one hardly moves the peak; two samples are no plateau at high rates.
LEAST_S = 0.012
# Measured on virtual people: the time is off by 6 % of a plateau's length (SD), twice that for hearts less symmetric.
ERROR_SHARE = 0.125
# About a minute. Where some hundred levels are all there is, two beats in a row often end on the same.
N_BEATS = 64


class PlateauWatch:
    """`error_ms` tells how unsure the time of a beat is that ends in a plateau.

    A rail is a level at which the beat before has ended, too, to the bit, and that none of the last minute has passed.

    Notes
    -----
    Delay: none. Warm-up: one beat.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, recent: RecentSamples, *, unit_per_count: float) -> None:
        self._recent = recent
        self._rate_hz = recent.rate_hz
        self._least_range = MIN_CLIPPED_STEPS * unit_per_count
        self._reach = round(REACH_S * self._rate_hz)
        self._n_least = max(2, math.ceil(LEAST_S * self._rate_hz))
        self._lows: deque[float] = deque(maxlen=N_BEATS)
        self._highs: deque[float] = deque(maxlen=N_BEATS)
        self.height = 0.0
        """Range of the beat asked for last, in the unit of the samples."""
        self.is_cut = False
        """Whether that beat ends in a plateau."""

    def restart(self) -> None:
        """Begin again after a gap."""
        self._lows.clear()
        self._highs.clear()

    def error_ms(self, at: float) -> float:
        """Return how unsure the time of a beat is.

        Parameters
        ----------
        at : its sample since the restart

        Returns
        -------
        standard deviation that plateaus add, in ms
        """
        middle = round(at)
        part = self._recent.between(middle - self._reach, middle + self._reach + 1)
        if not part:
            self.height, self.is_cut = 0.0, False
            return 0.0
        low, high = min(part), max(part)
        self.height = high - low
        rails = []
        if self._lows and self.height >= self._least_range:
            rails += [low] if low == self._lows[-1] == min(self._lows) else []
            rails += [high] if high == self._highs[-1] == max(self._highs) else []
        self._lows.append(low)
        self._highs.append(high)
        cuts = [rail for rail in rails if part.count(rail) >= self._n_least]
        self.is_cut = bool(cuts)
        if len(cuts) > 1:  # which of the two deflections was larger is not known
            return 500.0 * abs(_middle(part, cuts[0]) - _middle(part, cuts[1])) / self._rate_hz
        return max((1000.0 * ERROR_SHARE * (part.count(cut) - 1) / self._rate_hz for cut in cuts), default=0.0)


def _middle(part: Sequence[float], level: float) -> float:
    """Return the mean position of a level."""
    at = [k for k, x in enumerate(part) if x == level]
    return sum(at) / len(at)
