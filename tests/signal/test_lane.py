"""Holes of a stream: what is no number is a sample that did not come, whatever the cut of the blocks."""

import itertools
import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Derived, Metrics, Reason, SignalQuality, SkinResponse
from becalm_protocol.events import Gap, GapReason, SampleBlock, SignalKind
from becalm_protocol.handshake import Waveform
from becalm_signal.fingerprint import events_sha256
from becalm_signal.lane import Lane

NS = 1_000_000_000
AT_S = 30
NO_NUMBERS = [math.nan, math.inf, -math.inf]
AXES = (SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z)


@pytest.fixture(scope="module")
def tracks(make_ecg: Any, make_rr: Any, make_track: Any) -> dict[SignalKind, Any]:
    """A minute of every signal that has a stage."""
    rng = np.random.default_rng(5)
    t_s = np.arange(60 * 25) / 25.0
    breath = np.sin(2 * np.pi * 0.25 * t_s)
    pulse = np.maximum(0.0, np.sin(2 * np.pi * 1.1 * np.arange(60 * 55) / 55.0)) ** 3
    skin = 5.0 + 0.05 * np.sin(np.arange(60 * 8) / 60.0) + rng.normal(0, 0.002, 60 * 8)
    found = {
        SignalKind.ECG: (make_ecg(make_rr(70), rate_hz=130.0).samples[: 60 * 130], 130.0),
        SignalKind.RESPIRATION: (breath + rng.normal(0, 0.01, len(breath)), 25.0),
        SignalKind.SKIN_CONDUCTANCE: (skin, 8.0),
        SignalKind.PPG_1: (1_000.0 * pulse + rng.normal(0, 5.0, len(pulse)), 55.0),
    }
    found |= {kind: (1000.0 + 20.0 * breath + rng.normal(0, 1, len(breath)), 25.0) for kind in AXES}
    return {kind: make_track(samples, kind=kind, rate_hz=rate_hz) for kind, (samples, rate_hz) in found.items()}


def holed(track: Any, *, from_s: float, n_missing: int, number: float) -> Any:
    """Return the track with so many samples that are no number."""
    at = round(from_s * track.info.sample_rate_hz)
    n_missing = min(n_missing, len(track.counts) - at)
    return replace(track, counts=[*track.counts[:at], *[number] * n_missing, *track.counts[at + n_missing :]])


def without(blocks: list[Any]) -> list[Any]:
    """Return the same blocks, cut where samples are no numbers, as somebody sends them who leaves those out."""
    found = []
    for block in blocks:
        for is_number, run in itertools.groupby(enumerate(block.counts), lambda pair: math.isfinite(pair[1])):
            at, counts = zip(*run, strict=True)
            if is_number:
                found.append(
                    replace(block, first_sample_idx=block.first_sample_idx + at[0], counts=counts, sensor_ns=None)
                )
    return found


@pytest.mark.parametrize(
    "kind", [SignalKind.ECG, SignalKind.RESPIRATION, SignalKind.SKIN_CONDUCTANCE, SignalKind.PPG_1]
)
@pytest.mark.parametrize("number", NO_NUMBERS)
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_sample_that_is_no_number_is_bridged_where_one_that_is_missing_is(
    tracks: Any, cut_blocks: Any, run_events: Any, kind: SignalKind, number: float, place: int
) -> None:
    track = tracks[kind]
    rate_hz = track.info.sample_rate_hz
    begun = round(AT_S * rate_hz) // 7 * 7  # where a block of seven begins
    n_missing = max(1, round(0.1 * rate_hz)) if kind is SignalKind.ECG else 1
    spoilt = holed(track, from_s=(begun + place) / rate_hz, n_missing=n_missing, number=number)
    blocks = cut_blocks(spoilt, [7] * len(spoilt.counts))
    derived = run_events([track.info], blocks)
    assert events_sha256(derived) == events_sha256(run_events([track.info], without(blocks)))
    qualities = [event for event in derived if isinstance(event, SignalQuality) and event.t_ns > 20 * NS]
    assert all(event.reason is not Reason.SENSOR_LOST for event in qualities)


INDICES = {
    SignalKind.ECG: "heart_rate_bpm",
    SignalKind.SKIN_CONDUCTANCE: "scl_us",
    SignalKind.PPG_1: "heart_rate_bpm",
}


