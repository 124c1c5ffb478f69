"""Gaps, wrong rates and times that run backwards give no wrong numbers."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.signal.bad_input.conftest import (
    BEGIN_S,
    STREAMS,
    Counts,
    S,
    check_label,
    info,
    packets,
    shown,
    told_beats,
    unusable,
    wrong,
)

from becalm_protocol.derived import Derived
from becalm_protocol.events import Clock, Gap, GapReason, RawEvent, SampleBlock, SignalKind


@pytest.mark.parametrize("clock", Clock)
@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("gap_s", [0.01, 0.05, 0.15, 0.2, 0.5, 1.0, 3.0, 10.0, 60.0, 600.0])
def test_a_gap_is_outlived(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], gap_s: float, told: bool, clock: Clock
) -> None:
    events: list[SampleBlock | Gap] = []
    for kind, counts in body.items():
        rate_hz = STREAMS[kind][2]
        cut, missing = round(BEGIN_S * rate_hz), round(gap_s * rate_hz)
        before = list(packets(kind, counts[:cut]))
        after = list(packets(kind, counts[cut:], at_s=BEGIN_S + gap_s, first=cut + missing))
        events += [*before, *after]
        if told:
            hole = (round((BEGIN_S - 1 / rate_hz) * S), round((BEGIN_S + gap_s) * S))
            gap = Gap(
                stream_id=kind.value,
                received_ns=hole[1],
                start_ns=hole[0],
                end_ns=hole[1],
                reason=GapReason.NOT_A_NUMBER,
            )
            events.append(gap)
    events.sort(key=lambda event: event.received_ns)
    derived = run_events([info(kind, clock) for kind in STREAMS], events)
    assert wrong(derived) == []
    back_s = BEGIN_S + gap_s + 5.0
    assert [unusable(derived, kind, back_s) for kind in STREAMS] == [None, None, None]
    assert shown(derived, "heart_rate_bpm", from_s=back_s, to_s=back_s + 0.3)
    assert shown(derived, "scl_us", from_s=back_s, to_s=back_s + 0.3)
    if gap_s > 5.0:
        assert shown(derived, "heart_rate_bpm", from_s=BEGIN_S + 4.5, to_s=BEGIN_S + gap_s) == []


@pytest.mark.parametrize("clock", [Clock.DEVICE, Clock.ARRIVAL])
@pytest.mark.parametrize("label", [0.5, 0.77, 0.95, 1.05, 1.3, 2.0])
def test_a_wrong_rate_label_gives_no_wrong_rates(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], label: float, clock: Clock
) -> None:
    check_label(body, run_events, label=label, clock=clock)


@pytest.mark.parametrize("clock", Clock)
def test_a_right_label_is_known_to_be_right_before_five_seconds_have_passed(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], clock: Clock
) -> None:
    events = sorted((e for kind, counts in body.items() for e in packets(kind, counts)), key=lambda e: e.received_ns)
    derived = run_events([info(kind, clock) for kind in STREAMS], events)
    assert shown(derived, "heart_rate_bpm", from_s=4.5, to_s=5.0)


@pytest.mark.parametrize("clock", [Clock.DEVICE, Clock.ARRIVAL])
@pytest.mark.parametrize("factor", [0.5, 0.8, 0.9, 1.1, 1.25, 2.0])
def test_a_rate_that_changes_under_way_is_followed(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], factor: float, clock: Clock
) -> None:
    events: list[SampleBlock] = []
    for kind, counts in body.items():
        rate_hz = STREAMS[kind][2]
        cut = round(BEGIN_S * rate_hz)
        at = np.arange(cut, len(counts) - 1, 1.0 / factor)
        again = np.rint(np.interp(at, np.arange(len(counts)), counts)).astype(np.int64)
        size = max(1, round(0.25 * rate_hz))
        events += packets(kind, counts[:cut])
        for n in range(0, len(again), size):
            part = tuple(int(count) for count in again[n : n + size])
            last_ns = round((BEGIN_S + (n + len(part) - 1) / rate_hz / factor) * S)
            events.append(
                SampleBlock(
                    stream_id=kind.value,
                    received_ns=last_ns + 20_000_000,
                    first_sample_idx=cut + n,
                    sensor_ns=last_ns,
                    counts=part,
                )
            )
    events.sort(key=lambda event: event.received_ns)
    derived = run_events([info(kind, clock) for kind in STREAMS], events)
    found = wrong(derived)
    late = [text for text in found if float(text.split(" ")[0]) > BEGIN_S + 16]
    assert late == []
    assert clock is Clock.ARRIVAL or found == []  # without stamps it takes some seconds, and beats, to be noticed
    assert shown(derived, "heart_rate_bpm", from_s=60, to_s=62)
    told_beats(derived)
    if factor in {0.5, 1.25, 2.0} or (clock is Clock.DEVICE and factor < 0.9):  # what slows a little may be the link
        assert shown(derived, "heart_rate_bpm", from_s=BEGIN_S + 4.75, to_s=BEGIN_S + 5)


@pytest.mark.parametrize("label", [0.5, 0.77, 1.3, 2.0])
def test_what_came_under_a_wrong_label_gives_the_first_heart_rate(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], label: float
) -> None:
    for clock in (Clock.DEVICE, Clock.ARRIVAL):
        derived = run_events([info(SignalKind.ECG, clock, label=label)], packets(SignalKind.ECG, body[SignalKind.ECG]))
        assert wrong(derived, after_s=0.0) == []
        told_beats(derived)
        if clock is Clock.DEVICE or label > 1.0:  # too low a label looks like a link that catches up
            assert shown(derived, "heart_rate_bpm", from_s=0, to_s=5)


@pytest.mark.parametrize("clock", [Clock.DEVICE, Clock.ARRIVAL])
@pytest.mark.parametrize("label", [0.5, 0.935, 1.03, 2.0])
@pytest.mark.parametrize(("at_s", "hole_s"), [(1.0, 7.0), (2.0, 20.0), (1.5, 2.0), (4.0, 7.0), (30.0, 10.0)])
def test_no_beat_is_told_of_a_hole_that_nobody_told_of(
    body: dict[SignalKind, Counts],
    run_events: Callable[..., list[Derived]],
    at_s: float,
    hole_s: float,
    label: float,
    clock: Clock,
) -> None:
    events = []
    for event in packets(SignalKind.ECG, body[SignalKind.ECG][: 60 * 130]):
        late_ns = round(hole_s * S) if event.received_ns > at_s * S else 0
        events.append(
            dataclasses.replace(
                event, received_ns=event.received_ns + late_ns, sensor_ns=(event.sensor_ns or 0) + late_ns
            )
        )
    derived = run_events([info(SignalKind.ECG, clock, label=label)], events)
    assert wrong(derived, after_s=0.0) == []
    beats_s = [beat.t_ns / S for beat in told_beats(derived)]
    if clock is Clock.DEVICE or hole_s > 5.0:  # else it is a stall
        assert [t_s for t_s in beats_s if at_s + 0.4 < t_s < at_s + hole_s - 0.4] == []


@pytest.mark.parametrize("at_s", [0.5, 1.0, 3.0, BEGIN_S])
@pytest.mark.parametrize(("stall_s", "speed"), [(4.0, 2.0), (2.0, 1.5), (3.0, 1.4), (2.0, 1.1), (1.0, 1.06)])
def test_a_link_that_catches_up_slowly_changes_no_rate(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], stall_s: float, speed: float, at_s: float
) -> None:
    events, free_ns = [], 0
    for event in packets(SignalKind.ECG, body[SignalKind.ECG]):
        held_ns = round((at_s + stall_s) * S) if event.received_ns > at_s * S else 0
        free_ns = max(free_ns + round(0.25 / speed * S), event.received_ns, held_ns)
        events.append(dataclasses.replace(event, received_ns=free_ns))
    derived = run_events([info(SignalKind.ECG, Clock.ARRIVAL)], events)
    assert wrong(derived, after_s=0.0) == []
    assert len(told_beats(derived)) >= 86  # of 90


def slowed(events: Iterable[SampleBlock], *, pace: float, lasts_s: float, speed: float) -> Iterator[SampleBlock]:
    """Yield packets of a link that brings them at a pace for some time, and catches up."""
    free_ns, end_ns = 0, round((BEGIN_S + lasts_s) * S)
    for event in events:
        step_s = 0.25 / (pace if BEGIN_S * S <= free_ns < end_ns else speed)
        free_ns = max(event.received_ns, free_ns + round(step_s * S))
        yield dataclasses.replace(event, received_ns=free_ns)


@pytest.mark.parametrize("pace", [0.4, 0.5, 0.6, 0.75])
@pytest.mark.parametrize("lasts_s", [5.0, 8.0, 20.0])
@pytest.mark.parametrize("speed", [1.2, 4.0])
def test_a_link_that_slows_evenly_changes_no_rate_while_the_heart_goes_on(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], pace: float, lasts_s: float, speed: float
) -> None:
    packeted = packets(SignalKind.ECG, body[SignalKind.ECG])
    derived = run_events(
        [info(SignalKind.ECG, Clock.ARRIVAL)], slowed(packeted, pace=pace, lasts_s=lasts_s, speed=speed)
    )
    assert wrong(derived, after_s=0.0) == []
    told_beats(derived)


def test_what_a_heart_tells_of_a_link_does_not_depend_on_the_cut(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]]
) -> None:
    events = list(slowed(packets(SignalKind.ECG, body[SignalKind.ECG]), pace=0.5, lasts_s=8.0, speed=1.2))
    pieces = [
        dataclasses.replace(e, first_sample_idx=e.first_sample_idx + n, counts=e.counts[n : n + 11])
        for e in events
        for n in range(0, len(e.counts), 11)
    ]
    whole, cut = (run_events([info(SignalKind.ECG, Clock.ARRIVAL)], told) for told in (events, pieces))
    of_whole, of_pieces = ([beat.t_ns / S for beat in told_beats(derived)] for derived in (whole, cut))
    assert of_pieces == pytest.approx(of_whole, abs=0.05)  # a packet in pieces is known by its last one


@pytest.mark.parametrize("stall_s", [4.0, 6.0, 8.0])
def test_what_a_link_brings_at_one_moment_after_a_stall_moves_no_beat_back(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], stall_s: float
) -> None:
    events = [
        dataclasses.replace(e, received_ns=max(e.received_ns, round((BEGIN_S + stall_s) * S)))
        if e.received_ns > BEGIN_S * S
        else e
        for e in packets(SignalKind.ECG, body[SignalKind.ECG])
    ]
    derived = run_events([info(SignalKind.ECG, Clock.ARRIVAL)], events)
    assert wrong(derived, after_s=0.0) == []
    assert len(told_beats(derived)) >= 82  # of 90


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_positions_from_zero_at_another_rate_after_a_gap_silence_no_heart(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], factor: float
) -> None:
    counts = body[SignalKind.ECG]
    events: list[RawEvent] = list(packets(SignalKind.ECG, counts[: BEGIN_S * 130]))
    gap = {"start_ns": BEGIN_S * S, "end_ns": (BEGIN_S + 3) * S, "received_ns": (BEGIN_S + 3) * S}
    events.append(Gap(stream_id="ecg", reason=GapReason.LINK_LOST, **gap))
    at = np.arange(0, 40 * 130, 1.0 / factor)
    again = np.rint(np.interp(at, np.arange(len(counts)), counts)).astype(np.int64)
    for event in packets(SignalKind.ECG, again):
        ns = (BEGIN_S + 3) * S + round((event.sensor_ns or 0) / factor)
        events.append(dataclasses.replace(event, sensor_ns=ns, received_ns=ns + 20_000_000))
    derived = run_events([info(SignalKind.ECG, Clock.DEVICE)], events)
    assert wrong(derived, after_s=0.0) == []
    told_beats(derived)
    assert shown(derived, "heart_rate_bpm", from_s=BEGIN_S + 9, to_s=BEGIN_S + 10)


BACKWARDS: dict[str, Callable[[SampleBlock], dict[str, Any]]] = {
    "stamps ten seconds back": lambda e: {"sensor_ns": (e.sensor_ns or 0) - 10 * S},
    "stamps begin at zero": lambda e: {"sensor_ns": (e.sensor_ns or 0) - BEGIN_S * S},
    "stamps an hour ahead": lambda e: {"sensor_ns": (e.sensor_ns or 0) + 3_600 * S},
    "stamps run backwards": lambda e: {"sensor_ns": 2 * BEGIN_S * S - (e.sensor_ns or 0)},
    "positions begin at zero": lambda e: {
        "first_sample_idx": max(0, e.first_sample_idx - round(BEGIN_S * STREAMS[SignalKind(e.stream_id)][2]))
    },
    "arrivals five seconds back": lambda e: {"received_ns": e.received_ns - 5 * S},
}


@pytest.mark.parametrize("clock", Clock)
@pytest.mark.parametrize("name", BACKWARDS)
def test_time_that_goes_backwards_gives_no_wrong_numbers(
    body: dict[SignalKind, Counts], run_events: Callable[..., list[Derived]], name: str, clock: Clock
) -> None:
    events = sorted((e for kind, counts in body.items() for e in packets(kind, counts)), key=lambda e: e.received_ns)
    turned = [e if e.received_ns < BEGIN_S * S else dataclasses.replace(e, **BACKWARDS[name](e)) for e in events]
    derived = run_events([info(kind, clock) for kind in STREAMS], turned)
    assert wrong(derived) == []
