"""Breathing from belt force or impedance: turns, breaths, their times corrected for the filter's own delay."""

import math
from collections.abc import Sequence
from operator import sub

from becalm_protocol.derived import Reason
from becalm_protocol.events import SignalKind
from becalm_signal.breath_levels import TurnLevels
from becalm_signal.breath_turns import BreathMaker, TurnAt
from becalm_signal.breath_wear import JumpWatch, MotionWatch, NoiseWatch
from becalm_signal.clock import StreamClock
from becalm_signal.filters import BUTTERWORTH_4_QS, OnePole, low_pass
from becalm_signal.kernels import Decimator
from becalm_signal.quality import RangeWatch
from becalm_signal.stage import BeltJump, BreathsHidden, BreathsTorn, Output, QualityReporter
from becalm_signal.turn_finder import Turned, TurnFinder

# Breathing is below 1 Hz; 25 samples a second place a turn well.
TARGET_RATE_HZ = 25.0
LOW_PASS_HZ = 0.7
# A first-order high-pass this low keeps the phase within 0.1 s at 6/min; a band-pass from 0.05 Hz leads by 1.0 s there.
HIGH_PASS_HZ = 0.01
STUCK_S = 8.0
# A bad stretch longer than a breath says nothing of the breaths after it.
AFRESH_S = 5.0
# Nor does a jerk that left the level further away than breath goes: the drift back would hide the breaths.
JUMP_SWINGS = 1.5
# No breath goes as far: a jump that nothing else has told of, as from a rail that was short.
FAR_SWINGS = 5.0
# The extreme of a breath that is no sine lies within so much of a breath of its turn: half of its half.
REACH_SHARE = 0.25
# Noise floor: swings below this many counts are the converter, not the chest.
FLOOR_COUNTS = 3.0


class BreathFilter:
    """Fourth-order low-pass of 0.7 Hz, first-order high-pass of 0.01 Hz.

    Notes
    -----
    Delay: `delay_s`, that of a breath of known length. Warm-up: none, started in the steady state of its first
    sample.

    References
    ----------
    Bilinear transform of the Butterworth prototype: Bristow-Johnson, Audio EQ Cookbook (no DOI).
    """

    def __init__(self, rate_hz: float) -> None:
        self._first, self._second = (low_pass(LOW_PASS_HZ, rate_hz=rate_hz, q=q) for q in BUTTERWORTH_4_QS)
        self._drift = OnePole(tau_s=1.0 / (2.0 * math.pi * HIGH_PASS_HZ), rate_hz=rate_hz)

    def step(self, x: float) -> float:
        """Return the filtered sample.

        Parameters
        ----------
        x : in any unit

        Returns
        -------
        the filtered sample, in that unit
        """
        return self._second.step(self._first.step(x)) - self._drift.step(x)

    def run(self, samples: Sequence[float]) -> list[float]:
        """Return what `step` would of each sample.

        Parameters
        ----------
        samples : in any unit, shape (n_samples,)

        Returns
        -------
        filtered samples, in that unit, shape (n_samples,)
        """
        passed = self._second.run(self._first.run(samples))
        return list(map(sub, passed, self._drift.run(samples)))

    @staticmethod
    def delay_s(period_s: float) -> float:
        """Return the phase delay of a sine with this period (negative: the filter leads)."""
        ratio = 1.0 / (period_s * LOW_PASS_HZ)
        lag = sum(math.atan2(ratio / q, 1.0 - ratio * ratio) for q in BUTTERWORTH_4_QS)
        lead = math.atan(HIGH_PASS_HZ * period_s)
        return (lag - lead) * period_s / (2.0 * math.pi)