@pytest.mark.parametrize("kind", INDICES)
@pytest.mark.parametrize("hole_s", [0.4, 2.0, 12.0])
@pytest.mark.parametrize("number", NO_NUMBERS)
def test_a_long_run_of_no_numbers_is_told_of_at_once_and_recovered_from(
    tracks: Any, cut_blocks: Any, run_events: Any, kind: SignalKind, hole_s: float, number: float
) -> None:
    track = tracks[kind]
    n_missing = round(hole_s * track.info.sample_rate_hz)
    spoilt = holed(track, from_s=AT_S, n_missing=n_missing, number=number)
    derived: list[Derived] = run_events([track.info], cut_blocks(spoilt, [13] * len(spoilt.counts)))
    told = [event for event in derived if isinstance(event, SignalQuality) and event.t_ns > 20 * NS]
    assert (told[0].reason, told[-1].reason) == (Reason.SENSOR_LOST, None)
    assert AT_S * NS - 10**8 <= told[0].t_ns <= told[0].emitted_ns <= AT_S * NS + 4 * NS // 10
    back_ns = round((AT_S + hole_s + 5.0) * NS)
    ticks = [(event.t_ns, getattr(event, INDICES[kind])) for event in derived if isinstance(event, Metrics)]
    assert next(index.value for t_ns, index in ticks if t_ns >= back_ns) is not None
    if hole_s > 5.0:
        assert all(index.value is None for t_ns, index in ticks if (AT_S + 4) * NS < t_ns < (AT_S + hole_s) * NS)


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 32.0])
@pytest.mark.parametrize("every", [2, 3, 7])
def test_skin_that_loses_single_samples_all_the_time_is_told_as_if_it_had_lost_none(
    make_track: Any, cut_blocks: Any, run_events: Any, rate_hz: float, every: int
) -> None:
    t_s = np.arange(round(100 * rate_hz)) / rate_hz
    onsets_s = (30.0, 45.0, 70.0)
    since_s = [np.clip(t_s - onset_s, 0.0, None) for onset_s in onsets_s]
    true_us = 5.0 + sum(0.4 * (np.exp(-since / 4.0) - np.exp(-since / 0.8)) for since in since_s)
    noise_us = np.random.default_rng(6).normal(0.0, 0.002, len(t_s))
    whole = make_track(true_us + noise_us, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=rate_hz)
    counts = [math.nan if at % every == 1 else count for at, count in enumerate(whole.counts)]
    derived = run_events([whole.info], cut_blocks(replace(whole, counts=counts), [9] * len(counts)))
    found_s = [event.onset_ns / NS for event in derived if isinstance(event, SkinResponse)]
    assert found_s == pytest.approx(onsets_s, abs=0.7)
    of_whole = run_events([whole.info], cut_blocks(whole, [9] * len(counts)))
    levels_us, true_levels_us = (
        [event.scl_us.value for event in told if isinstance(event, Metrics) and 5 * NS < event.t_ns < 99 * NS]
        for told in (derived, of_whole)
    )
    assert levels_us == pytest.approx(true_levels_us, abs=0.01)


def test_responses_are_not_counted_where_skin_breaks_off_all_the_time(
    make_track: Any, cut_blocks: Any, run_events: Any
) -> None:
    """Half a second is lost in every two: the level is told, but no response lasts from one hole to the next."""
    skin = 5.0 + np.random.default_rng(6).normal(0.0, 0.002, 100 * 8)
    track = make_track(skin, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0)
    counts = [math.nan if at % 16 < 4 else count for at, count in enumerate(track.counts)]
    derived = run_events([track.info], cut_blocks(replace(track, counts=counts), [4] * len(counts)))
    ticks = [event for event in derived if isinstance(event, Metrics)]
    assert ticks[-1].scl_us.value == pytest.approx(5.0, abs=0.1)
    assert all(tick.scr_per_min.value is None for tick in ticks)


@pytest.mark.parametrize("breaths_bpm", [4.0, 8.0, 14.0, 30.0])
@pytest.mark.parametrize("told", ["missing", "no number", "gap"])
def test_a_breath_goes_on_over_a_second_that_is_missing(
    make_track: Any, cut_blocks: Any, run_events: Any, breaths_bpm: float, told: str
) -> None:
    t_s = np.arange(180 * 25) / 25.0
    noise = np.random.default_rng(7).normal(0, 0.02, len(t_s))
    whole = make_track(np.sin(2 * np.pi * breaths_bpm / 60.0 * t_s) + noise, kind=SignalKind.RESPIRATION, rate_hz=25.0)
    rng = random.Random(3)
    spoilt = whole
    for hole in range(60, 175, 10):
        spoilt = holed(spoilt, from_s=hole + rng.uniform(0, 8), n_missing=rng.randint(18, 25), number=math.nan)
    events = cut_blocks(spoilt, [13] * len(spoilt.counts))
    if told != "no number":
        events = without(events)
    if told == "gap":
        events = [part for pair in itertools.pairwise(events) for part in (*_gap_between(*pair), pair[1])]
    derived = run_events([whole.info], events)
    ticks: list[Any] = [
        event.breathing_rate_bpm for event in derived if isinstance(event, Metrics) and event.t_ns > 62 * NS
    ]
    assert all(abs(tick.value - breaths_bpm) <= tick.bound for tick in ticks)
    assert not [event for event in derived if isinstance(event, SignalQuality) and event.reason is Reason.SENSOR_LOST]


