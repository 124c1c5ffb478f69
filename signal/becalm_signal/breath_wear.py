"""What wear does to a breathing signal: a sensor that sticks, or jumps, and a body that moves."""

import math
from collections import deque

from becalm_signal.filters import OnePole
from becalm_signal.quality import Segment

# A sensor that always shows some noise of its own is stuck when it has shown none for so many half seconds.
N_STILL = 4
N_KNOWN = 20
FLAT_COUNTS = 2.0
# Where so many samples lie on the end of their range it is a rail, and the noise beyond it is cut off.
CUT_SHARE = 0.3
# Bends within a quarter of a second, against a usual breath: breath 0.02, pulsation up to 0.3, movement 0.25 and more;
# pulsation is always there, movement comes suddenly: it must stand out from the minute before, too.
BEND_S = 0.12
BEND_TAU_S = 1.5
USUAL_TAU_S = 60.0
ROUGH, SMOOTH = 0.3, 0.15
SUDDEN, OVER = 3.0, 2.0
# Where movement may have become usual (below), and it moves again: such a bend leaves no breath to be seen.
DROWNED, HALF_DROWNED = 0.6, 0.4
# From here down movement is usual no more: what is sudden then is less than half of what drowns.
CALM = 0.1
# A sharper bend says no more than this one, and would be remembered for as long as a rail is far away.
MOST = 2.0
# Without a sharp bend for so long it is over.
OVER_S = 1.0
# One bend says nothing of what is usual.
WARM_S = 2.0
# What has lasted for so long and lets breaths be seen is no movement: the usual was learnt from a belt that lay about.
# White noise of a third of a breath's amplitude bends by 0.3 of its swing, noise as large as the breath by 0.9.
LONG_S = 30.0
LASTING = 0.4
LASTING_TAU_S = 5.0

# A step of 80 ms that stands out from those beside it by this share of a breath, and from the noise, is no chest: 24 of
# them in two hours of 15 ICU patients; of signals turned about their median at any moment 71 % show one.
JUMP_S, JUMP_SHARE = 0.08, 0.25
JUMP_OVER = 4.0
JUMP_TAU_S = 10.0


class NoiseWatch:
    """Is the sensor's own noise gone? `is_stuck` is judged with every segment of half a second.

    A chest at rest leaves the noise; a stuck sensor does not. Where a sensor has no noise of its own nothing is said.

    Notes
    -----
    Delay: four segments, 2 s. Warm-up: 20 segments, 10 s.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, *, unit_per_count: float) -> None:
        self._flat = FLAT_COUNTS * unit_per_count
        self._least: float | None = None
        self._n_known = 0
        self._least_whole: float | None = None
        """The least of what no rail cuts off."""
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap; what is known of the noise is kept."""
        self._still: deque[tuple[float, float]] = deque(maxlen=N_STILL)
        self.is_stuck = False

    @property
    def least_range(self) -> float:
        """The least that the sensor has ever moved by in half a second: its noise, hardly any breath; 0: unknown."""
        return self._least_whole if self._least_whole is not None and self._n_known >= N_KNOWN else 0.0

    def judge(self, segment: Segment) -> None:
        """Take half a second.

        Parameters
        ----------
        segment : half a second of samples, in the unit of the signal
        """
        low, high = segment.low, segment.high
        self._still.append((low, high))
        moves = high - low > self._flat
        has_noise = self._n_known >= N_KNOWN and self._least is not None and self._least > self._flat
        self.is_stuck = has_noise and not moves and len(self._still) == N_STILL and self._span() <= self._flat
        if moves or not has_noise:
            self._n_known += 1
            self._least = high - low if self._least is None else min(self._least, high - low)
            is_least = self._least_whole is None or high - low < self._least_whole
            if is_least and max(segment.share_on(low), segment.share_on(high)) < CUT_SHARE:
                self._least_whole = high - low

    def _span(self) -> float:
        return max([b for _, b in self._still]) - min([a for a, _ in self._still])


