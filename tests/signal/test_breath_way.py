"""A belt that is the other way round under way: its breaths are counted on, which way is in is told rightly or not."""

import math
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import BreathPhase, BreathTurn, Metrics, Reason, SlowMetrics
from becalm_protocol.events import Pacer, Phase, PhaseChange, SignalKind
from becalm_signal.breath_motion import AXES
from becalm_signal.fingerprint import events_sha256

BELT_HZ, HEART_HZ = 25.0, 130.0
SECONDS = 160
PERIOD_S = 5.0
T_S = np.arange(round(SECONDS * BELT_HZ)) / BELT_HZ
PACER = Pacer(started_ns=0, inhale_s=2.5, exhale_s=2.5)
NS = 1e9


def belt() -> Any:
    """A breath that begins every five seconds."""
    return 20.0 - np.cos(2 * np.pi * T_S / PERIOD_S) + np.random.default_rng(1).normal(0.0, 0.01, len(T_S))


def turned(samples: Any, *, at_s: float, about: float, back_s: float = math.inf) -> Any:
    return np.where((at_s <= T_S) & (back_s > T_S), 2.0 * about - samples, samples)


@pytest.fixture(scope="module")
def ecg(make_ecg: Any, make_track: Any) -> Any:
    """A heart that beats faster with each breath."""
    rr_ms: list[float] = []
    t_s = 0.5
    while t_s < SECONDS:
        rr_ms.append(850.0 + 45.0 * math.cos(2 * math.pi * (t_s + 0.4) / PERIOD_S))
        t_s += rr_ms[-1] / 1000.0
    samples = make_ecg(rr_ms, rate_hz=HEART_HZ).samples[: round(SECONDS * HEART_HZ)]
    return make_track(samples, kind=SignalKind.ECG, rate_hz=HEART_HZ)


@pytest.fixture(scope="module")
def chest(make_track: Any) -> Any:
    """A strap that turns by 20 mrad with each breath, out of the chest and up."""
    tilt = 1.4 + 0.02 * np.cos(2 * np.pi * T_S / PERIOD_S)
    axes = np.stack((np.zeros_like(tilt), 1000.0 * np.sin(tilt), 1000.0 * np.cos(tilt)))
    axes += np.random.default_rng(2).normal(0.0, 1.0, axes.shape)
    return [make_track(axis, kind=kind, rate_hz=BELT_HZ) for kind, axis in zip(AXES, axes, strict=True)]


@pytest.fixture(scope="module")
def derive(make_track: Any, cut_blocks: Any, run_events: Any) -> Any:
    def run(samples: Any, *beside: Any, block_s: float = 0.5) -> Any:
        tracks = [make_track(samples, kind=SignalKind.RESPIRATION, rate_hz=BELT_HZ), *beside]
        events = [
            block
            for track in tracks
            for block in cut_blocks(track, [max(1, round(block_s * track.info.sample_rate_hz))] * 4000)
        ]
        events.sort(key=lambda event: event.received_ns)
        practice = PhaseChange(t_ns=0, phase=Phase.PRACTICE, pacer=PACER)
        return run_events([track.info for track in tracks], [practice, *events])

    return run


def told(derived: Any, *, from_s: float, to_s: float = SECONDS) -> list[bool]:
    """Return of each turn of the belt within a time whether it is told the right way round."""
    right = []
    for event in derived:
        if isinstance(event, BreathTurn) and event.source is SignalKind.RESPIRATION and from_s < event.t_ns / NS < to_s:
            is_first_half = event.t_ns / NS % PERIOD_S
            is_start = min(is_first_half, PERIOD_S - is_first_half) < PERIOD_S / 4.0
            right.append(is_start is (event.phase is BreathPhase.IN))
    return right


def hidden_s(derived: Any, *, from_s: float) -> float:
    ticks = [event for event in derived if isinstance(event, Metrics) and event.t_ns > from_s * NS]
    return sum(tick.breathing_rate_bpm.value is None for tick in ticks) / 4.0


