"""The skin: the shape of a response, the lag of the level, and stimuli that are answered."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.dice import Dice
from becalm_simulator.person import Person
from becalm_simulator.skin import Skin

STEP_S = 0.25


def lively(seed: int, **traits: float) -> Person:
    usual = {"scl_gain_us": 4.0, "scr_rest_per_min": 0.5, "scr_gain_per_min": 10.0, "scr_amplitude_us": 0.2}
    return replace(Person.from_seed(seed), **usual | traits)


def skin(seed: int = 1, **traits: float) -> Skin:
    return Skin(lively(seed, **traits), Dice(np.random.default_rng(seed)), step_s=STEP_S)


def live(organ: Skin, seconds: float, *, arousal: float, first_s: float = 0.0) -> None:
    for i in range(round(first_s / STEP_S), round((first_s + seconds) / STEP_S)):
        organ.tick(ns_from_s(i * STEP_S), arousal=arousal)


def test_a_response_rises_in_a_second_and_halves_in_four() -> None:
    organ = skin()
    live(organ, 300.0, arousal=0.6)
    response = max(organ.responses, key=lambda r: r.amplitude_us)
    t_ns = np.arange(response.onset_ns, response.onset_ns + 20 * NS_PER_S, 10_000_000, dtype=np.int64)
    alone = skin()
    alone.responses, alone._onsets_ns, alone._levels_us = [response], [response.onset_ns], organ._levels_us
    phasic_us = alone.conductance_us(t_ns) - alone.tonic_us(t_ns)
    peak = int(np.argmax(phasic_us))
    assert phasic_us[peak] == pytest.approx(response.amplitude_us, rel=1e-3)
    assert 0.9 < peak * 0.01 < 1.4
    assert t_ns[peak] == pytest.approx(response.peak_ns, abs=2 * 10_000_000)
    half = peak + int(np.argmax(phasic_us[peak:] < response.amplitude_us / 2.0))
    assert 3.5 < (half - peak) * 0.01 < 5.0


def test_the_level_follows_arousal_late() -> None:
    organ, person = skin(4, skin_drift_us=0.05), lively(4)
    live(organ, 120.0, arousal=0.7)
    live(organ, 180.0, arousal=0.1, first_s=120.0)
    at_s = (119.0, 135.0, 290.0)
    before, soon, late = organ.tonic_us(np.asarray([ns_from_s(s) for s in at_s], dtype=np.int64))
    fall_us = person.scl_gain_us * (0.7 - 0.1)
    assert before - soon == pytest.approx(0.63 * fall_us, abs=0.35)
    assert before - late == pytest.approx(fall_us, abs=0.5)


def test_a_stimulus_is_answered_when_it_is_due() -> None:
    organ = skin(2)
    organ.provoke(ns_from_s(5.1))
    live(organ, 6.0, arousal=0.0)
    assert ns_from_s(5.1) in [response.onset_ns for response in organ.responses]


def test_responses_keep_their_distance() -> None:
    organ = skin(3)
    live(organ, 3600.0, arousal=1.0)
    onsets_s = np.asarray([response.onset_ns for response in organ.responses]) / NS_PER_S
    assert np.min(np.diff(onsets_s)) >= 1.2
    assert 5.0 < len(onsets_s) / 60.0 < 15.0


def test_answers_to_a_stimulus_wear_off_and_come_back() -> None:
    sizes = np.zeros(12)
    for seed in range(40):
        organ = skin(seed, scr_rest_per_min=0.0, scr_habituation=0.4)
        for i in range(11):
            organ.provoke(ns_from_s(10.0 * i + 5.0))
        organ.provoke(ns_from_s(700.0))
        live(organ, 710.0, arousal=0.0)
        assert all(response.evoked for response in organ.responses)
        sizes += [response.amplitude_us for response in organ.responses]
    assert sizes[0] > 1.5 * sizes[2] > 1.5 * sizes[10]
    assert sizes[11] > 0.7 * sizes[0]


def test_who_hardly_responds_hardly_responds() -> None:
    people = [Person.from_seed(seed) for seed in range(300)]
    assert 0.06 < np.mean([person.scr_gain_per_min < 2.5 for person in people]) < 0.2
