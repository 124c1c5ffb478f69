"""The latent arousal state: returns to its everyday level, and goes elsewhere while the breath follows a pacer."""

import math

from becalm_simulator.dice import Dice
from becalm_simulator.person import Person

# Slow drift around the course: 0.02 of the whole range, forgotten within two minutes.
DRIFT_SD = 0.02
DRIFT_TAU_S = 120.0
# A passing thought or noise: felt at once, gone within a minute.
BUMP_TAU_S = 25.0
BUMP_RANGE = (0.04, 0.14)
# A threat is felt within seconds and lets go over most of a minute.
THREAT_RISE_S = 4.0
THREAT_FALL_S = 45.0
# The novelty of pacing wears off.
EFFORT_RISE_S = 8.0
EFFORT_FADE_S = 240.0
# Below this, falling carbon dioxide is felt (tingling, dizziness); the person's sensitivity makes it alarming.
FELT_CO2_MMHG = 33.0
ALARM_TAU_S = 20.0


class Arousal:
    """One number between 0 and 1, moved by practice, threats, stressors, calming and chemistry."""

    def __init__(self, person: Person, dice: Dice) -> None:
        self._person = person
        self._dice = dice
        self._course = person.arousal_everyday
        self._drift = DRIFT_SD * dice.normal()
        self._bump = 0.0
        self._threat = 0.0
        self._effort = 0.0
        self._alarm = 0.0
        self._practised_s = 0.0
        self.level = self._sum()
        """Arousal now, 0 to 1."""

    def startle(self, strength: float) -> None:
        """Feel a sudden stimulus of this strength (0 to 1)."""
        self._bump += strength * self._person.threat_gain * BUMP_RANGE[1]

    def tick(self, step_s: float, *, following: float, threat: float = 0.0, co2_mmhg: float = FELT_CO2_MMHG) -> bool:
        """Advance by one step. True if a stressor came.

        `following` (0 to 1) is how far the breath follows a pacer; `threat` what happens outside (below 0: calming).
        """
        person, dice = self._person, self._dice
        settle = following * (person.arousal_practised - self._course) / person.settle_tau_s
        wander_back = (1.0 - following) * (person.arousal_everyday - self._course) / person.return_tau_s
        self._course += step_s * (settle + wander_back)
        kept = math.exp(-step_s / DRIFT_TAU_S)
        self._drift = kept * self._drift + DRIFT_SD * math.sqrt(1.0 - kept * kept) * dice.normal()
        self._bump *= math.exp(-step_s / BUMP_TAU_S)
        self._feel(step_s, threat=threat, following=following)
        alarm = person.co2_alarm_per_mmhg * max(FELT_CO2_MMHG - co2_mmhg, 0.0)
        self._alarm += step_s / ALARM_TAU_S * (alarm - self._alarm)
        chance, size = dice.uniform(), dice.between(*BUMP_RANGE)
        came = chance < person.stressors_per_hour * step_s / 3600.0
        if came:
            self._bump += size * person.threat_gain
        self.level = self._sum()
        return came

    def _feel(self, step_s: float, *, threat: float, following: float) -> None:
        wanted = threat * (self._person.threat_gain if threat > 0.0 else 1.0)
        tau_s = THREAT_RISE_S if abs(wanted) > abs(self._threat) else THREAT_FALL_S
        self._threat += (1.0 - math.exp(-step_s / tau_s)) * (wanted - self._threat)
        self._practised_s += step_s * following
        effort = following * self._person.pacer_effort * math.exp(-self._practised_s / EFFORT_FADE_S)
        self._effort += step_s / EFFORT_RISE_S * (effort - self._effort)

    def _sum(self) -> float:
        level = self._course + self._drift + self._bump + self._threat + self._effort + self._alarm
        return min(max(level, 0.0), 1.0)
