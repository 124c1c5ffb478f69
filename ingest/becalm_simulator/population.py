"""Who there is: draws of whole people, so that many of them look like a population. Published figures: `effects.py`."""

import math

import numpy as np

from becalm_protocol.events import require, value

# Chosen so that person 7, whom the demonstration shows, is a clear responder without ectopic beats. Most are not.
TAG = 19355
MAX_SEED = 2**63 - 1
Traits = dict[str, float]

# Vagal modulation falls by half in four decades (RMSSD by age: Umetani 1998).
VAGAL_LOSS_PER_YEAR = 0.0175
YOUNG_YEARS = 25.0


def draw_traits(seed: int) -> Traits:
    """Return all traits of the person of this seed."""
    require(0 <= seed <= MAX_SEED, "seed", f"0 to {MAX_SEED}", seed)
    draw = _Draw(np.random.default_rng(np.random.SeedSequence([seed, TAG])))
    age_years = draw.normal(45.0, 14.5, within=(18.0, 85.0))
    vagal = math.exp(-VAGAL_LOSS_PER_YEAR * (age_years - YOUNG_YEARS) + 0.32 * draw.normal(0.0, 1.0, within=(-2, 2)))
    return {
        "age_years": age_years,
        **_heart(draw, vagal=vagal, age_years=age_years),
        **_breath(draw),
        **_lungs(draw),
        **_arousal(draw),
        **_words(draw),
        **_skin(draw),
        **_looks(draw),
    }


def _heart(draw: "_Draw", *, vagal: float, age_years: float) -> Traits:
    old = max(age_years - 50.0, 0.0)
    return {
        "resting_heart_rate_bpm": draw.normal(59.6, 7.4, within=(42.0, 88.0)),
        "heart_arousal_gain_bpm": draw.normal(12.5, 4.0, within=(2.0, 25.0)),
        "heart_arousal_lag_s": draw.normal(5.0, 2.0, within=(1.5, 12.0)),
        "rsa_bpm": min(4.5 * vagal * draw.factor(0.25), 30.0),
        "resonance_rate_bpm": draw.normal(5.7, 0.5, within=(4.5, 7.0)),
        "resonance_gain": draw.normal(0.8, 0.2, within=(0.3, 1.4)),
        "vlf_bpm": min(3.3 * math.sqrt(vagal) * draw.factor(0.25), 7.0),
        "mayer_bpm": min(1.3 * math.sqrt(vagal) * draw.factor(0.3), 4.0),
        "beat_jitter": min(0.030 * vagal * draw.factor(0.25), 0.06),
        "standing_bpm": draw.normal(12.0, 4.0, within=(4.0, 30.0)),
        "ectopic_share": draw.rare(0.08 + 0.004 * old, low=0.002, high=0.03),
        "atrial_ectopic_share": draw.rare(0.06 + 0.004 * old, low=0.002, high=0.02),
        "fibrillation_share": draw.rare(0.003 + 0.001 * old, low=0.3, high=1.0),
    }


def _breath(draw: "_Draw") -> Traits:
    return {
        "habit_breathing_rate_bpm": draw.normal(15.3, 2.7, within=(8.5, 23.0)),
        "breath_variability": draw.normal(0.11, 0.04, within=(0.03, 0.25)),
        "inhale_share": draw.normal(0.41, 0.03, within=(0.33, 0.5)),
        "pause_share": draw.normal(0.12, 0.08, within=(0.0, 0.35)),
        "pacer_skill": draw.normal(0.68, 0.10, within=(0.4, 0.9)),
        "pacer_lag_s": draw.normal(0.28, 0.15, within=(-0.1, 0.8)),
        "pacer_jitter_s": draw.normal(0.15, 0.06, within=(0.04, 0.35)),
        "pacer_lapse_share": draw.normal(0.02, 0.02, within=(0.0, 0.08)),
        "sighs_per_hour": draw.normal(11.0, 4.0, within=(2.0, 25.0)),
        "holds_per_hour": draw.normal(1.5, 1.5, within=(0.0, 6.0)),
        "belt_tension_n": draw.normal(11.0, 2.0, within=(7.0, 16.0)),
        "belt_depth_n": draw.normal(2.0, 0.55, within=(0.9, 3.6)),
        "chest_tilt_mg": draw.normal(18.0, 7.0, within=(5.0, 45.0)),
        "impedance_ohm_per_l": draw.normal(0.9, 0.25, within=(0.4, 1.8)),
    }


