"""Rises of cleaned skin conductance: where one sets off, where it is steepest, and where it ends.

Whether a rise is a response: `skin_responses`.
"""

from collections import deque
from dataclasses import dataclass

MIN_AMPLITUDE_US = 0.05
"""Of a response. Absolute: a threshold relative to the window's largest response finds 67 a minute on calm skin."""
MIN_RISE_S = 0.5
MAX_RISE_S = 5.0
# 0.05 uS in 5 s is the slowest response; drift is slower. Its steepest part is steeper than its mean.
MIN_SLOPE_US_S = 0.01
MIN_STEEPEST_US_S = 0.05
# A response begins where the slope first comes up to this share of its steepest.
FOOT_SHARE = 0.15
# A peak stands when nothing higher came for so long.
HOLD_S = 0.3
BACKGROUND_S = 0.5
# A level that has risen for so long before a rise goes on by itself: its own share of the rise is no response.
RISING_S = 2.0
# A second response on the flank of a first: the rise all but stops, and sets off anew.
LEDGE_SHARE = 0.3
RENEWED_SHARE = 0.5
# On a level that rises by itself a response has no peak: it is over when it is slow so long after its steepest.
OVER_S = 2.0
# Where it rises steeply, as in fright, it is never slow: later a slower slope is enough; without one it rose by itself.
LONGEST_S, SLOWED_SHARE = 3.0, 0.6
PAST_S = MAX_RISE_S + 2.0
"""The longest rise, its background and the wait after its peak."""


@dataclass(slots=True, kw_only=True)
class Rise:
    """One rise: where it began, where it was steepest, how high it came."""

    foot: int
    foot_us: float
    peak: int
    peak_us: float
    steep: int
    steep_us: float
    steep_us_s: float
    slow: int
    slow_us: float
    slow_us_s: float
    """Least slope since the steepest."""
    before_us_s: float = 0.0
    """Slope of the background before it."""
    by_itself_us_s: float = 0.0
    """How fast the level was rising by itself before it."""
    drying_us_s: float = 0.0
    """And how fast it was falling."""
    fall_us_s: float = 0.0
    """Steepest fall since the peak."""
    level_us_s: float | None = None
    """Where it set off on the flank of another, which is no level: how fast that rose by itself before the other."""

    def onset(self, rate_hz: float) -> float:
        """Return where the steepest tangent leaves the level of the foot: noise moves a foot, hardly a tangent."""
        back = (self.steep_us - self.foot_us) / self.steep_us_s * rate_hz
        return max(float(self.foot), self.steep - back)


