from typing import Any

import pytest

from becalm_kivy.traces import Curve, Traces
from becalm_protocol.derived import BeatFlag
from becalm_protocol.events import SignalKind
from becalm_protocol.units import ns_from_s


def heart(traces: Traces) -> list[tuple[float, float]]:
    pieces = traces.rings[Curve.HEART].segments(0, ns_from_s(60))
    return [(t_ns / 1e9, round(bpm, 1)) for piece in pieces for t_ns, bpm in piece]


def test_confirmed_beats_draw_their_rate(person: Any) -> None:
    traces = Traces()
    for idx, t_s in enumerate((1.0, 1.8, 2.8)):
        traces.add_beat(person.beat(t_s, idx=idx, rr_ms=800 + 100 * idx))
    assert heart(traces) == [(1.0, 75.0), (1.8, 66.7), (2.8, 60.0)]


def test_a_provisional_beat_gives_way_to_its_confirmed_one(person: Any) -> None:
    traces = Traces()
    traces.add_beat(person.beat(1.0, idx=0, rr_ms=800))
    traces.add_beat(person.beat(1.8, idx=1, rr_ms=800, confirmed=False))
    assert heart(traces) == [(1.0, 75.0), (1.8, 75.0)]
    traces.add_beat(person.beat(1.81, idx=1, rr_ms=810))
    assert heart(traces) == [(1.0, 75.0), (1.81, 74.1)]


def test_a_provisional_beat_that_does_not_fit_is_not_drawn(person: Any) -> None:
    traces = Traces()
    for idx in range(2):
        traces.add_beat(person.beat(1.0 + idx, idx=idx, rr_ms=1000))
    traces.add_beat(person.beat(2.4, idx=2, rr_ms=400, confirmed=False))
    assert heart(traces) == [(1.0, 60.0), (2.0, 60.0)]


def test_a_corrected_beat_is_drawn_corrected_and_an_uncorrected_one_breaks_the_line(person: Any) -> None:
    traces = Traces()
    traces.add_beat(person.beat(1.0, idx=0, rr_ms=1000))
    traces.add_beat(person.beat(2.6, idx=1, rr_ms=1600, flag=BeatFlag.MISSED, corrected_ms=800))
    traces.add_beat(person.beat(3.0, idx=2, rr_ms=400, flag=BeatFlag.ECTOPIC))
    traces.add_beat(person.beat(4.0, idx=3, rr_ms=1000))
    assert heart(traces) == [(1.0, 60.0), (2.6, 75.0)]


def test_samples_that_come_twice_are_taken_once(person: Any) -> None:
    traces = Traces()
    block = person.waveform(SignalKind.RESPIRATION, 1.0, (1.0, 2.0, 3.0))
    traces.add_waveform(block)
    traces.add_waveform(block)
    pieces = traces.rings[Curve.BREATH].segments(0, ns_from_s(10))
    assert [level for _t_ns, level in pieces[0]] == [1.0, 2.0, 3.0]


def test_the_ecg_itself_is_not_kept(person: Any) -> None:
    traces = Traces()
    traces.add_waveform(person.waveform(SignalKind.ECG, 1.0, (1.0,) * 73, rate_hz=130.0))
    assert len(traces.rings[Curve.HEART]) == 0


def test_an_hour_of_waveform_keeps_a_minute(person: Any) -> None:
    traces = Traces()
    for second in range(3600):
        traces.add_waveform(person.waveform(SignalKind.RESPIRATION, float(second), (0.0,) * 10))
    assert len(traces.rings[Curve.BREATH]) == pytest.approx(650, abs=100)
