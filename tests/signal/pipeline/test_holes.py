"""Gaps, repeats, bad stretches and silent streams in the whole pipeline: nothing reaches over them, nobody waits."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.signal.pipeline.conftest import RATE_HZ, merged

from becalm_protocol.derived import Beat, BeatFlag, Metrics, Reason, SignalQuality
from becalm_protocol.events import (
    Gap,
    GapReason,
    SignalKind,
    StreamState,
    StreamStatus,
)
from becalm_signal.fingerprint import events_sha256
from becalm_signal.pipeline import Pipeline


def test_what_is_renewed_now_and_then_goes_with_its_sensor(body: list[Any], make_track: Any, run_tracks: Any) -> None:
    dead = make_track(np.zeros(round(90 * RATE_HZ)), kind=SignalKind.ECG, rate_hz=RATE_HZ)
    skin = dataclasses.replace(body[2], counts=body[2].counts[: round(80.4 * 8)])
    ticks = [event for event in run_tracks(dead, skin) if isinstance(event, Metrics)]
    told_ns = {name: max(tick.t_ns for tick in ticks if getattr(tick, name).value is not None)
               for name in ("scl_us", "scr_per_min", "arousal")}  # fmt: skip
    assert set(told_ns.values()) == {82_750_000_000}, "the last half second of skin ended 2.875 s before"
    assert ticks[-1].t_ns > 89 * 10**9


def test_a_hole_too_long_to_fill_ends_at_the_same_tick_for_every_cut(make_track: Any, cut_blocks: Any,
                                                                     run_events: Any) -> None:  # fmt: skip
    track = make_track(np.full(1200, 5.0), kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0)
    hashes = set()
    for size in (1, 8, 1024):
        cut = [size] * 1200
        later = cut_blocks(track, cut, first=1200 + 8 * 1200)
        derived = run_events([track.info], [*cut_blocks(track, cut), *later])
        hashes.add(events_sha256(derived))
        ticks_s = [event.t_ns / 1e9 for event in derived if isinstance(event, Metrics)]
        assert [tick_s for tick_s in ticks_s if 150.0 < tick_s <= 1350.25] == [1350.0, 1350.25]
    assert len(hashes) == 1


def test_one_long_block_of_a_slow_recording_is_no_hole(make_track: Any, cut_blocks: Any, run_events: Any) -> None:
    track = make_track(np.full(2048, 5.0), kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=1.0)
    derived = [run_events([track.info], cut_blocks(track, [size] * 2048)) for size in (16, 2048)]
    assert len({events_sha256(events) for events in derived}) == 1
    assert sum(isinstance(event, Metrics) for event in derived[1]) > 4 * 2000


def test_repeated_blocks_change_nothing(body: list[Any], cut_blocks: Any, run_events: Any) -> None:
    blocks = cut_blocks(body[0], [73] * 60)
    twice = [block for pair in zip(blocks, blocks, strict=True) for block in pair]
    streams = [body[0].info]
    assert events_sha256(run_events(streams, twice)) == events_sha256(run_events(streams, blocks))


@pytest.mark.parametrize("gap_s", [0.01, 0.1, 0.5, 10.0, 600.0])
@pytest.mark.parametrize("told", [True, False])
def test_nothing_reaches_over_a_gap(
    body: list[Any], cut_blocks: Any, run_events: Any, gap_s: float, told: bool
) -> None:
    track = body[0]
    n_missing = max(1, round(gap_s * RATE_HZ))
    before = cut_blocks(track, [65] * 60)
    n_before = 65 * 60
    rest = type(track)(track.info, track.counts[n_before + min(n_missing, 2 * 130) :])
    after = cut_blocks(rest, [65] * 60, first=n_before + n_missing)
    start_ns, end_ns = before[-1].received_ns, round((n_before + n_missing) * 1e9 / RATE_HZ)
    gap = Gap(
        stream_id=track.info.stream_id,
        received_ns=end_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        reason=GapReason.NOT_A_NUMBER,
    )
    derived = run_events([track.info], [*before, *([gap] if told else []), *after])
    beats = [event for event in derived if isinstance(event, Beat) and event.confirmed]
    across = [beat for beat in beats if beat.t_ns > end_ns]
    assert across, "beats are found again"
    assert all(beat.rr_ms is None or beat.rr_ms < 1300.0 for beat in beats)
    if gap_s > 0.15:
        assert across[0].flag is BeatFlag.FIRST
        assert across[0].t_ns - end_ns < 5_000_000_000
        reasons = [event.reason for event in derived if isinstance(event, SignalQuality)]
        assert reasons == [Reason.SENSOR_LOST, None]
    ticks = [event for event in derived if isinstance(event, Metrics)]
    assert [tick.t_ns for tick in ticks] == sorted({tick.t_ns for tick in ticks})
    if gap_s >= 10.0:
        middle = next(tick for tick in ticks if tick.t_ns > start_ns + 5_000_000_000)
        assert middle.heart_rate_bpm.value is None


def test_a_gap_gives_the_same_events_for_every_cut(body: list[Any], cut_blocks: Any, run_events: Any) -> None:
    track = body[0]
    hashes = set()
    for size in (7, 73, 2000):
        head = type(track)(track.info, track.counts[:4000])
        tail = type(track)(track.info, track.counts[4500:])
        sizes = [size] * 2000
        gap = Gap(
            stream_id=track.info.stream_id,
            received_ns=round(4500e9 / RATE_HZ),
            start_ns=round(3999e9 / RATE_HZ),
            end_ns=round(4500e9 / RATE_HZ),
            reason=GapReason.NOT_A_NUMBER,
        )
        events = [*cut_blocks(head, sizes), gap, *cut_blocks(tail, sizes, first=4500)]
        hashes.add(events_sha256(run_events([track.info], events)))
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (lambda t: np.zeros_like(t), Reason.FLAT),
        (lambda t: np.full_like(t, 30_000.0), Reason.FLAT),
        (lambda t: np.clip(30_000.0 * np.sin(40 * t), -3000.0, 3000.0), Reason.SATURATED),
        (lambda t: np.random.default_rng(1).normal(0.0, 80.0, len(t)), Reason.NOISY),
        (lambda t: 100.0 * np.sin(2 * np.pi * 50.0 * t + 0.1), Reason.POWERLINE),
    ],
)
def test_what_is_no_heart_gives_no_beats_and_says_why(
    make_track: Any, run_tracks: Any, shape: Callable[[Any], Any], reason: Reason
) -> None:
    t_s = np.arange(round(20 * RATE_HZ)) / RATE_HZ
    derived = run_tracks(make_track(shape(t_s), kind=SignalKind.ECG, rate_hz=RATE_HZ))
    n_beats = sum(isinstance(event, Beat) and not event.confirmed for event in derived)
    assert n_beats <= 3
    assert reason in {event.reason for event in derived if isinstance(event, SignalQuality)}
    assert derived[-1].heart_rate_bpm.value is None if isinstance(derived[-1], Metrics) else True


def test_good_signal_is_heard_within_five_seconds_of_a_bad_one(make_ecg: Any, make_rr: Any, make_track: Any,
                                                               run_tracks: Any) -> None:  # fmt: skip
    heart = make_ecg(make_rr(40), rate_hz=RATE_HZ)
    lead_off = np.zeros(round(15 * RATE_HZ))
    noise = np.random.default_rng(5).normal(0.0, 400.0, round(15 * RATE_HZ))
    for bad in (lead_off, noise):
        samples = np.concatenate((heart.samples[:1300], bad, heart.samples[1300:]))
        derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
        back_ns = round((1300 + len(bad)) * 1e9 / RATE_HZ)
        rates = [e for e in derived if isinstance(e, Metrics) and e.t_ns > back_ns and e.heart_rate_bpm.value]
        good = [e for e in rates if abs((e.heart_rate_bpm.value or 0.0) - 66.0) < 15.0]
        assert good[0].t_ns - back_ns < 6_000_000_000
        assert len(good) == len(rates), "never a plausible wrong number"


def test_a_late_stream_holds_nobody_up(body: list[Any], cut_blocks: Any) -> None:
    pipeline = Pipeline([track.info for track in body[:2]])
    for event in merged(body[:2], cut_blocks, n_ecg=65)[:80]:
        pipeline.feed(event)
    breath = body[1].info.stream_id
    status = StreamStatus(stream_id=breath, received_ns=11_000_000_000, state=StreamState.LATE)
    pipeline.feed(status)
    out: list[Any] = []
    for block in cut_blocks(body[0], [65] * 60)[40:]:
        out += pipeline.feed(block)
    ticks = [event for event in out if isinstance(event, Metrics)]
    assert ticks[-1].t_ns > 29_000_000_000
    assert ticks[-1].breathing_rate_bpm.reason is Reason.SENSOR_LOST
