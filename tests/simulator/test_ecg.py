"""The electrocardiogram: R peaks where the beats are, broad ventricular beats, T waves after them."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.person import Person


@pytest.mark.parametrize("seed", range(6))
def test_the_tallest_sample_near_a_beat_is_its_r_peak(seed: int) -> None:
    body = Body(replace(Person.from_seed(seed), ectopic_share=0.0), seed=seed)
    body.until(ns_from_s(60.0))
    for beat in body.beats()[1:-1]:
        t_ns = np.arange(beat.t_ns - 250_000_000, beat.t_ns + 250_000_000, 1_000_000, dtype=np.int64)
        found_ns = t_ns[int(np.argmax(body.ecg_uv(t_ns)))]
        assert abs(int(found_ns) - beat.t_ns) <= 2_000_000


def test_r_waves_stand_out_of_everything_else() -> None:
    body = Body(replace(Person.from_seed(1), ectopic_share=0.0), seed=1)
    body.until(ns_from_s(30.0))
    t_ns = np.arange(0, 30 * NS_PER_S, 2_000_000, dtype=np.int64)
    ecg_uv = body.ecg_uv(t_ns)
    near = np.zeros(len(t_ns), dtype=bool)
    for beat in body.beats():
        near |= np.abs(t_ns - beat.t_ns) < 60_000_000
    assert np.max(ecg_uv[near]) > 2.0 * np.max(ecg_uv[~near & (t_ns < 29 * NS_PER_S)])


def test_a_ventricular_beat_is_broad_and_has_its_t_wave_turned() -> None:
    body = Body(replace(Person.from_seed(1), ectopic_share=0.1), seed=1)
    body.until(ns_from_s(120.0))
    kinds = {True: [], False: []}  # type: dict[bool, list[float]]
    for beat in body.beats()[1:-1]:
        t_ns = np.arange(beat.t_ns - 100_000_000, beat.t_ns + 100_000_000, 1_000_000, dtype=np.int64)
        ecg_uv = body.ecg_uv(t_ns)
        kinds[beat.ventricular].append(float(np.sum(ecg_uv > 0.5 * np.max(ecg_uv))))
    assert np.median(kinds[True]) > 2.0 * np.median(kinds[False])
