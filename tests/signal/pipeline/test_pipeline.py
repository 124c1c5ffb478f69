"""The whole pipeline: one result for every cut, indices near the truth, nothing that a validated event can break."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.signal.pipeline.conftest import IDS, blocks, merged, times

from becalm_protocol import limits
from becalm_protocol.derived import Beat, BeatFlag, Breath, Derived, Metrics, Reason
from becalm_protocol.errors import UsageError
from becalm_protocol.events import (
    UNTIMED_KINDS,
    Battery,
    Clock,
    Dropped,
    Gap,
    GapReason,
    Pacer,
    Phase,
    PhaseChange,
    RawEvent,
    RrBlock,
    SignalKind,
    StreamInfo,
    StreamState,
    StreamStatus,
)
from becalm_protocol.handshake import Waveform
from becalm_signal.fingerprint import events_sha256
from becalm_signal.pipeline import Pipeline


@pytest.mark.parametrize("n_samples", [1, 7, 73, 1024, 2048])
def test_the_same_events_for_every_cut(body: list[Any], cut_blocks: Any, run_events: Any, n_samples: int) -> None:
    streams = [track.info for track in body]
    reference = run_events(streams, merged(body, cut_blocks, n_ecg=50))
    assert {type(event).__name__ for event in reference} >= {"Beat", "Breath", "BreathTurn", "SkinResponse", "Metrics"}
    assert events_sha256(run_events(streams, merged(body, cut_blocks, n_ecg=n_samples))) == events_sha256(reference)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_the_same_events_for_random_cuts_and_interleavings(
    body: list[Any], cut_blocks: Any, run_events: Any, seed: int
) -> None:
    rng = random.Random(seed)
    queues = []
    for track in body:
        biggest = rng.choice((5, 300, 2048))
        sizes = [rng.randint(1, biggest) for _ in range(len(track.counts))]
        queues.append(cut_blocks(track, sizes))
    events = []
    while any(queues):
        queue = rng.choice([queue for queue in queues if queue])
        n_taken = rng.randint(1, 20)
        events += queue[:n_taken]
        del queue[:n_taken]
    streams = [track.info for track in body]
    whole = merged(body, cut_blocks, n_ecg=2048)
    assert events_sha256(run_events(streams, events)) == events_sha256(run_events(streams, whole))


def test_indices_of_a_calm_body_are_reported_near_the_truth(body: list[Any], run_tracks: Any) -> None:
    metrics = [event for event in run_tracks(*body) if isinstance(event, Metrics)]
    last = metrics[-1]
    assert last.heart_rate_bpm.value == pytest.approx(60_000 / 900, abs=6.0)
    assert last.breathing_rate_bpm.value == pytest.approx(12.0, abs=0.3)
    assert last.rmssd_ms.value is not None
    assert last.scl_us.value == pytest.approx(4.2, abs=0.4)
    assert last.scr_per_min.value == 2.0
    assert last.arousal.value is not None
    assert last.arousal.bound is not None


def test_ticks_come_four_times_a_second_without_a_hole(body: list[Any], run_tracks: Any) -> None:
    ticks_ns = [event.t_ns for event in run_tracks(*body) if isinstance(event, Metrics)]
    assert ticks_ns == list(range(250_000_000, 90_000_000_000, 250_000_000))


def test_beats_are_provisional_first_and_confirmed_once(body: list[Any], run_tracks: Any) -> None:
    beats = [event for event in run_tracks(*body) if isinstance(event, Beat)]
    provisional = [beat.beat_idx for beat in beats if not beat.confirmed]
    confirmed = [beat for beat in beats if beat.confirmed]
    assert provisional == list(range(len(provisional)))
    assert [beat.beat_idx for beat in confirmed] == provisional
    assert Counter(beat.flag for beat in confirmed) == {BeatFlag.FIRST: 1, BeatFlag.OK: len(confirmed) - 1}
    assert all(beat.emitted_ns >= beat.t_ns for beat in beats)


def test_waveforms_carry_every_sample_in_its_unit(body: list[Any], cut_blocks: Any) -> None:
    track = body[1]
    pipeline = Pipeline([track.info])
    drawn: list[float] = []
    for block in cut_blocks(track, [100] * 10):
        for event in pipeline.feed(block):
            if isinstance(event, Waveform):
                assert event.t_ns == round(len(drawn) * 1e9 / 25.0)
                assert event.sample_period_ns == pytest.approx(4e7)
                drawn += event.values
    assert drawn == pytest.approx([count * 1e-4 for count in track.counts[:1000]])


def test_a_stream_that_was_not_announced_is_our_mistake(body: list[Any], cut_blocks: Any) -> None:
    with pytest.raises(UsageError):
        Pipeline([body[0].info]).feed(cut_blocks(body[1], [10])[0])


def test_breath_and_pacer_are_frozen_out_of_arousal_while_a_pacer_runs(body: list[Any], cut_blocks: Any,
                                                                      run_events: Any) -> None:  # fmt: skip
    breath = body[1]
    practice = PhaseChange(
        t_ns=85_000_000_000, phase=Phase.PRACTICE, pacer=Pacer(started_ns=85_000_000_000, inhale_s=4.0, exhale_s=6.0)
    )
    derived = run_events([breath.info], [practice, *cut_blocks(breath, [25] * 90)])
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    assert ticks[84_000_000_000].arousal.value is not None
    assert ticks[86_000_000_000].arousal.reason is Reason.TOO_FEW_SIGNALS


def test_breaths_follow_on_each_other(body: list[Any], run_tracks: Any) -> None:
    breaths = [event for event in run_tracks(body[1]) if isinstance(event, Breath)]
    assert len(breaths) >= 15
    assert all(breath.depth == pytest.approx(2.0, rel=0.2) for breath in breaths[2:])


raw_events: st.SearchStrategy[Any] = st.one_of(
    blocks,
    blocks,
    st.builds(
        RrBlock,
        stream_id=st.just("rr"),
        received_ns=times,
        rr_1024=st.lists(st.integers(0, 0xFFFF), max_size=9).map(tuple),
        in_contact=st.none() | st.booleans(),
    ),
    st.builds(
        lambda stream_id, start_ns, length_ns, n_missing: Gap(
            stream_id=stream_id,
            received_ns=start_ns,
            start_ns=start_ns,
            end_ns=min(limits.MAX_SESSION_NS, start_ns + length_ns),
            n_missing=n_missing,
            reason=GapReason.LINK_LOST,
        ),
        st.sampled_from(IDS),
        times,
        st.integers(0, 10**12),
        st.none() | st.integers(0, 100),
    ),
    st.builds(StreamStatus, stream_id=st.sampled_from(IDS), received_ns=times, state=st.sampled_from(StreamState)),
    st.builds(Battery, stream_id=st.sampled_from(IDS), received_ns=times, level_pct=st.integers(0, 100)),
    st.builds(Dropped, stream_id=st.sampled_from(IDS), received_ns=times, problem=st.just("odd")),
    st.builds(PhaseChange, t_ns=times, phase=st.sampled_from(Phase)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    events=st.lists(raw_events, max_size=25),
    clock=st.sampled_from(Clock),
    rate_hz=st.sampled_from([0.1, 1.0, 4.0, 25.0, 64.0, 130.0, 1000.0, 4000.0]),
)
def test_no_validated_event_raises(events: list[RawEvent | PhaseChange], clock: Clock, rate_hz: float) -> None:
    infos = [
        StreamInfo(
            stream_id=kind.value,
            kind=kind,
            unit="uV",
            unit_per_count=0.5,
            sample_rate_hz=None if kind in UNTIMED_KINDS else rate_hz,
            clock=clock,
            device="odd",
        )
        for kind in SignalKind
    ]
    pipeline = Pipeline(infos)
    derived: list[Derived | Waveform] = []
    for event in events:
        derived += pipeline.feed(event)
    derived += pipeline.finish()
    ticks = [event.t_ns for event in derived if isinstance(event, Metrics)]
    assert ticks == sorted(set(ticks))
