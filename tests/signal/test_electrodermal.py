"""Skin conductance: level, absolute threshold, off-skin and motion."""

from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Metrics, Reason, SignalQuality, SkinResponse
from becalm_protocol.events import SignalKind


def skin(t_s: Any, onsets_s: tuple[float, ...], *, amplitude_us: float, noise_us: float = 0.003) -> Any:
    samples = 5.0 - 0.003 * t_s + np.random.default_rng(1).normal(0.0, noise_us, len(t_s))
    for onset_s in onsets_s:
        since = np.clip(t_s - onset_s, 0.0, None)
        shape = np.exp(-since / 4.0) - np.exp(-since / 0.8)
        samples += amplitude_us * shape / 0.535
    return samples


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 32.0, 100.0, 1000.0])
def test_each_response_is_found_once_with_its_size(make_track: Any, run_tracks: Any, rate_hz: float) -> None:
    t_s = np.arange(round(100 * rate_hz)) / rate_hz
    onsets_s = (20.0, 35.0, 52.0, 80.0)
    samples = skin(t_s, onsets_s, amplitude_us=0.4)
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
    found = [event for event in derived if isinstance(event, SkinResponse)]
    assert [event.onset_ns / 1e9 for event in found] == pytest.approx(onsets_s, abs=0.5)
    assert [event.peak_ns / 1e9 for event in found] == pytest.approx([onset + 1.6 for onset in onsets_s], abs=0.6)
    assert [event.amplitude_us for event in found] == pytest.approx([0.4] * 4, rel=0.25)
    assert all(event.emitted_ns - event.peak_ns < 2_000_000_000 for event in found)


def test_calm_skin_has_no_responses(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(300 * 8) / 8.0
    samples = skin(t_s, (), amplitude_us=0.0) + 0.2 * np.sin(2 * np.pi * t_s / 120.0)
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    assert not [event for event in derived if isinstance(event, SkinResponse)]
    last = [event for event in derived if isinstance(event, Metrics)][-1]
    assert last.scr_per_min.value == 0.0
    assert last.scr_per_min.bound == pytest.approx(1.96)


def test_level_follows_slowly_within_its_bound(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(120 * 8) / 8.0
    samples = np.where(t_s < 60, 4.0, 6.0) - 0.01 * t_s
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    for t_ns in (30_000_000_000, 110_000_000_000):
        level = ticks[t_ns].scl_us
        truth = samples[round(t_ns / 1e9 * 8)]
        assert level.value == pytest.approx(truth, abs=0.1)
        assert abs(level.value - truth) <= level.bound


@pytest.mark.parametrize("bad_us", [0.0, 0.01, 80.0])
def test_off_skin_is_said_at_once_and_recovered_from(make_track: Any, run_tracks: Any, bad_us: float) -> None:
    t_s = np.arange(90 * 8) / 8.0
    samples = skin(t_s, (), amplitude_us=0.0)
    samples[8 * 40 : 8 * 50] = bad_us
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    quality = [(event.reason, event.t_ns) for event in derived if isinstance(event, SignalQuality)]
    assert [reason for reason, _ in quality] == [Reason.OUT_OF_RANGE, None]
    assert quality[0][1] == 40_000_000_000
    assert quality[1][1] - 50_000_000_000 <= 5_000_000_000
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    assert ticks[45_000_000_000].scl_us.reason is Reason.OUT_OF_RANGE
    assert ticks[80_000_000_000].scl_us.value == pytest.approx(4.8, abs=0.1)
    assert not [event for event in derived if isinstance(event, SkinResponse)]


def test_a_jerk_is_noise_not_a_response(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(60 * 32) / 32.0
    samples = skin(t_s, (), amplitude_us=0.0)
    samples[32 * 30 : 32 * 30 + 10] += 8.0
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=32.0))
    assert Reason.NOISY in {event.reason for event in derived if isinstance(event, SignalQuality)}
    assert not [event for event in derived if isinstance(event, SkinResponse)]
