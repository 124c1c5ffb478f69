"""Breathing from the tilt of a strap: any posture, any cut of the axes, none while the body moves."""

import itertools
import random
from typing import Any

import numpy as np
import pytest

from becalm_protocol import limits
from becalm_protocol.derived import BreathPhase, BreathTurn, Metrics, Reason, SignalQuality, SlowMetrics
from becalm_protocol.events import SignalKind, StreamState, StreamStatus
from becalm_signal.breath_motion import AXES
from becalm_signal.fingerprint import events_sha256


def tilted(rate_hz: float, *, seconds: int, posture_rad: float, breaths_bpm: float = 12.0) -> Any:
    """Gravity on three axes in mg: each breath turns the strap by 20 mrad."""
    t_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tilt = posture_rad - 0.02 * np.sin(2 * np.pi * breaths_bpm / 60.0 * t_s)
    noise = np.random.default_rng(1).normal(0.0, 1.0, (3, len(t_s)))
    return np.stack((np.zeros_like(tilt), 1000.0 * np.sin(tilt), 1000.0 * np.cos(tilt))) + noise


def tracks(make_track: Any, axes: Any, rate_hz: float) -> list[Any]:
    return [make_track(part, kind=kind, rate_hz=rate_hz) for kind, part in zip(AXES, axes, strict=True)]


@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 200.0])
@pytest.mark.parametrize("posture_rad", [0.12, 0.8, 1.45])
def test_rate_turns_and_direction(make_track: Any, run_tracks: Any, rate_hz: float, posture_rad: float) -> None:
    derived = run_tracks(*tracks(make_track, tilted(rate_hz, seconds=80, posture_rad=posture_rad), rate_hz))
    last = [event for event in derived if isinstance(event, Metrics)][-1].breathing_rate_bpm
    assert last.value == pytest.approx(12.0, rel=0.03)
    turns = [event for event in derived if isinstance(event, BreathTurn) and event.t_ns > 40e9]
    assert len(turns) >= 12
    for turn in turns:
        share = (turn.t_ns / 1e9 / 5.0) % 1.0
        off_s = (share - (0.25 if turn.phase is BreathPhase.OUT else 0.75)) * 5.0
        assert abs(off_s) < 0.3
    main = SignalKind.ACCELERATION_Y if posture_rad < 0.5 else SignalKind.ACCELERATION_Z
    if posture_rad != 0.8:
        assert turns[-1].source is main
    assert [event for event in derived if isinstance(event, SlowMetrics)][-1].breath_source in AXES


def test_the_cut_of_the_axes_changes_nothing(make_track: Any, cut_blocks: Any, run_events: Any) -> None:
    axes = tracks(make_track, tilted(50.0, seconds=60, posture_rad=1.4), 50.0)
    hashes = set()
    for seed in range(6):
        rng = random.Random(seed)
        events = []
        for track in axes:
            sizes = [rng.randint(1, 60) for _ in range(4000)] if seed else [36] * 200
            events += cut_blocks(track, sizes)
        events.sort(key=lambda event: event.received_ns)
        hashes.add(events_sha256(run_events([track.info for track in axes], events)))
    assert len(hashes) == 1


def test_axes_in_the_longest_blocks_are_heard_as_in_short_ones(
    make_track: Any, cut_blocks: Any, run_events: Any
) -> None:
    axes = tracks(make_track, tilted(50.0, seconds=120, posture_rad=1.4), 50.0)
    hashes = set()
    for size in (13, limits.MAX_SAMPLES_PER_BLOCK):
        events = [block for track in axes for block in cut_blocks(track, [size] * 500)]
        events.sort(key=lambda event: event.received_ns)
        hashes.add(events_sha256(run_events([track.info for track in axes], events)))
    assert len(hashes) == 1


def test_a_hole_in_the_axes_begins_anew(make_track: Any, cut_blocks: Any, run_events: Any) -> None:
    axes = tracks(make_track, tilted(50.0, seconds=120, posture_rad=1.4), 50.0)
    hashes = set()
    for size in (25, 73):
        events = []
        for track in axes:
            events += [
                block
                for block in cut_blocks(track, [1000, 500, *[size] * 400])
                if not 1000 <= block.first_sample_idx < 1500
            ]
        events.sort(key=lambda event: event.received_ns)
        derived = run_events([track.info for track in axes], events)
        hashes.add(events_sha256(derived))
        onsets_s = [e.t_ns / 1e9 for e in derived if isinstance(e, BreathTurn) and e.phase is BreathPhase.IN]
        assert not [t_s for t_s in onsets_s if 20.5 < t_s < 30.0]
        assert len([t_s for t_s in onsets_s if t_s > 45.0]) >= 13
    assert len(hashes) == 1


