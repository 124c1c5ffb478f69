"""Arousal: where practice leads it, what threats and calming do, and what low carbon dioxide does to the sensitive."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_simulator.arousal import Arousal
from becalm_simulator.dice import Dice
from becalm_simulator.person import Person

STEP_S = 0.5
STILL = {"stressors_per_hour": 0.0, "pacer_effort": 0.0, "co2_alarm_per_mmhg": 0.0, "threat_gain": 1.0}


def arousal(seed: int = 1, **traits: float) -> Arousal:
    usual = {"arousal_everyday": 0.6, "arousal_practised": 0.2, "settle_tau_s": 100.0, "return_tau_s": 400.0}
    return Arousal(replace(Person.from_seed(seed), **STILL | usual | traits), Dice(np.random.default_rng(seed)))


def live(one: Arousal, seconds: float, *, following: float = 0.0, threat: float = 0.0, co2_mmhg: float = 38.0) -> float:
    """Return the mean over the last fifth."""
    levels = []
    for _ in range(round(seconds / STEP_S)):
        one.tick(STEP_S, following=following, threat=threat, co2_mmhg=co2_mmhg)
        levels.append(one.level)
    return float(np.mean(levels[-len(levels) // 5 :]))


@pytest.mark.parametrize("practised", [0.2, 0.5, 0.6, 0.8])
def test_practice_leads_where_it_leads_this_person(practised: float) -> None:
    assert live(arousal(arousal_practised=practised), 900.0, following=1.0) == pytest.approx(practised, abs=0.06)


def test_it_settles_at_the_persons_own_rate_and_returns_more_slowly() -> None:
    one = arousal()
    levels = []
    for _ in range(200):
        one.tick(STEP_S, following=1.0, co2_mmhg=38.0)
        levels.append(one.level)
    assert levels[-1] == pytest.approx(0.2 + 0.4 / np.e, abs=0.07)
    live(one, 600.0, following=1.0)
    assert live(one, 100.0) < 0.35
    assert live(one, 2400.0) == pytest.approx(0.6, abs=0.06)


def test_a_threat_comes_fast_and_goes_slowly_and_calming_helps() -> None:
    one, calmed = arousal(), arousal()
    assert live(one, 30.0, threat=0.3) == pytest.approx(0.9, abs=0.06)
    assert 0.62 < live(one, 45.0) < 0.85
    assert live(one, 300.0) == pytest.approx(0.6, abs=0.06)
    assert live(calmed, 200.0, threat=-0.3) == pytest.approx(0.3, abs=0.06)


def test_gain_makes_the_same_threat_larger() -> None:
    assert live(arousal(threat_gain=1.8), 30.0, threat=0.2) > live(arousal(threat_gain=0.5), 30.0, threat=0.2) + 0.2


def test_low_carbon_dioxide_alarms_the_sensitive_only() -> None:
    sensitive, other = arousal(co2_alarm_per_mmhg=0.04), arousal()
    assert live(sensitive, 120.0, co2_mmhg=26.0) == pytest.approx(0.88, abs=0.06)
    assert live(other, 120.0, co2_mmhg=26.0) == pytest.approx(0.6, abs=0.06)
    assert live(sensitive, 200.0, co2_mmhg=35.0) == pytest.approx(0.6, abs=0.06)


def test_the_effort_of_pacing_fades() -> None:
    usual, effort = (arousal(arousal_practised=0.6, pacer_effort=effort) for effort in (0.0, 0.2))
    early = live(effort, 60.0, following=1.0) - live(usual, 60.0, following=1.0)
    late = live(effort, 1200.0, following=1.0) - live(usual, 1200.0, following=1.0)
    assert early > 0.1 > 0.03 > late


def test_stressors_come_as_often_as_the_person_says() -> None:
    one = arousal(stressors_per_hour=30.0)
    came = sum(one.tick(STEP_S, following=0.0) for _ in range(round(10 * 3600 / STEP_S)))
    assert came / 10 == pytest.approx(30.0, rel=0.2)
    assert not any(arousal().tick(STEP_S, following=0.0) for _ in range(5000))


def test_it_never_leaves_its_scale() -> None:
    one = arousal(stressors_per_hour=120.0, threat_gain=3.0)
    for threat in (1.0, -1.0):
        for _ in range(1000):
            one.tick(STEP_S, following=0.0, threat=threat)
            assert 0.0 <= one.level <= 1.0