def _lungs(draw: "_Draw") -> Traits:
    return {
        # Ten minutes at 6/min took 5.2 mmHg away (Szulczewski 2019, doi:10.1007/s10484-019-09438-y).
        "depth_exponent": draw.normal(1.24, 0.16, within=(0.7, 1.58)),
        "deepest_breath": draw.normal(3.3, 0.5, within=(2.0, 4.8)),
        "tidal_volume_l": draw.normal(0.46, 0.09, within=(0.3, 0.8)),
        "dead_space_l": draw.normal(0.14, 0.02, within=(0.09, 0.19)),
        "resting_co2_mmhg": draw.normal(37.0, 2.8, within=(28.0, 44.0)),
        "co2_store_l": draw.normal(10.0, 2.0, within=(5.0, 16.0)),
        "chemoreflex_per_mmhg": draw.normal(0.02, 0.01, within=(0.0, 0.05)),
    }


@value
class Response:
    """One way to answer practice."""

    share: float
    """Of people."""
    change: float
    """Where practice leads arousal, against everyday."""
    spread: float
    tau_s: float
    tau_spread_s: float


RESPONSES = (
    # Clear responders, slow ones, those whom it leaves as they are, and those whom relaxing alarms
    # (Heide & Borkovec 1983, doi:10.1037/0022-006X.51.2.171).
    Response(share=0.42, change=-0.28, spread=0.07, tau_s=130.0, tau_spread_s=45.0),
    Response(share=0.28, change=-0.08, spread=0.03, tau_s=300.0, tau_spread_s=90.0),
    Response(share=0.22, change=0.0, spread=0.01, tau_s=300.0, tau_spread_s=60.0),
    Response(share=0.08, change=0.16, spread=0.06, tau_s=120.0, tau_spread_s=40.0),
)


def _arousal(draw: "_Draw") -> Traits:
    everyday = draw.normal(0.44, 0.14, within=(0.12, 0.85))
    response = draw.choice(RESPONSES)
    low, high = response.change - 2.5 * response.spread, response.change + 2.5 * response.spread
    practised = everyday + draw.normal(response.change, response.spread, within=(low, high))
    return {
        "arousal_everyday": everyday,
        "arousal_practised": min(max(practised, 0.04), 0.95),
        "settle_tau_s": draw.normal(response.tau_s, response.tau_spread_s, within=(60.0, 600.0)),
        "return_tau_s": draw.normal(420.0, 90.0, within=(200.0, 700.0)),
        "stressors_per_hour": draw.normal(12.5, 4.0, within=(2.0, 25.0)),
        "threat_gain": draw.normal(0.8, 0.3, within=(0.2, 1.8)),
        "pacer_effort": draw.normal(0.05, 0.04, within=(0.0, 0.15)),
        "co2_alarm_per_mmhg": draw.rare(0.3, low=0.005, high=0.03),
    }


def _words(draw: "_Draw") -> Traits:
    # Ratings and arousal agree in a minority only (Vaessen 2021: 35 % of analyses); people over-report nothing alike.
    return {
        "sensation_base": draw.normal(35.0, 15.0, within=(5.0, 80.0)),
        "sensation_coupling": draw.normal(0.5, 0.3, within=(-0.2, 1.0)),
        "threat_base": draw.normal(25.0, 15.0, within=(0.0, 70.0)),
        "threat_coupling": draw.normal(0.4, 0.35, within=(-0.2, 1.0)),
        "suds_base": draw.normal(35.0, 16.0, within=(5.0, 80.0)),
        "suds_coupling": draw.normal(0.5, 0.3, within=(-0.2, 1.0)),
        "rating_noise": draw.normal(7.0, 2.5, within=(2.0, 15.0)),
        # Heart rate is felt too low by about 7 bpm (Legrand 2022, doi:10.1016/j.biopsycho.2021.108239).
        "heart_threshold_bpm": draw.normal(13.0, 4.0, within=(3.0, 28.0)),
        "heart_bias_bpm": draw.normal(-7.0, 8.0, within=(-28.0, 20.0)),
        "lapse_share": draw.normal(0.03, 0.02, within=(0.0, 0.1)),
        "beats_felt_share": draw.normal(0.65, 0.2, within=(0.1, 1.0)),
    }


