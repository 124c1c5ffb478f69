"""Falls that no skin makes, and those that it does."""

import numpy as np
import pytest

from becalm_signal.skin_jerk import JerkWatch

RATES_HZ = (4.0, 8.0, 10.0)


def response_us(t_s: np.ndarray, onset_s: float, *, height_us: float) -> np.ndarray:
    """A response that is at its peak after a second and has lost half of it 2 s later: as quick as skin dries."""
    since_s = np.clip(t_s - onset_s, 0.0, None)
    return height_us * np.where(since_s < 1.0, since_s, np.exp(-np.clip(since_s - 1.0, 0.0, None) * np.log(2.0) / 2.0))


def jerks(samples: np.ndarray, rate_hz: float) -> list[float]:
    watch = JerkWatch(rate_hz)
    return [at / rate_hz for at, x in enumerate(samples.tolist()) if watch.step(x)]


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_quick_recoveries_one_after_the_other_are_skin(rate_hz: float) -> None:
    t_s = np.arange(round(120 * rate_hz)) / rate_hz
    onsets_s = (10.0, 14.0, 40.0, 70.0, 73.0, 76.0)
    samples = 5.0 + sum(response_us(t_s, onset_s, height_us=0.8) for onset_s in onsets_s)
    samples += np.random.default_rng(3).normal(0.0, 0.005, len(t_s))
    assert jerks(samples, rate_hz) == []


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("size_us", [-0.15, -0.6, 0.3])
def test_a_jerk_is_seen_within_half_a_second(rate_hz: float, size_us: float) -> None:
    t_s = np.arange(round(60 * rate_hz)) / rate_hz
    sprung_us = np.where(t_s >= 30.0, size_us * np.exp(-np.clip(t_s - 30.0, 0.0, None) / 0.8), 0.0)
    samples = 5.0 + sprung_us + np.random.default_rng(4).normal(0.0, 0.002, len(t_s))
    seen_s = jerks(samples, rate_hz)
    assert seen_s
    assert 30.0 <= seen_s[0] <= 30.5


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_noise_is_taken_for_jerks_for_some_seconds_at_most(rate_hz: float) -> None:
    t_s = np.arange(round(90 * rate_hz)) / rate_hz
    noise_us = np.random.default_rng(5).normal(0.0, 1.0, len(t_s)) * np.where(t_s >= 30.0, 0.15, 0.002)
    seen_s = jerks(5.0 + noise_us, rate_hz)
    assert all(30.0 <= at_s <= 36.0 for at_s in seen_s)
