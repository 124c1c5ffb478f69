"""Humps in doubt: noise between beats on time is left out, early beats stay, and a P wave gives way to its QRS."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from becalm_signal.qrs import QrsDetector

RATE_HZ = 130.0
Samples = np.ndarray[Any, np.dtype[np.float64]]


def detect(samples: Samples) -> Samples:
    detector = QrsDetector(RATE_HZ)
    found = [peak.at for _, peaks in detector.feed(samples.tolist()) for peak in peaks]
    return np.array(found + [peak.at for peak in detector.finish()]) / RATE_HZ


def bump(samples: Samples, at_s: float, *, height_uv: float, width_s: float) -> None:
    t_s = np.arange(len(samples)) / RATE_HZ
    samples += height_uv * np.exp(-(((t_s - at_s) / width_s) ** 2) / 2.0)


def test_noise_as_large_as_a_beat_between_two_beats_on_time_is_left_out(
    make_ecg: Any, make_rr: Any, match_f1: Callable[..., float]
) -> None:
    heart = make_ecg(make_rr(60), rate_hz=RATE_HZ)
    samples = heart.samples.copy()
    for k in range(20, 56, 6):
        bump(samples, float(heart.beats_s[k]) + 0.45, height_uv=-900.0, width_s=0.02)
    assert match_f1(heart.beats_s, detect(samples), within_s=0.05) == 1.0


def test_early_wide_beats_with_a_pause_after_them_are_beats(make_ecg: Any, match_f1: Callable[..., float]) -> None:
    rr_ms = ([800.0] * 5 + [520.0, 1080.0]) * 9
    heart = make_ecg(rr_ms, rate_hz=RATE_HZ)
    samples = heart.samples.copy()
    for k in range(5, len(rr_ms), 7):  # the early beat: what it showed is turned over and widened
        bump(samples, float(heart.beats_s[k]), height_uv=-2600.0, width_s=0.035)
    assert match_f1(heart.beats_s, detect(samples), within_s=0.08) == 1.0


@pytest.mark.parametrize("p_share", [0.6, 0.9])
def test_a_sharp_p_wave_before_a_downward_qrs_is_no_beat(
    make_ecg: Any, make_rr: Any, match_f1: Callable[..., float], p_share: float
) -> None:
    heart = make_ecg(make_rr(60), rate_hz=RATE_HZ, r_uv=-800.0)
    samples = heart.samples.copy()
    for k in range(15, 60, 4):
        bump(samples, float(heart.beats_s[k]) - 0.2, height_uv=800.0 * p_share, width_s=0.014)
    assert match_f1(heart.beats_s, detect(samples), within_s=0.05) == 1.0


def test_the_first_beats_after_a_change_of_shape_are_told_within_a_beat(make_ecg: Any, make_rr: Any) -> None:
    heart = make_ecg(make_rr(60), rate_hz=RATE_HZ)
    samples = heart.samples.copy()
    half = round(float(heart.beats_s[30] - 0.4) * RATE_HZ)
    samples[half:] *= -1.0
    detector = QrsDetector(RATE_HZ)
    told = [(n_taken - 1, peak) for n_taken, peaks in detector.feed(samples.tolist()) for peak in peaks]
    late = [(n - peak.at) / RATE_HZ for n, peak in told if peak.at > half]
    assert len(late) >= 28
    assert max(late) < 1.5
    assert np.median(late) < 0.2
