"""The heart: respiratory sinus arrhythmia by rate, ectopic beats with their pause, no drift of the rate."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.heart import ECTOPIC_PREMATURITY, Heart
from becalm_simulator.person import Person

STEP_S = 0.05


def swing_bpm(*, rate_bpm: float, seed: int = 1) -> float:
    """Peak-to-trough heart rate over breaths of habitual depth at this rate, driven by hand."""
    person = Person.from_seed(seed)
    heart = Heart(person, np.random.default_rng(seed))
    rates = []
    for i in range(round(300 / STEP_S)):
        volume = 0.5 + 0.5 * np.sin(2.0 * np.pi * rate_bpm / 60.0 * i * STEP_S)
        heart.tick(round(i * STEP_S * NS_PER_S), STEP_S, arousal=0.3, volume=volume)
        rates.append(heart.rate_bpm)
    t_s = np.arange(len(rates)) * STEP_S
    wave = np.exp(-2j * np.pi * rate_bpm / 60.0 * t_s)
    settled = t_s >= 60.0
    return 4.0 * float(np.abs(np.mean((np.asarray(rates) - np.mean(rates))[settled] * wave[settled])))


def test_rsa_falls_with_the_breathing_rate_as_measured() -> None:
    """Hirsch & Bishop 1981: corner at 7.2 +- 1.5 /min, 21 +- 3.4 dB a decade above it."""
    at_6, at_15, at_30 = (np.mean([swing_bpm(rate_bpm=rate, seed=s) for s in range(4)]) for rate in (6.0, 15.0, 30.0))
    assert 1.5 < at_6 / at_15 < 2.3
    fall_db_per_decade = 20.0 * np.log10(at_15 / at_30) / np.log10(2.0)
    assert 15.0 < fall_db_per_decade < 24.0


@pytest.mark.parametrize("seed", range(8))
def test_rsa_in_the_whole_body_is_larger_at_6_than_at_15_per_min(seed: int) -> None:
    swings = []
    for pacer in (Pacer(started_ns=0, inhale_s=4.0, exhale_s=6.0), Pacer(started_ns=0, inhale_s=1.6, exhale_s=2.4)):
        person = replace(Person.from_seed(seed), ectopic_share=0.0, stressors_per_hour=0.0)
        body = Body(person, seed=seed)
        body.hear(pacer)
        body.until(ns_from_s(240.0))
        rr_s = np.asarray([beat.rr_s for beat in body.beats() if beat.t_ns > ns_from_s(60.0)])
        swings.append(np.std(rr_s))
    assert swings[0] > 1.4 * swings[1]


def test_a_ventricular_beat_is_early_and_the_pause_makes_up_for_it() -> None:
    person = replace(Person.from_seed(2), ectopic_share=0.05, rsa_bpm=0.0)
    body = Body(person, seed=2)
    body.until(ns_from_s(600.0))
    beats = body.beats()
    early = [i for i, beat in enumerate(beats[1:-1], start=1) if beat.ventricular]
    assert 10 < len(early) < 80
    usual_s = float(np.median([beat.rr_s for beat in beats]))
    for i in early:
        assert beats[i].rr_s == pytest.approx(ECTOPIC_PREMATURITY * usual_s, rel=0.2)
        assert beats[i].rr_s + beats[i + 1].rr_s == pytest.approx(2.0 * usual_s, rel=0.2)


def test_people_without_ectopy_have_none() -> None:
    body = Body(replace(Person.from_seed(2), ectopic_share=0.0), seed=2)
    body.until(ns_from_s(600.0))
    assert not any(beat.ventricular for beat in body.beats())


def test_beats_add_up_to_the_rate() -> None:
    heart = Heart(Person.from_seed(3), np.random.default_rng(3))
    charge = 0.0
    for i in range(12_000):
        heart.tick(round(i * STEP_S * NS_PER_S), STEP_S, arousal=0.5, volume=0.5)
        charge += heart.rate_bpm / 60.0 * STEP_S
    assert len(heart.beats) == pytest.approx(charge, abs=3.0)
