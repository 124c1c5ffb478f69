"""Breathing: turn after turn by habit, or drawn towards a pacer that is heard."""

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.derived import BreathPhase
from becalm_protocol.events import Pacer, value
from becalm_protocol.units import ns_from_s, s_from_ns
from becalm_simulator.dice import Dice
from becalm_simulator.person import Person

# Length of the next free breath remembers this much of the one before (breathing is not white noise).
MEMORY = 0.4
# Full arousal quickens habitual breathing by a quarter.
AROUSAL_QUICKENING = 0.25
SIGH_DEPTH = 2.3
SIGH_STRETCH = 1.4
# A vital capacity holds about eight habitual breaths.
FULLEST = 8.0
# Spontaneous rests after an exhalation.
HOLD_RANGE_S = (3.0, 9.0)
# Nobody can stretch or cut half a breath further than this at once.
STRETCH = (0.55, 1.6)
# Speech: a quick breath in, then a long one out that carries words, deeper than habit; no pacer is followed.
SPEECH_INHALE_S = (0.4, 0.9)
SPEECH_EXHALE_S = (2.0, 6.0)
SPEECH_DEPTH = 1.6
# Depth nears its comfortable limit smoothly: the fourth-power mean of both.
LIMIT_SHARPNESS = 4.0


@value
class Turn:
    """Breathing changed direction."""

    t_ns: int
    phase: BreathPhase
    """The phase that starts here."""
    level: float
    """Lung volume here, in habitual breaths above the usual trough."""
    following: float
    """0: own habit, 1: with the pacer, until the next turn."""
    is_sigh: bool = False
    rest_before_ns: int = 0
    """How long the chest had been at rest when this turn came (the end of an exhalation)."""


