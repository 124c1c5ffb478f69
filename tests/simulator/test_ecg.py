"""The electrocardiogram: R peaks where the beats are, broad ventricular beats, T waves after them."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.person import Person
from becalm_simulator.rhythm import BeatKind

CLEAN = {
    "ectopic_share": 0.0, "atrial_ectopic_share": 0.0, "fibrillation_share": 0.0, "wander_uv": 20.0, "muscle_uv": 0.0,
    "hum_uv": 0.0, "electrode_gain": 1.0, "r_wave_uv": 1000.0, "t_wave_uv": 250.0, "p_wave_uv": 120.0,
}  # fmt: skip


def living(seed: int, *, seconds: float, **traits: float) -> Body:
    body = Body(replace(Person.from_seed(seed), **CLEAN | traits), seed=seed)
    body.until(ns_from_s(seconds))
    return body


@pytest.mark.parametrize("seed", range(6))
def test_the_tallest_sample_near_a_beat_is_its_r_peak(seed: int) -> None:
    body = living(seed, seconds=60.0)
    for beat in body.beats()[1:-1]:
        t_ns = np.arange(beat.t_ns - 250_000_000, beat.t_ns + 250_000_000, 1_000_000, dtype=np.int64)
        found_ns = t_ns[int(np.argmax(body.ecg_uv(t_ns)))]
        assert abs(int(found_ns) - beat.t_ns) <= 2_000_000


def test_r_waves_stand_out_of_everything_else() -> None:
    body = living(1, seconds=30.0)
    t_ns = np.arange(NS_PER_S, 30 * NS_PER_S, 2_000_000, dtype=np.int64)
    ecg_uv = body.ecg_uv(t_ns)
    near = np.zeros(len(t_ns), dtype=bool)
    for beat in body.beats():
        near |= np.abs(t_ns - beat.t_ns) < 60_000_000
    assert np.max(ecg_uv[near]) > 2.0 * np.max(ecg_uv[~near & (t_ns < 29 * NS_PER_S)])


def test_a_ventricular_beat_is_broad() -> None:
    body = living(1, seconds=120.0, ectopic_share=0.1, ventricular_gain=1.3)
    kinds = {True: [], False: []}  # type: dict[bool, list[float]]
    for beat in body.beats()[1:-1]:
        t_ns = np.arange(beat.t_ns - 100_000_000, beat.t_ns + 100_000_000, 1_000_000, dtype=np.int64)
        ecg_uv = body.ecg_uv(t_ns)
        kinds[beat.ventricular].append(float(np.sum(ecg_uv > 0.5 * np.max(ecg_uv))))
    assert np.median(kinds[True]) > 2.0 * np.median(kinds[False])


def test_a_ventricular_beat_may_point_down_and_its_t_wave_turns_with_it() -> None:
    body = living(1, seconds=120.0, ectopic_share=0.1, ventricular_gain=-1.2)
    for beat in [beat for beat in body.beats()[1:-1] if beat.ventricular]:
        r_uv = body.ecg_uv(np.asarray([beat.t_ns], dtype=np.int64))[0]
        t_ns = np.arange(beat.t_ns + 150_000_000, beat.t_ns + 450_000_000, 1_000_000, dtype=np.int64)
        assert r_uv < -900.0
        assert np.max(body.ecg_uv(t_ns)) > 200.0


def p_wave_uv(body: Body, kind: BeatKind) -> float:
    heights_uv = []
    for beat in [beat for beat in body.beats()[1:-1] if beat.kind is kind]:
        at = np.asarray([beat.t_ns - 170_000_000, beat.t_ns - 90_000_000], dtype=np.int64)
        top_uv, baseline_uv = body.ecg_uv(at)
        heights_uv.append(top_uv - baseline_uv)
    return float(np.median(heights_uv))


def test_only_the_sinus_node_sends_a_p_wave_before_the_beat() -> None:
    fibrillating = living(1, seconds=120.0, fibrillation_share=1.0)
    assert p_wave_uv(living(1, seconds=120.0), BeatKind.SINUS) > 80.0
    assert abs(p_wave_uv(fibrillating, BeatKind.FIBRILLATION)) < 45.0


def test_between_fibrillating_beats_the_line_trembles() -> None:
    powers = []
    for share in (0.0, 1.0):
        body = living(1, seconds=60.0, fibrillation_share=share, wander_uv=0.0, p_wave_uv=0.0)
        rest_uv = []
        for beat in body.beats()[1:-1]:
            t_ns = np.arange(beat.t_ns - 280_000_000, beat.t_ns - 210_000_000, 2_000_000, dtype=np.int64)
            rest_uv.append(np.ptp(body.ecg_uv(t_ns)))
        powers.append(np.median(rest_uv))
    assert powers[1] > 3.0 * powers[0]


def test_people_look_different() -> None:
    people = [Person.from_seed(seed) for seed in range(400)]
    assert 0.01 < np.mean([person.electrode_gain < 0 for person in people]) < 0.08
    for trait, at_least in (("r_wave_uv", 200.0), ("t_wave_uv", 80.0), ("s_share", 0.1), ("qrs_stretch", 0.08)):
        assert np.std([getattr(person, trait) for person in people]) > at_least
