"""The chest: belt, accelerometer and impedance all show the same breath, and posture shows as gravity."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_protocol.derived import BreathPhase
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.person import Person

T_NS = np.arange(0, 120 * 50, dtype=np.int64) * NS_PER_S // 50


def living(seed: int, *episodes: Episode) -> Body:
    body = Body(replace(Person.from_seed(seed), belt_tension_n=10.0), seed=seed, episodes=episodes)
    body.until(int(T_NS[-1]))
    return body


@pytest.mark.parametrize("seed", range(8))
def test_belt_tilt_and_impedance_rise_with_inhalation(seed: int) -> None:
    body = living(seed)
    force_n, impedance_ohm = body.force_n(T_NS), body.impedance_ohm(T_NS)
    outward_mg = body.acceleration_mg(T_NS)[:, 2]
    smooth_mg = np.convolve(outward_mg, np.ones(25) / 25, mode="same")
    assert np.corrcoef(force_n[50:-50], impedance_ohm[50:-50])[0, 1] > 0.7
    assert np.corrcoef(force_n[50:-50], smooth_mg[50:-50])[0, 1] > 0.7


def test_gravity_tells_posture() -> None:
    lying = Episode(kind=EpisodeKind.SUPINE, start_ns=ns_from_s(60.0), end_ns=ns_from_s(120.0))
    acceleration_mg = living(2, lying).acceleration_mg(T_NS)
    upright, supine = acceleration_mg[ns_from_s(60.0) > T_NS], acceleration_mg[ns_from_s(60.0) < T_NS]
    assert acceleration_mg.shape == (len(T_NS), 3)
    assert np.median(upright[:, 1]) > 950.0 > 300.0 > np.median(supine[:, 1])
    assert np.median(supine[:, 2]) > 900.0
    assert np.linalg.norm(acceleration_mg, axis=1) == pytest.approx(1000.0, abs=40.0)


def test_turning_over_takes_a_while_and_moves_the_belt() -> None:
    lying = Episode(kind=EpisodeKind.SUPINE, start_ns=ns_from_s(60.0), end_ns=ns_from_s(110.0))
    body, upright = living(2, lying), living(2)
    tilted_mg = body.acceleration_mg(T_NS)[:, 2]
    assert np.max(np.abs(np.diff(tilted_mg))) < 30.0  # 50 samples a second
    change_n = body.force_n(T_NS) - upright.force_n(T_NS)
    assert np.all(change_n[ns_from_s(60.0) > T_NS] == 0.0)
    still = (ns_from_s(63.0) < T_NS) & (ns_from_s(65.0) > T_NS)
    assert np.mean(change_n[still]) == pytest.approx(-1.2, abs=0.4)


def test_each_beat_shakes_the_chest_and_moves_its_blood() -> None:
    body = living(3)
    thuds_mg, blood_ohm = [], []
    for beat in body.beats()[2:-2]:
        since = beat.t_ns + np.arange(0, 400, 2, dtype=np.int64) * 1_000_000
        thuds_mg.append(body.acceleration_mg(since)[:, 2])
        blood_ohm.append(body.impedance_ohm(since))
    mean_thud = np.mean(thuds_mg, axis=0)
    assert np.max(mean_thud) - mean_thud[-1] > 1.5
    mean_blood = np.mean(blood_ohm, axis=0)
    assert mean_blood[100] < 0.5 * (mean_blood[0] + mean_blood[-1]) - 0.05


def test_a_strap_that_lies_loosely_reads_no_less_than_nothing() -> None:
    body = Body(replace(Person.from_seed(1), belt_tension_n=1.0, belt_depth_n=0.2), seed=1)
    body.until(int(T_NS[-1]))
    assert np.min(body.force_n(T_NS)) >= 0.0


def test_breaths_in_the_belt_are_those_of_the_truth() -> None:
    body = living(4)
    for turn in body.turns():
        around = turn.t_ns + np.asarray([-200, 0, 200], dtype=np.int64) * 1_000_000
        if around[0] >= 0 and around[2] <= T_NS[-1]:
            before, here, after = body.force_n(around)
            if turn.phase is BreathPhase.OUT:
                assert here > before
                assert here > after
            else:
                assert here < after + 0.01
