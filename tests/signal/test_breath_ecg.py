"""Breathing from an ECG whose QRS each breath turns, alone and behind a belt that fails."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Breath, BreathPhase, BreathTurn, Metrics, Reason, SlowMetrics
from becalm_protocol.events import SignalKind, StreamState, StreamStatus
from becalm_protocol.wishes import BreathWish
from becalm_signal.breath_ecg import EcgBreath
from becalm_signal.stage import BreathHint

RATE_HZ = 130.0


def breathing_ecg(make_ecg: Any, *, seconds: int, breaths_bpm: float, turn_share: float) -> Any:
    """A heart at 75 a minute whose electrodes see a breath as a turn of the axis."""
    heart = make_ecg([800.0] * round(seconds / 0.8), rate_hz=RATE_HZ)
    t_s = np.arange(len(heart.samples)) / RATE_HZ
    return heart.samples * (1.0 + turn_share * np.sin(2 * np.pi * breaths_bpm / 60.0 * t_s))


@pytest.mark.parametrize("breaths_bpm", [6.0, 12.0, 20.0])
def test_the_rate_is_found_in_the_ecg(make_track: Any, run_tracks: Any, make_ecg: Any, breaths_bpm: float) -> None:
    samples = breathing_ecg(make_ecg, seconds=100, breaths_bpm=breaths_bpm, turn_share=0.08)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    last = [event for event in derived if isinstance(event, Metrics)][-1].breathing_rate_bpm
    assert last.value == pytest.approx(breaths_bpm, rel=0.05)
    turns = [event for event in derived if isinstance(event, BreathTurn)]
    assert {turn.source for turn in turns} == {SignalKind.ECG}
    slow = [event for event in derived if isinstance(event, SlowMetrics)][-1]
    assert slow.breath_source is SignalKind.ECG
    assert slow.breath_depth.reason is Reason.CANNOT_TELL
    assert slow.phase_deg.reason is Reason.CANNOT_TELL


def test_an_ecg_without_breath_tells_little(make_track: Any, run_tracks: Any, make_ecg: Any) -> None:
    heart = make_ecg([800.0] * 150, rate_hz=RATE_HZ)
    t_s = np.arange(len(heart.samples)) / RATE_HZ
    steady = heart.samples - 100.0 * np.sin(2 * np.pi * 0.25 * t_s)  # the baseline of `make_ecg` breathes
    beat = (t_s / 0.8).astype(int)
    n_turns = 0
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(1.0, 0.05, 200)
        derived = run_tracks(make_track(steady * noise[beat], kind=SignalKind.ECG, rate_hz=RATE_HZ))
        n_turns += sum(isinstance(event, BreathTurn) for event in derived)
    assert n_turns < 60  # of about two hundred that breaths would have


def test_a_belt_that_sticks_is_left_for_the_ecg_and_taken_again(
    make_track: Any, run_tracks: Any, make_ecg: Any
) -> None:
    ecg = breathing_ecg(make_ecg, seconds=180, breaths_bpm=12.0, turn_share=0.08)
    t_s = np.arange(25 * 180) / 25.0
    belt = np.sin(2 * np.pi * 0.2 * t_s) + np.random.default_rng(1).normal(0.0, 0.01, len(t_s))
    belt[25 * 60 : 25 * 120] = belt[25 * 60]
    derived = run_tracks(
        make_track(ecg, kind=SignalKind.ECG, rate_hz=RATE_HZ),
        make_track(belt, kind=SignalKind.RESPIRATION, rate_hz=25.0),
    )
    sources = {event.t_ns // 1_000_000_000: event.breath_source for event in derived if isinstance(event, SlowMetrics)}
    assert sources[55] is SignalKind.RESPIRATION
    assert sources[90] is SignalKind.ECG
    assert sources[160] is SignalKind.RESPIRATION
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    for second in (50, 90, 115, 160):
        assert ticks[second * 1_000_000_000].breathing_rate_bpm.value == pytest.approx(12.0, abs=1.0)
    onsets_s = [turn.t_ns / 1e9 for turn in derived if isinstance(turn, BreathTurn) and turn.phase is BreathPhase.IN]
    assert np.all(np.diff(onsets_s) > 2.0)  # no breath is told by both
    assert {event.source for event in derived if isinstance(event, Breath)} == {
        SignalKind.ECG,
        SignalKind.RESPIRATION,
    }


def hint(second: float, *, is_first: bool = False) -> BreathHint:
    t_ns = round(second * 1e9)
    level = 1.0 + 0.1 * math.sin(2 * math.pi * 0.2 * second)
    return BreathHint(t_ns=t_ns, emitted_ns=t_ns, at_s=second, levels=(level, level, 0.1), is_first=is_first)


def test_early_beats_of_another_shape_are_not_told_as_breath() -> None:
    breath = EcgBreath()
    second, rates_bpm = 0.0, []
    for k in range(240):
        is_early = k % 3 == 2  # a trigeminy: its wave of 25 a minute is far larger than the breath's 12
        second += 0.5 if is_early else 1.1 if k % 3 == 0 else 0.8
        told = hint(second, is_first=k == 0)
        breath.hear(replace(told, levels=(2.2, -1.3, 0.4)) if is_early else told)
        rates_bpm += [event.breathing_rate_bpm for event in breath.catch_up() if isinstance(event, Breath)]
    assert len(rates_bpm) > 20
    assert rates_bpm == pytest.approx([12.0] * len(rates_bpm), abs=1.0)


def test_an_ecg_that_is_asked_late_tells_what_one_asked_at_every_beat_has_told() -> None:
    always, late = EcgBreath(), EcgBreath()
    told = []
    for k in range(100):
        for breath in (always, late):
            breath.hear(hint(0.8 * k, is_first=k == 0))
        told += always.catch_up()
    assert len(told) > 20
    assert late.catch_up() == told
    assert late.catch_up() == []


def test_what_has_waited_for_too_long_is_let_go_and_the_rest_stands_alone() -> None:
    late = EcgBreath()
    for k in range(500):
        late.hear(hint(0.8 * k, is_first=k == 0))
    turns_s = [event.t_ns / 1e9 for event in late.catch_up() if isinstance(event, BreathTurn)]
    assert 310.0 < turns_s[0] < 330.0  # the last beat was at 399 s
    assert np.diff(turns_s) == pytest.approx(2.5, abs=0.3)


def test_the_ecg_breathes_at_once_where_a_belt_is_lost(
    make_track: Any, make_ecg: Any, cut_blocks: Any, run_events: Any
) -> None:
    ecg = make_track(
        breathing_ecg(make_ecg, seconds=120, breaths_bpm=12.0, turn_share=0.08), kind=SignalKind.ECG, rate_hz=RATE_HZ
    )
    t_s = np.arange(25 * 80) / 25.0
    belt = make_track(np.sin(2 * np.pi * 0.2 * t_s), kind=SignalKind.RESPIRATION, rate_hz=25.0)
    events: list[Any] = [*cut_blocks(ecg, [65] * 300), *cut_blocks(belt, [12] * 200)]
    events.append(StreamStatus(stream_id=belt.info.stream_id, received_ns=80_000_000_000, state=StreamState.LOST))
    events.sort(key=lambda event: event.received_ns)
    derived = run_events([ecg.info, belt.info], events)
    rates = [(e.t_ns / 1e9, e.breathing_rate_bpm) for e in derived if isinstance(e, Metrics)]
    assert all(rate.value == pytest.approx(12.0, abs=1.0) for t_s, rate in rates if 40.0 < t_s < 115.0)
    assert {e.source for e in derived if isinstance(e, BreathTurn)} == {SignalKind.RESPIRATION, SignalKind.ECG}


def test_a_person_chooses_the_source(make_track: Any, make_ecg: Any, cut_blocks: Any, run_events: Any) -> None:
    ecg = make_track(
        breathing_ecg(make_ecg, seconds=90, breaths_bpm=12.0, turn_share=0.08), kind=SignalKind.ECG, rate_hz=RATE_HZ
    )
    t_s = np.arange(25 * 90) / 25.0
    belt = make_track(np.sin(2 * np.pi * 0.2 * t_s), kind=SignalKind.RESPIRATION, rate_hz=25.0)
    events: list[Any] = [*cut_blocks(ecg, [65] * 200), *cut_blocks(belt, [12] * 200)]
    events.sort(key=lambda event: event.received_ns)
    wishes = (
        BreathWish(t_ns=50_000_000_000, source=SignalKind.ECG),
        BreathWish(t_ns=70_000_000_000),
    )
    derived = run_events([ecg.info, belt.info], [*wishes, *events])
    sources = {event.t_ns // 1_000_000_000: event.breath_source for event in derived if isinstance(event, SlowMetrics)}
    assert sources[45] is SignalKind.RESPIRATION
    assert sources[55] is SignalKind.ECG
    assert sources[75] is SignalKind.RESPIRATION
