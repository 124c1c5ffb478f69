"""Lungs and carbon dioxide: one compartment, breath by breath."""

import math

from becalm_protocol.events import require, value
from becalm_simulator.person import Person

# What is not ventilated still mixes a little; below this a breath counts as none (dead space only).
MIN_VENTILATION_L_PER_MIN = 0.05
# The drive to breathe rises steeply above the resting level and hardly falls below it while awake
# (the "dog-leg" of Nielsen & Smith 1952).
HUNGER = 6.0
DRIVE_RANGE = (0.6, 2.0)
MAX_CO2_MMHG = 90.0


@value
class EndTidal:
    """Carbon dioxide at the end of one exhalation."""

    t_ns: int
    co2_mmhg: float
    ventilation_l_per_min: float
    """Of this breath, dead space included."""


class Lungs:
    """Carbon dioxide of the blood that comes to the lungs, and the drive to breathe that follows from it."""

    def __init__(self, person: Person) -> None:
        require(
            person.tidal_volume_l > person.dead_space_l + 0.05,
            "tidal_volume_l", f"above dead_space_l + 0.05 ({person.dead_space_l + 0.05:g})", person.tidal_volume_l,
        )  # fmt: skip
        self._person = person
        alveolar_l_per_min = person.habit_breathing_rate_bpm * (person.tidal_volume_l - person.dead_space_l)
        # Metabolism brings what habitual breathing takes away: mmHg x l/min.
        self._production = person.resting_co2_mmhg * alveolar_l_per_min
        self.co2_mmhg = person.resting_co2_mmhg
        self.breaths: list[EndTidal] = []

    @property
    def drive(self) -> float:
        """Return how deep a breath chemistry asks for (1: habitual)."""
        person = self._person
        low, high = DRIVE_RANGE
        excess_mmhg = self.co2_mmhg - person.resting_co2_mmhg
        gain_per_mmhg = person.chemoreflex_per_mmhg * (HUNGER if excess_mmhg > 0.0 else 1.0)
        return min(max(1.0 + gain_per_mmhg * excess_mmhg, low), high)

    def breathe(self, *, end_ns: int, cycle_s: float, depth: float) -> None:
        """Take one whole breath of this length and depth (habitual breaths) that ends at `end_ns`."""
        person = self._person
        tidal_l = person.tidal_volume_l * max(depth, 0.0)
        per_min = 60.0 / cycle_s
        alveolar = max((tidal_l - person.dead_space_l) * per_min, MIN_VENTILATION_L_PER_MIN)
        # dP/dt = (production - alveolar * P) / store, exact over the breath.
        steady_mmhg = self._production / alveolar
        share = 1.0 - math.exp(-alveolar * cycle_s / 60.0 / person.co2_store_l)
        self.co2_mmhg = min(self.co2_mmhg + share * (steady_mmhg - self.co2_mmhg), MAX_CO2_MMHG)
        self.breaths.append(EndTidal(t_ns=end_ns, co2_mmhg=self.co2_mmhg, ventilation_l_per_min=tidal_l * per_min))
