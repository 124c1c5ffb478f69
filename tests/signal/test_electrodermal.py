"""Skin conductance: level, absolute threshold, off-skin and motion."""

import itertools
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.signal.skins import info, skin

from becalm_protocol.derived import Metrics, Reason, SignalQuality, SkinRecovery, SkinResponse
from becalm_protocol.events import SignalKind
from becalm_signal.clock import clock_for
from becalm_signal.electrodermal import SkinStage
from becalm_signal.stage import Output, SkinLevel


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


@pytest.mark.parametrize("rate_hz", [1.0, 2.0])
def test_a_sensor_too_slow_to_tell_skin_from_electrode_counts_its_responses(
    make_track: Any, run_tracks: Any, rate_hz: float
) -> None:
    t_s = np.arange(round(100 * rate_hz)) / rate_hz
    samples = skin(t_s, (20.0, 35.0, 52.0, 80.0), amplitude_us=0.2, noise_us=0.0005)
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
    found_s = [event.onset_ns / 1e9 for event in derived if isinstance(event, SkinResponse)]
    assert found_s == pytest.approx([20.0, 35.0, 52.0, 80.0], abs=1.0)


def test_calm_skin_has_no_responses(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(300 * 8) / 8.0
    samples = skin(t_s, (), amplitude_us=0.0) + 0.2 * np.sin(2 * np.pi * t_s / 120.0)
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    assert not [event for event in derived if isinstance(event, SkinResponse)]
    last = [event for event in derived if isinstance(event, Metrics)][-1]
    assert last.scr_per_min.value == 0.0
    assert last.scr_per_min.bound == pytest.approx(1.96 * 0.3**0.5)


def test_a_level_that_goes_on_rising_adds_little_to_responses(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(120 * 8) / 8.0
    n_found = 0
    for seed in range(20):
        steps_us_s = np.repeat(np.random.default_rng(seed).normal(0.05, 0.02, 240), 4)
        rising = np.cumsum(np.where((t_s > 60.0) & (t_s < 90.0), steps_us_s, 0.0)) / 8.0
        samples = skin(t_s, (), amplitude_us=0.0) + rising
        derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
        n_found += sum(isinstance(e, SkinResponse) and 65e9 < e.onset_ns < 88e9 for e in derived)
    assert n_found <= 41  # 38; 45 where what the level goes on to add counts


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


@pytest.mark.parametrize(
    ("bad_us", "reason"), [(0.0, Reason.OFF_BODY), (0.01, Reason.OFF_BODY), (80.0, Reason.OUT_OF_RANGE)]
)
def test_off_skin_is_said_at_once_and_recovered_from(
    make_track: Any, run_tracks: Any, bad_us: float, reason: Reason
) -> None:
    t_s = np.arange(90 * 8) / 8.0
    samples = skin(t_s, (), amplitude_us=0.0)
    samples[8 * 40 : 8 * 50] = bad_us
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    quality = [(event.reason, event.t_ns) for event in derived if isinstance(event, SignalQuality)]
    assert [told for told, _ in quality] == [reason, None]
    assert quality[0][1] == 40_000_000_000
    assert quality[1][1] - 50_000_000_000 <= 5_000_000_000
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    assert ticks[45_000_000_000].scl_us.reason is reason
    assert ticks[80_000_000_000].scl_us.value == pytest.approx(4.8, abs=0.1)
    assert not [event for event in derived if isinstance(event, SkinResponse)]


def test_a_jerk_is_motion_not_a_response(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(60 * 32) / 32.0
    samples = skin(t_s, (), amplitude_us=0.0)
    samples[32 * 30 : 32 * 30 + 10] += 8.0
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=32.0))
    assert Reason.MOTION in {event.reason for event in derived if isinstance(event, SignalQuality)}
    assert not [event for event in derived if isinstance(event, SkinResponse)]


def test_half_recovery_follows_each_response(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(100 * 8) / 8.0
    samples = skin(t_s, (20.0, 50.0), amplitude_us=0.4) + 0.003 * t_s
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    responses = [event for event in derived if isinstance(event, SkinResponse)]
    recoveries = [event for event in derived if isinstance(event, SkinRecovery)]
    assert [event.onset_ns for event in recoveries] == [event.onset_ns for event in responses]
    # exp(-t / 4 s) - exp(-t / 0.8 s) is at half of its peak 5.08 s after its onset.
    assert [event.recovered_ns / 1e9 for event in recoveries] == pytest.approx([25.08, 55.08], abs=0.4)


def test_noise_withholds_the_rate_but_not_the_level(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(180 * 8) / 8.0
    samples = skin(t_s, (), amplitude_us=0.0, noise_us=0.08)
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    assert not [event for event in derived if isinstance(event, SkinResponse)]
    last = [event for event in derived if isinstance(event, Metrics)][-1]
    assert last.scr_per_min.reason is Reason.NOISY
    assert last.scl_us.value == pytest.approx(samples[-80:].mean(), abs=last.scl_us.bound)


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 100.0])
def test_a_rail_is_clipped_until_the_signal_comes_back(make_track: Any, run_tracks: Any, rate_hz: float) -> None:
    t_s = np.arange(round(120 * rate_hz)) / rate_hz
    samples = skin(t_s, (60.0,), amplitude_us=2.0)
    samples[t_s >= 60.0] = np.minimum(samples[t_s >= 60.0], 5.2)
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
    quality = [(event.reason, event.t_ns / 1e9) for event in derived if isinstance(event, SignalQuality)]
    assert [reason for reason, _ in quality] == [Reason.CLIPPED, None]
    assert 61.0 <= quality[0][1] <= 64.0
    left_s = t_s[np.flatnonzero(samples == 5.2)[-1]]
    assert quality[1][1] - left_s <= 5.0


def test_a_coarse_converter_is_not_stuck(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(120 * 8) / 8.0
    samples = np.round(skin(t_s, (40.0, 80.0), amplitude_us=0.4) / 0.02) * 0.02
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    assert not [event for event in derived if isinstance(event, SignalQuality)]
    assert len([event for event in derived if isinstance(event, SkinResponse)]) == 2


def test_a_fast_bump_is_no_response_but_a_ledge_is_two(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(100 * 8) / 8.0
    bump = 0.3 * np.exp(-(((t_s - 30.0) / 0.6) ** 2))
    samples = skin(t_s, (60.0, 62.0), amplitude_us=0.4) + bump
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    found_s = [event.onset_ns / 1e9 for event in derived if isinstance(event, SkinResponse)]
    assert found_s == pytest.approx([60.0, 62.0], abs=0.5)


@pytest.mark.parametrize(("unit", "per_us"), [("uS", 1.0), ("nS", 1e3), ("mS", 1e-3)])
def test_other_units_of_conductance_are_the_same(make_track: Any, run_tracks: Any, unit: str, per_us: float) -> None:
    t_s = np.arange(60 * 8) / 8.0
    track = make_track(skin(t_s, (), amplitude_us=0.0), kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0)
    info = replace(track.info, unit=unit, unit_per_count=track.info.unit_per_count * per_us)
    last = [event for event in run_tracks(replace(track, info=info)) if isinstance(event, Metrics)][-1]
    assert last.scl_us.value == pytest.approx(4.82, abs=0.05)


def test_counts_without_a_transfer_are_no_conductance(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(60 * 8) / 8.0
    track = make_track(skin(t_s, (), amplitude_us=0.0), kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0)
    info = replace(track.info, unit="au")
    derived = run_tracks(replace(track, info=info))
    assert [event.reason for event in derived if isinstance(event, SignalQuality)] == [Reason.OUT_OF_RANGE]
    assert [event for event in derived if isinstance(event, Metrics)][-1].scl_us.value is None


def test_the_stage_is_the_same_for_a_thousand_cuts() -> None:
    rate_hz, rng = 32.0, random.Random(7)
    t_s = np.arange(round(60.3 * rate_hz)) / rate_hz  # no whole number of pieces
    samples = skin(t_s, (8.0, 20.0, 22.0), amplitude_us=0.4)
    samples[round(35 * rate_hz) : round(37 * rate_hz)] = 0.0
    samples[round(45 * rate_hz) : round(49 * rate_hz)] = 5.2
    whole = [round(x, 4) for x in samples.tolist()]

    def told(cuts: list[int]) -> list[Output]:
        stage, clock = SkinStage(rate_hz, unit_per_count=1e-4, unit="uS"), clock_for(info(rate_hz))
        out: list[Output] = []
        for begin, end in itertools.pairwise([0, *cuts, len(whole)]):
            out += stage.feed(whole[begin:end], first=begin, clock=clock)
        return out + stage.finish(clock=clock)

    reference = told([])
    assert {type(event) for event in reference} == {SkinLevel, SkinResponse, SkinRecovery, SignalQuality}
    # A thousand cuts, fifty at a time.
    for _ in range(20):
        assert told(sorted(rng.sample(range(1, len(whole)), 50))) == reference


def test_what_is_left_of_a_piece_is_told_at_the_end() -> None:
    stage, clock = SkinStage(32.0, unit_per_count=1e-4, unit="uS"), clock_for(info(32.0))
    assert stage.feed([5.0] * 30, first=0, clock=clock) == []  # a piece has 16; the level comes later
    told = stage.finish(clock=clock)
    assert [event.emitted_ns for event in told if isinstance(event, SkinLevel)] == [clock.session_ns(29)]
    assert stage.finish(clock=clock) == []


@pytest.mark.parametrize("rate_hz", [8.0, 100.0])
def test_a_signal_without_noise_may_rest_between_its_responses(
    make_track: Any, run_tracks: Any, rate_hz: float
) -> None:
    t_s = np.arange(round(100 * rate_hz)) / rate_hz
    samples = skin(t_s, (20.0, 45.0, 70.0), amplitude_us=0.4, noise_us=0.0) + 0.003 * t_s
    derived = run_tracks(make_track(np.round(samples, 3), kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
    assert not [event for event in derived if isinstance(event, SignalQuality)]
    assert len([event for event in derived if isinstance(event, SkinResponse)]) == 3


def test_a_constant_is_flat(make_track: Any, run_tracks: Any) -> None:
    derived = run_tracks(make_track(np.full(8 * 90, 5.0), kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0))
    assert [event.reason for event in derived if isinstance(event, SignalQuality)] == [Reason.FLAT]
    assert [event for event in derived if isinstance(event, Metrics)][-1].scl_us.value is None


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 1000.0])
@pytest.mark.parametrize("trouble", ["off", "rail", "jerks"])
def test_no_level_is_wrong_in_trouble_and_it_is_back_within_five_seconds(
    make_track: Any, run_tracks: Any, rate_hz: float, trouble: str
) -> None:
    rng = np.random.default_rng(6)
    t_s = np.arange(round(45 * rate_hz)) / rate_hz
    true_us = 5.0 + 0.3 * np.sin(2.0 * np.pi * t_s / 50.0)
    is_bad = (t_s >= 20.0) & (t_s < 28.0)
    wrong_us = {"off": 0.0, "rail": 200.0, "jerks": true_us + rng.choice([-3.0, 0.0, 3.0], len(t_s), p=[0.1, 0.8, 0.1])}
    samples = np.where(is_bad, wrong_us[trouble], true_us) + rng.normal(0.0, 0.002, len(t_s))
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz))
    told = [(event.t_ns / 1e9, event.scl_us) for event in derived if isinstance(event, Metrics)]
    for _, level in told:
        if level.value is not None and level.bound is not None and level.sample_ns is not None:
            assert abs(level.value - np.interp(level.sample_ns / 1e9, t_s, true_us)) <= level.bound
    if trouble != "jerks":  # between two of them it may be usable again
        assert all(level.value is None for at_s, level in told if 24.0 < at_s < 28.0)
    assert min(at_s for at_s, level in told if at_s > 28.0 and level.value is not None) <= 33.0