class RiseFinder:
    """Follows one rise after the other, each from its foot to its peak, or to where a second sets off on its flank.

    Notes
    -----
    Delay: 0.3 s after the peak, 2 to 3 s after the steepest where there is none. Warm-up: none.

    References
    ----------
    Boucsein 2012, DOI 10.1007/978-1-4614-1126-0.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._hold = max(1, round(HOLD_S * rate_hz))
        self._step_min = MIN_SLOPE_US_S / rate_hz
        self._over = round(OVER_S * rate_hz)
        self._longest = round(LONGEST_S * rate_hz)
        self._n_most = round(MAX_RISE_S * rate_hz)
        self._background = max(1, round(BACKGROUND_S * rate_hz))
        self._rising = max(1, round(RISING_S * rate_hz))
        self.past: deque[float] = deque(maxlen=round(PAST_S * rate_hz))
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._rise: Rise | None = None
        self.past.clear()
        self.slope_us_s = 0.0
        self.n = -1
        """Position of the newest sample since then."""

    def step(self, y: float) -> Rise | None:
        """Take one cleaned sample.

        Parameters
        ----------
        y : in uS

        Returns
        -------
        a rise that has ended, if it is steep enough for a response
        """
        self.n += 1
        past = self.past
        before = past[-1] if past else y
        past.append(y)
        self.slope_us_s = (y - before) * self._rate_hz
        if self._rise is not None:
            return self._follow(self._rise, y)
        if self.slope_us_s > MIN_SLOPE_US_S:
            self._begin(self.n - 1, before, y=y)
        return None

    def _begin(self, foot: int, foot_us: float, *, y: float, level_us_s: float | None = None) -> None:
        n, slope_us_s = self.n, self.slope_us_s
        self._rise = Rise(
            foot=foot,
            foot_us=foot_us,
            peak=n,
            peak_us=y,
            steep=n,
            steep_us=y,
            steep_us_s=slope_us_s,
            slow=n,
            slow_us=y,
            slow_us_s=slope_us_s,
            level_us_s=level_us_s,
        )

    def _follow(self, rise: Rise, y: float) -> Rise | None:
        slope_us_s = self.slope_us_s
        if y > rise.peak_us + self._step_min:
            rise.peak, rise.peak_us = self.n, y
            if self._sets_off_anew(rise):
                first = self._ended(rise, is_at_slow=True)
                self._begin(rise.slow, rise.slow_us, y=y, level_us_s=None if first is None else first.by_itself_us_s)
                return first
        elif self.n - rise.peak >= self._hold or y <= rise.peak_us - MIN_AMPLITUDE_US / 2.0:
            self._rise = None
            return self._ended(rise)
        if slope_us_s > rise.steep_us_s:
            rise.steep, rise.steep_us, rise.steep_us_s = self.n, y, slope_us_s
            rise.slow, rise.slow_us, rise.slow_us_s = self.n, y, slope_us_s
        elif slope_us_s < rise.slow_us_s:
            rise.slow, rise.slow_us, rise.slow_us_s = self.n, y, slope_us_s
        since = self.n - rise.steep
        is_long = since >= self._longest
        if since >= self._over and rise.slow_us_s < (SLOWED_SHARE if is_long else LEDGE_SHARE) * rise.steep_us_s:
            self._begin(self.n, y, y=y)
            return self._ended(rise, is_at_slow=True)
        if is_long:
            self._begin(self.n, y, y=y)
        return None

    def _sets_off_anew(self, rise: Rise) -> bool:
        return (
            rise.slow_us_s < LEDGE_SHARE * rise.steep_us_s
            and self.slope_us_s > RENEWED_SHARE * rise.steep_us_s
            and rise.slow_us - rise.foot_us >= MIN_AMPLITUDE_US
        )

    def _ended(self, rise: Rise, *, is_at_slow: bool = False) -> Rise | None:
        """Move the foot to where the response itself begins, or is slowest: what crept upwards before is the level."""
        if is_at_slow:
            rise.peak, rise.peak_us = rise.slow, rise.slow_us
        oldest = self.n - len(self.past) + 1
        at = rise.steep - oldest
        first = max(1, rise.foot - oldest, rise.peak - oldest - self._n_most)
        if at < first or rise.steep_us_s < MIN_STEEPEST_US_S:
            return None
        steps_us = [self.past[k] - self.past[k - 1] for k in range(first, at + 1)]
        least_us, foot_us = min(steps_us), FOOT_SHARE * rise.steep_us_s / self._rate_hz
        is_never_slow = least_us > foot_us
        while at > first and steps_us[at - first] > max(least_us, foot_us):
            at -= 1
        rise.foot, rise.foot_us = oldest + at, self.past[at]
        rise.before_us_s = self._slope_us_s(at, over=self._background)
        longer_us_s = self._slope_us_s(at, over=self._rising)
        if rise.level_us_s is not None:
            by_itself_us_s = max(rise.level_us_s, least_us * self._rate_hz)
        else:
            by_itself_us_s = (max if is_never_slow else min)(rise.before_us_s, longer_us_s)
        rise.by_itself_us_s = max(0.0, by_itself_us_s)
        rise.drying_us_s = max(0.0, -rise.before_us_s, -longer_us_s)
        return rise

    def _slope_us_s(self, at: int, *, over: int) -> float:
        """Return the mean slope before a place in the past."""
        earlier = max(0, at - over)
        return (self.past[at] - self.past[earlier]) / (at - earlier) * self._rate_hz if at > earlier else 0.0
