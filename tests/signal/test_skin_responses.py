"""What an electrode gets back after a jerk is no response; and the finder outlives whatever comes."""

from typing import Any

import numpy as np
import pytest
from tests.signal.skins import info, skin

from becalm_protocol.derived import SkinResponse
from becalm_protocol.events import SignalKind
from becalm_signal.clock import clock_for
from becalm_signal.electrodermal import SkinStage
from becalm_signal.skin_responses import ResponseFinder
from becalm_signal.stage import SkinLevel


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 12.0, 16.0])
def test_walks_at_random_are_no_error(rate_hz: float) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        walk = 5.0 + np.cumsum(rng.normal(0.0, 0.02, size=600))
        cleaned = np.convolve(walk, np.ones(3) / 3.0, "same") if seed % 2 else walk
        finder = ResponseFinder(rate_hz)
        for raw_us, cleaned_us in zip(walk.tolist(), cleaned.tolist(), strict=True):
            finder.step(cleaned_us, raw=raw_us, noise_us=0.0, raw_noise_us=0.0)


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 10.0, 32.0])
@pytest.mark.parametrize("lasts_s", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("back_s", [0.3, 0.8])
def test_an_electrode_that_springs_back_after_a_jerk_down_is_no_response(
    make_track: Any, run_tracks: Any, rate_hz: float, lasts_s: float, back_s: float
) -> None:
    t_s = np.arange(round(150 * rate_hz)) / rate_hz
    lost = np.zeros(len(t_s))
    for at_s in np.arange(15.3, 140.0, 14.1):
        lost += np.where(t_s >= at_s, np.exp(-np.clip(t_s - at_s - lasts_s, 0.0, None) / back_s), 0.0)
    for size_us in (0.6, 2.0):
        samples = skin(t_s, (), amplitude_us=0.0) - size_us * lost
        derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
        assert not [event for event in derived if isinstance(event, SkinResponse)]


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 10.0, 32.0])
def test_an_electrode_that_creeps_back_after_a_jerk_down_is_no_response(
    make_track: Any, run_tracks: Any, rate_hz: float
) -> None:
    t_s = np.arange(round(150 * rate_hz)) / rate_hz
    for size_us in (0.6, 2.0):
        samples = skin(t_s, (), amplitude_us=0.0)
        for at_s in np.arange(15.3, 140.0, 24.1):
            samples -= size_us * np.where(t_s >= at_s, np.exp(-np.clip(t_s - at_s, 0.0, None) / 3.0), 0.0)
        derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
        assert not [event for event in derived if isinstance(event, SkinResponse)]


def jerked(t_s: Any, way: str, *, at_s: float) -> Any:
    """Return what an electrode adds that jerks up and back within half a second, or down to stay there."""
    if way == "up and back":
        return np.where((t_s >= at_s) & (t_s < at_s + 0.5), 1.5, 0.0)
    return np.where(t_s >= at_s, -1.2, 0.0)


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 10.0, 32.0])
@pytest.mark.parametrize("way", ["up and back", "down"])
@pytest.mark.parametrize("after_s", [3.5, 5.0, 7.0])
def test_a_response_after_a_jerk_is_told_unless_it_brings_back_what_was_lost(
    make_track: Any, run_tracks: Any, rate_hz: float, way: str, after_s: float
) -> None:
    t_s = np.arange(round(75 * rate_hz)) / rate_hz
    onsets_s = tuple(at_s + after_s for at_s in (20.2, 40.3, 60.1))
    samples = skin(t_s, onsets_s, amplitude_us=0.3) + sum(jerked(t_s, way, at_s=at_s) for at_s in (20.2, 40.3, 60.1))
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
    found_s = [event.onset_ns / 1e9 for event in derived if isinstance(event, SkinResponse)]
    assert found_s == pytest.approx(onsets_s, abs=0.8)


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 10.0, 32.0])
@pytest.mark.parametrize(("way", "hidden_s"), [("up and back", 0.0), ("down", 6.0)])
def test_time_in_which_a_response_could_be_the_way_back_is_not_seen(rate_hz: float, way: str, hidden_s: float) -> None:
    t_s = np.arange(round(60 * rate_hz)) / rate_hz
    samples = skin(t_s, (), amplitude_us=0.0, noise_us=0.001) + jerked(t_s, way, at_s=30.2)
    stage, clock = SkinStage(rate_hz, unit_per_count=1e-4, unit="uS"), clock_for(info(rate_hz))
    told = stage.feed(samples.tolist(), first=0, clock=clock)
    levels = [event for event in told if isinstance(event, SkinLevel)]
    late = [event for event in levels if event.emitted_ns > 30.2e9]
    hidden_until_s = max((event.emitted_ns / 1e9 for event in late if not event.sees_responses), default=30.2)
    assert hidden_until_s == pytest.approx(30.2 + hidden_s, abs=1.1)
    assert all(event.sees_responses for event in levels if 5e9 < event.emitted_ns < 30.2e9)


def test_a_response_soon_after_a_jerk_is_told_where_it_rises_above_what_was_there_before(
    make_track: Any, run_tracks: Any
) -> None:
    t_s = np.arange(60 * 8) / 8.0
    sprung = np.where(t_s >= 30.0, np.exp(-np.clip(t_s - 30.0, 0.0, None) / 0.8), 0.0)
    samples = skin(t_s, (35.0,), amplitude_us=0.4) - sprung
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    found_s = [event.onset_ns / 1e9 for event in derived if isinstance(event, SkinResponse)]
    assert found_s == pytest.approx([35.0], abs=0.5)


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 10.0])
@pytest.mark.parametrize("lasts_s", [2.0, 6.0])
def test_an_electrode_that_jerks_up_and_stays_is_no_response(
    make_track: Any, run_tracks: Any, rate_hz: float, lasts_s: float
) -> None:
    t_s = np.arange(round(150 * rate_hz)) / rate_hz
    starts_s = np.arange(15.3, 140.0, 12.1)
    moved = [0.5 * np.clip((t_s - at_s) / 0.06, 0.0, 1.0) * (t_s < at_s + lasts_s) for at_s in starts_s]
    samples = skin(t_s, (), amplitude_us=0.0) + sum(moved)
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
    assert not [event for event in derived if isinstance(event, SkinResponse)]