class Breath:
    """Turns of the breath; between two of them volume runs along half a cosine, then rests."""

    def __init__(self, person: Person, dice: Dice) -> None:
        self._person = person
        self._dice = dice
        self._pacer: Pacer | None = None
        self._memory = 0.0
        self._following = 0.0
        self._lapsed = False
        self._hold_until_ns: int | None = None
        self._speak_until_ns: int | None = None
        self._own_s = self._cycle_s = self._draw_cycle_s(arousal=person.arousal_everyday)
        self._deep = False
        self.turns: list[Turn] = [
            Turn(t_ns=-ns_from_s(self._cycle_s), phase=BreathPhase.OUT, level=1.0, following=0.0),
        ]
        self._times: list[int] = [self.turns[0].t_ns]
        self._last = 0

    def hear(self, pacer: Pacer | None) -> None:
        """Go with this pacer from the next turn on; None: by habit."""
        self._pacer = pacer

    def hold_until(self, t_ns: int) -> None:
        """Do not inhale before this time, from the next planned exhalation on."""
        self._hold_until_ns = t_ns

    def speak_until(self, t_ns: int) -> None:
        """Breathe as in speech until this time, from the next turn on."""
        self._speak_until_ns = t_ns

    def until(self, t_ns: int, *, arousal: float, drive: float = 1.0) -> None:
        """Plan turns until one lies after `t_ns`; `drive` (1: habitual) deepens breaths."""
        while self._times[-1] <= t_ns:
            turn = self._next_turn(arousal=arousal, drive=drive)
            self.turns.append(turn)
            self._times.append(turn.t_ns)

    def following_at(self, t_ns: int) -> float:
        """How far the breath follows a pacer (0 to 1). The time must be covered by `until`."""
        return self.turns[self._locate(t_ns)].following

    def volume_at(self, t_ns: int) -> float:
        """Lung volume in habitual breaths. The time must be covered by `until`."""
        i = self._locate(t_ns)
        a, b = self.turns[i], self.turns[i + 1]
        moving_ns = b.t_ns - a.t_ns - b.rest_before_ns
        past_ns = t_ns - a.t_ns
        if past_ns >= moving_ns:
            return b.level
        return a.level + (b.level - a.level) * 0.5 * (1.0 - math.cos(math.pi * past_ns / moving_ns))

    def volume(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Lung volume at ascending times, shape (n_samples,)."""
        first = max(bisect_right(self._times, int(t_ns[0])) - 1, 0)
        last = bisect_right(self._times, int(t_ns[-1])) + 1
        turns = self.turns[first:last]
        times = np.asarray(self._times[first:last], dtype=np.int64)
        levels = np.asarray([turn.level for turn in turns])
        moving_ns = np.diff(times) - np.asarray([turn.rest_before_ns for turn in turns[1:]], dtype=np.int64)
        i = np.clip(np.searchsorted(times, t_ns, side="right") - 1, 0, len(times) - 2)
        x = np.minimum((t_ns - times[i]) / moving_ns[i], 1.0)
        return np.asarray(levels[i] + (levels[i + 1] - levels[i]) * 0.5 * (1.0 - np.cos(np.pi * x)), dtype=np.float64)

    def _locate(self, t_ns: int) -> int:
        i = self._last
        if not (self._times[i] <= t_ns and i + 1 < len(self._times) and t_ns < self._times[i + 1]):
            i = min(max(bisect_right(self._times, t_ns) - 1, 0), len(self._times) - 2)
            self._last = i
        return i

    def _next_turn(self, *, arousal: float, drive: float) -> Turn:
        here = self.turns[-1]
        inhaling = here.phase is BreathPhase.IN
        if inhaling:  # a new breath has begun: how long would habit make it, and is it a sigh?
            self._own_s = self._draw_cycle_s(arousal=arousal)
            self._lapsed = self._dice.uniform() < self._person.pacer_lapse_share
        pacer = self._pacer
        speaking = self._speak_until_ns is not None and here.t_ns < self._speak_until_ns
        if speaking:
            self._following *= 0.4
            half_s = self._dice.between(*(SPEECH_INHALE_S if inhaling else SPEECH_EXHALE_S))
        elif pacer is not None and here.t_ns >= pacer.started_ns and not self._lapsed:
            self._following += (1.0 - self._following) * self._person.pacer_skill
            half_s = self._paced_half_s(pacer, here, inhaling=inhaling)
            self._cycle_s = pacer.inhale_s + pacer.exhale_s
        else:
            self._following *= 0.4
            half_s = self._habit_half_s(inhaling=inhaling)
            self._cycle_s = self._own_s
        t_ns, rest_ns = here.t_ns + ns_from_s(half_s), 0
        if not inhaling:
            t_ns, rest_ns = self._rest(here.t_ns, t_ns)
        return Turn(
            t_ns=t_ns,
            phase=BreathPhase.OUT if inhaling else BreathPhase.IN,
            level=self._peak_level(drive, speaking=speaking) if inhaling else 0.05 * self._dice.normal(),
            following=self._following,
            is_sigh=inhaling and self._deep and not speaking,
            rest_before_ns=rest_ns,
        )

    def _rest(self, begun_ns: int, end_ns: int) -> tuple[int, int]:
        """Return when an exhalation planned to `end_ns` ends, and how much of it is rest."""
        alone = 1.0 - self._following
        rest_ns = int((end_ns - begun_ns) * self._person.pause_share * alone)
        chance, share = self._dice.uniform(), self._dice.uniform()
        if chance < self._person.holds_per_hour * self._own_s / 3600.0 * alone:
            low_s, high_s = HOLD_RANGE_S
            hold_ns = ns_from_s(low_s + (high_s - low_s) * share)
            end_ns, rest_ns = end_ns + hold_ns, rest_ns + hold_ns
        if self._hold_until_ns is not None and self._hold_until_ns > end_ns:
            end_ns, rest_ns = self._hold_until_ns, rest_ns + self._hold_until_ns - end_ns
        return end_ns, rest_ns

    def _draw_cycle_s(self, *, arousal: float) -> float:
        person, dice = self._person, self._dice
        self._memory = MEMORY * self._memory + math.sqrt(1.0 - MEMORY * MEMORY) * dice.normal()
        rate_bpm = person.habit_breathing_rate_bpm * (1.0 + AROUSAL_QUICKENING * (arousal - 0.5))
        cycle_s = 60.0 / rate_bpm * math.exp(person.breath_variability * self._memory)
        self._deep = dice.uniform() < person.sighs_per_hour * cycle_s / 3600.0 and self._following < 0.5
        return cycle_s * SIGH_STRETCH if self._deep else cycle_s

    def _habit_half_s(self, *, inhaling: bool) -> float:
        share = self._person.inhale_share
        return self._own_s * (share if inhaling else 1.0 - share)

    def _paced_half_s(self, pacer: Pacer, here: Turn, *, inhaling: bool) -> float:
        """Seconds to the next turn: from habit towards the cue nearest to where the pacer's own length would end."""
        follow, cycle_s = self._following, pacer.inhale_s + pacer.exhale_s
        own_s = self._habit_half_s(inhaling=inhaling)
        pacer_s = pacer.inhale_s if inhaling else pacer.exhale_s
        cue_s = s_from_ns(pacer.started_ns - here.t_ns) + self._person.pacer_lag_s + (pacer.inhale_s if inhaling else 0)
        wanted_s = own_s + follow * (pacer_s - own_s)
        cue_s += cycle_s * round((wanted_s - cue_s) / cycle_s)
        half_s = own_s + follow * (cue_s - own_s) + self._person.pacer_jitter_s * self._dice.normal()
        return min(max(half_s, STRETCH[0] * min(own_s, pacer_s)), STRETCH[1] * max(own_s, pacer_s))

    def _peak_level(self, drive: float, *, speaking: bool) -> float:
        """Depth of this breath: a slower one is deeper, up to what is comfortable; chemistry goes beyond comfort."""
        person = self._person
        if speaking:
            return float(min(SPEECH_DEPTH * drive, FULLEST) * math.exp(0.15 * self._dice.normal()))
        wanted = (self._cycle_s * person.habit_breathing_rate_bpm / 60.0) ** person.depth_exponent
        limited = (wanted**-LIMIT_SHARPNESS + person.deepest_breath**-LIMIT_SHARPNESS) ** (-1.0 / LIMIT_SHARPNESS)
        depth = max(SIGH_DEPTH, limited) if self._deep else limited
        return float(min(depth * drive, FULLEST) * math.exp(0.08 * self._dice.normal()))
