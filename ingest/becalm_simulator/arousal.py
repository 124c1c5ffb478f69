"""The latent arousal state: returns to its everyday level, settles while the breath follows a pacer."""

import math

import numpy as np

from becalm_simulator.person import Person

# Slow drift around the course: 0.02 of the whole range, forgotten within two minutes.
DRIFT_SD = 0.02
DRIFT_TAU_S = 120.0
# A passing thought or noise: felt at once, gone within a minute.
BUMP_TAU_S = 25.0
BUMP_RANGE = (0.04, 0.14)


class Arousal:
    """One number between 0 and 1, moved by practice, drift and small stressors."""

    def __init__(self, person: Person, rng: np.random.Generator) -> None:
        self._person = person
        self._rng = rng
        self._course = person.arousal_everyday
        self._drift = DRIFT_SD * float(rng.standard_normal())
        self._bump = 0.0

    @property
    def level(self) -> float:
        """Arousal now, 0 to 1."""
        return min(max(self._course + self._drift + self._bump, 0.0), 1.0)

    def tick(self, step_s: float, *, following: float) -> bool:
        """Advance by one step; `following` (0 to 1) is how far the breath follows a pacer. True if a stressor came."""
        person, rng = self._person, self._rng
        settle = following * (person.arousal_floor - self._course) / person.settle_tau_s
        wander_back = (1.0 - following) * (person.arousal_everyday - self._course) / person.return_tau_s
        self._course += step_s * (settle + wander_back)
        kept = math.exp(-step_s / DRIFT_TAU_S)
        self._drift = kept * self._drift + DRIFT_SD * math.sqrt(1.0 - kept * kept) * float(rng.standard_normal())
        self._bump *= math.exp(-step_s / BUMP_TAU_S)
        came = bool(rng.random() < person.stressors_per_hour * step_s / 3600.0)
        if came:
            self._bump += float(rng.uniform(*BUMP_RANGE))
        return came
