"""A kind of tail: its wave is missed where it would stand out, and only what goes there and back is one."""

import numpy as np
import pytest

from becalm_signal.ecg_tail_kind import N_ALIKE, N_ALIKE_FLAT, TailKind, nearest_kind

BOXES_S = 0.08 + 0.025 * (np.arange(12) + 0.5)
T_WAVE = np.exp(-0.5 * ((BOXES_S - 0.25) / 0.04) ** 2)
LEAK = np.exp(-BOXES_S / 0.1)


def tail(shape: np.ndarray, height: float, *, noise: np.ndarray | float = 0.0) -> list[float]:
    course = height * shape + noise
    return [float(x) for x in course - course.mean()]


def learned(shape: np.ndarray, *, n_tails: int = 30, noise: float = 8.0, scatter: float = 0.0) -> TailKind:
    rng = np.random.default_rng(5)
    kind = TailKind(tail(shape, 1.0))
    for _ in range(n_tails):
        height = 1000.0 * np.exp(scatter * rng.standard_normal())
        course = tail(shape, height, noise=rng.normal(0.0, noise, len(shape)))
        kind.learn(course, height, square=kind.square_to(course, height))
    return kind


@pytest.mark.parametrize("height", [-3000.0, 600.0, 1000.0, 3000.0])
def test_a_missing_wave_is_missed_at_any_height(height: float) -> None:
    kind = learned(0.05 * T_WAVE)
    assert kind.lacks_wave([0.0] * 12, height, noise=1.0)
    assert not kind.lacks_wave(tail(0.05 * T_WAVE, height), height, noise=1.0)
    assert kind.has_wave(tail(0.05 * T_WAVE, height), height, noise=1.0)


def test_a_wave_that_drowns_in_noise_is_not_missed() -> None:
    kind = learned(0.05 * T_WAVE)
    assert not kind.shows_wave(150.0, noise=1.0)
    assert not kind.lacks_wave([0.0] * 12, 150.0, noise=1.0)
    assert not kind.lacks_wave([0.0] * 12, 1000.0, noise=10.0)
    assert not learned(0.0 * T_WAVE).lacks_wave([0.0] * 12, 3000.0, noise=1.0)


def test_small_beats_say_little_of_the_wave() -> None:
    kind = learned(0.05 * T_WAVE)
    before, spread = list(kind.course), kind.spread
    kind.learn(tail(-0.3 * T_WAVE, 100.0), 100.0, square=0.0)
    assert kind.course == pytest.approx(before, abs=1e-3)
    assert kind.spread == pytest.approx(spread, abs=0.1)


def test_another_heart_has_a_wave_there_and_back_or_more_beats() -> None:
    assert learned(0.2 * T_WAVE, n_tails=N_ALIKE + 1).is_heart
    assert not learned(0.2 * LEAK, n_tails=N_ALIKE + 1).is_heart
    assert learned(0.2 * LEAK, n_tails=N_ALIKE_FLAT + 1).is_heart
    assert not learned(0.2 * T_WAVE, scatter=0.2).is_heart


def test_the_nearest_kind_is_the_one_that_a_tail_is_least_odd_among() -> None:
    kinds = [learned(0.2 * T_WAVE), learned(-0.2 * T_WAVE)]
    assert nearest_kind(kinds, tail(-0.2 * T_WAVE, 500.0), 500.0)[0] is kinds[1]
    assert nearest_kind(kinds, tail(-0.2 * T_WAVE, -500.0), -500.0)[1] == pytest.approx(0.0, abs=50.0)
