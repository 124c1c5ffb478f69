"""How much of its T wave follows a beat, and how sure it is that it is missing."""

import numpy as np
import pytest

from becalm_signal.ecg_wave import MOST_SHARE, UsualWave

WAVE = np.exp(-0.5 * ((np.arange(12) - 7.0) / 2.0) ** 2)
WAVE -= WAVE.mean()


def tail(size: float, *, share: float = 1.0, noise: float = 0.0, seed: int = 0) -> list[float]:
    """Return the tail of a beat with so much of a T wave of a tenth of its size."""
    found = 0.1 * share * size * WAVE + np.random.default_rng(seed).normal(0.0, noise, len(WAVE))
    return [float(x) for x in found]


def learned(*, noise: float = 5.0, n_beats: int = 40) -> UsualWave:
    wave = UsualWave()
    for n in range(n_beats):
        course = tail(1000.0, noise=noise, seed=n)
        wave.learn(course, 1000.0, share=wave.share(course, 1000.0), noise=1.0)
    return wave


@pytest.mark.parametrize("size", [200.0, 1000.0, 4000.0])
@pytest.mark.parametrize("share", [-1.0, 0.0, 0.4, 1.0])
def test_the_share_of_the_wave_is_that_of_beats_of_any_size(size: float, share: float) -> None:
    assert learned().share(tail(size, share=share), size) == pytest.approx(share, abs=0.06)


def test_a_share_is_capped_and_none_is_missed_before_any_was_learned() -> None:
    assert learned().share(tail(1000.0, share=9.0), 1000.0) == MOST_SHARE
    assert UsualWave().share(tail(1000.0, share=0.0), 1000.0) == 1.0


def test_half_a_wave_says_nothing() -> None:
    wave = learned()
    assert wave.missing(0.5, 1000.0, noise=1.0) == 0.0
    assert wave.missing(0.0, 1000.0, noise=1.0) > 10.0
    assert wave.missing(1.0, 1000.0, noise=1.0) < -10.0


def test_small_and_loud_beats_and_those_of_a_wavering_kind_say_less() -> None:
    wave = learned()
    plain = wave.missing(0.0, 1000.0, noise=1.0)
    assert wave.missing(0.0, 250.0, noise=1.0) == pytest.approx(plain / 16.0, rel=0.05)
    assert wave.missing(0.0, 4000.0, noise=1.0) == pytest.approx(plain)
    assert wave.missing(0.0, 1000.0, noise=3.0) == pytest.approx(plain / 9.0)
    assert wave.missing(0.0, 1000.0, noise=1.0, variance=1.0) < 1.0
    assert wave.missing(0.0, 1000.0, noise=1.0, usual=0.1) < plain / 50.0


def test_noise_makes_a_missing_wave_less_sure() -> None:
    assert learned(noise=60.0).missing(0.0, 1000.0, noise=1.0) < 0.3 * learned().missing(0.0, 1000.0, noise=1.0)


def test_one_beat_without_its_wave_moves_little_and_many_are_followed() -> None:
    wave = learned()
    for n in range(40):
        course = tail(1000.0, share=0.4, noise=5.0, seed=100 + n)
        wave.learn(course, 1000.0, share=wave.share(course, 1000.0), noise=1.0)
        if n == 0:
            assert wave.share(tail(1000.0), 1000.0) < 1.1
    assert wave.share(course, 1000.0) == pytest.approx(1.0, abs=0.1)