class MotionWatch:
    """Is the body moving?

    Notes
    -----
    Delay: 0.12 s, and a smoothing of 1.5 s. Warm-up: 2 s.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._n = max(1, round(BEND_S * rate_hz))
        self._n_warm = round(WARM_S * rate_hz)
        self._n_long = round(LONG_S * rate_hz)
        self._n_over = round(OVER_S * rate_hz)
        self._n_past = 2 * self._n + 1
        self._past: deque[float] = deque(maxlen=self._n_past)
        self._bend = OnePole(tau_s=BEND_TAU_S, rate_hz=rate_hz)
        self._usual = OnePole(tau_s=USUAL_TAU_S, rate_hz=rate_hz)
        self._lasting = OnePole(tau_s=LASTING_TAU_S, rate_hz=rate_hz)
        self._n_bent = self._n_moving = self._n_calm = 0
        self._was_long = False
        """Whether it has moved for so long that movement may have become what is usual."""
        self.swing = 0.0
        """The usual swing before the body moved: that of rails and of movement itself is no breath."""
        self.is_moving = False

    def restart(self) -> None:
        """Begin again after a gap."""
        self._past.clear()
        self._bend.reset()
        self.is_moving = False

    def step(self, x: float, *, swing: float) -> bool:
        """Take a sample, 25 a second.

        Parameters
        ----------
        x : in the unit of the signal
        swing : usual swing of breath in that unit; 0: unknown

        Returns
        -------
        whether the signal bends faster than chests breathe
        """
        past = self._past
        past.append(x)
        if len(past) < self._n_past:
            return self.is_moving
        sharp = abs(x - 2.0 * past[self._n] + past[0])
        if self.is_moving:
            if self._is_usual(sharp, swing=swing):
                self._forget()
                return False
        else:
            self.swing = swing
            if self._n_moving:
                self._n_moving = 0
                self._lasting.reset()
        swing = self.swing
        bend = self._bend.step(MOST * swing if 0.0 < MOST * swing < sharp else sharp)
        if sharp > 0.0:
            self._n_bent += 1
        if self._n_bent < self._n_warm:
            return self.is_moving
        usual = bend if self._usual.value is None else self._usual.value
        sudden = SUDDEN * usual
        if self.is_moving:
            self.is_moving = self._goes_on(sharp, bend, usual=usual)
        elif 0.0 < ROUGH * swing < bend:
            self.is_moving = bend > sudden or (self._was_long and bend > DROWNED * swing)
            self._n_calm = 0
        if sharp > 0.0 and not self.is_moving:  # a sensor that rests on one value says nothing of what is usual
            self._learn(sudden if sudden < bend else bend, swing=swing)  # the jerk of a rail is not usual for minutes
        return self.is_moving

    def _learn(self, bend: float, *, swing: float) -> None:
        if self._usual.step(bend) < CALM * swing:
            self._was_long = False

    def _goes_on(self, sharp: float, bend: float, *, usual: float) -> bool:
        """Whether movement has neither faded nor been over for a second, which the smoothing would hold on to."""
        swing = self.swing
        self._n_calm = 0 if sharp > SMOOTH * swing and sharp > OVER * usual else self._n_calm + 1
        if self._n_calm >= self._n_over:
            self._bend.reset()
            return False
        drowns = self._was_long and bend > HALF_DROWNED * swing
        return bend > SMOOTH * swing and (bend > OVER * usual or drowns)

    def _is_usual(self, sharp: float, *, swing: float) -> bool:
        """Whether what was taken for movement has lasted for long, and breath is seen through it."""
        self._n_moving += 1
        return self._lasting.step(sharp) < LASTING * swing and self._n_moving > self._n_long

    def _forget(self) -> None:
        self.restart()
        self._usual.reset()
        self._n_bent = 0
        self._was_long = True


class JumpWatch:
    """Did the signal jump? `judge` looks at the samples put to `passed` since it looked last.

    Notes
    -----
    Delay: a quarter of a second. Warm-up: as long, and one look.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._lag = max(1, round(JUMP_S * rate_hz))
        self._keep = math.exp(-1.0 / (JUMP_TAU_S * rate_hz))
        self._usual: float | None = None
        self.passed: list[float] = []

    def judge(self, *, swing: float) -> bool:
        """Look at what came.

        Parameters
        ----------
        swing : usual swing of breath, in the unit of the signal; 0: unknown

        Returns
        -------
        whether it jumped, against that swing and what such steps have been
        """
        passed, lag = self.passed, self._lag
        n_new = len(passed) - 3 * lag
        if n_new <= 0:
            return False
        if max(passed) - min(passed) <= JUMP_SHARE * swing or swing == 0.0:
            del passed[:n_new]
            return False
        shifted = passed[3 * lag :], passed[2 * lag :], passed[lag:], passed
        steps = [1.5 * (b - c) - 0.5 * (a - d) for a, b, c, d in zip(*shifted, strict=False)]
        most = max(max(steps), -min(steps))
        del passed[:n_new]
        usual = self._usual
        has_jumped = usual is not None and most > JUMP_OVER * usual and most > JUMP_SHARE * swing
        if usual is None:
            self._usual = most
        elif not has_jumped:
            keep = self._keep**n_new
            self._usual = keep * usual + (1.0 - keep) * most
        return has_jumped
