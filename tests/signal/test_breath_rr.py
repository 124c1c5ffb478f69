"""Breathing from nothing but a strap's intervals: told where the heart breathes, withheld where it does not."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from becalm_protocol.derived import BreathTurn, Derived, Metrics, Reason, SlowMetrics
from becalm_protocol.events import Clock, Pacer, Phase, PhaseChange, RrBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S
from becalm_signal.pipeline import Pipeline

STRAP = StreamInfo(
    stream_id="rr", kind=SignalKind.RR, unit="1/1024 s", unit_per_count=1.0, clock=Clock.ARRIVAL, device="strap"
)


def told(rr_s: Sequence[float], *, paced: bool) -> list[Derived]:
    """What the pipeline makes of intervals that a strap tells once a second, a second late."""
    pipeline = Pipeline([STRAP])
    out: list[Derived | Waveform] = []
    if paced:
        pacer = Pacer(started_ns=0, inhale_s=4.0, exhale_s=6.0)
        pipeline.feed(PhaseChange(t_ns=0, phase=Phase.PRACTICE, pacer=pacer))
    ends_s = np.cumsum(rr_s)
    for second in range(1, int(ends_s[-1]) + 2):
        now = [round(1024 * rr) for rr, end_s in zip(rr_s, ends_s, strict=True) if second - 1 < end_s <= second]
        out += pipeline.feed(RrBlock(stream_id="rr", received_ns=(second + 1) * NS_PER_S, rr_1024=tuple(now)))
    return [event for event in (*out, *pipeline.finish()) if not isinstance(event, Waveform)]


def breathing_heart(*, breaths_bpm: float, swing_s: float, noise_s: float, seconds: float = 120.0) -> list[float]:
    rng, t_s, rr_s = np.random.default_rng(8), 0.0, []
    while t_s < seconds:
        rr = 0.85 + swing_s * math.sin(2.0 * math.pi * breaths_bpm / 60.0 * t_s) + float(rng.normal(0.0, noise_s))
        rr_s.append(rr)
        t_s += rr
    return rr_s


@pytest.mark.parametrize("breaths_bpm", [5.0, 6.0, 11.0, 15.0])
def test_a_heart_that_breathes_tells_the_rate(breaths_bpm: float) -> None:
    derived = told(breathing_heart(breaths_bpm=breaths_bpm, swing_s=0.05, noise_s=0.004), paced=breaths_bpm < 8.0)
    last = [event for event in derived if isinstance(event, Metrics)][-1].breathing_rate_bpm
    assert last.value == pytest.approx(breaths_bpm, rel=0.06)
    assert last.bound is not None
    assert last.bound >= 0.3 * breaths_bpm
    assert {event.source for event in derived if isinstance(event, BreathTurn)} == {SignalKind.RR}
    slow = [event for event in derived if isinstance(event, SlowMetrics)][-1]
    assert slow.breath_source is SignalKind.RR
    assert slow.breath_depth.reason is slow.phase_deg.reason is Reason.CANNOT_TELL


def test_a_heart_that_does_not_breathe_tells_little() -> None:
    n_told = n_ticks = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        # A rhythm that wanders, as of those in intensive care.
        rr_s = 0.75 + 0.02 * np.convolve(rng.normal(0.0, 1.0, 260), np.ones(8) / 8.0, mode="valid")
        ticks = [event for event in told(rr_s.tolist(), paced=False) if isinstance(event, Metrics)]
        n_ticks += len(ticks)
        n_told += sum(tick.breathing_rate_bpm.value is not None for tick in ticks)
    assert n_told < 0.15 * n_ticks


def test_slow_waves_without_a_pacer_may_be_of_blood_pressure() -> None:
    derived = told(breathing_heart(breaths_bpm=6.0, swing_s=0.05, noise_s=0.004), paced=False)
    last = [event for event in derived if isinstance(event, Metrics)][-1].breathing_rate_bpm
    assert last.reason is Reason.CANNOT_TELL


@pytest.mark.parametrize("breaths_bpm", [9.0, 22.0])
def test_waves_that_breath_rarely_makes_are_told_with_a_pacer_only(breaths_bpm: float) -> None:
    heart = breathing_heart(breaths_bpm=breaths_bpm, swing_s=0.05, noise_s=0.004)
    free, paced = ([e for e in told(heart, paced=is_paced) if isinstance(e, Metrics)][-1] for is_paced in (False, True))
    assert free.breathing_rate_bpm.reason is Reason.CANNOT_TELL
    assert paced.breathing_rate_bpm.value == pytest.approx(breaths_bpm, rel=0.06)


def test_a_hole_ends_the_trace() -> None:
    heart = breathing_heart(breaths_bpm=6.0, swing_s=0.05, noise_s=0.002, seconds=60.0)
    pipeline = Pipeline([STRAP])
    turns: list[BreathTurn] = []
    t_s = 0.0
    for part_s in (0.0, 300.0):
        t_s = part_s
        for rr in heart:
            t_s += rr
            block = RrBlock(stream_id="rr", received_ns=round(t_s * NS_PER_S), rr_1024=(round(1024 * rr),))
            turns += [event for event in pipeline.feed(block) if isinstance(event, BreathTurn)]
    assert [turn for turn in turns if turn.t_ns < 60 * NS_PER_S]
    after = [turn for turn in turns if turn.t_ns > 290 * NS_PER_S]
    assert after
    assert min(turn.t_ns for turn in after) > 300 * NS_PER_S
