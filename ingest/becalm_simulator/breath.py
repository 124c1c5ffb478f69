"""Breathing: turn after turn by habit, or drawn towards a pacer that is heard."""

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.derived import BreathPhase
from becalm_protocol.events import Pacer, value
from becalm_protocol.units import ns_from_s, s_from_ns
from becalm_simulator.person import Person

# Length of the next free breath remembers this much of the one before (breathing is not white noise).
MEMORY = 0.4
# Full arousal quickens habitual breathing by a quarter.
AROUSAL_QUICKENING = 0.25
# A slower breath is a deeper one, though less than in proportion: ventilation falls a little.
DEPTH_EXPONENT = 0.6
MAX_DEPTH = 2.2
SIGH_DEPTH = 2.3
SIGH_STRETCH = 1.4
# Nobody can stretch or cut half a breath further than this at once.
STRETCH = (0.55, 1.6)


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


class Breath:
    """Turns of the breath; between two of them volume runs along half a cosine."""

    def __init__(self, person: Person, rng: np.random.Generator) -> None:
        self._person = person
        self._rng = rng
        self._pacer: Pacer | None = None
        self._memory = 0.0
        self._following = 0.0
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

    def until(self, t_ns: int, *, arousal: float) -> None:
        """Plan turns until one lies after `t_ns`."""
        while self._times[-1] <= t_ns:
            turn = self._next_turn(arousal=arousal)
            self.turns.append(turn)
            self._times.append(turn.t_ns)

    def following_at(self, t_ns: int) -> float:
        """How far the breath follows a pacer (0 to 1). The time must be covered by `until`."""
        return self.turns[self._locate(t_ns)].following

    def volume_at(self, t_ns: int) -> float:
        """Lung volume in habitual breaths. The time must be covered by `until`."""
        i = self._locate(t_ns)
        a, b = self.turns[i], self.turns[i + 1]
        x = (t_ns - a.t_ns) / (b.t_ns - a.t_ns)
        return a.level + (b.level - a.level) * 0.5 * (1.0 - math.cos(math.pi * x))

    def volume(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Lung volume at ascending times, shape (n_samples,)."""
        first = max(bisect_right(self._times, int(t_ns[0])) - 1, 0)
        last = bisect_right(self._times, int(t_ns[-1])) + 1
        times = np.asarray(self._times[first:last], dtype=np.int64)
        levels = np.asarray([turn.level for turn in self.turns[first:last]])
        i = np.clip(np.searchsorted(times, t_ns, side="right") - 1, 0, len(times) - 2)
        x = (t_ns - times[i]) / (times[i + 1] - times[i])
        return np.asarray(levels[i] + (levels[i + 1] - levels[i]) * 0.5 * (1.0 - np.cos(np.pi * x)), dtype=np.float64)

    def _locate(self, t_ns: int) -> int:
        i = self._last
        if not (self._times[i] <= t_ns and i + 1 < len(self._times) and t_ns < self._times[i + 1]):
            i = min(max(bisect_right(self._times, t_ns) - 1, 0), len(self._times) - 2)
            self._last = i
        return i

    def _next_turn(self, *, arousal: float) -> Turn:
        here = self.turns[-1]
        inhaling = here.phase is BreathPhase.IN
        if inhaling:  # a new breath has begun: how long would habit make it, and is it a sigh?
            self._own_s = self._draw_cycle_s(arousal=arousal)
        pacer = self._pacer
        if pacer is not None and here.t_ns >= pacer.started_ns:
            self._following += (1.0 - self._following) * self._person.pacer_skill
            half_s = self._paced_half_s(pacer, here, inhaling=inhaling)
            self._cycle_s = pacer.inhale_s + pacer.exhale_s
        else:
            self._following *= 0.4
            half_s = self._habit_half_s(inhaling=inhaling)
            self._cycle_s = self._own_s
        t_ns = here.t_ns + ns_from_s(half_s)
        return Turn(
            t_ns=t_ns,
            phase=BreathPhase.OUT if inhaling else BreathPhase.IN,
            level=self._peak_level() if inhaling else 0.06 * float(self._rng.standard_normal()),
            following=self._following,
            is_sigh=inhaling and self._deep,
        )

    def _draw_cycle_s(self, *, arousal: float) -> float:
        person, rng = self._person, self._rng
        self._memory = MEMORY * self._memory + math.sqrt(1.0 - MEMORY * MEMORY) * float(rng.standard_normal())
        rate_bpm = person.habit_breathing_rate_bpm * (1.0 + AROUSAL_QUICKENING * (arousal - 0.5))
        cycle_s = 60.0 / rate_bpm * math.exp(person.breath_variability * self._memory)
        self._deep = bool(rng.random() < person.sighs_per_hour * cycle_s / 3600.0) and self._following < 0.5
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
        half_s = own_s + follow * (cue_s - own_s) + self._person.pacer_jitter_s * float(self._rng.standard_normal())
        return min(max(half_s, STRETCH[0] * min(own_s, pacer_s)), STRETCH[1] * max(own_s, pacer_s))

    def _peak_level(self) -> float:
        habit_s = 60.0 / self._person.habit_breathing_rate_bpm
        depth: float = min((self._cycle_s / habit_s) ** DEPTH_EXPONENT, MAX_DEPTH)
        if self._deep:
            depth = SIGH_DEPTH
        return depth * math.exp(0.08 * float(self._rng.standard_normal()))
