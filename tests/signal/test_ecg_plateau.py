"""Beats whose top an amplifier has cut off say how well their time is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, Metrics
from becalm_protocol.events import SignalKind
from becalm_signal.ecg_plateau import PlateauWatch
from becalm_signal.ecg_recent import RecentSamples


def confirmed(derived: Any) -> list[Beat]:
    return [event for event in derived if isinstance(event, Beat) and event.confirmed]


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 250.0, 1000.0])
def test_the_time_of_a_beat_cut_off_is_as_sure_as_told(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, rate_hz: float
) -> None:
    heart = make_ecg(make_rr(45), rate_hz=rate_hz, noise_uv=15.0)
    t_s = np.arange(len(heart.samples)) / rate_hz
    cut = np.minimum(heart.samples + 200.0 * np.sin(2 * np.pi * 0.13 * t_s), 500.0)
    beats = confirmed(run_tracks(make_track(cut, kind=SignalKind.ECG, rate_hz=rate_hz)))[3:]
    off_ms = np.array([np.min(np.abs(heart.beats_s - beat.t_ns / 1e9)) * 1000.0 for beat in beats])
    told_ms = np.array([beat.t_error_ms for beat in beats])
    assert np.mean(off_ms - np.median(off_ms) <= told_ms) >= 0.95
    assert 1.0 < np.median(told_ms) < 10.0


@pytest.mark.parametrize("step_uv", [1.0, 5.0])
def test_a_whole_beat_is_as_sure_as_the_clock(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, step_uv: float
) -> None:
    heart = make_ecg(make_rr(45), rate_hz=130.0, noise_uv=5.0)
    samples = step_uv * np.round(heart.samples / step_uv)
    beats = confirmed(run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=130.0)))
    assert np.mean([beat.rr_error_ms is None for beat in beats]) > 0.95


@pytest.mark.parametrize(("record", "is_cut_off"), [("12", False), ("13", True)])
def test_a_coarse_ecg_is_cut_off_only_where_it_is(
    data_folder: Path, read_columns: Any, make_track: Any, run_tracks: Any, record: str, is_cut_off: bool
) -> None:
    ecg_mv = read_columns(data_folder / "bidmc" / f"{record}.csv.gz", "ecg_mv", limit=125 * 150)["ecg_mv"]
    step_mv = np.min(np.diff(np.unique(ecg_mv)))
    track = make_track(np.round(ecg_mv / step_mv), kind=SignalKind.ECG, rate_hz=125.0)
    coarse = replace(track, info=replace(track.info, unit_per_count=1000.0 * step_mv))
    derived = run_tracks(coarse)
    rr_error_ms = [beat.rr_error_ms or 0.0 for beat in confirmed(derived)]
    assert len(rr_error_ms) > 140
    assert bool(np.median(rr_error_ms) > 4.0) == is_cut_off
    rmssd = [event.rmssd_ms.value for event in derived if isinstance(event, Metrics)]
    assert any(value is not None for value in rmssd) is not is_cut_off


def test_rmssd_of_beats_cut_off_keeps_within_its_bound(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, check_rmssd: Any
) -> None:
    rr_ms = make_rr(100)
    heart = make_ecg(rr_ms, rate_hz=130.0, noise_uv=15.0)
    t_s = np.arange(len(heart.samples)) / 130.0
    cut = np.minimum(heart.samples + 150.0 * np.sin(2 * np.pi * 0.21 * t_s), 350.0)
    derived = run_tracks(make_track(cut, kind=SignalKind.ECG, rate_hz=130.0))
    check_rmssd(derived, heart, rr_ms)


def test_a_deflection_cut_on_both_sides_may_be_either() -> None:
    recent = RecentSamples(130.0)
    watch = PlateauWatch(recent, unit_per_count=1.0)
    beat = [0.0] * 60 + [300.0] * 4 + [0.0] + [-300.0] * 4 + [0.0] * 61
    recent.feed(beat * 2)
    assert watch.error_ms(61.0) == 0.0  # nothing says yet that it comes again
    assert watch.error_ms(191.0) == pytest.approx(1000.0 * 5 / 130 / 2)


def test_a_level_that_a_beat_has_passed_is_no_rail() -> None:
    recent = RecentSamples(130.0)
    watch = PlateauWatch(recent, unit_per_count=1.0)
    for height in (310.0, 300.0, 300.0):
        recent.feed([0.0] * 60 + [height] * 4 + [0.0] + [-300.0, -310.0] + [0.0] * 63)
    assert [watch.error_ms(at) for at in (61.0, 191.0, 321.0)] == [0.0, 0.0, 0.0]
