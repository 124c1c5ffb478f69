"""A whole body: arousal, breath, heart and skin in one loop that hears a pacer. Pure and seeded."""

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.arousal import Arousal
from becalm_simulator.breath import Breath, Turn
from becalm_simulator.ecg import BEFORE_NS, ecg_uv
from becalm_simulator.heart import Heart, HeartBeat
from becalm_simulator.person import Person
from becalm_simulator.skin import Response, Skin

STEP_NS = ns_from_s(0.05)
"""Step of the heart: a twentieth of a beat."""
SLOW_STEPS = 5
"""Arousal and skin move once in so many steps."""
SLOW_STEP_S = STEP_NS * SLOW_STEPS / NS_PER_S
# A P wave precedes its R peak: to know the ECG at t, beats must be known a little later.
LEAD_NS = BEFORE_NS + STEP_NS
# A deep breath and a stressor are answered by the skin after the usual latency of 1 to 3 s.
SKIN_LATENCY_S = (1.0, 2.5)
BELT_DRIFT_N = 0.25
BELT_DRIFT_S = (97.0, 211.0)


class Body:
    """One person's body. Time is body time: ns since the body began; the same seed and pacer give the same values.

    Call `until` before asking for signals up to a time; what has been asked for never changes afterwards.
    """

    def __init__(self, person: Person, *, seed: int) -> None:
        children = np.random.SeedSequence([seed, 2]).spawn(5)
        rngs = [np.random.default_rng(child) for child in children]
        self.person = person
        self.seed = seed
        self._arousal = Arousal(person, rngs[0])
        self._breath = Breath(person, rngs[1])
        self._heart = Heart(person, rngs[2])
        self._skin = Skin(person, rngs[3], step_s=SLOW_STEP_S)
        self._rng = rngs[4]
        self._drift_phases = 2.0 * np.pi * self._rng.random(len(BELT_DRIFT_S))
        self._n_steps = 0
        self._n_sighs_seen = 0
        self._t_ns = 0
        self._levels: list[float] = [self._arousal.level]

    @classmethod
    def from_seed(cls, seed: int) -> "Body":
        """Return the body of the person of this seed."""
        return cls(Person.from_seed(seed), seed=seed)

    @property
    def t_ns(self) -> int:
        """Body time up to which signals are known."""
        return self._t_ns

    def hear(self, pacer: Pacer | None) -> None:
        """Hear this pacer (its `started_ns` in body time) from the next turn of the breath on; None: hear none."""
        self._breath.hear(pacer)

    def until(self, t_ns: int) -> None:
        """Advance so that every signal and every true event up to `t_ns` is known."""
        while self._n_steps * STEP_NS <= t_ns + LEAD_NS:
            self._step()
        self._t_ns = max(self._t_ns, t_ns)

    # ------------------------------------------------------------------------------------------------ signals
    def ecg_uv(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the ECG in uV at ascending body times, shape (n_samples,)."""
        return ecg_uv(self.person, self._heart.beats, t_ns=t_ns, volume=self._breath.volume(t_ns))

    def force_n(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the pull on a chest belt in N, rising with inhalation, at ascending body times, shape (n_samples,)."""
        t_s = t_ns / NS_PER_S
        drift_n = sum(
            BELT_DRIFT_N * np.sin(2.0 * np.pi * t_s / period_s + phase)
            for period_s, phase in zip(BELT_DRIFT_S, self._drift_phases, strict=True)
        )
        person = self.person
        return np.asarray(person.belt_tension_n + person.belt_depth_n * self._breath.volume(t_ns) + drift_n)

    def conductance_us(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return skin conductance in uS at ascending body times, shape (n_samples,)."""
        return self._skin.conductance_us(t_ns)

    # -------------------------------------------------------------------------------------------------- truth
    def beats(self) -> tuple[HeartBeat, ...]:
        """Return every beat from time 0 to `t_ns`."""
        return tuple(self._heart.beats[: self.n_beats(self._t_ns)])

    def n_beats(self, t_ns: int) -> int:
        """Return how many beats there were up to a body time."""
        return bisect_right(self._heart.beats, min(t_ns, self._t_ns), key=lambda beat: beat.t_ns)

    def beats_from(self, first: int, *, n_most: int) -> tuple[HeartBeat, ...]:
        """Return at most `n_most` beats from position `first` on."""
        return tuple(self._heart.beats[first : min(first + n_most, self.n_beats(self._t_ns))])

    def turns(self, *, since_ns: int = 0) -> tuple[Turn, ...]:
        """Return the turns of the breath from `since_ns` (0: all of them) to `t_ns`."""
        turns = self._breath.turns
        first = bisect_left(turns, max(since_ns, 0), key=lambda turn: turn.t_ns)
        return tuple(turn for turn in turns[first:] if turn.t_ns <= self._t_ns)

    def responses(self) -> tuple[Response, ...]:
        """Return every skin response with its onset from time 0 to `t_ns`."""
        return tuple(response for response in self._skin.responses if response.onset_ns <= self._t_ns)

    def arousal(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return latent arousal (0 to 1) at body times, shape (n_samples,)."""
        return np.interp(t_ns / (STEP_NS * SLOW_STEPS), np.arange(len(self._levels)), self._levels)

    def arousal_at(self, t_ns: int) -> float:
        """Return latent arousal (0 to 1) at one body time."""
        return self._levels[min(max(t_ns // (STEP_NS * SLOW_STEPS), 0), len(self._levels) - 1)]

    # --------------------------------------------------------------------------------------------------- steps
    def _step(self) -> None:
        t_ns = self._n_steps * STEP_NS
        self._breath.until(t_ns, arousal=self._arousal.level)
        if self._n_steps % SLOW_STEPS == 0:
            self._slow_step(t_ns)
        volume = self._breath.volume_at(t_ns)
        self._heart.tick(t_ns, STEP_NS / NS_PER_S, arousal=self._arousal.level, volume=volume)
        self._n_steps += 1

    def _slow_step(self, t_ns: int) -> None:
        came = self._arousal.tick(SLOW_STEP_S, following=self._breath.following_at(t_ns))
        if came or self._sighed():
            self._skin.provoke(t_ns + ns_from_s(float(self._rng.uniform(*SKIN_LATENCY_S))))
        self._skin.tick(t_ns, arousal=self._arousal.level)
        self._levels.append(self._arousal.level)

    def _sighed(self) -> bool:
        n_known, self._n_sighs_seen = self._n_sighs_seen, len(self._breath.turns)
        return any(turn.is_sigh for turn in self._breath.turns[n_known:])