def shaken(*, seconds: int, swings_mg: tuple[float, float, float], noise_mg: tuple[float, float, float]) -> Any:
    """Three axes at 25 Hz that swing together, 13.2 times a minute."""
    wave = np.sin(2 * np.pi * 0.22 * np.arange(seconds * 25) / 25.0)
    noise = np.random.default_rng(2).normal(0.0, 1.0, (3, len(wave)))
    level, swing, own = (np.array(part)[:, None] for part in ((40.0, -20.0, 990.0), swings_mg, noise_mg))
    return level + swing * wave + own * noise


def turns_of(derived: Any, *, after_s: float) -> list[BreathTurn]:
    return [event for event in derived if isinstance(event, BreathTurn) and event.t_ns > after_s * 1e9]


@pytest.mark.parametrize(
    ("swings_mg", "z_noise_mg"),
    [((3.0, 0.5, 0.0), 0.0), ((6.0, 1.0, 0.0), 0.0), ((6.0, 1.0, 0.0), 1.0), ((0.0, -8.0, 0.0), 0.0)],
)
def test_an_axis_without_breath_turns_no_breath_over(
    make_track: Any, run_tracks: Any, swings_mg: tuple[float, float, float], z_noise_mg: float
) -> None:
    axes = shaken(seconds=120, swings_mg=swings_mg, noise_mg=(1.0, 1.0, z_noise_mg))
    derived = run_tracks(*tracks(make_track, axes, 25.0))
    rates: list[Any] = [
        event.breathing_rate_bpm for event in derived if isinstance(event, Metrics) and event.t_ns > 40e9
    ]
    assert all(abs(rate.value - 13.2) <= max(1.0, rate.bound) for rate in rates)
    turns = turns_of(derived, after_s=40.0)
    assert all((b.t_ns - a.t_ns) / 1e9 > 1.5 and a.phase is not b.phase for a, b in itertools.pairwise(turns))


@pytest.mark.parametrize("x_mg", [-3.0, 3.0, 6.0])
def test_when_the_axis_that_had_most_of_the_breath_sticks_the_others_go_on(
    make_track: Any, run_tracks: Any, x_mg: float
) -> None:
    axes = shaken(seconds=120, swings_mg=(x_mg, 1.0, 8.0), noise_mg=(1.0, 1.0, 1.0))
    axes[2, 25 * 60 :] = axes[2, 25 * 60]
    derived = run_tracks(*tracks(make_track, axes, 25.0))
    rates: list[Any] = [
        event.breathing_rate_bpm for event in derived if isinstance(event, Metrics) and event.t_ns > 82e9
    ]
    assert all(abs(rate.value - 13.2) <= max(1.0, rate.bound) for rate in rates)
    turns = turns_of(derived, after_s=82.0)
    assert {turn.source for turn in turns} == {SignalKind.ACCELERATION_X}
    for turn in turns:  # and which way is in is still known
        share = (turn.t_ns / 1e9 * 0.22) % 1.0
        assert abs(share - (0.25 if turn.phase is BreathPhase.OUT else 0.75)) < 0.12


def test_a_sensor_that_sticks_on_all_axes_holds_no_breath(make_track: Any, run_tracks: Any) -> None:
    axes = shaken(seconds=120, swings_mg=(3.0, 1.0, 8.0), noise_mg=(1.0, 1.0, 1.0))
    axes[:, 25 * 50 : 25 * 75] = axes[:, 25 * 50 : 25 * 50 + 1]
    derived = run_tracks(*tracks(make_track, axes, 25.0))
    told = [(event.t_ns / 1e9, event.reason) for event in derived if _is_of_chest(event)]
    assert [reason for _, reason in told] == [Reason.FLAT, None]
    assert 57.5 < told[0][0] < 58.5
    assert 74.9 < told[1][0] < 75.2
    ticks = {event.t_ns / 1e9: event.breathing_rate_bpm for event in derived if isinstance(event, Metrics)}
    assert {rate.reason for t_s, rate in ticks.items() if 58.5 < t_s < 75.0} == {Reason.FLAT}
    assert ticks[119.0].value == pytest.approx(13.2, abs=1.0)


def test_a_moving_body_has_no_breath(make_track: Any, run_tracks: Any) -> None:
    axes = tilted(50.0, seconds=120, posture_rad=1.4)
    axes[:, 50 * 60 : 50 * 80] += np.random.default_rng(3).normal(0.0, 300.0, (3, 50 * 20))
    derived = run_tracks(*tracks(make_track, axes, 50.0))
    turns_s = [event.t_ns / 1e9 for event in derived if isinstance(event, BreathTurn)]
    assert not [t_s for t_s in turns_s if 63.0 < t_s < 80.0]
    assert len([t_s for t_s in turns_s if t_s > 100.0]) >= 5


