"""R peaks: every rate, both polarities, tall T waves, noise; times against known truth."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from becalm_signal.qrs import QrsDetector

Found = tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]


def detect(samples: Any, rate_hz: float) -> Found:
    detector = QrsDetector(rate_hz)
    at_s, delay_s = [], []
    for n_taken, peaks in detector.feed(samples.tolist()):
        at_s += [peak.at / rate_hz for peak in peaks]
        delay_s += [(n_taken - 1 - peak.at) / rate_hz for peak in peaks]
    at_s += [peak.at / rate_hz for peak in detector.finish()]
    return np.array(at_s), np.array(delay_s)


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 250.0, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize("r_uv", [1000.0, -1000.0])
def test_every_beat_is_found_and_placed_at_every_rate(make_ecg: Any, make_rr: Any, rate_hz: float, r_uv: float) -> None:
    heart = make_ecg(make_rr(30), rate_hz=rate_hz, r_uv=r_uv)
    at_s, _ = detect(heart.samples, rate_hz)
    assert len(at_s) == len(heart.beats_s)
    assert np.max(np.abs(at_s - heart.beats_s)) < 0.004


@pytest.mark.parametrize("r_uv", [800.0, -800.0])
def test_a_beat_of_two_equal_deflections_lies_between_them(make_rr: Any, r_uv: float) -> None:
    r_s, s_s = 0.5 + np.cumsum(make_rr(20)) / 1000.0, 0.555 + np.cumsum(make_rr(20)) / 1000.0
    t_s = np.arange(0.0, r_s[-1] + 1.0, 1 / 250.0)[:, None]
    bumps = r_uv * np.exp(-(((t_s - r_s) / 0.02) ** 2)) - r_uv * np.exp(-(((t_s - s_s) / 0.02) ** 2))
    at_s, _ = detect(bumps.sum(axis=1), 250.0)
    assert len(at_s) == len(r_s)
    assert np.all((r_s + 0.005 < at_s) & (at_s < s_s - 0.005))


def test_beat_times_at_130_hz_jitter_by_less_than_half_a_millisecond(make_ecg: Any, make_rr: Any) -> None:
    heart = make_ecg(make_rr(120), rate_hz=130.0, noise_uv=10.0)
    at_s, _ = detect(heart.samples, 130.0)
    errors_s = at_s - heart.beats_s
    assert np.std(errors_s) < 0.0005
    rmssd = np.sqrt(np.mean(np.diff(np.diff(at_s)) ** 2))
    true_rmssd = np.sqrt(np.mean(np.diff(np.diff(heart.beats_s)) ** 2))
    assert rmssd == pytest.approx(true_rmssd, rel=0.01)


def test_beats_come_out_within_a_quarter_second(make_ecg: Any, make_rr: Any) -> None:
    heart = make_ecg(make_rr(60), rate_hz=130.0)
    at_s, delay_s = detect(heart.samples, 130.0)
    learned = at_s > 5.0
    assert np.quantile(delay_s[learned[: len(delay_s)]], 0.95) <= 0.25


@pytest.mark.parametrize("t_uv", [700.0, 1000.0, -700.0])
def test_tall_t_waves_are_not_beats(make_ecg: Any, make_rr: Any, t_uv: float) -> None:
    heart = make_ecg(make_rr(40), rate_hz=130.0, t_uv=t_uv)
    at_s, _ = detect(heart.samples, 130.0)
    assert len(at_s) == len(heart.beats_s)
    assert np.max(np.abs(at_s - heart.beats_s)) < 0.02


def test_a_small_beat_later_than_any_t_wave_is_none_though_it_is_every_second_one() -> None:
    t_s, rng = np.arange(60 * 130) / 130.0, np.random.default_rng(3)
    samples = rng.normal(0.0, 10.0, len(t_s))
    first_s = np.arange(1.0, 58.0, 1.95)
    first_s += rng.normal(0.0, 0.03, len(first_s))
    for height_uv, late_s, width_s in (
        (900.0, 0.0, 0.012),
        (150.0, 0.3, 0.06),
        (-640.0, 0.58, 0.03),
        (250.0, 0.95, 0.07),
    ):
        for at_s in first_s + late_s:
            samples += height_uv * np.exp(-0.5 * ((t_s - at_s) / width_s) ** 2)
    found_s, _ = detect(samples, 130.0)
    assert np.abs(found_s[:, None] - (first_s + 0.58)).min(axis=0)[5:].max() < 0.05


@pytest.mark.parametrize("mean_ms", [330.0, 600.0, 1600.0])
def test_fast_and_slow_hearts(make_ecg: Any, make_rr: Any, match_f1: Callable[..., float], mean_ms: float) -> None:
    rr = make_rr(40, mean_ms=mean_ms, rsa_ms=0.02 * mean_ms)
    heart = make_ecg(rr, rate_hz=130.0, t_uv=150.0)
    at_s, _ = detect(heart.samples, 130.0)
    assert match_f1(heart.beats_s, at_s, within_s=0.05) > 0.99


def test_a_heart_that_grows_ten_times_smaller_is_found_again(
    make_ecg: Any, make_rr: Any, match_f1: Callable[..., float]
) -> None:
    heart = make_ecg(make_rr(80), rate_hz=130.0, noise_uv=2.0)
    samples = heart.samples.copy()
    half = len(samples) // 2
    samples[half:] *= 0.1
    at_s, _ = detect(samples, 130.0)
    late = half / 130.0 + 5.0
    assert match_f1(heart.beats_s, at_s, within_s=0.05, after_s=late) > 0.98


def test_white_noise_has_no_peaks_of_its_own() -> None:
    detector = QrsDetector(130.0)
    noise = np.random.default_rng(3).normal(0.0, 100.0, 130 * 20)
    n_taken = [n for n, _ in detector.feed(noise.tolist())]
    assert n_taken[-1] == len(noise)
    assert detector.peakiness < 1.95


@pytest.mark.parametrize("rate_hz", [130.0, 500.0])
def test_peaks_do_not_depend_on_the_cut(make_ecg: Any, make_rr: Any, rate_hz: float) -> None:
    samples = make_ecg(make_rr(30), rate_hz=rate_hz, noise_uv=20.0).samples.tolist()
    whole, cut = QrsDetector(rate_hz), QrsDetector(rate_hz)
    expected = [(n_taken, peaks) for n_taken, peaks in whole.feed(samples) if peaks]
    found = []
    edges = [0, *np.cumsum(np.random.default_rng(2).integers(1, 90, len(samples))).tolist()]
    for begin, end in itertools.pairwise(edges):
        found += [(begin + n_taken, peaks) for n_taken, peaks in cut.feed(samples[begin:end]) if peaks]
    assert found == expected


def test_a_short_recording_gives_its_beats_at_the_end(make_ecg: Any) -> None:
    heart = make_ecg([800.0, 800.0], rate_hz=130.0)
    at_s, delay_s = detect(heart.samples[: round(2.3 * 130)], 130.0)
    assert len(delay_s) == 0
    assert np.max(np.abs(at_s - heart.beats_s)) < 0.01


def test_a_pause_of_five_seconds_has_no_beats(make_ecg: Any) -> None:
    heart = make_ecg([850.0] * 25 + [5050.0] + [850.0] * 15, rate_hz=250.0)
    found_s, _ = detect(heart.samples, 250.0)
    assert len(found_s) == len(heart.beats_s)
    assert np.max(np.abs(found_s - heart.beats_s)) < 0.02


@pytest.mark.parametrize("ramp_uv_s", [3_000.0, 7_000.0, 12_000.0])
def test_a_steep_baseline_moves_no_peak(make_ecg: Any, make_rr: Any, ramp_uv_s: float) -> None:
    heart = make_ecg(make_rr(40), rate_hz=130.0)
    t_s = np.arange(len(heart.samples)) / 130.0
    away_s = np.abs(t_s % 8.0 - 4.0)
    at_s, _ = detect(heart.samples + ramp_uv_s * away_s, 130.0)
    turns = [np.min(np.abs(4.0 * np.arange(12) - beat_s)) < 0.15 for beat_s in heart.beats_s]
    for beat_s, at_turn in zip(heart.beats_s, turns, strict=True):
        if beat_s > 5.0 and not at_turn:  # where it turns, the baseline itself looks like a beat
            assert np.min(np.abs(at_s - beat_s)) < 0.01
