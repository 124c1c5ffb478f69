"""Heart and breath together, against rhythms whose truth is known."""

import math
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import BreathPhase, Reason, SlowMetrics
from becalm_protocol.events import Pacer, Phase, PhaseChange, SignalKind
from becalm_signal.breath_phase import phase_between
from becalm_signal.coherence import coherence_share

RATE_HZ = 250.0
PACER = Pacer(started_ns=0, inhale_s=5.0, exhale_s=5.0)


def swinging(*, seconds: int, swing_ms: float, period_s: float, lead_s: float = 0.0) -> list[float]:
    """Intervals that are shortest where a breath that began at 0 is fullest, or `lead_s` before."""
    rr_ms: list[float] = []
    t_s = 0.5
    while t_s < seconds:
        rr_ms.append(900.0 + swing_ms / 2.0 * math.cos(2.0 * math.pi * (t_s + 0.45 + lead_s) / period_s))
        t_s += rr_ms[-1] / 1000.0
    return rr_ms


def session(make_track: Any, run_tracks: Any, make_ecg: Any, run_events: Any, cut_blocks: Any, *, late_s: float) -> Any:
    """A breath of 10 s that begins `late_s` after the pacer's cue, and a heart that follows it at once."""
    heart = make_ecg(swinging(seconds=150, swing_ms=100.0, period_s=10.0, lead_s=-late_s), rate_hz=RATE_HZ)
    t_s = np.arange(25 * 150) / 25.0
    belt = -np.cos(2 * np.pi * 0.1 * (t_s - late_s)) + np.random.default_rng(1).normal(0.0, 0.01, len(t_s))
    tracks = (
        make_track(heart.samples, kind=SignalKind.ECG, rate_hz=RATE_HZ),
        make_track(belt, kind=SignalKind.RESPIRATION, rate_hz=25.0),
    )
    events: list[Any] = [PhaseChange(t_ns=0, phase=Phase.PRACTICE, pacer=PACER)]
    events += sorted(
        (block for track, size in zip(tracks, (125, 12), strict=True) for block in cut_blocks(track, [size] * 400)),
        key=lambda block: block.received_ns,
    )
    derived = run_events([track.info for track in tracks], events)
    return [event for event in derived if isinstance(event, SlowMetrics)][-2]


def test_a_heart_that_follows_the_breath(
    make_track: Any, run_tracks: Any, make_ecg: Any, run_events: Any, cut_blocks: Any
) -> None:
    slow = session(make_track, run_tracks, make_ecg, run_events, cut_blocks, late_s=0.0)
    assert abs(slow.rsa_ms.value - 96.0) < 6.0  # a beat hardly ever falls on both turning points
    assert slow.rsa_ms.bound < 15.0
    assert slow.coherence.value > 0.8
    # Rate is highest where volume is: no phase between them.
    assert abs(slow.phase_deg.value) < slow.phase_deg.bound < 25.0
    assert slow.adherence.value == 1.0
    assert slow.breath_depth.value == pytest.approx(2.0, rel=0.08)
    assert slow.breath_irregularity.value < 0.03


def test_breaths_off_the_cues_do_not_go_with_the_pacer(
    make_track: Any, run_tracks: Any, make_ecg: Any, run_events: Any, cut_blocks: Any
) -> None:
    slow = session(make_track, run_tracks, make_ecg, run_events, cut_blocks, late_s=3.0)
    assert slow.adherence.value == 0.0
    assert abs(slow.phase_deg.value) < slow.phase_deg.bound


def test_without_a_pacer_there_is_nothing_to_go_with(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 60) / 25.0
    derived = run_tracks(make_track(np.sin(2 * np.pi * 0.2 * t_s), kind=SignalKind.RESPIRATION, rate_hz=25.0))
    slow = [event for event in derived if isinstance(event, SlowMetrics)][-1]
    assert slow.adherence.reason is Reason.NOT_PACED
    assert slow.rsa_ms.reason is Reason.NO_SENSOR


def test_bigger_breaths_raise_ventilation(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 150) / 25.0
    samples = np.sin(2 * np.pi * 0.2 * t_s) * np.where(t_s > 75.0, 2.0, 1.0)
    derived = run_tracks(make_track(samples, kind=SignalKind.RESPIRATION, rate_hz=25.0))
    slow = {event.t_ns // 1_000_000_000: event for event in derived if isinstance(event, SlowMetrics)}
    assert slow[70].ventilation.value == pytest.approx(1.0, abs=0.05)
    assert slow[145].ventilation.value == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("lead_s", "expected_deg"), [(0.0, 0.0), (2.5, 90.0), (-1.25, -45.0)])
def test_phase_is_that_of_the_wave(lead_s: float, expected_deg: float) -> None:
    t_s = np.arange(0.0, 70.0, 0.9)
    rr = [(t, 900.0 - 50.0 * math.cos(2.0 * math.pi * (t - 0.45 + lead_s - 5.0) / 10.0)) for t in t_s]
    turns = [(5.0 * k, BreathPhase.IN if k % 2 == 0 else BreathPhase.OUT) for k in range(15)]
    told = phase_between(rr, turns, end_s=69.0, rate_bpm=6.0)
    assert told.value == pytest.approx(expected_deg, abs=3.0)


def test_unrelated_signals_have_no_phase() -> None:
    rng = np.random.default_rng(4)
    turns = [(2.5 * k, BreathPhase.IN if k % 2 == 0 else BreathPhase.OUT) for k in range(30)]
    n_withheld = 0
    for _ in range(40):
        rr = [(0.9 * k, 900.0 + 30.0 * float(rng.normal())) for k in range(78)]
        n_withheld += phase_between(rr, turns, end_s=69.0, rate_bpm=12.0).reason is Reason.UNRELATED
    assert n_withheld >= 26  # five segments of chance exceed 0.5 now and then


def test_coherence_of_one_wave_and_of_noise() -> None:
    t_s = np.cumsum(np.full(75, 0.9))
    wave = 900.0 + 50.0 * np.sin(2 * np.pi * 0.1 * t_s)
    share, bound = coherence_share(t_s.tolist(), wave.tolist())
    assert share > 0.82
    assert bound < 0.1
    noise = 900.0 + 50.0 * np.random.default_rng(1).normal(0.0, 1.0, len(t_s))
    assert coherence_share(t_s.tolist(), noise.tolist())[0] < 0.4