class BreathingStage:
    """Turns, breaths and quality of one respiration stream; a rising signal is taken for inhalation.

    Notes
    -----
    Delay of a turn: about a sixth of a breath; its time is corrected for the filter. Warm-up: 2 s, and a whole
    breath.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float, *, unit_per_count: float) -> None:
        self._unit_per_count = unit_per_count
        self._floor = FLOOR_COUNTS * unit_per_count
        self._quality = QualityReporter(SignalKind.RESPIRATION)
        self._tune(rate_hz)
        self._began: int | None = None
        """The first position of all."""
        self._origin: int | None = None
        self._bad_since: int | None = None

    def _tune(self, rate_hz: float) -> None:
        """Begin with samples of this rate."""
        unit_per_count = self._unit_per_count
        self._decimator = Decimator(max(1, int(rate_hz / TARGET_RATE_HZ)))
        self._rate_hz = rate_hz / self._decimator.factor
        self._begin_filter()
        self._turns = TurnFinder(self._rate_hz, floor=self._floor)
        self._watch = RangeWatch(
            rate_hz, window_s=STUCK_S, flat_range=2.0 * unit_per_count, unit_per_count=unit_per_count
        )
        self._noise = NoiseWatch(unit_per_count=unit_per_count)
        self._motion = MotionWatch(self._rate_hz)
        self._maker = BreathMaker()
        self._swing_before = 0.0
        """The usual swing when all began afresh: what moves the level by far more, soon after, was part of the same."""

    def _begin_filter(self) -> None:
        self._filter = BreathFilter(self._rate_hz)
        self._jumps = JumpWatch(self._rate_hz)
        self._levels = TurnLevels(self._rate_hz)
        self._level = 0.0
        """The newest filtered sample."""

    def restart(self, *, t_ns: int, emitted_ns: int, rate_hz: float | None) -> list[Output]:
        """Begin again after a gap, see `Stage`."""
        self._decimator.reset()
        self._begin_filter()
        self._turns.restart()
        self._watch.restart()
        self._noise.restart()
        self._motion.restart()
        self._origin = self._bad_since = None
        self._maker.restart()
        if rate_hz is not None:
            self._tune(rate_hz)
        torn = BreathsTorn(t_ns=t_ns, emitted_ns=emitted_ns, source=SignalKind.RESPIRATION)
        return [torn, *self._quality.change(Reason.SENSOR_LOST, t_ns=t_ns, emitted_ns=emitted_ns)]

    def feed(self, samples: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples; see `Stage.feed`."""
        if self._origin is None:
            self._origin = first
            if self._began is None:
                self._began = first
            elif first != self._began:  # else all is heard once more, from the beginning
                self._turns.doubt()
        out: list[Output] = []
        done = 0
        while done < len(samples):
            piece = samples[done : done + self._watch.n_left]
            done += self._advance(piece, first=first + done, clock=clock, out=out)
        return out

    def _advance(self, piece: Sequence[float], *, first: int, clock: StreamClock, out: list[Output]) -> int:
        """Take samples up to the next judgement of range and noise; return how many, fewer where all begins afresh."""
        n_before, samples = self._decimator.run(piece)
        at, last = first - 1, first + len(piece) - 1
        places = range(first + n_before, last + 1, self._decimator.factor)
        turns, motion, passed, past = self._turns, self._motion, self._jumps.passed, self._levels.past
        for at, x, y in zip(places, samples, self._filter.run(samples), strict=True):
            passed.append(x)
            past.append(x)
            turn = turns.step(y)
            self._level = y
            was_moving = motion.is_moving
            is_changed = motion.step(x, swing=turns.known_swing) is not was_moving
            if (at == last and self._watched(piece)) or is_changed:
                out += self._judged(at, clock=clock)
                if self._begins_afresh(at):
                    if at < last:
                        self._watch.feed(piece[: at + 1 - first])
                    return at + 1 - first
            if turn is not None and turn.is_seen and self._quality.reason is None:
                out += self._turned(turn, clock=clock, emitted_ns=clock.session_ns(at))
            elif turn is not None:
                self._maker.restart()
        if at < last and self._watched(piece):
            out += self._judged(last, clock=clock)
            self._begins_afresh(last)
        return len(piece)

    def _judged(self, at: int, *, clock: StreamClock) -> list[Output]:
        now_ns = clock.session_ns(at)
        reason = self._judge()
        if self._quality.reason is Reason.FLAT and reason is Reason.MOTION:  # the way back from a rail is no movement
            self._motion.restart()
            reason = None
        out: list[Output] = []
        if self._jumps.judge(swing=self._turns.known_swing):
            out.append(BeltJump(t_ns=now_ns, emitted_ns=now_ns))
        return [*out, *self._quality.change(reason, t_ns=now_ns, emitted_ns=now_ns)]

    def _watched(self, piece: Sequence[float]) -> bool:
        """Return whether range and noise were judged anew."""
        if not self._watch.feed(piece):
            return False
        self._noise.judge(self._watch.newest)
        self._turns.heed_noise(self._noise.least_range)
        return True

    def _begins_afresh(self, at: int) -> bool:
        """Forget drift and usual swing after a long bad stretch, or a jerk that moved the level (a belt came loose)."""
        if self._quality.reason is not None:
            self._bad_since = at if self._bad_since is None else self._bad_since
            return False
        began, self._bad_since = self._bad_since, None
        swing = 0.0 if self._turns.known_swing else self._swing_before
        if began is None and not 0.0 < FAR_SWINGS * swing < abs(self._level):
            return False
        is_long = began is not None and at - began >= AFRESH_S * self._rate_hz * self._decimator.factor
        reach = JUMP_SWINGS * (self._motion.swing or self._turns.usual_swing)
        if began is not None and not is_long and max(abs(self._level), self._turns.usual_swing) <= reach:
            self._turns.doubt()
            return False
        self._swing_before = self._turns.known_swing
        self._decimator.reset()
        self._begin_filter()
        self._turns = TurnFinder(self._rate_hz, floor=self._floor)
        self._turns.doubt()
        self._motion.restart()
        self._maker.restart()
        self._origin = at + 1
        return True

    def finish(self, *, clock: StreamClock) -> list[Output]:  # noqa: ARG002  (every stage has this shape)
        """Nothing waits: a turn is certain only once the signal has come back."""
        return []

    def _judge(self) -> Reason | None:
        if self._watch.reason is Reason.FLAT or self._noise.is_stuck:
            return Reason.FLAT
        return Reason.MOTION if self._motion.is_moving else None

    def _turned(self, turn: Turned, *, clock: StreamClock, emitted_ns: int) -> list[Output]:
        out: list[Output] = []
        if self._turns.hid_breath:
            self._maker.restart()
            out.append(BreathsHidden(t_ns=emitted_ns, emitted_ns=emitted_ns, source=SignalKind.RESPIRATION))
        expected_s = self._maker.expected_s
        turned = max(0.0, turn.at - self._filter.delay_s(expected_s) * self._rate_hz)
        at = (self._origin or 0) + turned * self._decimator.factor
        level = self._levels.at(self._turns.n - turned, reach_s=REACH_SHARE * expected_s, is_peak=turn.is_peak)
        placed = TurnAt(clock.session_ns(at), level, turn.is_peak)
        return [*out, *self._maker.turn(placed, source=SignalKind.RESPIRATION, emitted_ns=emitted_ns)]
