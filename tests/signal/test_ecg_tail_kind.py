"""A kind of tail: its wave is missed where it would stand out, at any height; small and loud beats say little of it."""

import numpy as np
import pytest

from becalm_signal.ecg_tail_kind import N_ALIKE, N_ALIKE_FLAT, TailKind, WaveShare, nearest_kind

BOXES_S = 0.08 + 0.025 * (np.arange(12) + 0.5)
T_WAVE = np.exp(-0.5 * ((BOXES_S - 0.25) / 0.04) ** 2)
SLOPE = 2.0 * (BOXES_S - BOXES_S.mean())


def tail(shape: np.ndarray, height: float, *, noise: np.ndarray | float = 0.0) -> list[float]:
    course = height * shape + noise
    return [float(x) for x in course - course.mean()]


def learned(shape: np.ndarray, *, n_tails: int = 30, noise: float = 8.0, scatter: float = 0.0) -> TailKind:
    rng = np.random.default_rng(5)
    kind = TailKind(tail(shape, 1.0))
    for _ in range(n_tails):
        height = 1000.0 * np.exp(scatter * rng.standard_normal())
        course = tail(shape, height, noise=rng.normal(0.0, noise, len(shape)))
        kind.learn(course, height, square=kind.square_to(course, height), noise=1.0)
    return kind


@pytest.mark.parametrize("height", [-3000.0, 300.0, 1000.0, 3000.0])
def test_a_missing_wave_is_missed_at_any_height(height: float) -> None:
    kind = learned(0.05 * T_WAVE)
    assert kind.wave([0.0] * 12, height, noise=1.0).is_missing
    whole = kind.wave(tail(0.05 * T_WAVE, height), height, noise=1.0)
    assert whole.is_there
    assert not whole.is_doubtful
    assert not whole.is_vague


def test_a_wave_that_drowns_in_noise_is_not_missed() -> None:
    loud = np.random.default_rng(6).normal(0.0, 8.0, 12)
    vague = learned(0.05 * T_WAVE).wave(tail(0.0 * T_WAVE, 60.0, noise=loud), 60.0, noise=1.0)
    assert vague.is_vague
    assert not vague.is_missing
    for kind, noise in ((learned(0.05 * T_WAVE), 10.0), (learned(0.0 * T_WAVE), 1.0), (TailKind([0.0] * 12), 1.0)):
        assert kind.wave([0.0] * 12, 1000.0, noise=noise) == WaveShare(1.0, 0.0)


def test_noise_hides_less_of_a_higher_beat() -> None:
    kind = learned(0.05 * T_WAVE)
    assert not kind.wave([0.0] * 12, 1000.0, noise=6.0).is_missing
    assert kind.wave([0.0] * 12, 5000.0, noise=6.0).is_missing


def test_what_drifts_through_a_small_beat_makes_its_wave_vague() -> None:
    kind = learned(0.05 * T_WAVE)
    assert kind.wave(tail(0.0 * SLOPE, 200.0), 200.0, noise=1.0).is_missing
    assert not kind.wave(tail(SLOPE, 200.0), 200.0, noise=1.0).is_missing


@pytest.mark.parametrize(("share", "doubt"), [(0.0, 0.5), (0.5, 0.0), (1.0, -0.5)])
def test_half_a_wave_says_nothing_and_more_of_it_speaks_for_the_heart(share: float, doubt: float) -> None:
    assert WaveShare(share, 2.0).doubt == pytest.approx(doubt)


@pytest.mark.parametrize(("height", "noise"), [(100.0, 1.0), (1000.0, 100.0)])
def test_small_and_loud_beats_say_little_of_the_wave(height: float, noise: float) -> None:
    kind = learned(0.05 * T_WAVE)
    before, spread, usual = list(kind.course), kind.spread, kind.height
    kind.learn(tail(-0.3 * T_WAVE, height), height, square=0.0, noise=noise)
    assert kind.course == pytest.approx(before, abs=1e-3)
    assert kind.spread == pytest.approx(spread, abs=0.1)
    assert kind.height == pytest.approx(usual, rel=0.01)


def test_another_heart_has_a_wave_or_more_beats_and_even_heights() -> None:
    assert learned(0.2 * T_WAVE, n_tails=N_ALIKE).is_heart
    assert not learned(0.0 * T_WAVE, n_tails=N_ALIKE).is_heart
    assert learned(0.0 * T_WAVE, n_tails=N_ALIKE_FLAT).is_heart
    assert not learned(0.2 * T_WAVE, scatter=0.2).is_heart


def test_the_nearest_kind_is_the_one_that_a_tail_is_least_odd_among() -> None:
    kinds = [learned(0.2 * T_WAVE), learned(-0.2 * T_WAVE)]
    assert nearest_kind(kinds, tail(-0.2 * T_WAVE, 500.0), 500.0)[0] is kinds[1]
    assert nearest_kind(kinds, tail(-0.2 * T_WAVE, -500.0), -500.0)[1] == pytest.approx(0.0, abs=50.0)
