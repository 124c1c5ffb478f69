"""A whole body: arousal, breath, heart, lungs and skin in one loop that hears a pacer. Pure and seeded."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.derived import BreathPhase
from becalm_protocol.events import Pacer, require
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.answers import Judgement, Rating, Voice
from becalm_simulator.arousal import Arousal
from becalm_simulator.breath import Breath, Turn
from becalm_simulator.chest import BELT_DRIFT_S, Chest
from becalm_simulator.dice import Dice
from becalm_simulator.ecg import BEFORE_NS, Electrocardiogram
from becalm_simulator.electrodes import Electrodes
from becalm_simulator.episode import Episode, EpisodeKind, Script
from becalm_simulator.heart import AT_EASE, Heart, HeartBeat, Strain
from becalm_simulator.lungs import EndTidal, Lungs
from becalm_simulator.person import Person
from becalm_simulator.population import MAX_SEED
from becalm_simulator.pulse import Pulse
from becalm_simulator.skin import Response, Skin

STEP_NS = ns_from_s(0.1)
"""Step of the heart: within it the rate hardly changes, and beats are placed between steps."""
SLOW_STEPS = 5
"""Arousal, skin and everything slow move once in so many steps."""
SLOW_STEP_NS = STEP_NS * SLOW_STEPS
SLOW_STEP_S = SLOW_STEP_NS / NS_PER_S
# A P wave precedes its R peak: to know the ECG at t, beats must be known a little later.
LEAD_NS = BEFORE_NS + STEP_NS
# A deep breath and a stressor are answered by the skin after the usual latency of 1 to 3 s.
SKIN_LATENCY_S = (1.0, 2.5)
HEART_RATE_BEATS = 8


class Body:
    """One person's body. Time is body time: ns since it began. The same seed, pacer and episodes give the same values.

    Call `until` before asking for signals up to a time; what has been asked for never changes afterwards.
    """

    def __init__(self, person: Person, *, seed: int, episodes: Iterable[Episode] = ()) -> None:
        require(0 <= seed <= MAX_SEED, "seed", f"0 to {MAX_SEED}", seed)
        children = np.random.SeedSequence([seed, 2]).spawn(5)
        rngs = [np.random.default_rng(child) for child in children]
        self.person = person
        self.seed = seed
        self._script = Script(episodes)
        self._arousal = Arousal(person, Dice(rngs[0]))
        self._breath = Breath(person, Dice(rngs[1]))
        self._lungs = Lungs(person)
        self._heart = Heart(person, Dice(rngs[2]), step_s=STEP_NS / NS_PER_S)
        self._skin = Skin(person, Dice(rngs[3]), step_s=SLOW_STEP_S)
        phases = 2.0 * np.pi * rngs[4].random(len(BELT_DRIFT_S))
        self._dice = Dice(rngs[4])
        self._ecg = Electrocardiogram(person, self._script)
        self._electrodes = Electrodes(person, self._script, seed=seed)
        self._chest = Chest(person, self._script, seed=seed, phases=phases)
        self._pulse = Pulse(person, self._script, seed=seed)
        self._voice = Voice(person, seed=seed)
        self._n_steps = 0
        self._n_turns_seen = 0
        self._t_ns = 0
        self._levels: list[float] = [self._arousal.level]

    @classmethod
    def from_seed(cls, seed: int, *, episodes: Iterable[Episode] = ()) -> "Body":
        """Return the body of the person of this seed."""
        return cls(Person.from_seed(seed), seed=seed, episodes=episodes)

    @property
    def t_ns(self) -> int:
        """Body time up to which signals are known."""
        return self._t_ns

    def hear(self, pacer: Pacer | None) -> None:
        """Hear this pacer (its `started_ns` in body time) from the next turn of the breath on; None: hear none."""
        self._breath.hear(pacer)

    def stage(self, episode: Episode) -> None:
        """Let this happen too. Raises ValueError if it began in what has been lived already."""
        lived_ns = self._n_steps * STEP_NS
        require(episode.start_ns >= lived_ns, "start_ns", f"{lived_ns} or later: the past stays", episode.start_ns)
        self._script.add(episode)

    def episodes(self) -> tuple[Episode, ...]:
        """Return everything that happens from outside, in order of start."""
        return tuple(self._script.episodes)

    def until(self, t_ns: int) -> None:
        """Advance so that every signal and every true event up to `t_ns` is known."""
        while self._n_steps * STEP_NS <= t_ns + LEAD_NS:
            self._step()
        self._t_ns = max(self._t_ns, t_ns)

    # ------------------------------------------------------------------------------------------------ signals
    def ecg_uv(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the ECG in uV as electrodes show it, at ascending body times, shape (n_samples,)."""
        self._require_times(t_ns)
        volume = self._breath.volume(t_ns)
        heart_uv = self._ecg.uv(self._heart.beats, t_ns=t_ns, volume=volume)
        return self._electrodes.ecg_uv(heart_uv, t_ns=t_ns, volume=volume)

    def force_n(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the pull on a chest belt in N, rising with inhalation, at ascending body times, shape (n_samples,)."""
        self._require_times(t_ns)
        return self._chest.force_n(t_ns, self._breath.volume)

    def conductance_us(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return skin conductance in uS as electrodes show it, at ascending body times, shape (n_samples,)."""
        self._require_times(t_ns)
        return self._electrodes.skin_us(self._skin.conductance_us, t_ns)

    def acceleration_mg(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return chest acceleration in mg (across, up, out of the chest), shape (n_samples, 3)."""
        self._require_times(t_ns)
        return self._chest.acceleration_mg(t_ns, self._breath.volume, beats=self._heart.beats)

    def impedance_ohm(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return impedance across the chest in ohm, rising with inhalation, shape (n_samples,)."""
        self._require_times(t_ns)
        return self._chest.impedance_ohm(t_ns, self._breath.volume(t_ns), beats=self._heart.beats)

    def pulse_au(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the pulse wave (photoplethysmogram) in resting pulses, shape (n_samples,)."""
        self._require_times(t_ns)
        volume, arousal = self._breath.volume(t_ns), self.arousal(t_ns)
        return self._pulse.wave_au(t_ns, self._heart.beats, volume=volume, arousal=arousal, arousal_at=self.arousal_at)

    def ambient_light_au(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return light that reaches the pulse sensor from outside, in resting pulses, shape (n_samples,)."""
        self._require_times(t_ns)
        return self._pulse.ambient_au(t_ns)

    # ---------------------------------------------------------------------------------------- what the person says
    def rate(self, t_ns: int) -> Rating:
        """Ask for ratings at a time up to `t_ns`. The same question has the same answer."""
        self._require_lived(t_ns)
        return self._voice.rate(t_ns, arousal=self.arousal_at(t_ns))

    def compare_heart_rate(self, t_ns: int, *, tone_bpm: float) -> Judgement:
        """Ask whether a tone is faster than the heart over its last eight beats."""
        self._require_lived(t_ns)
        return self._voice.compare(t_ns, tone_bpm=tone_bpm, heart_rate_bpm=self.heart_rate_bpm(t_ns))

    def count_heartbeats(self, start_ns: int, *, end_ns: int) -> int:
        """Ask how many heartbeats were felt between two times."""
        self._require_lived(end_ns)
        require(0 <= start_ns <= end_ns, "start_ns", f"0 to end_ns ({end_ns})", start_ns)
        return self._voice.count_beats(end_ns, n_beats=self.n_beats(end_ns) - self.n_beats(start_ns))

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

    def heart_rate_bpm(self, t_ns: int) -> float:
        """Return the mean heart rate over the last eight beats up to a body time."""
        last = self.n_beats(t_ns)
        recent = self._heart.beats[max(last - HEART_RATE_BEATS, 0) : last]
        if not recent:
            return self.person.resting_heart_rate_bpm
        return 60.0 * len(recent) / sum(beat.rr_s for beat in recent)

    def turns(self, *, since_ns: int = 0) -> tuple[Turn, ...]:
        """Return the turns of the breath from `since_ns` (0: all of them) to `t_ns`."""
        turns = self._breath.turns
        first = bisect_left(turns, max(since_ns, 0), key=lambda turn: turn.t_ns)
        return tuple(turn for turn in turns[first:] if turn.t_ns <= self._t_ns)

    def end_tidal(self) -> tuple[EndTidal, ...]:
        """Return end-tidal carbon dioxide of every breath that ended up to `t_ns`."""
        return tuple(breath for breath in self._lungs.breaths if breath.t_ns <= self._t_ns)

    def responses(self) -> tuple[Response, ...]:
        """Return every skin response with its onset from time 0 to `t_ns`."""
        return tuple(response for response in self._skin.responses if response.onset_ns <= self._t_ns)

    def skin_us(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return conductance in uS of the skin itself, whatever electrodes show, at ascending times, (n_samples,)."""
        self._require_times(t_ns)
        return self._skin.conductance_us(t_ns)

    def arousal(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return latent arousal (0 to 1) at body times, shape (n_samples,)."""
        self._require_times(t_ns)
        steps = t_ns / SLOW_STEP_NS
        first = max(int(steps[0]), 0)
        levels = self._levels[first : int(steps[-1]) + 2]
        return np.asarray(np.interp(steps, np.arange(first, first + len(levels)), levels), dtype=np.float64)

    def arousal_at(self, t_ns: int) -> float:
        """Return latent arousal (0 to 1) at one body time."""
        return self._levels[min(max(t_ns // SLOW_STEP_NS, 0), len(self._levels) - 1)]

    # --------------------------------------------------------------------------------------------------- steps
    def _step(self) -> None:
        t_ns = self._n_steps * STEP_NS
        self._breath.until(t_ns, arousal=self._arousal.level, drive=self._drive(t_ns))
        if self._n_steps % SLOW_STEPS == 0:
            self._slow_step(t_ns)
        self._heart.tick(t_ns, volume=self._breath.volume_at(t_ns))
        self._n_steps += 1

    def _drive(self, t_ns: int) -> float:
        return self._lungs.drive * (1.0 + self._script.amount(EpisodeKind.OVERBREATHING, t_ns))

    def _slow_step(self, t_ns: int) -> None:
        script = self._script
        threat, strain = 0.0, AT_EASE
        if script.kinds:
            threat, strain = self._happenings(t_ns)
        came = self._arousal.tick(
            SLOW_STEP_S, following=self._breath.following_at(t_ns), threat=threat, co2_mmhg=self._lungs.co2_mmhg
        )
        if came or self._breathed(t_ns):
            self._skin.provoke(t_ns + ns_from_s(self._dice.between(*SKIN_LATENCY_S)))
        self._skin.tick(t_ns, arousal=self._arousal.level)
        self._heart.settle(SLOW_STEP_S, arousal=self._arousal.level, strain=strain)
        self._levels.append(self._arousal.level)

    def _happenings(self, t_ns: int) -> tuple[float, Strain]:
        """Take in the episodes of this step; return threat (below 0: calming) and strain."""
        script = self._script
        for episode in script.episodes:
            if t_ns <= episode.start_ns < t_ns + SLOW_STEP_NS:
                if episode.kind is EpisodeKind.STIMULUS:
                    self._arousal.startle(episode.amount)
                    latency_ns = ns_from_s(self._dice.between(*SKIN_LATENCY_S))
                    self._skin.provoke(episode.start_ns + latency_ns, strength=2.0 * episode.amount)
                elif episode.kind is EpisodeKind.HOLD and episode.amount > 0.0:
                    self._breath.hold_until(episode.end_ns)
                elif episode.kind is EpisodeKind.TALKING and episode.amount > 0.0:
                    self._breath.speak_until(episode.end_ns)
                elif episode.kind is EpisodeKind.COUGHING:
                    self._skin.provoke(episode.start_ns + ns_from_s(self._dice.between(*SKIN_LATENCY_S)))
        threat = script.amount(EpisodeKind.THREAT, t_ns) - script.amount(EpisodeKind.CALMING, t_ns)
        strain = Strain(
            standing=script.amount(EpisodeKind.STANDING, t_ns),
            supine=script.amount(EpisodeKind.SUPINE, t_ns),
            moving=script.amount(EpisodeKind.MOVING, t_ns),
            early_beats=script.amount(EpisodeKind.EARLY_BEATS, t_ns),
            fibrillation=script.amount(EpisodeKind.FIBRILLATION, t_ns),
        )
        return threat, strain

    def _breathed(self, t_ns: int) -> bool:
        """Let the lungs take every breath that ended by now; return whether a sigh was planned."""
        turns = self._breath.turns
        sighed = False
        while self._n_turns_seen < len(turns) and turns[self._n_turns_seen].t_ns <= t_ns:
            i = self._n_turns_seen
            self._n_turns_seen += 1
            here = turns[i]
            sighed = sighed or here.is_sigh
            if here.phase is BreathPhase.IN and i >= 2:
                begun, top = turns[i - 2], turns[i - 1]
                cycle_s = (here.t_ns - begun.t_ns) / NS_PER_S
                depth = top.level - 0.5 * (begun.level + here.level)
                self._lungs.breathe(end_ns=here.t_ns, cycle_s=cycle_s, depth=depth)
        return sighed

    def _require_lived(self, t_ns: int) -> None:
        require(0 <= t_ns <= self._t_ns, "t_ns", f"0 to {self._t_ns} (what has been lived)", t_ns)

    def _require_times(self, t_ns: NDArray[np.int64]) -> None:
        require(len(t_ns) > 0, "t_ns", "at least one time", ())
        first_ns, last_ns = int(t_ns[0]), int(t_ns[-1])
        lived = f"0 to {self._t_ns} (what has been lived; call until() first)"
        require(first_ns >= 0 and last_ns <= self._t_ns, "t_ns", lived, (first_ns, last_ns))
        require(bool(np.all(t_ns[1:] >= t_ns[:-1])), "t_ns", "ascending times", (first_ns, last_ns))