@pytest.mark.parametrize("at_s", [81.0, 82.6, 84.9])
@pytest.mark.parametrize("about", [20.0, 0.0])
def test_a_belt_that_jumps_to_the_other_way_round_is_never_told_the_wrong_way(
    ecg: Any, derive: Any, at_s: float, about: float
) -> None:
    derived = derive(turned(belt(), at_s=at_s, about=about), ecg)
    assert all(told(derived, from_s=15.0, to_s=at_s))
    assert len(told(derived, from_s=15.0, to_s=at_s)) >= 20
    assert told(derived, from_s=at_s + 0.5) == []
    last = [event for event in derived if isinstance(event, SlowMetrics)][-2]
    assert last.phase_deg.reason is last.adherence.reason is Reason.CANNOT_TELL
    assert last.breath_depth.value == pytest.approx(2.0, rel=0.1)
    assert last.rsa_ms.value is not None
    assert hidden_s(derived, from_s=at_s) <= (1.25 if about else 25.0)  # a jerk of twenty breaths is a movement first


def test_without_a_jump_three_breaths_are_told_before_it_is_known(ecg: Any, derive: Any) -> None:
    samples = belt()
    at_s = 81.24
    derived = derive(turned(samples, at_s=at_s, about=float(samples[round(at_s * BELT_HZ)])), ecg)
    assert 1 <= len(told(derived, from_s=at_s, to_s=at_s + 4.5 * PERIOD_S)) <= 8
    assert told(derived, from_s=at_s + 4.5 * PERIOD_S) == []
    assert hidden_s(derived, from_s=at_s) <= 1.25


def test_a_belt_that_slips_is_told_on_after_three_breaths_and_so_is_one_that_is_turned_back(
    ecg: Any, derive: Any
) -> None:
    slipped = derive(np.where(T_S < 82.6, belt(), belt() + 1.5), ecg)
    assert told(slipped, from_s=83.0, to_s=95.0) == []
    assert all(told(slipped, from_s=83.0))
    assert len(told(slipped, from_s=83.0)) >= 18
    back = derive(turned(belt(), at_s=82.6, about=20.0, back_s=102.6), ecg)
    assert told(back, from_s=83.0, to_s=103.0) == []
    assert all(told(back, from_s=83.0))
    assert len(told(back, from_s=83.0)) >= 12


def test_the_tilt_of_a_chest_is_a_witness_too(chest: Any, derive: Any) -> None:
    derived = derive(turned(belt(), at_s=82.6, about=20.0), *chest)
    assert all(told(derived, from_s=20.0, to_s=82.6))
    assert told(derived, from_s=83.0) == []


def test_a_belt_alone_has_no_witness_and_is_told_as_it_is(derive: Any) -> None:
    derived = derive(np.where(T_S < 82.6, belt(), belt() + 1.5))
    assert all(told(derived, from_s=15.0))
    assert len(told(derived, from_s=83.0)) >= 28


def test_a_rate_that_changes_is_no_turn(make_ecg: Any, make_track: Any, derive: Any) -> None:
    """The heart follows a quick breath by half of it, a slow one at once."""
    quick_s, slow_s, at_s = 4.0, 10.0, 80.0
    turns = np.where(at_s > T_S, T_S / quick_s, at_s / quick_s + (T_S - at_s) / slow_s)
    rr_ms: list[float] = []
    t_s = 0.5
    while t_s < SECONDS:
        share = t_s / quick_s - 0.4 if t_s < at_s else (t_s - at_s) / slow_s + 0.04
        rr_ms.append(850.0 + 45.0 * math.cos(2 * math.pi * share))
        t_s += rr_ms[-1] / 1000.0
    heart = make_ecg(rr_ms, rate_hz=HEART_HZ).samples[: round(SECONDS * HEART_HZ)]
    track = make_track(heart, kind=SignalKind.ECG, rate_hz=HEART_HZ)
    derived = derive(20.0 - np.cos(2 * np.pi * turns), track)
    onsets_s = [e.t_ns / NS for e in derived if isinstance(e, BreathTurn) and e.phase is BreathPhase.IN]
    assert len([t_s for t_s in onsets_s if t_s > at_s]) >= 6


def test_the_cut_changes_nothing(ecg: Any, derive: Any) -> None:
    samples = turned(belt(), at_s=82.6, about=20.0, back_s=120.0)
    assert len({events_sha256(derive(samples, ecg, block_s=block_s)) for block_s in (0.1, 0.37, 2.0)}) == 1
