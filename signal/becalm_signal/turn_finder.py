"""Where a slow wave turns: its extremes, each certain once the wave has come back from it far enough."""

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

from becalm_signal.filters import OnePole
from becalm_signal.kernels import parabola_vertex

# A turn counts once the signal has come back by this share of the usual swing.
HYSTERESIS_SHARE = 0.3
# Quicker nobody breathes: what a fault begins with says nothing of what is usual.
LEAST_HALF_S = 0.3
# Before the first breaths are known the usual swing is taken from the spread: a sine swings 2.8 standard deviations.
SWING_PER_SD = 2.8
N_SWINGS = 8
# So many swings tell what is usual; before, the spread does.
N_KNOWN = 3
# Shallow breaths after deep ones are found by letting the hysteresis shrink when no turn came for this long.
PATIENCE_S = 6.0
SHRINK_S = 6.0
# Within this share of a swing of its extreme a chest is at rest; half a sine takes 0.2 of its time for that.
REST_SHARE = 0.1
SINE_SHARE = 0.2
# A way back that no turn was made of is a breath of its own where it is as long as this share of the whole half: it was
# small against breaths of before (a belt that came loose), and the rate would be half the true one. Pulsation is below.
HIDDEN_SHARE = 0.25
# What takes longer than a heartbeat is no pulsation, and a breath from here on (one breath of habit among three times
# deeper ones of a pacer: a quarter of their swing, and less behind the low-pass).
SLOW_HIDDEN_SHARE = 0.08
SLOW_HIDDEN_S = 1.5
# The low-pass before this has forgotten what it began with.
SETTLED_S = 1.0


@dataclass(slots=True)
class Turned:
    """A turn that is certain, `at` samples since the restart."""

    at: float
    level: float
    is_peak: bool
    is_seen: bool
    """Whether the wave was seen on its way there: else it may be no more than where listening began."""


@dataclass(slots=True)
class _Extreme:
    """The furthest sample since the last turn: the highest (`sign` 1) or the lowest (-1)."""

    sign: float
    at: float
    far: float
    """Its level, times the sign."""
    near: int
    """The newest sample close to it."""
    back: float = 0.0
    """The longest way back from it so far."""
    hidden: float = 0.0
    """The longest way back from an extreme that was passed again afterwards."""
    hidden_slow: float = 0.0
    """The same, of ways back that took longer than a heartbeat until they were passed again."""


