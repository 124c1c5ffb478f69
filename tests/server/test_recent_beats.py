import math
from typing import Any

import pytest

from becalm_protocol.derived import Beat, BeatFlag, Index, Reason, SlowMetrics
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import Waveform
from becalm_server.recent_beats import RecentBeats
from becalm_server.recent_samples import MAX_S, RecentSamples

S = 1_000_000_000
SKIN = SignalKind.SKIN_CONDUCTANCE


def beat(t_s: float, *, rr_ms: float | None, source: SignalKind = SignalKind.ECG, confirmed: bool = True) -> Beat:
    return Beat(
        beat_idx=0,
        t_ns=round(t_s * S),
        emitted_ns=round(t_s * S),
        source=source,
        rr_ms=rr_ms,
        rr_corrected_ms=rr_ms,
        flag=BeatFlag.OK if rr_ms else BeatFlag.FIRST,
        confirmed=confirmed,
    )


def second(n: int, *values: float, kind: SignalKind = SKIN, stream_id: str = "one") -> Waveform:
    return Waveform(stream_id=stream_id, kind=kind, t_ns=n * S, sample_period_ns=S / len(values), values=values)


def test_window_every_ten_seconds_over_the_last_minute() -> None:
    beats, ends = RecentBeats(), []
    for n in range(100):
        beats.feed(beat(n, rr_ms=1000.0 + n))
        for window in beats.due(n * S):
            ends.append(window.t_ns // S)
            assert window.rr_ms == tuple(1000.0 + k for k in range(window.t_ns // S - 59, window.t_ns // S + 1))
            assert window.beats_s == tuple(float(k) for k in range(1, 61))
    assert ends == [60, 70, 80, 90]


def test_five_minutes_every_minute() -> None:
    beats, ends = RecentBeats(), []
    for n in range(500):
        beats.feed(beat(n, rr_ms=1000.0))
        ends += [(w.t_ns // S, len(w.rr_ms)) for w in beats.due(n * S) if w.window_s == 300.0]
    assert ends == [(300, 300), (360, 300), (420, 300), (480, 300)]


def test_late_jump_gives_one_window_not_many() -> None:
    beats = RecentBeats()
    for n in range(300):
        beats.feed(beat(n, rr_ms=1000.0))
    (window,) = beats.due(299 * S)
    assert window.t_ns == 290 * S
    assert beats.due(299 * S) == ()


def test_provisional_first_and_doubled_beats_do_not_count() -> None:
    beats = RecentBeats()
    for n in range(40):
        beats.feed(beat(n, rr_ms=1000.0))
        beats.feed(beat(n, rr_ms=1000.0, confirmed=False))
        beats.feed(beat(n, rr_ms=None))
        beats.feed(beat(n, rr_ms=990.0, source=SignalKind.RR) if n > 5 else beat(n, rr_ms=None))
    (window,) = beats.due(60 * S)
    assert window.rr_ms == (1000.0,) * 39  # the beat at 0 s lies just outside


@pytest.mark.parametrize("source", [SignalKind.PPI, SignalKind.PPG_1, SignalKind.PPG_3])
def test_optical_sensors_are_heard(source: SignalKind) -> None:
    beats = RecentBeats()
    for n in range(60):
        beats.feed(beat(n, rr_ms=1000.0, source=source))
    (window,) = beats.due(60 * S)
    assert len(window.rr_ms) == 59


def test_the_ecg_is_heard_before_an_optical_sensor_that_tells_as_much() -> None:
    beats = RecentBeats()
    for n in range(60):
        beats.feed(beat(n, rr_ms=990.0, source=SignalKind.PPG_1))
        beats.feed(beat(n, rr_ms=1000.0))
    (window,) = beats.due(60 * S)
    assert set(window.rr_ms) == {1000.0}


def test_too_few_beats_give_no_window() -> None:
    beats = RecentBeats()
    for n in range(45, 60):
        beats.feed(beat(n, rr_ms=1000.0))
    assert beats.due(60 * S) == ()


def test_skin_alone_gives_a_window() -> None:
    beats = RecentBeats()
    for n in range(61):
        beats.feed(second(n, 5.0, 5.0, 5.0, 5.0 + n))
        beats.feed(second(n, 99.0, 99.0, stream_id="two"))
    (window,) = beats.due(60 * S)
    (skin,) = window.signals
    assert (window.rr_ms, skin.kind, skin.sample_rate_hz, len(skin.counts)) == ((), SKIN, 16.0, 960)
    assert skin.counts[12::16] == [5.0 + n for n in range(60)]  # the fourth sample of each second
    assert sum(math.isnan(cell) for cell in skin.counts) == 720


def test_breathing_is_taken_from_where_the_pipeline_hears_it() -> None:
    beats, axis = RecentBeats(), SignalKind.ACCELERATION_Z
    none: dict[str, Any] = dict.fromkeys(SlowMetrics.index_names(), Index(reason=Reason.WARMING_UP))
    beats.feed(SlowMetrics(t_ns=0, emitted_ns=0, breath_source=axis, **none))
    for n in range(61):
        beats.feed(second(n, 1.0, 3.0, kind=axis))
        beats.feed(second(n, 7.0, kind=SignalKind.ACCELERATION_X))
    (window,) = beats.due(60 * S)
    assert [signal.kind for signal in window.signals] == [axis]


def test_samples_of_a_cell_are_averaged_and_a_ring_forgets() -> None:
    samples = RecentSamples("one")
    for n in range(MAX_S + 50):
        samples.feed(second(n, *[float(n)] * 32, *[n + 2.0] * 32))
    first = samples.between(0, 10 * S, kind=SKIN)
    assert first is None
    told = samples.between(40 * S, 60 * S, kind=SKIN)
    assert told is not None
    assert all(math.isnan(cell) for cell in told.counts[:160])
    assert list(told.counts[160:176]) == [50.0] * 8 + [52.0] * 8
