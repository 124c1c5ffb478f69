"""Skin-conductance responses: onset, peak and half recovery, by an absolute threshold.

They are found in cleaned samples. Cleaning rounds the top of a quick one: where the samples as they came stand out
above it by more than noise does, they tell height and peak.
"""

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

from becalm_signal.skin_contact import SETTLE_S
from becalm_signal.skin_jerk import LEAST_RATE_HZ, corner
from becalm_signal.skin_level import CLEAN_DELAY_S
from becalm_signal.skin_quick import was_electrode
from becalm_signal.skin_rises import MAX_RISE_S, MIN_AMPLITUDE_US, MIN_RISE_S, MIN_STEEPEST_US_S, Rise, RiseFinder

# Sweat comes faster than it dries: half recovery takes 2 to 10 s (Boucsein 2012), and 0.5 s in the quickest that is
# simulated (NeuroKit2). What has lost three quarters of its height a second later, in a fall about as steep as its
# rise, was a bump of noise or motion. The fall that was under way before the response is no part of this.
JUDGED_AFTER_S = 1.0
MAX_LOST_SHARE = 0.75
MAX_FALL_SHARE = 0.7
# From trough to peak noise reaches some five standard deviations in a minute; a response must be larger.
NOISE_SDS = 6.0
# Of the few samples around a top the highest lies above it by up to so many standard deviations of their noise.
TOP_SDS = 2.0
# Cleaning rings after a jerk: a rise is there in the samples as they came, too, and higher.
LEAST_RAW_SHARE = 0.8
# What an electrode lost by a jerk comes back as it springs or creeps back, or a hand lets go: that is no response. So
# long after the jerk (1.5 times `skin_level.CREEP_TAU_S`) a rise is this way back if it brings back as large a share as
# this of what is lost, or was under way as soon as the electrode had come to rest.
RETURN_S = 6.0
RETURNED_SHARE = 0.75
UNDER_WAY_S = 0.5
# Later than this another response, or drift, has taken over.
MAX_RECOVERY_S = 30.0
MAX_PENDING = 4


@dataclass(frozen=True, slots=True)
class Found:
    """One response; positions in samples since `restart`, the delay of the cleaning taken off."""

    onset: float
    peak: float
    amplitude_us: float


Told = Found | tuple[Found, float]
"""A response; or a response told before, and where half of its amplitude is lost."""


