"""Whether a skin electrode measures skin: off, out of range, moved, or held by a rail or a stuck converter."""

import math
from collections import deque
from statistics import median

from becalm_protocol.derived import Reason
from becalm_signal.skin_jerk import SlopeWatch

# Outside these the electrode is off the skin or shorted (Kleckner 2018, 10.1109/TBME.2017.2758643).
MIN_SKIN_US = 0.05
MAX_SKIN_US = 60.0
# After a jump or lifted finger the level needs this long to mean something again.
SETTLE_S = 2.0
# A run of one and the same value is a rail when the sensor's own noise would hardly ever leave it alone that long:
# with a share p of equal neighbours, n in a row have the chance p ** n.
STUCK_CHANCE = 1e-9
EQUAL_TAU_S = 20.0
LEAST_EQUAL_SHARE = 0.05
# Until a sensor has shown its noise it is taken for a coarse one, which shows no change for long in quiet skin.
FIRST_EQUAL_SHARE = 0.9
# Only a signal with noise is cut off by a rail; one without comes to rest by itself, though not for ever.
LEAST_BEND_COUNTS = 3.0
N_BENDS = 5
LONGEST_REST_S = 30.0
# A rail is the highest value of the last seconds; any other is a stuck converter.
TOP_S = 10


class SkinContact:
    """Judges every sample of the sensor's own rate; `reason` is None while it measures skin.

    Notes
    -----
    Delay: none, but a steep corner is known after 0.25 s, a rail after 1 s and more; it ends 2 s after the last bad
    sample. Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float, *, count_us: float) -> None:
        self._least_bend_us = LEAST_BEND_COUNTS * count_us
        self._n_longest_rest = round(LONGEST_REST_S * rate_hz)
        self._slopes = SlopeWatch(rate_hz)
        self._n_settle = round(SETTLE_S * rate_hz)
        self._share = 1.0 - math.exp(-1.0 / (EQUAL_TAU_S * rate_hz))
        self._n_second = max(2, round(rate_hz))
        self.reason: Reason | None = None
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._slopes.restart()
        self._bad_until = -1
        self._last: float | None = None
        self._step_before_us = 0.0
        self._bends_us: deque[float] = deque([0.0], maxlen=N_BENDS)
        self._equal = FIRST_EQUAL_SHARE
        self._n_equal = 0
        self._n_seen = 0
        self._top_us = 0.0
        self._tops_us: deque[float] = deque(maxlen=TOP_S)

    def step(self, at: int, x: float, *, is_jerk: bool) -> Reason | None:
        """Take a sample.

        Parameters
        ----------
        at : its position
        x : in uS
        is_jerk : the electrode jerked

        Returns
        -------
        what is wrong, or None
        """
        is_jerk = self._slopes.step(x) or is_jerk
        stuck = self._stuck(x)
        if not MIN_SKIN_US <= x <= MAX_SKIN_US:
            self.reason = Reason.OFF_BODY if x < MIN_SKIN_US else Reason.OUT_OF_RANGE
            self._bad_until = at + self._n_settle
        elif is_jerk:
            self.reason = self.reason or Reason.MOTION
            self._bad_until = at + self._n_settle
        elif stuck is not None:
            self.reason = stuck
            self._bad_until = at + self._n_settle
        elif at >= self._bad_until:
            self.reason = None
        return self.reason

    def _stuck(self, x: float) -> Reason | None:
        """Return whether one value came so often in a row that it is no measurement any more."""
        if x != self._last:
            # How often neighbours are equal; a run counts for a second at most, so that a rail teaches nothing.
            n_equal = self._n_equal if self._n_equal < self._n_second else self._n_second
            equal = 1.0 - (1.0 - self._equal) * (1.0 - self._share) ** n_equal if n_equal else self._equal
            self._equal = equal * (1.0 - self._share)
            step_us = x - (x if self._last is None else self._last)
            self._bends_us.append(abs(step_us - self._step_before_us))
            self._step_before_us = step_us
            self._last, self._n_equal = x, 0
            if x > self._top_us:
                self._top_us = x
            self._n_seen += 1
            if self._n_seen % self._n_second == 0:
                self._tops_us.append(self._top_us)
                self._top_us = x
            return None
        self._n_equal += 1
        share = max(LEAST_EQUAL_SHARE, self._equal)
        if self._n_equal < self._n_second or self._n_equal * math.log(share) > math.log(STUCK_CHANCE):
            return None
        if median(self._bends_us) < self._least_bend_us and self._n_equal < self._n_longest_rest:
            return None
        is_top = bool(self._tops_us) and x >= max(self._top_us, *self._tops_us)
        return Reason.CLIPPED if is_top else Reason.FLAT
