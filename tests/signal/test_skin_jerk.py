"""Falls that no skin makes, and those that it does."""

import numpy as np
import pytest

from becalm_signal.skin_jerk import JerkWatch, SlopeWatch

RATES_HZ = (4.0, 8.0, 10.0)


def response_us(t_s: np.ndarray, onset_s: float, *, height_us: float) -> np.ndarray:
    """A response that is at its peak after a second and has lost half of it 2 s later: as quick as skin dries."""
    since_s = np.clip(t_s - onset_s, 0.0, None)
    return height_us * np.where(since_s < 1.0, since_s, np.exp(-np.clip(since_s - 1.0, 0.0, None) * np.log(2.0) / 2.0))


def jerks(samples: np.ndarray, rate_hz: float) -> list[float]:
    watch = JerkWatch(rate_hz)
    return [at / rate_hz for at, x in enumerate(samples.tolist()) if watch.step(x, raw=x)]


def quick_us(t_s: np.ndarray, peak_s: float, *, height_us: float) -> np.ndarray:
    """A response up within a third of a second, which has lost half of its height 0.5 s after its peak."""
    since_s = t_s - peak_s
    fall = np.exp(-np.clip(since_s, 0.0, None) * np.log(2.0) / 0.5)
    return height_us * np.where(since_s < 0.0, np.exp(-((since_s / 0.14) ** 2)), fall)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_quick_recoveries_one_after_the_other_are_skin(rate_hz: float) -> None:
    t_s = np.arange(round(120 * rate_hz)) / rate_hz
    onsets_s = (10.0, 14.0, 40.0, 70.0, 73.0, 76.0)
    samples = 5.0 + sum(response_us(t_s, onset_s, height_us=0.8) for onset_s in onsets_s)
    samples += np.random.default_rng(3).normal(0.0, 0.005, len(t_s))
    assert jerks(samples, rate_hz) == []


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 10.0, 16.0])
@pytest.mark.parametrize("height_us", [0.06, 0.3, 1.0, 5.0])
def test_a_quick_but_smooth_response_is_skin(rate_hz: float, height_us: float) -> None:
    t_s = np.arange(round(120 * rate_hz)) / rate_hz
    peaks_s = (20.02, 35.05, 49.31, 60.0 + 1.0 / 3.0, 70.18, 90.09)
    samples = 5.0 + sum(quick_us(t_s, peak_s, height_us=height_us) for peak_s in peaks_s)
    samples += np.random.default_rng(8).normal(0.0, 0.002, len(t_s))
    assert jerks(samples, rate_hz) == []


def test_a_bump_that_falls_as_it_rose_is_no_skin() -> None:
    t_s = np.arange(600) / 10.0
    samples = 5.0 + 0.3 * np.exp(-(((t_s - 30.0) / 0.3) ** 2)) + np.random.default_rng(8).normal(0.0, 0.002, len(t_s))
    assert 30.0 <= jerks(samples, 10.0)[0] <= 30.5


@pytest.mark.parametrize(
    ("rate_hz", "size_us"),
    [(rate_hz, size_us) for rate_hz in RATES_HZ for size_us in (-0.15, -0.6)] + [(8.0, 0.3), (10.0, 0.3)],
)
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


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 32.0, 1000.0])
@pytest.mark.parametrize("size_us", [-3.0, 3.0])
def test_a_steep_corner_is_seen_within_half_a_second(rate_hz: float, size_us: float) -> None:
    t_s = np.arange(round(40 * rate_hz)) / rate_hz
    samples = 5.0 + np.where(t_s >= 30.0, size_us, 0.0) + np.random.default_rng(4).normal(0.0, 0.002, len(t_s))
    watch = SlopeWatch(rate_hz)
    seen_s = [at / rate_hz for at, x in enumerate(samples.tolist()) if watch.step(x)]
    assert seen_s
    assert all(30.0 <= at_s <= 30.5 for at_s in seen_s)


@pytest.mark.parametrize("rate_hz", [8.0, 10.0, 32.0, 1000.0])
def test_a_steep_rise_without_a_corner_is_skin(rate_hz: float) -> None:
    t_s = np.arange(round(40 * rate_hz)) / rate_hz
    samples = 5.0 + quick_us(t_s, 30.07, height_us=5.0) + quick_us(t_s, 35.0, height_us=2.0)
    watch = SlopeWatch(rate_hz)
    assert not any(watch.step(x) for x in samples.tolist())


@pytest.mark.parametrize("rate_hz", [1.0, 4.0, 8.0, 10.0, 16.0, 19.0])
def test_the_first_samples_may_do_anything(rate_hz: float) -> None:
    rng = np.random.default_rng(9)
    for _ in range(200):
        watch = JerkWatch(rate_hz)
        for x, raw in rng.uniform(1.0, 9.0, (8, 2)).tolist():
            watch.step(x, raw=raw)
