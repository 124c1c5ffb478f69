"""Breathing from a strap's acceleration: each breath tilts the chest, and with it the share of gravity on each axis."""

import math
from collections.abc import Sequence

from becalm_protocol import limits
from becalm_protocol.derived import Reason
from becalm_protocol.events import SignalKind
from becalm_signal.breath_turns import BreathMaker, TurnAt
from becalm_signal.breath_wear import MotionWatch
from becalm_signal.breathing import BreathFilter
from becalm_signal.clock import StreamClock
from becalm_signal.filters import OnePole
from becalm_signal.packet_clock import RATE_LIMIT
from becalm_signal.stage import Output, QualityReporter
from becalm_signal.turn_finder import TurnFinder

AXES = (SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z)
# Means of some samples: a beat shakes the strap at 11 Hz, a breath is below 1 Hz.
TARGET_RATE_HZ = 12.5
# Tilts of a chest are 5 to 40 mg; a swing below this is the sensor.
FLOOR_MG = 2.0
# The direction is that of the last breaths; posture changes slowly against them.
DIRECTION_TAU_S = 20.0
SETTLING_S = 12.0
# A change of posture moves every axis by tenths of g: nothing is told until the filter has forgotten it.
POSTURE_MG = 120.0
# Soon after a break a chest that goes further than so many usual swings is no breath, but somebody who moves.
FAR_SWINGS = 1.5
OUT_OF_CHEST = 2
# Where z has this share of the breath it says which way is in: its noise has 0.01 to 0.05 of one of 3 to 6 mg.
OUT_SHARE = 0.1
# An axis that is the same for so long while another moves has stuck; all three, after as long as a belt (`breathing`).
STUCK_S, FLAT_S = 3.0, 8.0
# What has less of the breath may go without the rest becoming another.
MOST_SHARE = 0.5
# Steps of 80 ms: a breath makes 3 mg, a beat 10, walking and turning over 50 and more.
SHAKEN_MG, STILL_MG = 50.0, 25.0
STEP_TAU_S = 0.5
# One axis may be ahead of the others by a whole block, and by this.
MAX_PENDING_S = 20.0