def _gap_between(before: Any, after: Any) -> list[Gap]:
    last = before.first_sample_idx + len(before.counts) - 1
    n_missing = after.first_sample_idx - last - 1
    if not n_missing:
        return []
    start_ns, end_ns = round(last * NS / 25), round(after.first_sample_idx * NS / 25)
    return [Gap(stream_id=before.stream_id, received_ns=end_ns, start_ns=start_ns, end_ns=end_ns,
                reason=GapReason.NOT_A_NUMBER)]  # fmt: skip


def test_a_short_gap_whose_samples_were_not_counted_is_a_break(tracks: Any, cut_blocks: Any, run_events: Any) -> None:
    track = tracks[SignalKind.RESPIRATION]
    before = cut_blocks(replace(track, counts=track.counts[:750]), [25] * 30)
    after = cut_blocks(replace(track, counts=track.counts[765:]), [25] * 50, first=750, shift_ns=600_000_000)
    gap = Gap(
        stream_id="respiration",
        received_ns=30_600_000_000,
        start_ns=29_960_000_000,
        end_ns=30_600_000_000,
        reason=GapReason.LINK_LOST,
    )
    derived = run_events([track.info], [*before, gap, *after])
    told = [event.reason for event in derived if isinstance(event, SignalQuality) and event.t_ns > 20 * NS]
    assert told[0] is Reason.SENSOR_LOST


def test_a_stream_that_begins_without_a_number_is_lost_until_one_comes(
    tracks: Any, cut_blocks: Any, run_events: Any
) -> None:
    track = tracks[SignalKind.RESPIRATION]
    spoilt = holed(track, from_s=0.0, n_missing=200, number=math.nan)
    derived = run_events([track.info], cut_blocks(spoilt, [40] * 100))
    told = [event for event in derived if isinstance(event, SignalQuality)]
    assert [event.reason for event in told] == [Reason.SENSOR_LOST, None]
    assert any(tick.breathing_rate_bpm.value for tick in derived if isinstance(tick, Metrics))


@pytest.mark.parametrize("seed", range(4))
def test_no_number_anywhere_gives_finite_values_that_do_not_depend_on_the_cut(
    tracks: dict[SignalKind, Any], cut_blocks: Any, run_events: Any, seed: int
) -> None:
    rng = random.Random(seed)
    spoilt = [replace(t, counts=t.counts[: round(25 * t.info.sample_rate_hz)]) for t in tracks.values()]
    for from_s in (0.0, 1.0, *(rng.uniform(0.0, 24.0) for _ in range(6))):
        k = rng.randrange(len(spoilt))
        spoilt[k] = holed(spoilt[k], from_s=from_s, n_missing=rng.randint(1, 60), number=rng.choice(NO_NUMBERS))
    hashes = set()
    for biggest in (1, 40, 500):
        events = [
            event
            for track in spoilt
            for event in cut_blocks(track, [rng.randint(1, biggest) for _ in range(len(track.counts))])
        ]
        events.sort(key=lambda event: event.received_ns)
        derived = run_events([track.info for track in spoilt], events)
        hashes.add(events_sha256(derived))
    assert len(hashes) == 1


def test_what_is_drawn_has_no_hole_in_it(tracks: dict[SignalKind, Any]) -> None:
    lane = Lane(tracks[SignalKind.RESPIRATION].info, None)
    counts: tuple[Any, ...] = (math.nan, 1, 2, math.inf, 3, math.nan)
    block = SampleBlock(
        stream_id="respiration", received_ns=0, first_sample_idx=0, sensor_ns=200_000_000, counts=counts
    )
    _, drawn = lane.feed(block)
    assert [run.t_ns for run in drawn] == [40_000_000, 160_000_000]
    assert [count for run in drawn for count in run.values] == pytest.approx([1e-4, 2e-4, 3e-4])
    assert all(isinstance(run, Waveform) for run in drawn)
    assert lane.watermark_ns == 160_000_000, "what may still be bridged is still to come"
