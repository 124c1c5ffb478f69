"""From turns to breaths and pauses, the same for every source."""

from collections import deque
from dataclasses import dataclass
from statistics import median

from becalm_protocol.derived import Breath, BreathPause, BreathPhase, BreathTurn
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S

BreathEvent = BreathTurn | Breath | BreathPause

# Longer than two and a half usual breaths, and than 10 s, without a turn is a hold (10 s: an apnoea, AASM 2012).
HOLD_BREATHS = 2.5
HOLD_S = 10.0
N_USUAL = 5
# Two breaths with a hold in a row, no others between them, of about the same length are how somebody breathes: out for
# 15 s, as the slowest pacer, or in, held and out (4-7-8). Longer ones are not, and no half of one takes as long.
ALIKE = 1.25
SLOWEST_S = 30.0
# A turn is placed within some tenths of a second; two of one kind are farther apart.
SAME_TURN_NS = NS_PER_S // 2


def hold_s(usual_s: float) -> float:
    """Return how long no turn comes before a breath is held.

    Parameters
    ----------
    usual_s : length of usual breaths, 0.0 while there were none

    Returns
    -------
    seconds
    """
    return max(HOLD_S, min(SLOWEST_S, HOLD_BREATHS * usual_s))


@dataclass(frozen=True, slots=True)
class TurnAt:
    """A turn at its place in time, with the level of the signal there."""

    t_ns: int
    level: float
    is_peak: bool


class BreathMaker:
    """Turns of one source, oldest first, to events; a source that only hints has no depth and no holds.

    Notes
    -----
    Delay: none; a breath ends with its next inhalation. Warm-up: one breath, five for the usual length.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, *, is_hint: bool = False) -> None:
        self._is_hint = is_hint
        self._periods_s: deque[float] = deque(maxlen=N_USUAL)
        self.restart()

    def restart(self) -> None:
        """Begin again: what comes next does not follow on what came. The usual length is kept."""
        self._before: TurnAt | None = None
        self._trough: TurnAt | None = None
        self._peak: TurnAt | None = None
        self._begun_ns: int | None = None
        """The last trough, also where a hold came since."""
        self._held_s: float | None = None
        """Length of the last breath, if there was a hold in it."""

    @property
    def usual_s(self) -> float | None:
        """Median length of the last breaths."""
        return median(self._periods_s) if self._periods_s else None

    @property
    def expected_s(self) -> float:
        """Length that a breath is taken to have before it is over: the usual one, from 1.5 to 20 s."""
        return min(20.0, max(1.5, self.usual_s or 4.0))

    def turn(self, turn: TurnAt, *, source: SignalKind, emitted_ns: int) -> list[BreathEvent]:
        """Take the next turn.

        Parameters
        ----------
        turn : its time on session and stream clock, and the level of the signal there
        source : the signal that it was seen in
        emitted_ns : when it became known, session time in ns

        Returns
        -------
        the turn, after the pause that it ends and before the breath that it ends
        """
        before = self._before
        is_long = before is not None and turn.t_ns - before.t_ns > hold_s(self.usual_s or 0.0) * NS_PER_S
        if before is not None and (turn.t_ns <= before.t_ns or (is_long and self._is_hint)):
            self.restart()
            before = None
        self._before = turn
        phase = BreathPhase.OUT if turn.is_peak else BreathPhase.IN
        out: list[BreathEvent] = []
        if before is not None and is_long:
            out.append(BreathPause(t_ns=before.t_ns, end_ns=turn.t_ns, emitted_ns=emitted_ns, source=source))
            self._trough = self._peak = None  # a breath with a hold in it has no rate worth telling
        out.append(BreathTurn(t_ns=turn.t_ns, emitted_ns=emitted_ns, phase=phase, source=source))
        if turn.is_peak:
            self._peak = turn
            return out
        if self._trough is not None and self._peak is not None:  # a first trough, or one after a hold, ends no breath
            out.append(self._breath(self._trough, self._peak, end=turn, source=source, emitted_ns=emitted_ns))
            self._held_s = None
        elif self._begun_ns is not None:
            self._learn_slow((turn.t_ns - self._begun_ns) / NS_PER_S)
        self._trough, self._peak, self._begun_ns = turn, None, turn.t_ns
        return out

    def _learn_slow(self, period_s: float) -> None:
        """Take the length of a breath with a hold in it for usual, if it is that of the one before, too."""
        before_s, self._held_s = self._held_s, period_s
        if before_s is not None and max(before_s, period_s) < min(SLOWEST_S, ALIKE * min(before_s, period_s)):
            self._periods_s.clear()
            self._periods_s.extend((before_s, period_s))

    def _breath(self, trough: TurnAt, peak: TurnAt, *, end: TurnAt, source: SignalKind, emitted_ns: int) -> Breath:
        period_s = (end.t_ns - trough.t_ns) / NS_PER_S
        self._periods_s.append(period_s)
        return Breath(
            t_ns=trough.t_ns,
            emitted_ns=emitted_ns,
            breathing_rate_bpm=60.0 / period_s,
            depth=0.0 if self._is_hint else max(0.0, peak.level - (trough.level + end.level) / 2.0),
            source=source,
        )
