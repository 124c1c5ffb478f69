"""The level of skin conductance a little ago, and how far it may be off.

Four things widen its bound: the future that is still unknown, the noise, its own errors of the last minute as seen
later, and how far it is from where it was before a stretch of bad contact. What electrodes may have taken from it by
drying: `skin_drying`.
"""

import math
from collections import deque
from dataclasses import dataclass
from itertools import islice
from operator import mul

from becalm_signal.bounds import Z_95
from becalm_signal.filters import OnePole, low_pass

CLEAN_HZ = 1.0
CLEAN_DELAY_S = 0.225
"""Delay of the cleaned signal."""
# One pole at 0.05 Hz: time constant and delay 1 / (2 pi 0.05 Hz).
LEVEL_TAU_S = 3.18
LEVEL_AGE_S = 2.5
"""The level is told of so long ago: by then a response that begins is seen, and bad contact is known."""
# Worn sensors resolve some 0.01 uS at best; a bound below that would promise too much.
LEAST_BOUND_US = 0.01
# So much later a level can be smoothed from the future too: with its age, three time constants leave 4 % of a step.
HINDSIGHT_S = 8
ERRORS_S = 60
MIN_ERRORS = 10
ERROR_QUANTILE = 0.95
# Before a person's own errors are known: 99 % of errors are below this share of the level on three real recordings.
FIRST_ERROR_SHARE = 0.03
# An electrode that was moved creeps back, and the level comes after it: what is seen later than that is the skin.
CREEP_TAU_S = 4.0
NOISE_S = 3.0
# A quick response bends five samples: they must be few among so many of a slow sensor. With fewer than six nothing is
# known.
LEAST_NOISE, FIRST_NOISE = 24, 6
# Noise is known at once and forgotten slowly: a lull in it is no silence.
NOISE_KEPT = 0.9
# Mean of the lower three quarters of |second difference| of white noise with standard deviation 1: responses bend the
# signal in few samples only. 0.5147 is that of a half normal distribution.
LOWER_SHARE = 0.75
LOWER_MEAN = 0.5147 * math.sqrt(1.0 + 4.0 + 1.0)


@dataclass(slots=True, kw_only=True)
class ToldLevel:
    """The level of `age_s` ago."""

    level_us: float
    bound_us: float
    """Half width of a 95 % interval of what lies between the electrodes."""
    age_s: float


