"""One person: the traits that make a body respond in its own way."""

import math
from dataclasses import fields

from becalm_protocol.events import require, value
from becalm_simulator.population import draw_traits
from becalm_simulator.traits import RANGES


@value
class Person:
    """Traits of one person; `from_seed` draws a plausible one."""

    age_years: float
    # ------------------------------------------------------------------------------------------------- heart
    resting_heart_rate_bpm: float
    """Heart rate, sitting, at arousal 0."""
    heart_arousal_gain_bpm: float
    """What full arousal adds to it."""
    heart_arousal_lag_s: float
    """Time constant with which the heart follows arousal."""
    rsa_bpm: float
    """Peak-to-trough heart rate change of one very slow breath of habitual depth."""
    resonance_rate_bpm: float
    """Breathing rate at which the baroreflex loop resonates."""
    resonance_gain: float
    """What the loop adds to respiratory sinus arrhythmia there (1: doubles it)."""
    vlf_bpm: float
    """Standard deviation of slow wander (below 0.04 Hz)."""
    mayer_bpm: float
    """Standard deviation of the spontaneous wave at the resonance rate."""
    beat_jitter: float
    """Standard deviation of a single beat, as a share of the interval."""
    standing_bpm: float
    """What standing adds to the rate."""
    ectopic_share: float
    """Share of beats that come early from a ventricle."""
    atrial_ectopic_share: float
    """Share of beats that come early from an atrium."""
    fibrillation_share: float
    """Share of time in an irregular rhythm like that of atrial fibrillation."""
    # ------------------------------------------------------------------------------------------------ breath
    habit_breathing_rate_bpm: float
    breath_variability: float
    """Coefficient of variation of the length of free breaths."""
    inhale_share: float
    pause_share: float
    """Share of a free exhalation that is rest at its end."""
    pacer_skill: float
    """How much of the way to the pacer each turn of the breath goes."""
    pacer_lag_s: float
    pacer_jitter_s: float
    pacer_lapse_share: float
    """Share of paced breaths in which attention slips and habit takes over."""
    depth_exponent: float
    """0: slow breaths are no deeper; 1: ventilation stays the same; above: they over-breathe."""
    deepest_breath: float
    """Comfortable limit of depth, in habitual breaths."""
    sighs_per_hour: float
    holds_per_hour: float
    tidal_volume_l: float
    dead_space_l: float
    resting_co2_mmhg: float
    """End-tidal carbon dioxide in habitual breathing."""
    co2_store_l: float
    """Volume of the one compartment that holds carbon dioxide."""
    chemoreflex_per_mmhg: float
    """How much shallower a breath is for each mmHg below the resting level; above it air hunger is much stronger."""
    belt_tension_n: float
    belt_depth_n: float
    chest_tilt_mg: float
    """How far one habitual breath turns gravity on the chest."""
    impedance_ohm_per_l: float
    # ----------------------------------------------------------------------------------------------- arousal
    arousal_everyday: float
    """Latent arousal (0 to 1) to which the person returns without practice."""
    arousal_practised: float
    """Where it goes while breathing with the pacer: below everyday in responders, above where relaxing alarms."""
    settle_tau_s: float
    return_tau_s: float
    stressors_per_hour: float
    threat_gain: float
    pacer_effort: float
    """Arousal that the novelty and effort of pacing adds, fading over minutes."""
    co2_alarm_per_mmhg: float
    """Arousal added for each mmHg of carbon dioxide below 33."""
    # ------------------------------------------------------------------------------- what they say about it
    sensation_base: float
    sensation_coupling: float
    """How far the rating follows arousal: 1 is one for one, 0 not at all."""
    threat_base: float
    threat_coupling: float
    suds_base: float
    suds_coupling: float
    rating_noise: float
    heart_threshold_bpm: float
    """Standard deviation of what the person feels of a heart rate."""
    heart_bias_bpm: float
    """What the person feels too much (below 0: too little)."""
    lapse_share: float
    """Share of answers that are guesses."""
    beats_felt_share: float
    # -------------------------------------------------------------------------------------------------- skin
    scl_floor_us: float
    scl_gain_us: float
    skin_drift_us: float
    scr_rest_per_min: float
    scr_gain_per_min: float
    scr_amplitude_us: float
    scr_habituation: float
    """Share of a response that a stimulus right before it takes away."""
    # ------------------------------------------------------- the look of the electrocardiogram and the pulse
    r_wave_uv: float
    p_wave_uv: float
    t_wave_uv: float
    q_share: float
    """Depth of Q as a share of R; `s_share` that of S."""
    s_share: float
    qrs_stretch: float
    electrode_gain: float
    """1: as drawn; below 0: electrodes the other way round."""
    ventricular_gain: float
    """Height of a ventricular beat against R; below 0: it points down."""
    wander_uv: float
    muscle_uv: float
    hum_uv: float
    hum_hz: float
    pulse_delay_s: float
    """From the R peak to the foot of the wave, at everyday arousal."""
    notch_share: float

    def __post_init__(self) -> None:
        for trait in fields(self):
            low, high = RANGES[trait.name]
            content = getattr(self, trait.name)
            require(math.isfinite(content) and low <= content <= high, trait.name, f"{low:g} to {high:g}", content)

    @classmethod
    def from_seed(cls, seed: int) -> "Person":
        """Return the person of this seed: the same seed, the same person."""
        return cls(**draw_traits(seed))