@pytest.mark.parametrize("moves", [True, False])
def test_noise_of_an_ecg_that_comes_with_movement_is_told_as_movement(
    make_track: Any, make_ecg: Any, make_rr: Any, cut_blocks: Any, run_events: Any, moves: bool
) -> None:
    """Also however the blocks are cut; beside a body that sits still, the same noise is that of free electrodes."""
    rng = np.random.default_rng(4)
    heart = make_ecg(make_rr(130), rate_hz=130.0)
    heart.samples[130 * 60 : 130 * 80] += rng.normal(0.0, 2_500.0, 130 * 20)
    axes = tilted(50.0, seconds=110, posture_rad=1.4)
    if moves:
        axes[:, 50 * 60 : 50 * 80] += rng.normal(0.0, 300.0, (3, 50 * 20))
    all_tracks = [
        *tracks(make_track, axes, 50.0),
        make_track(heart.samples[: 130 * 110], kind=SignalKind.ECG, rate_hz=130.0),
    ]
    hashes = set()
    for size in (17, 60):
        events = [block for track in all_tracks for block in cut_blocks(track, [size] * 1000)]
        events.sort(key=lambda event: event.received_ns)
        derived = run_events([track.info for track in all_tracks], events)
        hashes.add(events_sha256(derived))
    assert len(hashes) == 1
    reason = Reason.MOTION if moves else Reason.OFF_BODY
    rates = {
        event.heart_rate_bpm.reason for event in derived if isinstance(event, Metrics) and 66e9 < event.t_ns < 79e9
    }
    assert rates == {reason}
    told = [(event.t_ns / 1e9, event.reason) for event in derived if _is_of_chest(event)]
    assert [why for _, why in told] == ([Reason.MOTION, None] if moves else [])
    assert not moves or (60.0 < told[0][0] < 61.0 and 80.0 < told[1][0] < 90.0)
    agree = {(_at(derived, t_s * 10**9), _rate_reason(derived, t_s * 10**9)) for t_s in range(66, 79)}
    assert agree == {(reason, reason)}
    later = [event.heart_rate_bpm for event in derived if isinstance(event, Metrics) and event.t_ns > 100e9]
    assert all(index.value is not None for index in later)


def test_movement_that_a_lost_sensor_felt_is_no_reason_for_noise_after_it(
    make_track: Any, make_ecg: Any, make_rr: Any, cut_blocks: Any, run_events: Any
) -> None:
    rng = np.random.default_rng(4)
    heart = make_ecg(make_rr(130), rate_hz=130.0)
    heart.samples[130 * 80 : 130 * 100] += rng.normal(0.0, 2_500.0, 130 * 20)
    axes = tilted(50.0, seconds=60, posture_rad=1.4)
    axes[:, 50 * 55 :] += rng.normal(0.0, 300.0, (3, 50 * 5))
    chest = tracks(make_track, axes, 50.0)
    ecg = make_track(heart.samples[: 130 * 110], kind=SignalKind.ECG, rate_hz=130.0)
    events: list[Any] = [block for track in (*chest, ecg) for block in cut_blocks(track, [60] * 1000)]
    events += [
        StreamStatus(stream_id=track.info.stream_id, received_ns=62_000_000_000, state=StreamState.LOST)
        for track in chest
    ]
    events.sort(key=lambda event: event.received_ns)
    derived = run_events([track.info for track in (*chest, ecg)], events)
    assert [event.reason for event in derived if _is_of_chest(event)] == [Reason.MOTION]
    rates = {
        event.heart_rate_bpm.reason for event in derived if isinstance(event, Metrics) and 86e9 < event.t_ns < 99e9
    }
    assert rates == {Reason.OFF_BODY}


def _at(derived: Any, t_ns: int) -> Reason | None:
    """Return what an ECG's own quality says at a moment."""
    told = [event for event in derived if isinstance(event, SignalQuality) and event.kind is SignalKind.ECG]
    return [event.reason for event in told if event.t_ns <= t_ns][-1]


def _rate_reason(derived: Any, t_ns: int) -> Reason | None:
    return next(event.heart_rate_bpm.reason for event in derived if isinstance(event, Metrics) and event.t_ns >= t_ns)


def _is_of_chest(event: Any) -> bool:
    return isinstance(event, SignalQuality) and event.kind is SignalKind.ACCELERATION_Z


def test_two_axes_are_not_enough(make_track: Any, run_tracks: Any) -> None:
    axes = tracks(make_track, tilted(50.0, seconds=40, posture_rad=1.4), 50.0)[:2]
    assert not [event for event in run_tracks(*axes) if isinstance(event, BreathTurn)]
