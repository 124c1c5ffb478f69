"""A strap beside an ECG: its beats are timed by the ECG's, and a disagreement is told."""

import math
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Metrics, Reason, SignalQuality
from becalm_protocol.events import Clock, RawEvent, RrBlock, SignalKind, StreamInfo, StreamState, StreamStatus
from becalm_signal.anchor import Anchor
from becalm_signal.fingerprint import events_sha256
from becalm_signal.stage import Output

RATE_HZ = 130.0


def untimed(kind: SignalKind) -> StreamInfo:
    return StreamInfo(
        stream_id=kind.value, kind=kind, unit="1/1024 s", unit_per_count=1.0, clock=Clock.ARRIVAL, device="strap"
    )


RR_INFO, PPI_INFO = untimed(SignalKind.RR), untimed(SignalKind.PPI)


def notifications(beats_s: Iterable[float], *, kind: SignalKind = SignalKind.RR, seed: int = 3) -> list[RrBlock]:
    """Tell each interval 0 to 4 s late, in order."""
    rng = random.Random(seed)
    blocks: list[RrBlock] = []
    arrived_s, before_s = 0.0, None
    for beat_s in beats_s:
        if before_s is not None:
            arrived_s = max(arrived_s + 0.001, beat_s + rng.uniform(0.0, 4.0))
            ticks = round(1024.0 * (beat_s - before_s))
            blocks.append(RrBlock(stream_id=kind.value, received_ns=round(arrived_s * 1e9), rr_1024=(ticks,)))
        before_s = beat_s
    return blocks


def ecg_beat(beat_s: float) -> Beat:
    return Beat(
        beat_idx=0,
        t_ns=round(beat_s * 1e9),
        emitted_ns=round((beat_s + 0.15) * 1e9),
        source=SignalKind.ECG,
        flag=BeatFlag.OK,
        confirmed=False,
    )


def strap_beat(k: int, beat_s: float, rr_ms: float, *, confirmed: bool = False, flag: BeatFlag = BeatFlag.OK) -> Beat:
    return Beat(
        beat_idx=k,
        t_ns=round((beat_s + 1.0) * 1e9),
        emitted_ns=round((beat_s + 1.0) * 1e9),
        source=SignalKind.RR,
        rr_ms=rr_ms if k else None,
        flag=flag,
        confirmed=confirmed,
    )


def heart_s(n_beats: int, *, mean_s: float = 0.9) -> list[float]:
    rng = random.Random(7)
    beats = [0.5]
    for k in range(n_beats):
        beats.append(beats[-1] + mean_s + 0.04 * math.sin(0.9 * k) + rng.gauss(0.0, 0.01))
    return beats


def side_by_side(strap_s: list[float], ecg_s: list[float], *, flag: BeatFlag = BeatFlag.OK) -> list[Output]:
    events: list[Beat] = [ecg_beat(t) for t in ecg_s]
    for k, (before, t) in enumerate(zip([strap_s[0], *strap_s], strap_s, strict=False)):
        events.append(strap_beat(k, t, 1000.0 * (t - before)))
        events.append(strap_beat(k, t + 0.001, 1000.0 * (t - before), confirmed=True, flag=flag))
    anchor = Anchor()
    return [out for event in sorted(events, key=lambda e: e.emitted_ns) for out in anchor.take(event)]


def reasons(outputs: Iterable[Any]) -> list[Reason | None]:
    return [o.reason for o in outputs if isinstance(o, SignalQuality) and o.kind in {SignalKind.RR, SignalKind.PPI}]


def test_beats_get_the_time_of_the_ecg_and_its_error() -> None:
    beats = heart_s(60)
    timed = [b for b in side_by_side(beats, beats) if isinstance(b, Beat) and b.source is SignalKind.RR and b.confirmed]
    assert len(timed) == len(beats)
    for beat, t_s in list(zip(timed, beats, strict=True))[15:]:
        assert beat.t_ns / 1e6 == pytest.approx(1000.0 * t_s, abs=5.0)
        assert beat.t_error_ms is not None
        assert beat.t_error_ms < 20.0
    assert reasons(side_by_side(beats, beats)) == []


def test_an_ecg_that_counts_twice_disagrees_with_the_strap() -> None:
    beats = heart_s(60)
    doubled = [*beats, *(t + 0.32 for t in beats)]
    assert reasons(side_by_side(beats, doubled)) == [Reason.DISAGREES]


def test_an_ecg_of_another_heart_disagrees_with_the_strap() -> None:
    assert reasons(side_by_side(heart_s(60), heart_s(80, mean_s=0.68))) == [Reason.DISAGREES]


def test_a_strap_that_accepts_few_of_its_own_intervals_is_the_one_in_doubt() -> None:
    outputs = side_by_side(heart_s(60), heart_s(80, mean_s=0.68), flag=BeatFlag.ECTOPIC)
    assert reasons(outputs) == [Reason.NOISY]


