"""What a person says about their body: ratings, and answers to tasks about the heart. Asking changes nothing."""

import math

import numpy as np

from becalm_protocol.events import require, value
from becalm_simulator.person import Person

RATING_MAX = 100
MIN_TONE_BPM, MAX_TONE_BPM = 20.0, 220.0


@value
class Rating:
    """Ratings from 0 to 100 at one time."""

    t_ns: int
    sensation: int
    """How strong what is felt in the body is."""
    threat: int
    """How dangerous it seems."""
    suds: int
    """Subjective units of distress."""


@value
class Judgement:
    """An answer to: is the tone faster than your heart?"""

    faster: bool
    confidence: int
    """0 to 100."""


class Voice:
    """Answers of one person; the same question at the same time has the same answer."""

    def __init__(self, person: Person, *, seed: int) -> None:
        self._person = person
        self._seed = seed

    def rate(self, t_ns: int, *, arousal: float) -> Rating:
        """Rate sensation, threat and distress at this arousal (0 to 1)."""
        person = self._person
        noise = person.rating_noise * self._rng(t_ns, question=1).standard_normal(3)
        aroused = 100.0 * (arousal - person.arousal_everyday)
        return Rating(
            t_ns=t_ns,
            sensation=_rounded(person.sensation_base + person.sensation_coupling * aroused + float(noise[0])),
            threat=_rounded(person.threat_base + person.threat_coupling * aroused + float(noise[1])),
            suds=_rounded(person.suds_base + person.suds_coupling * aroused + float(noise[2])),
        )

    def compare(self, t_ns: int, *, tone_bpm: float, heart_rate_bpm: float) -> Judgement:
        """Judge whether a tone of this rate is faster than this heart."""
        require(MIN_TONE_BPM <= tone_bpm <= MAX_TONE_BPM, "tone_bpm", f"{MIN_TONE_BPM:g} to {MAX_TONE_BPM:g}", tone_bpm)
        person, rng = self._person, self._rng(t_ns, question=2)
        noise, lapse, guess = rng.standard_normal(), rng.random(), rng.random()
        felt_bpm = heart_rate_bpm + person.heart_bias_bpm + person.heart_threshold_bpm * float(noise)
        distance = abs(tone_bpm - felt_bpm) / person.heart_threshold_bpm
        if lapse < person.lapse_share:
            return Judgement(faster=bool(guess < 0.5), confidence=_rounded(100.0 * float(guess)))
        return Judgement(faster=bool(tone_bpm > felt_bpm), confidence=_rounded(100.0 * math.tanh(0.6 * distance)))

    def count_beats(self, t_ns: int, *, n_beats: int) -> int:
        """Return how many of so many beats the person says to have felt."""
        felt = self._rng(t_ns, question=3).binomial(n_beats, self._person.beats_felt_share)
        return int(felt)

    def _rng(self, t_ns: int, *, question: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self._seed, 15, question, t_ns]))


def _rounded(rating: float) -> int:
    return round(min(max(rating, 0.0), float(RATING_MAX)))
