"""Why an ECG is no use: mains, an amplifier at its end, or noise of another kind."""

import cmath
import math
from collections.abc import Sequence
from itertools import pairwise

from becalm_protocol.derived import Reason
from becalm_signal.ecg_recent import RecentSamples

WINDOW_S = 1.0
MAINS_HZ = (50.0, 60.0)
# Share of the power of the steps between samples that lies at the mains: muscle and white noise have a tenth.
MAINS_SHARE = 0.5
# Samples exactly on the highest or lowest value of a second; a heart has one or two there.
CLIPPED_SHARE = 0.1
# Coarse signals repeat their extremes all the time.
MIN_CLIPPED_STEPS = 24


class NoiseCause:
    """`judge` says what the last second is made of. Called only where the signal is of no use.

    Notes
    -----
    Delay and Warm-up: the last second.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, recent: RecentSamples, *, unit_per_count: float) -> None:
        self._recent = recent
        self._least_range = MIN_CLIPPED_STEPS * unit_per_count
        self._n_window = round(WINDOW_S * recent.rate_hz)

    def judge(self) -> Reason:
        """Name what the last second is made of.

        Returns
        -------
        CLIPPED, POWERLINE or, where it is neither, NOISY
        """
        samples = self._recent.last(self._n_window)
        if len(samples) < self._n_window:
            return Reason.NOISY
        if self._is_clipped(samples):
            return Reason.CLIPPED
        steps = [after - before for before, after in pairwise(samples)]
        share = max(_share_at(mains_hz / self._recent.rate_hz, steps) for mains_hz in MAINS_HZ)
        return Reason.POWERLINE if share > MAINS_SHARE else Reason.NOISY

    def _is_clipped(self, samples: Sequence[float]) -> bool:
        low, high = min(samples), max(samples)
        on_rail = max(samples.count(low), samples.count(high))
        return high - low >= self._least_range and on_rail > CLIPPED_SHARE * len(samples)


def _share_at(cycles_per_sample: float, steps: Sequence[float]) -> float:
    """Return the share of the power at a frequency, aliased or not."""
    power = sum(step * step for step in steps)
    turn = -2.0j * math.pi * cycles_per_sample
    line = abs(sum(step * cmath.exp(turn * k) for k, step in enumerate(steps))) ** 2
    return 2.0 * line / (len(steps) * power) if power > 0.0 else 0.0
