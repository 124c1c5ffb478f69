"""Which way is in: a belt held against what else breathes - the heart's rhythm, its QRS, the tilt of the chest.

Each breath of the belt gives one phasor of every witness: where in the breath it is high. A witness that keeps to its
place says nothing of where in is, but when belt and body were turned against each other it moves to the opposite one.
"""

import cmath
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from becalm_protocol.derived import Beat, BreathPhase, BreathTurn
from becalm_protocol.units import NS_PER_S
from becalm_signal.stage import BreathHint

# Measured on 15 ICU patients whose impedance was turned over at 180 moments: 89 % noticed, half of them with the third
# breath and 90 % with the sixth; without a turn doubted during 0.6 % of 2,125 breaths. Three and ten breaths, and 0.7,
# notice 91 %, and doubt 0.8 %.
N_RECENT, N_PAST = 3, 6
STEADY = 0.8
WEAKEST = 0.25
OPPOSITE, SAME = -0.7, 0.5
# At another rate the heart's rhythm is high in another part of a breath (ahead of it at 6 a minute, behind it at 15).
OTHER_RATE = 1.4
# A jump alone is weak evidence, for belts slip: so many breaths without a word of any witness, and it was none.
N_PATIENT = 8
LONGEST_NS = 15 * NS_PER_S
MARGIN_NS = 3 * NS_PER_S
# Turns of a chest come a sixth of a breath late; beats that would settle a breath sooner may be missing.
CHEST_LATE_NS = 4 * NS_PER_S
MAX_READINGS = 48
MAX_PENDING = 8