def test_agreement_comes_back_and_silence_ends_the_comparison() -> None:
    beats = heart_s(160)
    doubled = [*beats, *(t + 0.32 for t in beats[:60])]
    assert reasons(side_by_side(beats, doubled)) == [Reason.DISAGREES, None]
    assert reasons(side_by_side(beats, sorted(doubled)[:120])) == [Reason.DISAGREES, None]


# ---------------------------------------------------------------------------------------------- in the whole pipeline
@pytest.fixture(scope="module")
def heart(make_ecg: Any, make_rr: Any) -> Any:
    """Eighty seconds of heart with its beats."""
    return make_ecg(make_rr(85), rate_hz=RATE_HZ)


def ecg_track(heart: Any, make_track: Any) -> Any:
    return make_track(heart.samples, kind=SignalKind.ECG, rate_hz=RATE_HZ)


def by_time(events: Iterable[RawEvent]) -> list[RawEvent]:
    return sorted(events, key=lambda event: event.received_ns)


def test_when_the_ecg_is_lost_the_strap_goes_on_at_the_right_times(
    heart: Any, make_track: Any, cut_blocks: Any, run_events: Any
) -> None:
    track = ecg_track(heart, make_track)
    lost = StreamStatus(stream_id=track.info.stream_id, received_ns=50_000_000_000, state=StreamState.LOST)
    ecg = [block for block in cut_blocks(track, [65] * 200) if block.received_ns < 50_000_000_000]
    derived = run_events([track.info, RR_INFO], by_time([*ecg, lost, *notifications(heart.beats_s)]))
    told = [e for e in derived if isinstance(e, Beat) and e.source is SignalKind.RR and e.confirmed]
    assert len(told) > 20
    for beat in told:
        error_ms = np.min(np.abs(1000.0 * heart.beats_s - beat.t_ns / 1e6))
        assert error_ms < 20.0
        assert beat.t_error_ms is not None
        assert error_ms <= beat.t_error_ms < 60.0
    nearest = [int(np.argmin(np.abs(heart.beats_s - beat.t_ns / 1e9))) for beat in told]
    assert nearest == list(range(nearest[0], nearest[0] + len(nearest)))


def test_anchored_beats_do_not_depend_on_the_cut_of_the_ecg(
    heart: Any, make_track: Any, cut_blocks: Any, run_events: Any
) -> None:
    track = ecg_track(heart, make_track)
    told = notifications(heart.beats_s)
    flat = np.concatenate((heart.samples[:4000], np.zeros(3000), heart.samples[7000:]))
    track = make_track(flat, kind=SignalKind.ECG, rate_hz=RATE_HZ)
    found = set()
    for size in (1, 7, 73, 1024):
        ecg = cut_blocks(track, [size] * (len(track.counts) // size + 1))
        derived = run_events([track.info, RR_INFO], [*by_time([*told, *ecg])])
        found.add(events_sha256(derived))
        assert any(isinstance(e, Beat) and e.source is SignalKind.RR for e in derived)
    assert len(found) == 1


def test_a_disagreement_withholds_the_heart_and_says_so(
    heart: Any, make_track: Any, cut_blocks: Any, run_events: Any
) -> None:
    track = ecg_track(heart, make_track)
    other = notifications(np.cumsum([0.5, *[0.62, 0.66, 0.6] * 40]))
    derived = run_events([track.info, RR_INFO], by_time([*cut_blocks(track, [65] * 200), *other]))
    assert reasons(derived) == [Reason.DISAGREES]
    last = [event for event in derived if isinstance(event, Metrics)][-1]
    assert last.heart_rate_bpm.reason is Reason.DISAGREES
    assert last.rmssd_ms.reason is Reason.DISAGREES


def test_an_optical_sensor_speaks_where_the_strap_has_no_intervals(run_events: Any) -> None:
    beats = heart_s(90)
    empty = [RrBlock(stream_id="rr", received_ns=round(t * 1e9), rr_1024=(), heart_rate_bpm=66) for t in range(1, 80)]
    derived = run_events([RR_INFO, PPI_INFO], by_time([*empty, *notifications(beats, kind=SignalKind.PPI)]))
    assert {event.source for event in derived if isinstance(event, Beat)} == {SignalKind.PPI}
    last = [event for event in derived if isinstance(event, Metrics) and event.t_ns < 80_000_000_000][-1]
    assert last.heart_rate_bpm.value == pytest.approx(66.7, abs=4.0)


def test_a_strap_with_intervals_speaks_before_an_optical_sensor(run_events: Any) -> None:
    beats = heart_s(90)
    both = [*notifications(beats), *notifications(beats, kind=SignalKind.PPI, seed=9)]
    derived = run_events([PPI_INFO, RR_INFO], by_time(both))
    sources = [event.source for event in derived if isinstance(event, Beat)]
    assert sources.count(SignalKind.RR) > 150
    assert sources.count(SignalKind.PPI) < 10
