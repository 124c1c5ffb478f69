"""RR intervals of a strap: laid on the session clock by their sum, broken where beats were lost."""

import random
from itertools import pairwise
from typing import Any

import pytest

from becalm_protocol.derived import Beat, BeatFlag, Reason, SignalQuality
from becalm_protocol.events import RrBlock, SignalKind
from becalm_signal.strap import StrapStage


def block(rr_1024: tuple[int, ...], t_s: float, *, in_contact: bool | None = None) -> RrBlock:
    return RrBlock(stream_id="rr", received_ns=round(t_s * 1e9), rr_1024=rr_1024, in_contact=in_contact)


def provisional(outputs: list[Any]) -> list[Beat]:
    return [event for event in outputs if isinstance(event, Beat) and not event.confirmed]


def test_beats_never_lie_after_their_notification_and_keep_their_intervals() -> None:
    stage = StrapStage()
    beats: list[Beat] = []
    latency_s = [1.9, 0.4, 1.2, 0.1, 2.0, 0.3, 0.7, 1.5]
    for k in range(40):
        t_s = 1.6 * (k + 1) + latency_s[k % 8]
        new = provisional(stage.feed(block((820, 819), t_s)))
        assert all(beat.t_ns <= t_s * 1e9 for beat in new)
        beats += new
    times_ns = [beat.t_ns for beat in beats]
    assert times_ns == sorted(times_ns)
    late = [(after - before) / 1e6 for before, after in pairwise(times_ns[20:])]
    assert late == pytest.approx([800.0] * len(late), abs=5.0)
    assert [beat.flag for beat in beats] == [BeatFlag.FIRST] + [BeatFlag.OK] * (len(beats) - 1)
    assert beats[1].rr_ms == 819 * 1000 / 1024


def test_a_silence_breaks_the_run() -> None:
    stage = StrapStage()
    for k in range(10):
        stage.feed(block((820,), 0.8 * (k + 1)))
    after = provisional(stage.feed(block((820, 830), 30.0)))
    assert after[0].flag is BeatFlag.FIRST
    assert after[-1].t_ns == 30_000_000_000


def test_without_contact_there_are_no_beats() -> None:
    stage = StrapStage()
    stage.feed(block((820,), 1.0, in_contact=True))
    out = stage.feed(block((400,), 2.0, in_contact=False))
    assert not provisional(out)
    assert [event.reason for event in out if isinstance(event, SignalQuality)] == [Reason.POOR_CONTACT]
    back = stage.feed(block((820,), 3.0, in_contact=True))
    assert [event.reason for event in back if isinstance(event, SignalQuality)] == [None]
    assert provisional(back)[0].flag is BeatFlag.FIRST


@pytest.mark.parametrize("ticks", [0, 100, 4000])
def test_absurd_intervals_are_never_accepted(ticks: int) -> None:
    stage = StrapStage()
    for k in range(10):
        stage.feed(block((820,), 0.8 * (k + 1)))
    assert provisional(stage.feed(block((ticks,), 9.0)))[0].flag is not BeatFlag.OK


def test_empty_notifications_are_nothing() -> None:
    assert StrapStage().feed(block((), 1.0)) == []


def pulses(*pulse: tuple[int, int, bool], t_s: float) -> RrBlock:
    """Pulse intervals as (1/1024 s, error in ms, usable)."""
    ticks, errors, usable = zip(*pulse, strict=True)
    return RrBlock(stream_id="ppi", received_ns=round(t_s * 1e9), rr_1024=ticks, error_ms=errors, usable=usable)


def test_a_pulse_interval_that_its_sensor_does_not_trust_breaks_the_run() -> None:
    stage = StrapStage(SignalKind.PPI)
    beats = provisional(stage.feed(pulses((820, 5, True), (830, 6, True), (700, 90, False), (825, 7, True), t_s=5.0)))
    beats += provisional(stage.feed(pulses((810, 8, True), t_s=5.8)))
    assert [beat.flag for beat in beats] == [BeatFlag.FIRST, BeatFlag.OK, BeatFlag.FIRST, BeatFlag.OK]
    assert [beat.rr_error_ms for beat in beats] == [None, 6.0, None, 8.0]
    assert {beat.source for beat in beats} == {SignalKind.PPI}
    assert (beats[2].t_ns - beats[1].t_ns) / 1e6 == pytest.approx((700 + 825) / 1.024, abs=1.0)


def test_pulses_without_any_trust_are_told_as_noise() -> None:
    stage = StrapStage(SignalKind.PPI)
    stage.feed(pulses((820, 5, True), t_s=1.0))
    out = stage.feed(pulses((820, 99, False), (300, 99, False), t_s=2.6))
    assert not provisional(out)
    assert [(e.kind, e.reason) for e in out if isinstance(e, SignalQuality)] == [(SignalKind.PPI, Reason.NOISY)]
    back = stage.feed(pulses((820, 5, True), t_s=3.4))
    assert [event.reason for event in back if isinstance(event, SignalQuality)] == [None]


def test_the_error_shrinks_as_the_range_of_the_lag_is_seen_and_holds_the_truth() -> None:
    rng = random.Random(6)
    stage = StrapStage()
    arrived_s, stated = 0.0, []
    for k in range(1, 120):
        arrived_s = max(arrived_s + 0.001, 0.8 * k + rng.uniform(0.0, 4.0))
        for beat in provisional(stage.feed(block((819,), arrived_s))):
            late_ms = beat.t_ns / 1e6 - 800.0 * k
            assert beat.t_error_ms is not None
            stated.append((late_ms, beat.t_error_ms))
    assert stated[0][1] == 4000.0
    assert stated[-1][1] < 1000.0
    assert sum(-50.0 <= late_ms <= error_ms for late_ms, error_ms in stated) >= 0.95 * len(stated)


def test_four_seconds_late_is_not_lost() -> None:
    stage = StrapStage()
    for k in range(1, 20):
        stage.feed(block((819,), 0.8 * k + 0.05))
    late = [beat for k in range(20, 24) for beat in provisional(stage.feed(block((819,), 0.8 * k + 3.9)))]
    assert [beat.flag for beat in late] == [BeatFlag.OK] * 4
