"""One person: the traits that make a body respond in its own way."""

import math
from dataclasses import fields

import numpy as np

from becalm_protocol.events import require, value

RANGES: dict[str, tuple[float, float]] = {
    "resting_heart_rate_bpm": (35.0, 110.0),
    "heart_arousal_gain_bpm": (0.0, 40.0),
    "rsa_bpm": (0.0, 35.0),
    "ectopic_share": (0.0, 0.2),
    "habit_breathing_rate_bpm": (6.0, 26.0),
    "breath_variability": (0.0, 0.4),
    "inhale_share": (0.25, 0.6),
    "pacer_skill": (0.0, 1.0),
    "pacer_lag_s": (-0.5, 1.5),
    "pacer_jitter_s": (0.0, 1.0),
    "sighs_per_hour": (0.0, 60.0),
    "belt_tension_n": (1.0, 25.0),
    "belt_depth_n": (0.2, 8.0),
    "arousal_everyday": (0.0, 1.0),
    "arousal_floor": (0.0, 1.0),
    "settle_tau_s": (20.0, 3600.0),
    "return_tau_s": (20.0, 7200.0),
    "stressors_per_hour": (0.0, 120.0),
    "scl_floor_us": (0.1, 30.0),
    "scl_gain_us": (0.0, 20.0),
    "scr_rest_per_min": (0.0, 20.0),
    "scr_gain_per_min": (0.0, 30.0),
    "scr_amplitude_us": (0.01, 2.0),
    "r_wave_uv": (200.0, 4000.0),
    "t_wave_uv": (0.0, 1200.0),
}
"""Allowed range of every trait: what a living adult at rest can have."""


@value
class Person:
    """Traits of one person; `from_seed` draws a plausible one."""

    resting_heart_rate_bpm: float
    """Heart rate at arousal 0."""
    heart_arousal_gain_bpm: float
    """What full arousal adds to it."""
    rsa_bpm: float
    """Peak-to-trough heart rate change of one very slow breath of habitual depth."""
    ectopic_share: float
    """Share of beats that come early from a ventricle."""
    habit_breathing_rate_bpm: float
    breath_variability: float
    """Coefficient of variation of the length of free breaths."""
    inhale_share: float
    pacer_skill: float
    """How much of the way to the pacer each turn of the breath goes."""
    pacer_lag_s: float
    pacer_jitter_s: float
    sighs_per_hour: float
    belt_tension_n: float
    belt_depth_n: float
    arousal_everyday: float
    """Latent arousal (0 to 1) to which the person returns without practice."""
    arousal_floor: float
    """Where it settles while breathing with the pacer."""
    settle_tau_s: float
    return_tau_s: float
    stressors_per_hour: float
    scl_floor_us: float
    scl_gain_us: float
    scr_rest_per_min: float
    scr_gain_per_min: float
    scr_amplitude_us: float
    r_wave_uv: float
    t_wave_uv: float

    def __post_init__(self) -> None:
        for trait in fields(self):
            low, high = RANGES[trait.name]
            content = getattr(self, trait.name)
            require(math.isfinite(content) and low <= content <= high, trait.name, f"{low:g} to {high:g}", content)

    @classmethod
    def from_seed(cls, seed: int) -> "Person":
        """Return the person of this seed: the same seed, the same person."""
        draw = _Draw(np.random.default_rng(np.random.SeedSequence([seed, 1])))
        return cls(
            resting_heart_rate_bpm=draw.normal(62.0, 7.0, within=(48.0, 84.0)),
            heart_arousal_gain_bpm=draw.normal(16.0, 4.0, within=(8.0, 26.0)),
            # Hirsch & Bishop 1981, doi:10.1152/ajpheart.1981.241.4.H620: 20 +- 5 bpm in the young; less with age.
            rsa_bpm=draw.normal(13.0, 4.0, within=(5.0, 24.0)),
            ectopic_share=draw.rare(0.15, low=0.003, high=0.03),
            habit_breathing_rate_bpm=draw.normal(14.0, 2.0, within=(10.0, 19.0)),
            breath_variability=draw.normal(0.10, 0.03, within=(0.04, 0.2)),
            inhale_share=draw.normal(0.41, 0.03, within=(0.33, 0.5)),
            pacer_skill=draw.normal(0.72, 0.08, within=(0.5, 0.9)),
            pacer_lag_s=draw.normal(0.25, 0.12, within=(0.0, 0.6)),
            pacer_jitter_s=draw.normal(0.12, 0.04, within=(0.04, 0.25)),
            sighs_per_hour=draw.normal(11.0, 3.0, within=(3.0, 20.0)),
            belt_tension_n=draw.normal(11.0, 2.0, within=(7.0, 16.0)),
            belt_depth_n=draw.normal(2.2, 0.6, within=(1.0, 4.0)),
            arousal_everyday=draw.normal(0.72, 0.06, within=(0.58, 0.88)),
            arousal_floor=draw.normal(0.20, 0.05, within=(0.08, 0.32)),
            settle_tau_s=draw.normal(90.0, 15.0, within=(60.0, 120.0)),
            return_tau_s=draw.normal(420.0, 80.0, within=(240.0, 600.0)),
            stressors_per_hour=draw.normal(10.0, 3.0, within=(3.0, 18.0)),
            scl_floor_us=draw.normal(3.0, 1.0, within=(1.2, 6.0)),
            scl_gain_us=draw.normal(4.0, 1.0, within=(2.0, 7.0)),
            scr_rest_per_min=draw.normal(1.5, 0.5, within=(0.5, 3.0)),
            scr_gain_per_min=draw.normal(9.0, 2.0, within=(4.0, 14.0)),
            scr_amplitude_us=draw.normal(0.22, 0.06, within=(0.1, 0.4)),
            r_wave_uv=draw.normal(1100.0, 250.0, within=(600.0, 2000.0)),
            t_wave_uv=draw.normal(260.0, 60.0, within=(120.0, 450.0)),
        )


class _Draw:
    """Draws of traits, in a fixed order."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def normal(self, mean: float, sd: float, *, within: tuple[float, float]) -> float:
        low, high = within
        return float(min(max(self._rng.normal(mean, sd), low), high))

    def rare(self, share: float, *, low: float, high: float) -> float:
        """Return 0 for most people, a number between `low` and `high` for `share` of them."""
        has_it, amount = self._rng.random() < share, self._rng.uniform(low, high)
        return float(amount) if has_it else 0.0