class SkinLevelFilter:
    """Cleaned signal below 1 Hz, and the level: its part below 0.05 Hz as smoothing from both sides would show it.

    The level is as far known as the future until now tells it; for the rest of the future the cleaned signal is taken
    to stay where it is.

    Notes
    -----
    Delay: 2.7 s. Warm-up: none (the first samples are told of the first moment).

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float, *, least_bound_us: float) -> None:
        self._rate_hz = rate_hz
        self._least_bound_us = max(LEAST_BOUND_US, least_bound_us)
        self._keep = math.exp(-1.0 / (LEVEL_TAU_S * rate_hz))
        self._n_second = max(1, round(rate_hz))
        self._n_age = round(LEVEL_AGE_S * rate_hz)
        n_past = self._n_age + HINDSIGHT_S * self._n_second
        self._weights = [(1.0 - self._keep) * self._keep**n for n in range(n_past - 1, -1, -1)]
        """Of what came since a moment, the newest first, if as much has come as is kept: the end of them for less."""
        # A second-order Butterworth low-pass passes 1.11 times its cutoff of white noise.
        self._white_share = min(1.0, math.sqrt(2.22 * CLEAN_HZ / rate_hz))
        self._errors_us: deque[float] = deque(maxlen=ERRORS_S)
        self._creep = math.exp(-1.0 / (CREEP_TAU_S * rate_hz))
        self._newest_us: float | None = None
        """The level that was told last."""
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap; how wrong the level was until then is remembered."""
        self._before_us = self._newest_us
        """The level before a stretch that said nothing."""
        self._moved_us = 0.0
        """How far from it the level has been since."""
        self._clean = low_pass(CLEAN_HZ, rate_hz=self._rate_hz)
        self._slow = OnePole(tau_s=LEVEL_TAU_S, rate_hz=self._rate_hz)
        self._past: deque[float] = deque(maxlen=len(self._weights) + 1)
        self._told_us: deque[float] = deque(maxlen=HINDSIGHT_S + 1)
        self._raw: deque[float] = deque(maxlen=3)
        self._bends: deque[float] = deque(maxlen=max(LEAST_NOISE, round(NOISE_S * self._rate_hz)))
        self._n = -1
        self._error_us: float | None = None
        self.clean_us = 0.0
        self.slow_us = 0.0
        self.noise_us = 0.0
        self.raw_noise_us = 0.0
        """Standard deviation of the sensor's noise in the cleaned signal, and as it comes."""

    def step(self, x: float) -> float:
        """Take one sample.

        Parameters
        ----------
        x : in uS

        Returns
        -------
        the cleaned one, in uS
        """
        self._n += 1
        raw = self._raw
        raw.append(x)
        if len(raw) == 3:
            self._bends.append(abs(raw[0] - 2.0 * raw[1] + raw[2]))
        self.clean_us = self._clean.step(x)
        self.slow_us = self._slow.step(self.clean_us)
        self._past.append(self.slow_us)
        if self._n % self._n_second == 0:
            self._learn_noise()
            self._look_back()
        elif self._n == FIRST_NOISE + 1:
            self._learn_noise()
        return self.clean_us

    def told(self) -> ToldLevel:
        """Return the level."""
        n_later = min(self._n, self._n_age)
        level_us = self._seen_from(n_later)
        noise_us = Z_95 * self.noise_us
        error_us = FIRST_ERROR_SHARE * level_us if self._error_us is None else self._error_us
        unknown_us = abs(self.clean_us - self.slow_us) * self._keep**n_later
        self._newest_us = level_us
        if self._before_us is not None:
            self._moved_us = max(self._moved_us, abs(level_us - self._before_us))
        return ToldLevel(
            level_us=level_us,
            bound_us=self._least_bound_us + noise_us + unknown_us + error_us + self._moved_us * self._creep**self._n,
            age_s=n_later / self._rate_hz + CLEAN_DELAY_S,
        )

    def _seen_from(self, n_later: int) -> float:
        """Return the level of so many samples ago: smoothed backwards over what came since."""
        # As if the cleaned signal went on where it is, smoothed both ways.
        ahead_us = (self.clean_us + self.slow_us) / 2.0
        weights = self._weights[len(self._weights) - n_later :]
        behind_us: float = sum(map(mul, weights, islice(reversed(self._past), 1, None)))
        return self._keep**n_later * ahead_us + behind_us

    def _learn_noise(self) -> None:
        if len(self._bends) >= FIRST_NOISE:
            lower = sorted(self._bends)[: int(LOWER_SHARE * len(self._bends))]
            kept_us = NOISE_KEPT * self.raw_noise_us if len(self._bends) == self._bends.maxlen else 0.0
            self.raw_noise_us = max(sum(lower) / len(lower) / LOWER_MEAN, kept_us)
            self.noise_us = self.raw_noise_us * self._white_share

    def _look_back(self) -> None:
        """Once a second: what a level told eight seconds ago was as seen from both sides."""
        if self._n < self._n_age:
            return
        self._told_us.append(self._seen_from(self._n_age))
        if len(self._told_us) <= HINDSIGHT_S or len(self._past) < (self._past.maxlen or 0):
            return
        self._errors_us.append(abs(self._told_us[0] - self._seen_from(len(self._past) - 1)))
        if len(self._errors_us) >= MIN_ERRORS:
            worst = sorted(self._errors_us)
            self._error_us = worst[int(ERROR_QUANTILE * len(worst))]
