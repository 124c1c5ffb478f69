"""Flags on RR intervals after Lipponen & Tarvainen 2019 (10.1080/03091902.2019.1640306), online.

A beat is given out provisionally at once and confirmed when the next beat (or, where it looks unusual, the next two)
has settled its flag. Differences from the paper: quartiles over the last 91 beats instead of around each beat, the
median over the last 11, a wider threshold on differences, floors under both thresholds, so that a very regular heart
is not taken for artefacts, and no flag on an interval that came far from the median step by step. What begins at an
early beat is flagged with it: an interval of the rhythm has a sound beat at either end.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.ordered_window import OrderedWindow

# The paper's 5.2 quartile deviations are 2.2 standard deviations of a normal difference: at rest one sound beat in a
# hundred exceeds that, and leaving the largest sound differences out makes RMSSD too small. 9.6 are 4.0: a beat out of
# place makes a difference of twice its shift, so one that is missed here is out by less than two deviations.
ALPHA_STEP = 9.6
ALPHA_OFFSET = 5.2
SLOPE_C1 = 0.13
OFFSET_C2 = 0.17
N_QUARTILES = 91
N_MEDIAN = 11
# After a longer break the rate may be another one, and the last intervals before it are often those of noise.
FORGET_NS = 10 * NS_PER_S
# 240/min is above any resting or exercising sinus rhythm, 24/min below it.
MIN_RR_MS = 250.0
MAX_RR_MS = 2500.0
# Below this share of the typical interval a difference is ordinary variation, whatever the quartiles say.
FLOOR_SHARE = 0.08
# Above these shares the quartiles themselves are made of artefacts (every other beat early): the widest thresholds.
CEILING_STEP_SHARE = 0.3
CEILING_OFFSET_SHARE = 0.2
# So short or long against the median an interval is judged without any step.
FAR_SHORT = 0.65
FAR_LONG = 1.6
# Two parts of one interval come to the typical one within this share of it.
WHOLE_SHARE = 0.15
# Quartiles of fewer differences than this mean little: a wider floor until then.
N_TRUSTED = 20
EARLY_FLOOR_SHARE = 0.12


@dataclass(slots=True)
class _Pending:
    beat_idx: int
    t_ns: int
    rr_ms: float | None
    step: float = 0.0
    """Difference from the interval before over its threshold (dRR in the paper)."""
    offset: float = 0.0
    """Difference from the median over its threshold, doubled where negative (mRR)."""
    is_far: bool = False
    """So far from the median that no rate changes as fast."""
    forced: BeatFlag | None = None
    t_error_ms: float | None = None
    rr_error_ms: float | None = None


class RrFlagger:
    """Turns beats with their intervals into provisional and confirmed `Beat` events. State: 91 intervals.

    Notes
    -----
    Delay: a provisional beat none, a confirmed one one or two beats. Warm-up: none.

    References
    ----------
    Lipponen & Tarvainen 2019, DOI 10.1080/03091902.2019.1640306.
    """

    def __init__(self, source: SignalKind) -> None:
        self._source = source
        self._n_beats = 0
        self._recent: deque[float] = deque(maxlen=N_MEDIAN)
        self._sound: deque[float] = deque(maxlen=N_MEDIAN)
        """The last of them that were confirmed."""
        self._steps = OrderedWindow(N_QUARTILES)
        self._offsets = OrderedWindow(N_QUARTILES)
        self._run: deque[_Pending] = deque(maxlen=8)
        self._n_open = 0
        self._typical_ms = 0.0
        """Median of the last intervals."""
        self._threshold_ms = 0.0
        self._emitted_ns = 0

    def push(
        self,
        t_ns: int,
        *,
        rr_ms: float | None,
        emitted_ns: int,
        t_error_ms: float | None = None,
        rr_error_ms: float | None = None,
    ) -> list[Beat]:
        """Take the next beat.

        Parameters
        ----------
        t_ns : its session time in ns
        rr_ms : the interval that it ends, in ms; None: the first of a run
        emitted_ns : when it became known, session time in ns
        t_error_ms : half width of a 95 % interval of its time
        rr_error_ms : standard deviation of its interval, where it is not the usual one

        Returns
        -------
        its provisional event and what it confirms
        """
        self._emitted_ns = emitted_ns
        confirmed = self.flush(emitted_ns=emitted_ns) if rr_ms is None else []
        if rr_ms is None:
            if self._run and t_ns - self._run[-1].t_ns > FORGET_NS:
                self._recent.clear()
                self._sound.clear()
            self._run.clear()
        new = _Pending(self._n_beats, t_ns, rr_ms, t_error_ms=t_error_ms, rr_error_ms=rr_error_ms)
        self._n_beats += 1
        if rr_ms is not None:
            self._measure(new, rr_ms)
        self._run.append(new)
        self._n_open += 1
        provisional = self._event(new, self._first_guess(new), confirmed=False)
        return [*confirmed, *self._settle(), provisional]

    def flush(self, *, emitted_ns: int) -> list[Beat]:
        """Confirm all open beats with what is known: before a break and at the end."""
        self._emitted_ns = emitted_ns
        return [self._confirm(len(self._run) - self._n_open) for _ in range(self._n_open)]

    def forget(self) -> None:
        """Let nothing that was learned so far judge what comes; beats are counted on."""
        self._recent.clear()
        self._sound.clear()
        self._steps, self._offsets = OrderedWindow(N_QUARTILES), OrderedWindow(N_QUARTILES)

    def disown(self, *, after_ns: int) -> None:
        """Let no interval count that ends in an open beat after `after_ns`: it was no beat of a heart."""
        for beat in list(self._run)[len(self._run) - self._n_open :]:
            if beat.t_ns > after_ns and beat.rr_ms is not None:
                beat.forced = BeatFlag.OUT_OF_RANGE

    def forget_doubted(self) -> None:
        """Judge what comes by the sound intervals alone: the others were those of noise."""
        self._recent = self._sound.copy()

    # ------------------------------------------------------------------------------------------------ measuring
    def _measure(self, new: _Pending, rr_ms: float) -> None:
        before = self._run[-1].rr_ms if self._run else None
        if before is not None and before > MAX_RR_MS:
            before = None  # a pause, or a break: no step from there
        usable = MIN_RR_MS <= rr_ms <= MAX_RR_MS
        if usable:
            self._recent.append(rr_ms)
        typical = median(self._recent) if self._recent else rr_ms
        self._typical_ms = typical
        floor = (FLOOR_SHARE if len(self._steps) >= N_TRUSTED else EARLY_FLOOR_SHARE) * typical
        step = rr_ms - (typical if before is None else before)  # it may begin at an early beat
        offset = rr_ms - typical
        new.is_far = not FAR_SHORT * typical <= rr_ms <= FAR_LONG * typical
        offset = 2.0 * offset if offset < 0.0 else offset
        if usable:
            self._steps.append(abs(step))
            self._offsets.append(offset)
        step_ms = min(CEILING_STEP_SHARE * typical, ALPHA_STEP * self._steps.deviation())
        offset_ms = min(CEILING_OFFSET_SHARE * typical, ALPHA_OFFSET * self._offsets.deviation())
        new.step = step / max(floor, step_ms, 1.0)
        self._threshold_ms = max(floor, offset_ms, 1.0)
        new.offset = offset / self._threshold_ms

    def _first_guess(self, new: _Pending) -> BeatFlag:
        if new.rr_ms is None:
            return BeatFlag.FIRST
        if not MIN_RR_MS <= new.rr_ms <= MAX_RR_MS:
            return BeatFlag.OUT_OF_RANGE
        strays = new.is_far or abs(new.step) > 1.0
        if strays and new.offset > 3.0:
            return BeatFlag.MISSED if self._is_missed(new.rr_ms) else BeatFlag.ECTOPIC
        return BeatFlag.ECTOPIC if strays and new.offset < -3.0 else BeatFlag.OK

    # ------------------------------------------------------------------------------------------------- settling
    def _settle(self) -> list[Beat]:
        confirmed = []
        while self._n_open:
            at = len(self._run) - self._n_open
            wait = 2 if self._looks_unusual(at) else 1
            if self._n_open <= wait and self._run[at].rr_ms is not None:
                break
            if self._n_open <= 1:
                break
            confirmed.append(self._confirm(at))
        return confirmed

    def _looks_unusual(self, at: int) -> bool:
        beats = [self._run[k] for k in (at, at + 1) if k < len(self._run)]
        return any(abs(beat.step) > 1.0 or beat.is_far for beat in beats)

    def _confirm(self, at: int) -> Beat:
        flag = self._classify(at)
        self._taint(at, flag)
        self._n_open -= 1
        if flag is BeatFlag.OK and (rr_ms := self._run[at].rr_ms) is not None:
            self._sound.append(rr_ms)
        return self._event(self._run[at], flag, confirmed=True, corrected=self._corrected(at, flag))

    def _taint(self, at: int, flag: BeatFlag) -> None:
        """What begins at a beat that came too early is no interval between two sound beats either."""
        beat = self._run[at]
        if at + 1 >= len(self._run) or beat.rr_ms is None:
            return
        if flag is BeatFlag.EXTRA and beat.forced is None:
            self._run[at + 1].forced = BeatFlag.EXTRA
        elif beat.rr_ms < MIN_RR_MS or (flag is BeatFlag.ECTOPIC and beat.forced is None and beat.offset < 0.0):
            self._run[at + 1].forced = BeatFlag.ECTOPIC

    def _classify(self, at: int) -> BeatFlag:
        beat = self._run[at]
        if beat.rr_ms is None:
            return BeatFlag.FIRST
        if not MIN_RR_MS <= beat.rr_ms <= MAX_RR_MS:
            return BeatFlag.OUT_OF_RANGE
        if beat.forced is not None:
            return beat.forced
        if self._ends_beside_a_beat(at, beat.rr_ms):
            return BeatFlag.EXTRA
        if self._is_turn(at) or self._is_turn(at + 1):
            return BeatFlag.ECTOPIC
        return self._long_or_short(at, beat.rr_ms)

    def _long_or_short(self, at: int, rr_ms: float) -> BeatFlag:
        beat = self._run[at]
        nexts = [self._run[k].step for k in (at + 1, at + 2) if k < len(self._run)]
        # A rate may change within a few beats; what is no beat leaves the rhythm at once.
        strays = beat.is_far or abs(beat.step) > 1.0 or (bool(nexts) and abs(nexts[0]) > 1.0)
        if (strays and beat.offset > 3.0) or (beat.step > 1.0 and min(nexts, default=0.0) < -1.0):
            return BeatFlag.MISSED if self._is_missed(rr_ms) else BeatFlag.ECTOPIC
        if (strays and beat.offset < -3.0) or (beat.step < -1.0 and max(nexts, default=0.0) > 1.0):
            return BeatFlag.EXTRA if self._is_extra(at, rr_ms) else BeatFlag.ECTOPIC
        return BeatFlag.OK

    def _ends_beside_a_beat(self, at: int, rr_ms: float) -> bool:
        """The next beat comes too soon, and it rather than this one is the true one."""
        following = [beat.rr_ms for beat in list(self._run)[at + 1 : at + 3] if beat.rr_ms is not None]
        typical = self._typical_ms
        if not following or following[0] >= max(MIN_RR_MS, FAR_SHORT * typical):
            return False
        is_next_true = abs(rr_ms + following[0] - typical)
        if following[0] >= MIN_RR_MS:
            return is_next_true < min(self._threshold_ms, WHOLE_SHARE * typical)
        return len(following) == 1 or is_next_true <= abs(sum(following) - typical)

    def _is_turn(self, at: int) -> bool:
        """Down-up-down or up-down-up around `at`: a beat too early or too late between two regular ones."""
        if not 1 <= at < len(self._run) - 1:
            return False
        step = self._run[at].step
        around = (self._run[at - 1].step, self._run[at + 1].step)
        if step > 1.0:
            return max(around) < -SLOPE_C1 * step - OFFSET_C2
        return step < -1.0 and min(around) > -SLOPE_C1 * step + OFFSET_C2

    def _is_missed(self, rr_ms: float) -> bool:
        typical = self._typical_ms
        return any(abs(rr_ms / parts - typical) < self._threshold_ms for parts in (2, 3))

    def _is_extra(self, at: int, rr_ms: float) -> bool:
        if at + 1 >= len(self._run):
            return False
        after = self._run[at + 1].rr_ms
        return after is not None and abs(rr_ms + after - self._typical_ms) < self._threshold_ms

    def _corrected(self, at: int, flag: BeatFlag) -> float | None:
        beat = self._run[at]
        if flag is BeatFlag.OK or beat.rr_ms is None:
            return beat.rr_ms
        typical = self._typical_ms if self._recent else None
        if flag is BeatFlag.MISSED and typical is not None:
            return beat.rr_ms / (2 if abs(beat.rr_ms / 2 - typical) <= abs(beat.rr_ms / 3 - typical) else 3)
        if flag is BeatFlag.EXTRA:
            before = self._run[at - 1].rr_ms if at and beat.forced is not None else None
            return before + beat.rr_ms if before is not None else None
        return typical

    def _event(self, beat: _Pending, flag: BeatFlag, *, confirmed: bool, corrected: float | None = None) -> Beat:
        return Beat(
            beat_idx=beat.beat_idx,
            t_ns=beat.t_ns,
            emitted_ns=self._emitted_ns,
            source=self._source,
            rr_ms=beat.rr_ms,
            rr_corrected_ms=corrected if confirmed or flag is not BeatFlag.OK else beat.rr_ms,
            flag=flag,
            confirmed=confirmed,
            t_error_ms=beat.t_error_ms,
            rr_error_ms=beat.rr_error_ms,
        )