Read = tuple[int, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class _Whole:
    """One breath of the belt."""

    start_ns: int
    middle_ns: int
    end_ns: int

    def phase(self, t_ns: int) -> float:
        """Return where in the breath a moment is: 0 at its start, pi at its middle."""
        if t_ns < self.middle_ns:
            return math.pi * (t_ns - self.start_ns) / (self.middle_ns - self.start_ns)
        return math.pi * (1.0 + (t_ns - self.middle_ns) / (self.end_ns - self.middle_ns))


class _Witness:
    """Phasors of one witness: of the last breaths, and of those before that nobody doubts."""

    def __init__(self) -> None:
        self._recent: deque[complex] = deque(maxlen=N_RECENT)
        self._past: deque[complex] = deque(maxlen=N_PAST)
        self._oldest: complex | None = None

    @property
    def is_steady(self) -> bool:
        """Whether it has kept to its place in the breath."""
        return _is_steady(self._past)

    def add(self, phasor: complex) -> None:
        """Take the phasor of a breath."""
        self._oldest = self._recent[0] if len(self._recent) == N_RECENT else None
        self._recent.append(phasor)

    def learn(self, *, is_sure: bool) -> None:
        """Count the oldest of the last breaths among those of before, where nothing speaks against it."""
        if self._oldest is not None and (is_sure or not self.is_steady):
            self._past.append(self._oldest)

    def forget(self) -> None:
        """What comes cannot be compared with what came."""
        self._past.clear()
        self._recent.clear()
        self._oldest = None

    def begin_anew(self, *, is_sure: bool) -> None:
        """Judge by the breaths to come alone."""
        if is_sure:
            self._past.extend(self._recent)
        self._recent.clear()

    def verdict(self) -> float | None:
        """Return 1 where it is high in the same part of a breath as before, -1 in the opposite, None: it wavers."""
        if not (_is_steady(self._recent) and self.is_steady):
            return None
        return math.cos(cmath.phase(sum(self._recent)) - cmath.phase(sum(self._past)))


class BreathWay:
    """Whether the turns of a belt are told the way they were: `is_known`.

    Takes what counts in the order of ticks. A doubt ends with three breaths that agree with those before.

    Notes
    -----
    Delay of a doubt: none where the belt jumps while a witness is steady, else three breaths and a beat. Warm-up: six
    breaths.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self.is_known = True
        self._turns: deque[BreathTurn] = deque(maxlen=3)
        self._pending: deque[_Whole] = deque(maxlen=MAX_PENDING)
        self._rates: deque[Read] = deque(maxlen=MAX_READINGS)
        self._levels: deque[Read] = deque(maxlen=MAX_READINGS)
        self._tilts: deque[int] = deque(maxlen=MAX_READINGS)
        self._witnesses = tuple(_Witness() for _ in range(5))
        """The rhythm; range, height and baseline of the QRS; the chest."""
        self._lengths_ns: deque[int] = deque(maxlen=N_RECENT)
        self._usual_ns: float | None = None
        """Length of the breaths that the rhythm was learnt from."""
        self._patience = 0

    def turn(self, turn: BreathTurn) -> None:
        """Take a turn of the belt.

        Parameters
        ----------
        turn : of the belt, in order
        """
        turns = self._turns
        if turns and (turn.phase is turns[-1].phase or turn.t_ns <= turns[-1].t_ns):
            turns.clear()
        turns.append(turn)
        if len(turns) == 3 and turn.phase is BreathPhase.IN and turn.t_ns - turns[0].t_ns < LONGEST_NS:
            self._pending.append(_Whole(turns[0].t_ns, turns[1].t_ns, turn.t_ns))

    def hint(self, hint: BreathHint) -> None:
        """Take what a beat has of the breath in its QRS."""
        self._levels.append((hint.t_ns, hint.levels))

    def beat(self, beat: Beat) -> None:
        """Take a confirmed beat of the rhythm.

        Parameters
        ----------
        beat : with its interval in ms
        """
        if beat.rr_ms is not None:
            self._rates.append((beat.t_ns, (60_000.0 / beat.rr_ms,)))
        self._settle(beat.t_ns)

    def tilt(self, turn: BreathTurn) -> None:
        """Take a turn of the chest."""
        if turn.phase is BreathPhase.IN:
            self._tilts.append(turn.t_ns)
        self._settle(turn.t_ns - CHEST_LATE_NS)

    def doubt(self) -> None:
        """Take that the belt jumped, or was off: where no witness is steady nothing follows from that."""
        if not any(witness.is_steady for witness in self._witnesses):
            return
        self._turns.clear()
        self._pending.clear()
        for witness in self._witnesses:
            witness.begin_anew(is_sure=self.is_known)
        if self.is_known or self._patience:
            self.is_known, self._patience = False, N_PATIENT

    def _settle(self, now_ns: int) -> None:
        while self._pending and self._pending[0].end_ns < now_ns:
            self._judge(self._pending.popleft())

    def _judge(self, breath: _Whole) -> None:
        self._lengths_ns.append(breath.end_ns - breath.start_ns)
        fits = self._fits_rhythm()
        tilts = [cmath.rect(1.0, breath.phase(t_ns)) for t_ns in self._tilts if breath.start_ns <= t_ns < breath.end_ns]
        phasors = (*_phasors(self._rates, breath, n=1), *_phasors(self._levels, breath, n=3), *(tilts[-1:] or [0j]))
        for witness, phasor in zip(self._witnesses, phasors, strict=True):
            witness.add(phasor)
        verdict = self._verdict(fits_rhythm=fits)
        self._heed(verdict)
        if self.is_known:
            for witness in self._witnesses:
                witness.learn(is_sure=verdict is not None and verdict > 0.0)

    def _fits_rhythm(self) -> bool:
        """Return whether breaths are about as long as when the rhythm was learnt; without doubts it begins anew."""
        length_ns = median(self._lengths_ns)
        if 1.0 / OTHER_RATE < length_ns / (self._usual_ns or math.inf) < OTHER_RATE:
            return True
        if self.is_known:
            self._usual_ns = length_ns
            self._witnesses[0].forget()
        return False

    def _verdict(self, *, fits_rhythm: bool) -> float | None:
        """Let the rhythm decide, which no posture turns over; where it wavers, all others."""
        rhythm, *others = [witness.verdict() for witness in self._witnesses]
        if rhythm is not None and fits_rhythm:
            return rhythm
        told = [verdict for verdict in others if verdict is not None]
        return sum(told) / len(told) if told else None

    def _heed(self, verdict: float | None) -> None:
        if verdict is None:
            if self._patience:
                self._patience -= 1
                self.is_known = not self._patience
        elif verdict < OPPOSITE:
            self.is_known, self._patience = False, 0
        elif verdict > SAME:
            self.is_known, self._patience = True, 0


def _is_steady(phasors: deque[complex]) -> bool:
    total = abs(sum(phasors))
    is_whole = len(phasors) == phasors.maxlen
    return is_whole and total >= max(WEAKEST * len(phasors), STEADY * sum([abs(z) for z in phasors]))


def _phasors(readings: Sequence[Read], breath: _Whole, *, n: int) -> list[complex]:
    """Return one phasor of each of `n` traces: of length up to 0.7, 0 where it does not breathe."""
    since_ns, start_ns, end_ns = breath.start_ns - MARGIN_NS, breath.start_ns, breath.end_ns
    near = [read for read in readings if since_ns < read[0] < end_ns]
    inside = [read for read in near if read[0] >= start_ns]
    if len(inside) < 2:
        return [0j] * n
    turned = [cmath.rect(1.0, breath.phase(t_ns)) for t_ns, _ in inside]
    out = []
    for k in range(n):
        mean = sum([levels[k] for _, levels in near]) / len(near)
        off = [levels[k] - mean for _, levels in inside]
        size = math.sqrt(len(off) * sum([x * x for x in off]))
        out.append(sum([x * z for x, z in zip(off, turned, strict=True)]) / size if size > 0.0 else 0j)
    return out