class ResponseFinder:
    """Onset and peak of responses, trough to peak: at least 0.05 uS, 0.5 to 5 s from foot to peak.

    Notes
    -----
    Delay: a second after the peak. Warm-up: none.

    References
    ----------
    Boucsein 2012, DOI 10.1007/978-1-4614-1126-0.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._n_slope, self._corner_share = corner(rate_hz)
        self._is_slow = rate_hz < LEAST_RATE_HZ
        self._delay = CLEAN_DELAY_S * rate_hz
        self._judged_after = max(1, round(JUDGED_AFTER_S * rate_hz))
        self._rises = RiseFinder(rate_hz)
        self._raw: deque[float] = deque(maxlen=self._rises.past.maxlen)
        self._n_second = max(1, round(rate_hz))
        self._n_return = round((RETURN_S - SETTLE_S) * rate_hz)
        self._n_under_way = round(UNDER_WAY_S * rate_hz)
        self._before_us = -math.inf
        """What the electrode showed before it moved."""
        self.restart()

    def restart(self, *, has_moved: bool = False) -> None:
        """Begin again after a gap or bad contact; where the electrode moved, what rises now may be its way back."""
        self._before_us = self._shown_us() if has_moved else -math.inf
        self._rises.restart()
        self._raw.clear()
        self._pending: deque[Rise] = deque(maxlen=MAX_PENDING)
        self._recovering: tuple[Found, float] | None = None

    def step(self, y: float, *, raw: float, noise_us: float = 0.0, raw_noise_us: float = 0.0) -> list[Told]:
        """Take one cleaned sample.

        Parameters
        ----------
        y : in uS
        raw : the same moment before cleaning, in uS
        noise_us, raw_noise_us : their standard deviations

        Returns
        -------
        what became certain: responses, and recoveries of earlier ones
        """
        self._raw.append(raw)
        rise = self._rises.step(y)
        if rise is not None:
            self._pending.append(rise)
        told: list[Told] = []
        if self._pending:
            told += self._judge(y, noise_us=noise_us, raw_noise_us=raw_noise_us)
        if self._recovering is not None:
            told += self._recover(y, *self._recovering)
        return told

    def _judge(self, y: float, *, noise_us: float, raw_noise_us: float) -> list[Told]:
        """Let go of what falls as it rose; give out what has lasted."""
        out: list[Told] = []
        for rise in tuple(self._pending):
            rise.fall_us_s = max(rise.fall_us_s, -self._rises.slope_us_s)
            if self._rises.n - rise.peak < self._judged_after:
                continue
            self._pending.remove(rise)
            top, top_us = self._top(rise, noise_us=raw_noise_us)
            amplitude_us = top_us - rise.foot_us
            is_large = self._is_large(rise, amplitude_us=amplitude_us, noise_us=noise_us)
            if is_large and not self._comes_back(rise) and self._is_skin(rise, y, noise_us=raw_noise_us):
                found = Found(rise.onset(self._rate_hz) - self._delay, top, amplitude_us)
                out.append(found)
                out += self._look_back(found, rise.peak, half_us=top_us - amplitude_us / 2.0)
        return out

    @property
    def may_come_back(self) -> bool:
        """Whether the electrode has not yet back what it lost: a response could be taken for its way back."""
        lost_us = self._before_us - self._rises.past[-1] if self._rises.past else self._before_us
        return self._rises.n < self._n_return and lost_us > MIN_AMPLITUDE_US / 2.0

    def _shown_us(self) -> float:
        """Return what was shown before now, or before that if it may still come back.

        A jerk is known within half a second: it is the median of the second before that.
        """
        sure_us = list(self._rises.past)[: -(self._n_second // 2) - 1][-self._n_second :]
        latest_us = median(sure_us) if sure_us else -math.inf
        return max(latest_us, self._before_us) if self._rises.n < self._n_return else latest_us

    def _look_back(self, found: Found, peak: int, *, half_us: float) -> list[Told]:
        """Return the half recovery of a quick response, which has come by now; else wait for it."""
        since_us = list(self._rises.past)[peak - self._rises.n - 1 :]
        at = next((at for at, past_us in enumerate(since_us) if past_us <= half_us), None)
        if at is None:
            self._recovering = (found, half_us)
            return []
        return [(found, peak + at - _past_half(since_us[max(0, at - 1)], since_us[at], half_us=half_us) - self._delay)]

    def _top(self, rise: Rise, *, noise_us: float) -> tuple[float, float]:
        """Return where the top is and how high: of the samples as they came, if these stand out above cleaned ones."""
        oldest = self._rises.n - len(self._raw) + 1
        steep = min(rise.steep, rise.peak)  # noise on the top may be steeper than all that led up to it
        first, last = (max(0, round(at - self._delay) - oldest) for at in (steep, rise.peak))
        raw_us, at = max((self._raw[at], at) for at in range(first, last + 1))
        if raw_us - TOP_SDS * noise_us > rise.peak_us:
            return float(oldest + at), raw_us - TOP_SDS * noise_us
        return rise.peak - self._delay, rise.peak_us

    def _is_large(self, rise: Rise, *, amplitude_us: float, noise_us: float) -> bool:
        """Return whether a rise stands out of noise and drift, and takes as long as responses do."""
        # To half a sample at either end.
        rise_s, step_s = (rise.peak - rise.foot) / self._rate_hz, 1.0 / self._rate_hz
        least_us = rise.foot_us + rise.by_itself_us_s * rise_s
        if rise.foot_us + amplitude_us < least_us + MIN_AMPLITUDE_US or rise.peak_us < least_us + NOISE_SDS * noise_us:
            return False
        if not MIN_RISE_S - step_s <= rise_s <= MAX_RISE_S + step_s:
            return False
        return rise.steep_us_s >= MIN_STEEPEST_US_S + rise.before_us_s

    def _comes_back(self, rise: Rise) -> bool:
        """Return whether it only brings back what the electrode lost as it moved."""
        lost_us, left_us = self._before_us - rise.foot_us, self._before_us - rise.peak_us
        if rise.foot >= self._n_return or lost_us <= MIN_AMPLITUDE_US / 2.0 or left_us <= -MIN_AMPLITUDE_US:
            return False
        return rise.foot <= self._n_under_way or left_us < (1.0 - RETURNED_SHARE) * lost_us

    def _is_skin(self, rise: Rise, y: float, *, noise_us: float) -> bool:
        """Return whether a rise came and goes as sweat does, not as an electrode or a bump of noise."""
        oldest = self._rises.n - len(self._raw) + 1
        # The cleaned signal is late by two or three samples.
        first = max(0, rise.foot - oldest - round(MIN_RISE_S * self._rate_hz))
        raw = list(self._raw)[first:]
        risen = raw[: max(1, rise.peak - oldest - first + 1)]
        top = risen.index(max(risen))
        height_us = rise.peak_us - rise.foot_us
        if risen[top] - min(risen[: top + 1]) < LEAST_RAW_SHARE * height_us or self._is_corner(risen):
            return False
        is_known = was_electrode(raw, top, rate_hz=self._rate_hz, noise_us=noise_us, drying_us_s=rise.drying_us_s)
        if is_known is not None:
            return not is_known
        drying_us_s = max(0.0, -rise.before_us_s)
        lost_us = rise.peak_us - y - drying_us_s * (self._rises.n - rise.peak) / self._rate_hz
        fall_us_s = rise.fall_us_s - drying_us_s
        return lost_us <= MAX_LOST_SHARE * height_us or fall_us_s <= MAX_FALL_SHARE * (rise.steep_us_s + drying_us_s)

    def _is_corner(self, risen: list[float]) -> bool:
        steps = [after - before for before, after in zip(risen, risen[self._n_slope :], strict=False)]
        return not self._is_slow and max(steps, default=0.0) > self._corner_share * (max(risen) - min(risen))

    def _recover(self, y: float, found: Found, half_us: float) -> list[Told]:
        if self._rises.n - found.peak > MAX_RECOVERY_S * self._rate_hz:
            self._recovering = None
        elif y <= half_us:
            self._recovering = None
            return [(found, self._rises.n - _past_half(self._rises.past[-2], y, half_us=half_us) - self._delay)]
        return []


def _past_half(before_us: float, after_us: float, *, half_us: float) -> float:
    """Return by which share of a sample a fall was through half of the height before its later sample."""
    return (half_us - after_us) / (before_us - after_us) if before_us > half_us else 0.0
