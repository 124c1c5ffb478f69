"""Pulses from a photoplethysmogram, causal and sample by sample: the steepest rise of each wave.

The steepest rise is the point of a pulse wave that noise and reflections move least. Which way a sensor shows a pulse
is found by itself: blood comes faster than it goes, so the rise is the steeper side.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

from becalm_signal.filters import OnePole, low_pass
from becalm_signal.kernels import Decimator, parabola_vertex

# The rise of a pulse takes 0.1 to 0.2 s; 50 Hz and more show its steepest point well.
TARGET_RATE_HZ = 50.0
CUTOFF_HZ = 6.0
# Delay of the low-pass at low frequency: sqrt(2) / (2 pi cutoff).
FILTER_DELAY_S = 0.0375
LEARNING_S = 3.0
RELEARN_S = 3.0
REFRACTORY_S = 0.3
# The second wave is half as steep as the first and comes within half an interval.
SECOND_WAVE_RR = 0.55
SECOND_WAVE_SHARE = 0.75
LEVEL_SHARE = 0.45
# Where a pulse is due, a weaker one is taken: the one after an early beat.
DUE_RR = 0.85
DUE_SHARE = 0.25
# By then it has come: a chamber is empty 0.35 s after it opens, however slow the heart. A later rise, before the next
# is due, may be a weak pulse of its own (bigeminy). Three of five intervals have one in two of 53 records of intensive
# care, whose rate in light is half of that in the ECG, and in no other.
SECOND_WAVE_OVER_S = 0.42
LATE_SHARE = 0.2
N_LATE, N_LATE_OF = 3, 5
# A rise is over when its slope has fallen to this share: waiting for the top costs another tenth of a second.
OVER_SHARE = 0.5
POLARITY_TAU_S = 4.0
# The cube of slopes tells which side is steeper; near balance the polarity stays.
POLARITY_MARGIN = 0.15
STEEPEST_PER_MEAN_TAU_S = 3.0


@dataclass(frozen=True, slots=True)
class Rise:
    """The steepest point of a rise: position in input samples since the start (sub-sample), and its slope."""

    at: float
    slope: float


class PulseDetector:
    """Streaming pulse detector for one channel; each pulse at its steepest rise. State: some 20 numbers.

    Notes
    -----
    Delay: about 0.15 s. Warm-up: 3 s.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._decimator = Decimator(max(1, int(rate_hz / TARGET_RATE_HZ)))
        self.rate_hz = rate_hz / self._decimator.factor
        self._filter = low_pass(CUTOFF_HZ, rate_hz=self.rate_hz)
        self._levels: deque[float] = deque(maxlen=8)
        self._lates: deque[bool] = deque(maxlen=N_LATE_OF)
        """Whether there was a late rise in each of the last intervals."""
        self._rr: deque[float] = deque(maxlen=8)
        self._cubes = OnePole(tau_s=POLARITY_TAU_S, rate_hz=self.rate_hz)
        self._sizes = OnePole(tau_s=POLARITY_TAU_S, rate_hz=self.rate_hz)
        self._mean = OnePole(tau_s=STEEPEST_PER_MEAN_TAU_S, rate_hz=self.rate_hz)
        self._sign = 1.0
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap: levels and polarity are kept."""
        self._decimator.reset()
        self._filter.reset()
        self._n = -1
        self._before: float | None = None
        self._slopes: deque[float] = deque(maxlen=3)
        self._top: Rise | None = None
        self._last: float | None = None
        self._passed: list[Rise] = []
        self._lates.clear()
        self._has_late = False
        self._quiet_since = 0

    @property
    def peakiness(self) -> float:
        """Slope of the pulses over the mean slope: 3.5 and more for pulses, below 3 for noise; 0: not known yet."""
        return median(self._levels) / self._mean.value if self._levels and self._mean.value else 0.0

    @property
    def may_miss(self) -> bool:
        """Whether what comes between the pulses may be weak pulses of their own."""
        return sum(self._lates) >= N_LATE

    def step(self, x: float) -> list[Rise]:
        """Take one sample.

        Parameters
        ----------
        x : in any unit

        Returns
        -------
        the pulses that it settled
        """
        sample = self._decimator.step(x)
        if sample is None:
            return []
        self._n += 1
        y = self._filter.step(sample)
        slope = 0.0 if self._before is None else y - self._before
        self._before = y
        self._mean.step(abs(slope))
        self._turn(slope)
        return self._rise(self._sign * slope)

    def _turn(self, slope: float) -> None:
        cubes, sizes = self._cubes.step(slope**3), self._sizes.step(abs(slope) ** 3)
        if self._sign * cubes < -POLARITY_MARGIN * sizes:
            self._sign = -self._sign
            self._levels.clear()
            self._passed.clear()
            self._top = None
            self._quiet_since = self._n

    def _rise(self, slope: float) -> list[Rise]:
        slopes = self._slopes
        slopes.append(slope)
        found: list[Rise] = []
        if len(slopes) == 3 and slopes[1] > 0.0 and slopes[0] <= slopes[1] > slopes[2]:
            at = self._n - 1.0 + parabola_vertex(slopes[0], slopes[1], slopes[2])
            if self._top is None or slopes[1] > self._top.slope:
                self._top = Rise(at, slopes[1])
        top = self._top
        if top is not None and slope < OVER_SHARE * top.slope:
            self._top = None
            self._passed.append(top)
            if self._levels and self._is_pulse(top):
                found.append(self._accept(top))
            elif self._levels and self._is_late(top):
                self._has_late = True
        wait_s = RELEARN_S if self._levels else LEARNING_S
        if self._n - self._quiet_since > wait_s * self.rate_hz:
            found += self._learn()
        return found

    def _is_pulse(self, top: Rise) -> bool:
        level = median(self._levels)
        if self._last is None:
            return top.slope > LEVEL_SHARE * level
        since = top.at - self._last
        typical = median(self._rr) if self._rr else 0.8 * self.rate_hz
        if since < REFRACTORY_S * self.rate_hz:
            return False
        if since < SECOND_WAVE_RR * typical and top.slope < SECOND_WAVE_SHARE * level:
            return False
        return top.slope > (DUE_SHARE if since > DUE_RR * typical else LEVEL_SHARE) * level

    def _is_late(self, top: Rise) -> bool:
        """Whether a rise that was passed over is later than a second wave, and no pulse that comes too soon."""
        if self._last is None or not self._rr:
            return False
        since, typical = top.at - self._last, median(self._rr)
        first, last = SECOND_WAVE_OVER_S * self.rate_hz, min(DUE_RR * typical, typical - REFRACTORY_S * self.rate_hz)
        return first <= since <= last and top.slope >= LATE_SHARE * median(self._levels)

    def _accept(self, top: Rise) -> Rise:
        self._lates.append(self._has_late)
        self._has_late = False
        if self._last is not None and top.at - self._last < 2.5 * self.rate_hz:
            self._rr.append(top.at - self._last)
        self._levels.append(top.slope)
        self._last = top.at
        self._quiet_since = self._n
        self._passed.clear()
        at = (top.at - 0.5 - FILTER_DELAY_S * self.rate_hz) * self._decimator.factor
        return Rise(at, top.slope)

    def _learn(self) -> list[Rise]:
        """Set the level from the steepest rise of each second, then take the rises of that time once more."""
        passed, self._passed = self._passed, []
        self._quiet_since = self._n
        steepest: dict[int, float] = {}
        for rise in passed:
            slot = int(rise.at / self.rate_hz)
            steepest[slot] = max(steepest.get(slot, 0.0), rise.slope)
        self._levels.clear()
        if not steepest:
            return []
        self._levels.append(median(steepest.values()))
        return [self._accept(rise) for rise in passed if self._is_pulse(rise)]
