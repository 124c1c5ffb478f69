"""Flat and saturated stretches."""

import numpy as np
import pytest

from becalm_protocol.derived import Reason
from becalm_signal.quality import RangeWatch


def watch(samples: list[float]) -> Reason | None:
    judge = RangeWatch(100.0, window_s=2.0, flat_range=20.0, unit_per_count=1.0)
    for piece in judge.pieces(samples):
        judge.feed(piece)
    return judge.reason


def test_a_living_signal_is_usable() -> None:
    rng = np.random.default_rng(1)
    assert watch(rng.normal(0.0, 100.0, 500).tolist()) is None


@pytest.mark.parametrize("level", [0.0, 32_767.0, -5.0])
def test_a_constant_is_flat(level: float) -> None:
    assert watch([level] * 500) is Reason.FLAT


def test_a_rail_is_saturated() -> None:
    wave = 5000.0 * np.sin(2 * np.pi * 1.0 * np.arange(500) / 100.0)
    assert watch(np.clip(wave, -1000.0, 1000.0).tolist()) is Reason.SATURATED


def test_clipped_peaks_alone_are_usable() -> None:
    wave = 1000.0 * np.sin(2 * np.pi * 1.0 * np.arange(500) / 100.0)
    assert watch(np.clip(wave, -2000.0, 950.0).tolist()) is None


def test_a_coarse_signal_is_not_taken_for_a_saturated_one() -> None:
    wave = np.round(11.0 * np.sin(2 * np.pi * 1.0 * np.arange(500) / 100.0) / 11.0) * 11.0
    assert watch(wave.tolist()) is None


def test_one_flat_second_is_not_enough() -> None:
    rng = np.random.default_rng(1)
    assert watch([*rng.normal(0.0, 100.0, 300).tolist(), *[0.0] * 100]) is None


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 500.0])
@pytest.mark.parametrize("width_s", [0.008, 0.02])
def test_pulses_that_rest_on_a_level_without_noise_are_usable(rate_hz: float, width_s: float) -> None:
    t = np.arange(round(10 * rate_hz)) / rate_hz
    pulses = sum(1000.0 * np.exp(-((t - beat) ** 2) / (2 * width_s**2)) for beat in np.arange(0.5, 10.0, 0.85))
    judge = RangeWatch(rate_hz, window_s=2.0, flat_range=20.0, unit_per_count=0.1)
    reasons = set()
    for piece in judge.pieces(np.round(pulses, 1).tolist()):
        judge.feed(piece)
        reasons.add(judge.reason)
    assert reasons == {None}


@pytest.mark.parametrize("level", [0.0, 50_000.0])
def test_what_came_after_a_dead_stretch_is_alive(level: float) -> None:
    rng = np.random.default_rng(1)
    for n_alive in (30, 49):
        judge = RangeWatch(100.0, window_s=2.0, flat_range=20.0, unit_per_count=1.0)
        for piece in judge.pieces([*[level] * (500 - n_alive), *rng.normal(300.0, 50.0, n_alive).tolist()]):
            judge.feed(piece)
        assert judge.reason is None
        assert judge.n_alive == n_alive


def test_what_came_after_both_rails_is_alive() -> None:
    rng = np.random.default_rng(1)
    rails = np.where(np.arange(430) // 17 % 2, 9_000.0, -9_000.0)
    judge = RangeWatch(100.0, window_s=2.0, flat_range=20.0, unit_per_count=1.0)
    for piece in judge.pieces([*rails.tolist(), *rng.normal(0.0, 50.0, 120).tolist()]):
        judge.feed(piece)
    assert judge.reason is None
    assert judge.n_alive == 120
