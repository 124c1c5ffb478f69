"""How far a breath went: levels of the belt's own signal, which no low-pass has rounded off or made swing over.

What turns are found in is below 0.7 Hz: that takes a tenth off breaths with a sharp peak (a third of some patients'),
and adds as much to those that a ventilator switches. Between a peak and its troughs drift cancels out.
"""

from collections import deque
from itertools import islice

from becalm_signal.breath_turns import SLOWEST_S
from becalm_signal.kernels import smoothing_taps, weighed

# Noise is smoothed over so long. Of 21 recordings depth is then off by 3 % of the peak to trough of eight breaths laid
# over each other, by their median, which pulsation and noise are not in; that of the low-passed signal by 9 %.
SMOOTH_S = 0.2
# Of fewer samples than these within so long three would reach further: sharp breaths would lose a tenth and more.
LEAST_SMOOTHED = 2
# A turn is known before the next half breath is over, and no half breath takes longer.
PAST_S = SLOWEST_S


class TurnLevels:
    """The last half minute of a belt.

    Notes
    -----
    Delay and Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        is_slow = SMOOTH_S * rate_hz < LEAST_SMOOTHED
        self._taps = (1.0,) if is_slow else smoothing_taps(SMOOTH_S, rate_hz=rate_hz)
        self.past: deque[float] = deque(maxlen=round(PAST_S * rate_hz))

    def at(self, ago: float, *, reach_s: float, is_peak: bool) -> float:
        """Return the level of a turn.

        Parameters
        ----------
        ago : how many samples before the newest it lies
        reach_s : how far from there its extreme may be, in s
        is_peak : a peak, not a trough

        Returns
        -------
        its level, in the unit of the samples
        """
        reach = round(reach_s * self._rate_hz) + len(self._taps) // 2
        at = max(0, len(self.past) - 1 - round(ago))
        near = list(islice(self.past, max(0, at - reach), at + reach + 1))
        smooth = weighed(near, self._taps) or near
        return max(smooth) if is_peak else min(smooth)
