"""The last breaths of one source: their rate, and how even they are."""

import math
from collections import deque
from typing import NamedTuple

from becalm_protocol.derived import Breath, BreathPause, BreathPhase, BreathTurn, Index, Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.limits import MAX_SESSION_NS
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import Reading
from becalm_signal.bounds import Z_95, moments, variation
from becalm_signal.breath_halves import N_BREATHS, HalfBreaths
from becalm_signal.breath_turns import BreathEvent, hold_s

N_IRREGULARITY = 6
# What comes out of a heart is this much older than its newest sample (`breath_trace`; a strap is up to 4 s late).
LAG_S = {SignalKind.ECG: 12.0, SignalKind.RR: 16.0}
# Breaths that change their length at once (a pacer begins) are still breaths; a bound as large as the rate is none.
MAX_BOUND_SHARE, MAX_HALVES_BOUND_SHARE = 1.0, 0.6
UNEVEN = 2.5
# A breath that ends so much earlier than another begins is not the one before it.
MAX_APART_NS = NS_PER_S // 10
# A rate is farther off where breaths were shorter than where they were longer by as much: there 5 % of all lie.
ONE_SIDED_95 = 1.645
# A turn is placed to this share of a breath (virtual people at rest: half within 0.01, 95 % within 0.04).
TURN_SD_SHARE = 0.02
# What a heart tells is within this share of the true rate in 95 % of windows (BIDMC; intervals alone: virtual people).
HINT_SHARE = 0.33


class _Sum(NamedTuple):
    """What changes with a breath and not with a tick."""

    is_enough: bool
    """There are breaths enough for a rate."""
    allowed_ns: int
    """What a breath may take, and the source's own lag."""
    rate_bpm: Index
    irregularity: Reading | None


class BreathWindow:
    """The last breaths of one source.

    Notes
    -----
    Delay: a breath is told when it has ended. Warm-up: three breaths (after a break half a one), six for
    their irregularity.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, source: SignalKind) -> None:
        self._lag_s = LAG_S.get(source, 0.0)
        self._periods_s: deque[float] = deque(maxlen=N_IRREGULARITY)
        self._end_ns: int | None = None
        self._begun_ns: int | None = None
        """Begin of the newest inhalation: where no breath ended, what came before is not of those that come."""
        self._told: _Sum | None = None
        """None where something came since all was summed up."""
        self.newest_ns: int | None = None
        """Time of the newest turn."""
        self.kind = source
        self._halves = HalfBreaths()
        self._bad_ns = -MAX_SESSION_NS
        """The newest moment at which the signal was bad: a turn before it may be none."""
        self._held = False

    def apply(self, event: BreathEvent) -> None:
        """Take a turn, a breath or a pause."""
        if event.source is not None:
            self.kind = event.source
        if isinstance(event, BreathPause):
            self._held = True
            self.forget()
            return
        if isinstance(event, BreathTurn):
            self.newest_ns = event.t_ns
            if event.phase is BreathPhase.IN:
                self._begun_ns = event.t_ns
            if event.t_ns > self._bad_ns:
                self._halves.turn(event)
        else:
            self._append(event)
        self._told = None

    def _append(self, event: Breath) -> None:
        period_s = 60.0 / event.breathing_rate_bpm
        if self._end_ns is not None and abs(event.t_ns - self._end_ns) > MAX_APART_NS:
            self._periods_s.clear()  # breaths that do not follow on each other
        self._periods_s.append(period_s)
        self._held = False
        self._end_ns = event.t_ns + round(period_s * NS_PER_S)

    def forget(self, now_ns: int | None = None) -> None:
        """What comes next does not follow on what came; `now_ns`: the signal is bad now."""
        self._halves.forget()
        self._bad_ns = self._bad_ns if now_ns is None else now_ns
        self._periods_s.clear()
        self._told = None

    def begin_anew(self) -> None:
        """What comes next was heard after a break: none of it is of the time when the signal was bad."""
        self._bad_ns = -MAX_SESSION_NS
        self.forget()

    def lose(self) -> None:
        """There were breaths too small to be told: what is usual is none of them, either."""
        self._halves = HalfBreaths()
        self.forget()

    def still_for_ns(self, now_ns: int) -> int | None:
        """Return how long ago the last turn was, beyond what a breath may take and the source's own lag."""
        return None if self.newest_ns is None else now_ns - self.newest_ns - self._sum().allowed_ns

    def breathes(self, now_ns: int) -> bool:
        """Whether there are breaths enough for a rate, and no hold."""
        still_ns = self.still_for_ns(now_ns)
        return still_ns is not None and still_ns <= 0 and self._sum().is_enough

    def rate(self, now_ns: int) -> Index:
        """Return the rate of the last three breaths in 1/min.

        Bound: the error of the first and the last turn, and 2.5 standard errors of the mean period: more than the
        usual 1.96, because a breath missed or counted twice shows as uneven periods.
        """
        still_ns = self.still_for_ns(now_ns)
        if still_ns is None or self._end_ns is None:
            return Index(reason=Reason.WARMING_UP)
        if still_ns > 0:
            return Index(reason=Reason.NOISY if self._lag_s > 0.0 else Reason.NO_BREATH)
        return self._sum().rate_bpm

    def irregularity(self) -> Reading | None:
        """Return the coefficient of variation of the last six breaths."""
        return self._sum().irregularity

    # ----------------------------------------------------------------- what changes with a breath and not with a tick
    def _sum(self) -> _Sum:
        if self._told is None:
            self._told = self._sum_up()
        return self._told

    def _sum_up(self) -> _Sum:
        begun_ns, end_ns = self._begun_ns, self._end_ns
        is_torn = begun_ns is not None and end_ns is not None and begun_ns > end_ns + MAX_APART_NS
        periods_s = [] if is_torn else list(self._periods_s)
        last = periods_s[-N_BREATHS:]
        mean_s = sum(last) / len(last) if last else 0.0
        allowed_ns = round((hold_s(mean_s) + self._lag_s) * NS_PER_S)
        irregularity = Reading(*variation(periods_s)) if len(periods_s) == N_IRREGULARITY else None
        return _Sum(len(last) == N_BREATHS, allowed_ns, self._rate_of(last, mean_s=mean_s), irregularity)

    def _rate_of(self, last: list[float], *, mean_s: float) -> Index:
        if len(last) < N_BREATHS:
            return self._rate_of_halves()
        rate_bpm = 60.0 / mean_s
        deviation_s = moments(last)[1]
        turn_s = TURN_SD_SHARE * mean_s
        error_s = math.hypot(UNEVEN * deviation_s / math.sqrt(len(last)), Z_95 * math.sqrt(2.0) * turn_s / len(last))
        if self._lag_s > 0.0:
            error_s = math.hypot(error_s, HINT_SHARE * mean_s)
        if error_s > MAX_BOUND_SHARE * mean_s:
            return Index(reason=Reason.NOISY)
        return Index(value=rate_bpm, bound=rate_bpm * error_s / mean_s, sample_ns=self.newest_ns)

    def _rate_of_halves(self) -> Index:
        length = None if self._held or self._lag_s > 0.0 else self._halves.length()
        if length is None or length.error_s > MAX_HALVES_BOUND_SHARE * length.s:
            return Index(reason=Reason.NO_BREATH if self._held else Reason.WARMING_UP)
        rate_bpm, share = 60.0 / length.s, length.error_s / length.s
        shorter = ONE_SIDED_95 / Z_95 * share
        bound_bpm = rate_bpm * max(share, shorter / (1.0 - shorter))
        return Index(value=rate_bpm, bound=bound_bpm, sample_ns=self.newest_ns)