class ChestTilt:
    """Three axes of one sensor to one breath, along the direction in which they move together most.

    A block of one axis waits for the other two. Inhalation is taken for the direction in which the axis out of the
    chest (z) rises: the plate of a strap then turns upward; where z has no part in the breath, what was taken for it
    stays so. An axis that has stuck is left out, until it moves again.

    Notes
    -----
    Delay: as a belt's, about a sixth of a breath. Warm-up: 12 s; after a break that left the posture as it was 2 s,
    of a chest that goes no further than breath does.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._maker = BreathMaker()
        self._quality = [QualityReporter(kind) for kind in AXES]
        self._is_torn = [False, False, False]
        self._forget_direction()
        self._tune(rate_hz)

    def _tune(self, rate_hz: float) -> None:
        self._told_hz = rate_hz
        self._factor = max(1, round(rate_hz / TARGET_RATE_HZ))
        self._rate_hz = rate_hz / self._factor
        self._n_pending = round(MAX_PENDING_S * self._rate_hz) + limits.MAX_SAMPLES_PER_BLOCK // self._factor
        self._n_stuck, self._n_flat = round(STUCK_S * self._rate_hz), round(FLAT_S * self._rate_hz)
        self._n_settling = round(SETTLING_S * self._rate_hz)
        self._keep = math.exp(-1.0 / (DIRECTION_TAU_S * self._rate_hz))
        self._look_anew()
        self._count_anew()

    def _count_anew(self) -> None:
        """Begin again, at whatever position comes next."""
        self._sums: list[dict[int, tuple[int, float]]] = [{}, {}, {}]
        self._newest = [-1, -1, -1]
        self._torn: set[int] = set()
        self._next = -1
        self._begin()

    def retune(self, rate_hz: float) -> None:
        """Begin again with samples of this rate, which each axis tells."""
        if abs(rate_hz - self._told_hz) > RATE_LIMIT * self._told_hz:
            self._tune(rate_hz)

    def tear(self, axis: int) -> None:
        """What comes next on this axis does not follow on what came."""
        self._is_torn[axis] = True

    def _begin(self) -> None:
        self._filters = [BreathFilter(self._rate_hz) for _ in AXES]
        self._turns.restart()
        self._turns_from: int | None = None
        self._motion.restart()
        self._maker.restart()
        self._n_same = [0, 0, 0]
        """How many samples ago each axis showed something else."""
        self._is_out = [False, False, False]
        self._still_from = self._n_settling
        self._step_mg = OnePole(tau_s=STEP_TAU_S, rate_hz=self._rate_hz)
        self._before_mg: list[float] = []
        self._n = 0

    def _forget_direction(self) -> None:
        self._cross = [[0.0] * 3 for _ in AXES]
        self._direction = [0.0, 0.0, 1.0]
        self._swing_mg = 0.0
        """The usual swing along it; 0: unknown."""
        self._posture_mg: list[float] | None = None
        """The newest means since when the direction is known; None: it is not."""

    def _resume(self, means: list[float]) -> None:
        """Go on along the direction of before a break, unless the posture is another."""
        if self._posture_mg is None or math.dist(means, self._posture_mg) > POSTURE_MG:
            self._forget_direction()
            self._look_anew()
            return
        self._still_from = 0
        self._turns.doubt()

    def _look_anew(self) -> None:
        """Begin again along another direction: no turn before has to do with those to come."""
        self._turns = TurnFinder(self._rate_hz, floor=FLOOR_MG)
        self._turns_from = None
        self._motion = MotionWatch(self._rate_hz)
        self._maker.restart()

    def feed(self, axis: int, samples: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples of one axis.

        Parameters
        ----------
        axis : 0, 1 or 2: across, up, out of the chest
        samples : in mg, shape (n_samples,)
        first : position of the first of them
        clock : from positions to time

        Returns
        -------
        what all three axes together settle: turns, breaths, pauses, quality
        """
        factor = self._factor
        if first // factor < self._newest[axis]:  # the sensor counts anew, or what came is heard once more
            self._count_anew()
        if self._is_torn[axis]:
            self._is_torn[axis] = False
            self._torn.add(first // factor)
        sums = self._sums[axis]
        for at, x in enumerate(samples, first):
            n, total = sums.get(at // factor, (0, 0.0))
            sums[at // factor] = (n + 1, total + x)
        self._newest[axis] = (first + len(samples) - 1) // factor
        if self._next < 0 and all(self._sums):
            self._next = max(min(part) for part in self._sums)
        out: list[Output] = []
        while self._next >= 0:
            whole = all(part.get(self._next, (0, 0.0))[0] == factor for part in self._sums)
            if not whole and min(self._newest) <= self._next:
                break
            means = [part.pop(self._next, (0, 0.0))[1] / factor for part in self._sums]
            if whole and self._next not in self._torn:
                out += self._step(means, clock=clock)
            else:
                self._begin()
            self._torn.discard(self._next)
            self._next += 1
        self._forget_old()
        return out

    def _forget_old(self) -> None:
        for part in self._sums:
            while len(part) > self._n_pending:
                part.pop(min(part))
        if len(self._torn) > self._n_pending:
            self._torn.clear()

    def _step(self, means: list[float], *, clock: StreamClock) -> list[Output]:
        if self._n == 0:
            self._resume(means)
        self._n += 1
        tilt = self._tilt(means)
        size = math.sqrt(sum(x * x for x in tilt))
        is_back = self._n < self._n_settling
        if size > POSTURE_MG or (is_back and 0.0 < FAR_SWINGS * self._swing_mg < size):
            self._still_from = self._n + self._n_settling
        elif self._n > 1:
            self._turn_direction(tilt)
        along = sum(v * x for v, x in zip(self._direction, tilt, strict=True))
        raw = sum(v * x for v, x in zip(self._direction, means, strict=True))
        is_moving = self._motion.step(raw, swing=self._turns.known_swing)
        turn = self._turns.step(along)
        if self._turns_from is None:
            self._turns_from = self._next
        emitted_ns = clock.session_ns((self._next + 1) * self._factor - 1)
        is_flat = min(self._n_same) >= self._n_flat
        reason = Reason.MOTION if self._shakes(means) else Reason.FLAT if is_flat else None
        out: list[Output] = []
        if reason is not self._quality[0].reason:
            for quality in self._quality:
                out += quality.change(reason, t_ns=emitted_ns, emitted_ns=emitted_ns)
        if self._n < self._still_from or is_moving or is_flat:
            self._maker.restart()
            return out
        if clock.is_rate_known:
            self._posture_mg = means
            self._swing_mg = self._turns.known_swing or self._swing_mg
        if turn is None or not turn.is_seen:
            return out
        late = BreathFilter.delay_s(self._maker.expected_s) * self._rate_hz
        # A mean speaks of the middle of its samples.
        middle = (self._factor - 1) / 2.0
        at = (self._turns_from + max(0.0, turn.at - late)) * self._factor + middle
        source = AXES[max(range(3), key=lambda k: abs(self._direction[k]))]
        placed = TurnAt(clock.session_ns(at), turn.level, turn.is_peak)
        return [*out, *self._maker.turn(placed, source=source, emitted_ns=emitted_ns)]

    def _shakes(self, means: list[float]) -> bool:
        """Whether the chest moves as a whole, from step to step: breath and heart beats shift it by a few mg."""
        step_mg = math.dist(means, self._before_mg) if self._before_mg else 0.0
        self._before_mg = means
        was = self._quality[0].reason is Reason.MOTION
        return self._step_mg.step(step_mg) > (STILL_MG if was else SHAKEN_MG)

    def _tilt(self, means: list[float]) -> list[float]:
        """Return the filtered axes, nothing of one that has stuck."""
        tilt = [keep.step(x) for keep, x in zip(self._filters, means, strict=True)]
        same = self._n_same
        for k, (x, before) in enumerate(zip(means, self._before_mg, strict=False)):
            same[k] = same[k] + 1 if x == before else 0
            if self._is_out[k] and same[k] == 0:
                self._is_out[k] = False
                self._filters[k] = BreathFilter(self._rate_hz)
                tilt[k] = self._filters[k].step(x)
        if max(same) >= self._n_stuck > min(same):
            for k, n_same in enumerate(same):
                if n_same >= self._n_stuck and not self._is_out[k]:
                    self._leave_out(k)
        return [0.0 if is_out else x for is_out, x in zip(self._is_out, tilt, strict=True)]

    def _leave_out(self, axis: int) -> None:
        """Forget what an axis had of the breath; where it had most of it, what the others have is another breath."""
        self._is_out[axis] = True
        for row in self._cross:
            row[axis] = 0.0
        self._cross[axis] = [0.0, 0.0, 0.0]
        had, self._direction[axis] = self._direction[axis], 0.0
        if abs(had) >= MOST_SHARE:
            self._look_anew()

    def _turn_direction(self, tilt: list[float]) -> None:
        """One step of power iteration on the covariance of the last breaths; it keeps the sign of the direction."""
        keep, cross, old = self._keep, self._cross, self._direction
        for row, a in zip(cross, tilt, strict=True):
            for k, b in enumerate(tilt):
                row[k] = keep * row[k] + (1.0 - keep) * a * b
        new = [sum(c * v for c, v in zip(row, old, strict=True)) for row in cross]
        size = math.sqrt(sum(x * x for x in new))
        if size == 0.0:  # what it was made of has stuck
            widest = max(range(3), key=lambda k: cross[k][k])
            self._direction = [float(k == widest) for k in range(3)]
            return
        self._direction = [x / size for x in new]
        if self._direction[OUT_OF_CHEST] < -OUT_SHARE:
            self._direction = [-x for x in self._direction]
            self._look_anew()