class TurnFinder:
    """Peaks and troughs with a hysteresis that follows the usual swing.

    Notes
    -----
    Delay: about a sixth of a breath. Warm-up: three swings.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float, *, floor: float) -> None:
        self._rate_hz = rate_hz
        self._least_floor = self._floor = floor
        """No way back that is shorter makes a turn."""
        self._swings: deque[float] = deque(maxlen=N_SWINGS)
        self._halves_s: deque[float] = deque(maxlen=N_SWINGS)
        self.usual_swing = 0.0
        """Median of the last swings between peak and trough."""
        self.known_swing = 0.0
        """The usual swing, or 0 while too few have been seen: the first may be a ripple."""
        self.hid_breath = False
        """Whether the last turn ended a half breath that hides others, too small for turns of their own."""
        self._must_see = False
        """Whether the wave must be seen on its way to the first turn: after all breaks, but not at first."""
        self._mean = OnePole(tau_s=8.0, rate_hz=rate_hz)
        self._square = OnePole(tau_s=8.0, rate_hz=rate_hz)
        self._warm = round(2.0 * rate_hz)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap; the usual swing is kept."""
        self.n = -1
        """Position of the newest sample since then."""
        self._before = (0.0, 0.0)
        self._sought: tuple[_Extreme, ...] = ()
        self._begun: tuple[int, float] | None = None
        """Where listening began, until the first turn since."""
        self._turn: Turned | None = None
        self._needed = max(self._floor, HYSTERESIS_SHARE * self.usual_swing)
        self._patient_until = math.inf
        self._mean.reset()
        self._square.reset()
        self.hid_breath = False

    def doubt(self) -> None:
        """Take that what came until now was no breath: a turn counts if the wave is seen on its way there."""
        self._must_see = True
        self._begun = (self.n, self._before[1])
        self._turn = None
        self.hid_breath = False

    def heed_noise(self, range_now: float) -> None:
        """Ask at least this much of every turn from now on: what the noise of the sensor is known to be by now."""
        floor = max(self._least_floor, range_now)
        if floor != self._floor:
            self._floor = floor
            self._needed = max(floor, HYSTERESIS_SHARE * self.usual_swing)

    def step(self, y: float) -> Turned | None:
        """Take one filtered sample.

        Parameters
        ----------
        y : in the unit of the signal

        Returns
        -------
        a turn when it is certain, else None
        """
        self.n = n = self.n + 1
        if n < 2:
            self._sought = (_Extreme(1.0, n, y, 0), _Extreme(-1.0, n, -y, 0))
            self._begun = (n, y) if self._must_see else None
            self._before = (self._before[1], y)
            return None
        needed = self._needed
        if len(self._swings) < N_KNOWN:
            needed = self._needed_of(self._spread_swing(y))
        elif n > self._patient_until:
            needed = self._needed_of(self.usual_swing)
        turn = None
        for extreme in self._sought:
            if self._follow(extreme, y) > needed and n >= self._warm:
                turn = self._turned(extreme, y, needed=needed)
                break
        self._before = (self._before[1], y)
        return turn

    def _follow(self, extreme: _Extreme, y: float) -> float:
        """Take a sample; return how far back from the extreme it lies."""
        n, far = self.n, extreme.sign * y
        back = extreme.far - far
        if back <= 0.0:
            if extreme.back > extreme.hidden_slow:
                extreme.hidden = max(extreme.hidden, extreme.back)
                if n - extreme.at >= SLOW_HIDDEN_S * self._rate_hz:
                    extreme.hidden_slow = extreme.back
            extreme.at, extreme.near = n, n
            extreme.far, extreme.back = far, 0.0
            return 0.0
        if extreme.at == n - 1:
            extreme.at += parabola_vertex(*self._before, y)
        if back > extreme.back:
            extreme.back = back
        if far >= extreme.far - REST_SHARE * self.usual_swing:
            extreme.near = n
        return back

    def _spread_swing(self, y: float) -> float:
        """Return the usual swing as the spread of the samples tells it."""
        mean = self._mean.step(y)
        return SWING_PER_SD * math.sqrt(self._square.step((y - mean) ** 2))

    def _needed_of(self, usual: float) -> float:
        """Return how far a wave of this swing must come back, less the longer a turn is waited for."""
        waited_s = (self.n - self._turn.at) / self._rate_hz if self._turn is not None else 0.0
        if waited_s > PATIENCE_S:
            usual *= math.exp(-(waited_s - PATIENCE_S) / SHRINK_S)
        return max(self._floor, HYSTERESIS_SHARE * usual)

    def _rested_at(self, extreme: _Extreme) -> float:
        """Return the end of the rest that the extreme lies in: a breath begins where the chest moves again.

        An even wave leaves its extreme within a fifth of its half; what stays near it for longer has rested there.
        """
        usual_s = median(self._halves_s) if len(self._halves_s) >= 3 else 2.0
        leaving = SINE_SHARE * usual_s * self._rate_hz
        return extreme.near - leaving if extreme.near - extreme.at > 2.0 * leaving else extreme.at

    def _is_seen(self, extreme: _Extreme, *, needed: float) -> bool:
        """Whether the wave has come as far to the extreme, since listening began, as it must come back from there."""
        if self._begun is not None:
            n_begun, level = self._begun
            is_late = extreme.at - n_begun > SETTLED_S * self._rate_hz
            if not is_late or extreme.far - extreme.sign * level <= needed:
                return False
        self._begun = None
        return True

    def _turned(self, extreme: _Extreme, y: float, *, needed: float) -> Turned:
        is_seen = self._is_seen(extreme, needed=needed)
        self._must_see = True
        turn = Turned(self._rested_at(extreme), extreme.sign * extreme.far, extreme.sign > 0.0, is_seen)
        half_s = (turn.at - self._turn.at) / self._rate_hz if self._turn is not None else 0.0
        if self._turn is not None and half_s > LEAST_HALF_S:
            swing = abs(turn.level - self._turn.level)
            hidden = max(extreme.hidden / HIDDEN_SHARE, extreme.hidden_slow / SLOW_HIDDEN_SHARE)
            self.hid_breath = hidden > max(self._floor / HIDDEN_SHARE, swing)
            if self.hid_breath:
                self._swings.clear()
            self._swings.append(swing)
            self.usual_swing = median(self._swings)
            self.known_swing = self.usual_swing if len(self._swings) >= N_KNOWN else 0.0
            self._halves_s.append(half_s)
        self._turn = turn if is_seen else None
        self._needed = max(self._floor, HYSTERESIS_SHARE * self.usual_swing)
        self._patient_until = turn.at + PATIENCE_S * self._rate_hz
        # From where listening began both are sought: the other one may have passed by now.
        others = () if is_seen else tuple(other for other in self._sought if other is not extreme)
        self._sought = others or (_Extreme(-extreme.sign, self.n, -extreme.sign * y, self.n),)
        return turn
