"""The heart: respiratory sinus arrhythmia by rate and depth, its resonance, posture, and beats that add up."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import STEP_NS, Body
from becalm_simulator.course import rsa_swing_bpm
from becalm_simulator.dice import Dice
from becalm_simulator.heart import AT_EASE, Heart, Strain
from becalm_simulator.person import Person

STEP_S = STEP_NS / NS_PER_S
QUIET = {"ectopic_share": 0.0, "atrial_ectopic_share": 0.0, "fibrillation_share": 0.0}


def quiet(seed: int, **traits: float) -> Person:
    return replace(Person.from_seed(seed), **QUIET | traits)


def mean_rate_bpm(person: Person, *, seconds: float, arousal: float = 0.4, strain: Strain = AT_EASE) -> float:
    heart = Heart(person, Dice(np.random.default_rng(1)), step_s=STEP_S)
    rates_bpm = []
    for i in range(round(seconds / STEP_S)):
        if i % 5 == 0:
            heart.settle(0.5, arousal=arousal, strain=strain)
        heart.tick(i * STEP_NS, volume=0.5)
        rates_bpm.append(heart.rate_bpm)
    return float(np.mean(rates_bpm[len(rates_bpm) // 2 :]))


def test_rsa_falls_with_the_breathing_rate_as_measured() -> None:
    """Hirsch & Bishop 1981: corner at 7.2 +- 1.5 /min, 21 +- 3.4 dB a decade above it."""
    rates_bpm = (6.0, 15.0, 30.0)
    at_6, at_15, at_30 = np.mean(
        [[rsa_swing_bpm(Person.from_seed(s), breathing_rate_bpm=rate) for rate in rates_bpm] for s in range(40)], axis=0
    )
    # The published corner and slope, each one standard deviation either way, at 15 against 6 a minute.
    assert (15.0 / 8.7) ** (17.6 / 20.0) < at_6 / at_15 < (15.0 / 5.7) ** (24.4 / 20.0)
    fall_db_per_decade = 20.0 * np.log10(at_15 / at_30) / np.log10(2.0)
    assert 12.0 < fall_db_per_decade < 24.4


@pytest.mark.parametrize("seed", range(10))
def test_rsa_peaks_at_the_persons_own_resonance_rate(seed: int) -> None:
    person = Person.from_seed(seed)
    rates_bpm = np.arange(3.5, 8.6, 0.25)
    swings_bpm = [rsa_swing_bpm(person, breathing_rate_bpm=float(rate)) for rate in rates_bpm]
    assert rates_bpm[int(np.argmax(swings_bpm))] == pytest.approx(person.resonance_rate_bpm, abs=0.4)
    without = replace(person, resonance_gain=0.0)
    at_peak_bpm = rsa_swing_bpm(without, breathing_rate_bpm=person.resonance_rate_bpm)
    assert max(swings_bpm) == pytest.approx((1.0 + person.resonance_gain) * at_peak_bpm, rel=0.12)


def test_people_resonate_at_different_rates() -> None:
    own_bpm = np.asarray([Person.from_seed(seed).resonance_rate_bpm for seed in range(300)])
    assert own_bpm.min() >= 4.5
    assert own_bpm.max() <= 7.0
    assert np.std(own_bpm) > 0.35


@pytest.mark.parametrize("seed", range(8))
def test_rsa_in_the_whole_body_is_larger_at_6_than_at_15_per_min(seed: int) -> None:
    swings = []
    for pacer in (Pacer(started_ns=0, inhale_s=4.0, exhale_s=6.0), Pacer(started_ns=0, inhale_s=1.6, exhale_s=2.4)):
        body = Body(quiet(seed, stressors_per_hour=0.0, vlf_bpm=0.3, mayer_bpm=0.1, beat_jitter=0.003), seed=seed)
        body.hear(pacer)
        body.until(ns_from_s(240.0))
        swings.append(np.std([beat.rr_s for beat in body.beats() if beat.t_ns > ns_from_s(60.0)]))
    assert swings[0] > 1.5 * swings[1]


def test_rsa_is_proportional_to_depth_and_arousal_takes_from_it() -> None:
    person = quiet(4, vlf_bpm=0.0, mayer_bpm=0.0)
    swings = {}
    for depth, arousal in ((1.0, 0.2), (2.0, 0.2), (2.0, 0.9)):
        heart = Heart(person, Dice(np.random.default_rng(1)), step_s=STEP_S)
        rates_bpm = []
        for i in range(3000):
            if i % 5 == 0:
                heart.settle(0.5, arousal=arousal)
            heart.tick(i * STEP_NS, volume=depth * (0.5 + 0.5 * np.sin(2.0 * np.pi * 0.1 * i * STEP_S)))
            rates_bpm.append(heart.rate_bpm)
        swings[depth, arousal] = np.ptp(rates_bpm[1500:])
    assert swings[2.0, 0.2] == pytest.approx(2.0 * swings[1.0, 0.2], rel=0.02)
    assert swings[2.0, 0.9] == pytest.approx(0.55 / 0.9 * swings[2.0, 0.2], rel=0.03)


def test_posture_and_movement_move_the_rate() -> None:
    person = quiet(5, vlf_bpm=0.0, mayer_bpm=0.0, standing_bpm=12.0)
    sitting_bpm = mean_rate_bpm(person, seconds=120.0)
    for strain, change_bpm in ((Strain(standing=1.0), 12.0), (Strain(supine=1.0), -4.0), (Strain(moving=0.5), 15.0)):
        assert mean_rate_bpm(person, seconds=120.0, strain=strain) == pytest.approx(sitting_bpm + change_bpm, abs=0.3)


def test_the_heart_follows_arousal_with_its_gain_and_late() -> None:
    person = quiet(5, vlf_bpm=0.0, mayer_bpm=0.0, heart_arousal_gain_bpm=20.0, heart_arousal_lag_s=10.0)
    low_bpm, high_bpm = (mean_rate_bpm(person, seconds=200.0, arousal=a) for a in (0.2, 0.8))
    assert high_bpm - low_bpm == pytest.approx(12.0, abs=0.1)
    heart = Heart(replace(person, arousal_everyday=0.2), Dice(np.random.default_rng(1)), step_s=STEP_S)
    for i in range(100):
        if i % 5 == 0:
            heart.settle(0.5, arousal=0.8)
        heart.tick(i * STEP_NS, volume=0.5)
    assert heart.rate_bpm == pytest.approx(low_bpm + 0.63 * 12.0, abs=0.3)


def test_wander_is_as_large_as_the_person_says() -> None:
    person = quiet(6, vlf_bpm=3.0, mayer_bpm=1.5, rsa_bpm=0.0)
    heart = Heart(person, Dice(np.random.default_rng(6)), step_s=STEP_S)
    rates_bpm = []
    for i in range(36_000):
        if i % 5 == 0:
            heart.settle(0.5, arousal=0.4)
        heart.tick(i * STEP_NS, volume=0.5)
        rates_bpm.append(heart.rate_bpm)
    power = np.abs(np.fft.rfft(np.asarray(rates_bpm) - np.mean(rates_bpm))) ** 2
    hz = np.fft.rfftfreq(len(rates_bpm), STEP_S)
    assert np.std(rates_bpm) == pytest.approx(np.hypot(3.0, 1.5), rel=0.2)
    own_hz = person.resonance_rate_bpm / 60.0
    near = np.sum(power[np.abs(hz - own_hz) < 0.02])
    assert near > 3.0 * np.sum(power[(hz > own_hz + 0.04) & (hz < own_hz + 0.08)])


def test_beats_add_up_to_the_rate() -> None:
    heart = Heart(quiet(3), Dice(np.random.default_rng(3)), step_s=STEP_S)
    charge = 0.0
    for i in range(6_000):
        if i % 5 == 0:
            heart.settle(0.5, arousal=0.5)
        heart.tick(i * STEP_NS, volume=0.5)
        charge += heart.rate_bpm / 60.0 * STEP_S
    assert len(heart.beats) == pytest.approx(charge, abs=4.0)
