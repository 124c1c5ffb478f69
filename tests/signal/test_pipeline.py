"""The whole pipeline: the same for every cut, never an exception, gaps told, ticks in order."""

import dataclasses
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from becalm_protocol import limits
from becalm_protocol.derived import Beat, BeatFlag, Breath, Derived, Metrics, Reason, SignalQuality
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
    SampleBlock,
    SignalKind,
    StreamInfo,
    StreamState,
    StreamStatus,
)
from becalm_protocol.handshake import Waveform
from becalm_signal.fingerprint import events_sha256
from becalm_signal.pipeline import Pipeline

RATE_HZ = 130.0


@pytest.fixture(scope="module")
def body(make_ecg: Any, make_rr: Any, make_track: Any) -> list[Any]:
    """Ninety seconds of heart, breath and skin."""
    heart = make_ecg(make_rr(105), rate_hz=RATE_HZ)
    rng = np.random.default_rng(2)
    breath_s = np.arange(90 * 25) / 25.0
    breath = np.sin(2 * np.pi * 0.2 * breath_s) + rng.normal(0.0, 0.02, len(breath_s))
    skin_s = np.arange(90 * 8) / 8.0
    skin = 5.0 - 0.01 * skin_s + rng.normal(0.0, 0.002, len(skin_s))
    skin += sum(0.4 * np.clip((skin_s - onset) / 2.0, 0, 1) * np.exp(-np.clip(skin_s - onset - 2, 0, None) / 6.0)
                for onset in (20.0, 55.0, 72.0))  # fmt: skip
    return [
        make_track(heart.samples[: round(90 * RATE_HZ)], kind=SignalKind.ECG, rate_hz=RATE_HZ),
        make_track(breath, kind=SignalKind.RESPIRATION, rate_hz=25.0),
        make_track(skin, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=8.0),
    ]


def merged(body: list[Any], cut_blocks: Any, *, n_ecg: int) -> list[RawEvent]:
    events: list[RawEvent] = []
    for track in body:
        size = max(1, round(n_ecg * track.info.sample_rate_hz / RATE_HZ))
        events += cut_blocks(track, [size] * (len(track.counts) // size + 1))
    return sorted(events, key=lambda event: event.received_ns)


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


def test_what_is_renewed_once_a_second_goes_with_its_sensor(body: list[Any], make_track: Any, run_tracks: Any) -> None:
    dead = make_track(np.zeros(round(90 * RATE_HZ)), kind=SignalKind.ECG, rate_hz=RATE_HZ)
    skin = dataclasses.replace(body[2], counts=body[2].counts[: round(80.4 * 8)])
    ticks = [event for event in run_tracks(dead, skin) if isinstance(event, Metrics)]
    told_ns = {name: max(tick.t_ns for tick in ticks if getattr(tick, name).value is not None)
               for name in ("scl_us", "scr_per_min", "arousal")}  # fmt: skip
    assert set(told_ns.values()) == {83_000_000_000}
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


def strap(rr_1024: tuple[int, ...], *, t_s: float, in_contact: bool | None = None) -> RrBlock:
    return RrBlock(stream_id="rr", received_ns=round(t_s * 1e9), rr_1024=rr_1024, in_contact=in_contact)


RR_INFO = StreamInfo(
    stream_id="rr", kind=SignalKind.RR, unit="1/1024 s", unit_per_count=1.0, clock=Clock.ARRIVAL, device="strap"
)


def test_a_strap_alone_gives_beats_at_once_and_metrics(run_events: Any) -> None:
    events = [strap((830, 790 + 9 * (k % 7)), t_s=1.6 * (k + 1)) for k in range(60)]
    pipeline = Pipeline([RR_INFO])
    first = pipeline.feed(events[0])
    assert [event.t_ns for event in first if isinstance(event, Beat) and not event.confirmed][-1] == 1_600_000_000
    derived = run_events([RR_INFO], events)
    last = [event for event in derived if isinstance(event, Metrics)][-1]
    assert last.heart_rate_bpm.value == pytest.approx(60_000 / 800.0, abs=3.0)
    assert last.rmssd_ms.value is not None
    assert last.breathing_rate_bpm.reason is Reason.WARMING_UP  # intervals may tell it one day


def test_with_an_ecg_about_the_strap_is_silent_until_the_ecg_is_lost(body: list[Any], cut_blocks: Any) -> None:
    streams = [body[0].info, RR_INFO]
    pipeline = Pipeline(streams)
    ecg = cut_blocks(body[0], [65] * 80)
    rr_times = [0.9 * k for k in range(1, 90)]
    out: list[Any] = []
    lost = StreamStatus(stream_id=body[0].info.stream_id, received_ns=40_000_000_000, state=StreamState.LOST)
    events = sorted(
        [*ecg, lost, *(strap((900 + 40 * (k % 2),), t_s=t) for k, t in enumerate(rr_times))],
        key=lambda event: event.received_ns,
    )
    for event in events:
        out += pipeline.feed(event)
    out += pipeline.finish()
    rr_beats = [event for event in out if isinstance(event, Beat) and event.source is SignalKind.RR]
    assert rr_beats
    assert min(beat.emitted_ns for beat in rr_beats) > 38_000_000_000
    late = [event for event in out if isinstance(event, Metrics) and event.t_ns > 50_000_000_000]
    assert late[-1].heart_rate_bpm.value == pytest.approx(60_000 / 898.4, abs=1.5)
    assert late[-1].rmssd_ms.value is not None, "the strap was followed all along"


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


# ------------------------------------------------------------------------------------------------ whatever validates
IDS = ("ecg", "respiration", "skin_conductance", "rr")
times = st.one_of(st.integers(0, 10**11), st.integers(-limits.MAX_SESSION_NS, limits.MAX_SESSION_NS))
counts = st.one_of(st.integers(-3, 3), st.integers(limits.MIN_COUNT, limits.MAX_COUNT))
sampled = st.sampled_from(IDS[:3])
blocks = st.builds(
    SampleBlock,
    stream_id=sampled,
    received_ns=times,
    first_sample_idx=st.one_of(st.integers(0, 2000), st.integers(0, limits.MAX_SESSION_NS)),
    sensor_ns=st.none() | times | st.integers(-(2**63), 2**63 - 1),
    counts=st.lists(counts, min_size=1, max_size=60).map(tuple),
)
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