def _skin(draw: "_Draw") -> Traits:
    # One adult in eight hardly responds at all.
    quiet = 0.15 if draw.chance(0.12) else 1.0
    return {
        "scl_floor_us": draw.normal(2.6, 1.1, within=(0.6, 6.0)),
        "scl_gain_us": quiet * draw.normal(4.5, 1.3, within=(1.5, 9.0)),
        "skin_drift_us": draw.normal(0.14, 0.05, within=(0.03, 0.3)),
        "scr_rest_per_min": quiet * draw.normal(0.5, 0.3, within=(0.0, 1.5)),
        "scr_gain_per_min": quiet * draw.normal(8.0, 2.5, within=(2.0, 15.0)),
        "scr_amplitude_us": draw.normal(0.2, 0.07, within=(0.07, 0.45)),
        "scr_habituation": draw.normal(0.5, 0.15, within=(0.1, 0.85)),
    }


def _looks(draw: "_Draw") -> Traits:
    turned = -1.0 if draw.chance(0.04) else 1.0
    return {
        "r_wave_uv": draw.normal(1100.0, 320.0, within=(450.0, 2200.0)),
        "p_wave_uv": draw.normal(110.0, 35.0, within=(30.0, 220.0)),
        "t_wave_uv": draw.normal(270.0, 110.0, within=(-60.0, 620.0)),
        "q_share": draw.normal(0.09, 0.06, within=(0.0, 0.25)),
        "s_share": draw.normal(0.24, 0.15, within=(0.0, 0.65)),
        "qrs_stretch": draw.normal(1.0, 0.12, within=(0.8, 1.5)),
        "electrode_gain": turned * draw.normal(1.0, 0.08, within=(0.75, 1.2)),
        "ventricular_gain": (-1.0 if draw.chance(0.4) else 1.0) * draw.normal(1.2, 0.3, within=(0.6, 2.0)),
        "wander_uv": draw.normal(60.0, 35.0, within=(10.0, 180.0)),
        "muscle_uv": min(9.0 * draw.factor(0.5), 40.0),
        "hum_uv": min(3.0 * draw.factor(0.7), 25.0),
        "hum_hz": 60.0 if draw.chance(0.3) else 50.0,
        "pulse_delay_s": draw.normal(0.21, 0.03, within=(0.13, 0.3)),
        "notch_share": draw.normal(0.3, 0.12, within=(0.05, 0.6)),
    }


class _Draw:
    """Draws of traits, in a fixed order."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def normal(self, mean: float, sd: float, *, within: tuple[float, float]) -> float:
        """Return a normal number; what falls outside is mirrored at the border, so that no crowd stands there."""
        low, high = within
        drawn = float(self._rng.normal(mean, sd))
        mirrored = 2.0 * low - drawn if drawn < low else 2.0 * high - drawn if drawn > high else drawn
        return min(max(mirrored, low), high)

    def factor(self, spread: float) -> float:
        """Return a factor around 1, log-normal, within two and a half spreads."""
        return math.exp(spread * self.normal(0.0, 1.0, within=(-2.5, 2.5)))

    def rare(self, share: float, *, low: float, high: float) -> float:
        """Return 0 for most people, a number between `low` and `high` for `share` of them."""
        has_it, amount = self._rng.random() < share, self._rng.uniform(low, high)
        return float(amount) if has_it else 0.0

    def chance(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def choice(self, table: tuple[Response, ...]) -> Response:
        """Return a random row of the table, by its share."""
        point = float(self._rng.random()) * sum(row.share for row in table)
        for row in table:
            point -= row.share
            if point < 0.0:
                return row
        return table[-1]
