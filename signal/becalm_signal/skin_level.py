"""The level of skin conductance and how far it may be off: its lag, its noise, and its own errors as seen later."""

import math
from collections import deque

from becalm_signal.bounds import Z_95
from becalm_signal.filters import OnePole, low_pass

CLEAN_HZ = 1.0
CLEAN_DELAY_S = 0.225
"""Delay of the cleaned signal."""
# One pole at 0.05 Hz: time constant and delay 1 / (2 pi 0.05 Hz).
LEVEL_TAU_S = 3.18
# Worn sensors resolve some 0.01 uS at best; a bound below that would promise too much.
LEAST_BOUND_US = 0.01
# Ten seconds later the level can be smoothed from the future too: three time constants leave 4 % of a step.
HINDSIGHT_S = 10
ERRORS_S = 60
MIN_ERRORS = 10
ERROR_QUANTILE = 0.95
# Before a person's own errors are known: 99 % of errors are below this share of the level on three real recordings.
FIRST_ERROR_SHARE = 0.03
NOISE_S = 3.0
# Noise is known at once and forgotten slowly: a lull in it is no silence.
NOISE_KEPT = 0.9
# Mean of the lower three quarters of |second difference| of white noise with standard deviation 1: responses bend the
# signal in few samples only. 0.5147 is that of a half normal distribution.
LOWER_SHARE = 0.75
LOWER_MEAN = 0.5147 * math.sqrt(1.0 + 4.0 + 1.0)


class SkinLevelFilter:
    """Cleaned signal below 1 Hz, and the level halfway between it and its part below 0.05 Hz.

    What is meant is the part below 0.05 Hz seen from both sides, which no live filter can know. The mean of cleaned and
    low-passed lies nearest to it (on 30 virtual people and three recordings, 95 % of errors; the low-pass alone is a
    fifth to a half worse). Delay 1.7 s; warm-up none (steady state of the first sample); unit uS.
    """

    def __init__(self, rate_hz: float, *, least_bound_us: float) -> None:
        self._rate_hz = rate_hz
        self._least_bound_us = max(LEAST_BOUND_US, least_bound_us)
        self._keep = math.exp(-1.0 / (LEVEL_TAU_S * rate_hz))
        self._n_second = max(1, round(rate_hz))
        self._n_hindsight = HINDSIGHT_S * self._n_second
        # A second-order Butterworth low-pass passes 1.11 times its cutoff of white noise.
        self._white_share = min(1.0, math.sqrt(2.22 * CLEAN_HZ / rate_hz))
        self._errors_us: deque[float] = deque(maxlen=ERRORS_S)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap; how wrong the level was until then is remembered."""
        self._clean = low_pass(CLEAN_HZ, rate_hz=self._rate_hz)
        self._slow = OnePole(tau_s=LEVEL_TAU_S, rate_hz=self._rate_hz)
        self._past: deque[tuple[float, float]] = deque(maxlen=self._n_hindsight + 1)
        self._raw: deque[float] = deque(maxlen=3)
        self._bends: deque[float] = deque(maxlen=max(8, round(NOISE_S * self._rate_hz)))
        self._n = -1
        self._error_us: float | None = None
        self.clean_us = 0.0
        self.slow_us = 0.0
        self.noise_us = 0.0
        """Standard deviation of the sensor's noise in the cleaned signal."""

    def step(self, x: float) -> float:
        """Take one sample in uS; return the cleaned one."""
        self._n += 1
        raw = self._raw
        raw.append(x)
        if len(raw) == 3:
            self._bends.append(abs(raw[0] - 2.0 * raw[1] + raw[2]))
        self.clean_us = self._clean.step(x)
        self.slow_us = self._slow.step(self.clean_us)
        self._past.append((self.slow_us, self.level_us))
        if self._n % self._n_second == 0:
            self._look_back()
        return self.clean_us

    @property
    def level_us(self) -> float:
        """The level now."""
        return (self.clean_us + self.slow_us) / 2.0

    def bound_us(self) -> float:
        """Return the half width of a 95 % interval of the level."""
        noise_us = Z_95 * self.noise_us
        error_us = FIRST_ERROR_SHARE * self.level_us if self._error_us is None else self._error_us
        return self._least_bound_us + noise_us + abs(self.clean_us - self.slow_us) + error_us

    def _look_back(self) -> None:
        """Once a second: what noise there is, and what the level was ten seconds ago as seen from both sides."""
        if self._bends:
            lower = sorted(self._bends)[: max(1, int(LOWER_SHARE * len(self._bends)))]
            noise_us = sum(lower) / len(lower) / LOWER_MEAN * self._white_share
            self.noise_us = max(noise_us, NOISE_KEPT * self.noise_us)
        if len(self._past) <= self._n_hindsight:
            return
        keep, smooth = self._keep, self.slow_us
        for slow_us, _ in reversed(self._past):
            smooth = keep * smooth + (1.0 - keep) * slow_us
        self._errors_us.append(abs(self._past[0][1] - smooth))
        if len(self._errors_us) >= MIN_ERRORS:
            worst = sorted(self._errors_us)
            self._error_us = worst[int(ERROR_QUANTILE * len(worst))]
