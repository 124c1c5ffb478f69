import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.events import RawEvent, RrBlock, SampleBlock
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.arrival_order import ArrivalOrder
from becalm_server.archive.packed_bodies import deflate, inflate, inflate_counts
from becalm_server.archive.packed_rows import EPOCH_UNIX_NS, MAX_EVENTS, PACKED_FORMS, Packing, span_s_of, unpack
from becalm_server.archive.raw_rows import RawRow, to_event, to_row

STARTED_UNIX_NS = 1_763_855_970_123_456_789
INT16 = st.integers(-(2**15), 2**15 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
COUNTS = st.lists(INT16, min_size=1, max_size=8) | st.lists(INT32, min_size=1, max_size=4)
# Mostly soon after one another, now and then anywhere: clocks of agents are restarted, sensors of all kinds exist.
STEP_NS = st.integers(0, NS_PER_S) | st.integers(-(2**50), 2**50)
SENSOR_NS = st.none() | st.integers(-(2**63), 2**63 - 1)


@st.composite
def streams(draw: st.DrawFn, stream_id: str = "s") -> list[RawEvent]:
    received_ns, first_idx = 0, draw(st.integers(0, 2**52))
    events: list[RawEvent] = []
    for _ in range(draw(st.integers(1, 12))):
        received_ns = max(-(2**53), min(2**53, received_ns + draw(STEP_NS)))
        if draw(st.integers(0, 4)) == 0:
            rr = draw(st.lists(st.integers(0, 0xFFFF), max_size=4))
            events.append(RrBlock(stream_id=stream_id, received_ns=received_ns, rr_1024=tuple(rr)))
            continue
        counts = tuple(draw(COUNTS))
        events.append(
            SampleBlock(
                stream_id=stream_id, received_ns=received_ns, first_sample_idx=first_idx, sensor_ns=draw(SENSOR_NS),
                counts=counts,
            )
        )  # fmt: skip
        first_idx = draw(st.just(min(2**53, first_idx + len(counts))) | st.integers(0, 2**53))
    return events


def row_of(packed: Any, stream_id: str = "s") -> dict[str, Any]:
    return {**asdict(packed), "stream_id": stream_id}


def packed_rows(rows: Sequence[RawRow], stream_id: str = "s", rate_hz: float | None = 130.0) -> list[dict[str, Any]]:
    packing = Packing(started_unix_ns=STARTED_UNIX_NS, sample_rate_hz=rate_hz)
    return [row_of(packing.pack(run), stream_id) for run in packing.runs(rows)]


@given(events=streams(), first_seq=st.integers(1, 2**62), dice=st.randoms(use_true_random=False))
def test_packed_events_come_back_as_they_were(events: list[RawEvent], first_seq: int, dice: random.Random) -> None:
    arrivals = sorted(dice.sample(range(10_000), len(events)))
    rows = [
        to_row(event, seq=first_seq + k, arrival_idx=arrival)
        for k, (event, arrival) in enumerate(zip(events, arrivals, strict=True))
    ]
    packed = packed_rows(rows)
    back = [row for one in packed for row in unpack(one)]
    assert back == rows
    assert [to_event(row) for row in back] == events
    assert sum(one["n_samples"] for one in packed) == sum(row.n_samples for row in rows)


@given(several=st.lists(streams(), min_size=1, max_size=3), dice=st.randoms(use_true_random=False))
def test_streams_come_back_in_the_order_of_arrival(several: list[list[RawEvent]], dice: random.Random) -> None:
    sources = [source for source, events in enumerate(several) for _ in events]
    dice.shuffle(sources)
    waiting = [list(events) for events in several]
    rows: list[RawRow] = []
    for arrival_idx, source in enumerate(sources):
        seq = len(several[source]) - len(waiting[source]) + 1
        rows.append(to_row(waiting[source].pop(0), seq=seq, arrival_idx=arrival_idx))
    stored: list[dict[str, Any]] = []
    for source in set(sources):
        own = [row for row, one in zip(rows, sources, strict=True) if one == source]
        n_packed = dice.randint(0, len(own))
        stored += packed_rows(own[:n_packed])
        stored += [{**asdict(row), "side": None} for row in own[n_packed:]]
    stored.sort(key=lambda row: row["arrival_idx"])
    order = ArrivalOrder()
    cut = dice.randint(0, len(stored))
    assert [*order.feed(stored[:cut]), *order.feed(stored[cut:]), *order.finish()] == rows


def block(seq: int, *, received_ns: int, sensor_ns: int | None = None) -> RawRow:
    event = SampleBlock(
        stream_id="s", received_ns=received_ns, first_sample_idx=seq, sensor_ns=sensor_ns, counts=(seq,)
    )
    return to_row(event, seq=seq, arrival_idx=seq)


def test_five_seconds_of_a_strap_are_a_row() -> None:
    rows = [block(k, received_ns=k * NS_PER_S // 25) for k in range(500)]
    packed = packed_rows(rows)
    first_second = (STARTED_UNIX_NS - EPOCH_UNIX_NS) // (5 * NS_PER_S) * 5
    assert [one["second"] for one in packed] == [first_second + 5 * k for k in range(5)]  # it began within one


def test_slower_streams_and_intervals_take_longer_rows() -> None:
    rates_hz = (1_000.0, 130.0, 100.0, 52.0, 25.0, 10.0, 8.0, 4.0, 1.0, None)
    assert [span_s_of(rate_hz) for rate_hz in rates_hz] == [5, 5, 5, 5, 10, 30, 30, 60, 60, 60]
    beats = [RrBlock(stream_id="s", received_ns=k * NS_PER_S, rr_1024=(1000,)) for k in range(600)]
    rows = [to_row(one, seq=k + 1, arrival_idx=k) for k, one in enumerate(beats)]
    assert len(packed_rows(rows, rate_hz=None)) == 11


def test_runs_end_at_holes_at_other_stamps_and_when_they_are_long() -> None:
    def sizes(rows: Sequence[RawRow]) -> list[int]:
        packing = Packing(started_unix_ns=STARTED_UNIX_NS, sample_rate_hz=130.0)
        return [len(run) for run in packing.runs(rows)]

    assert sizes([block(1, received_ns=0), block(2, received_ns=0), block(4, received_ns=0)]) == [2, 1]
    jump = replace(block(3, received_ns=0), first_sample_idx=7)
    assert sizes([block(1, received_ns=0), block(2, received_ns=0), jump]) == [2, 1]
    assert sizes([block(1, received_ns=0), block(2, received_ns=0, sensor_ns=0)]) == [1, 1]
    assert sizes([block(k, received_ns=0) for k in range(1, MAX_EVENTS + 3)]) == [MAX_EVENTS, 2]
    assert sizes([]) == []


def test_steady_stamps_take_no_room() -> None:
    even = [block(k, received_ns=k * 1_000_000, sensor_ns=10**18 + k * 1_000_000) for k in range(500)]
    (packed,) = packed_rows(even)
    assert len(packed["side"]) < 60


@given(counts=st.lists(INT16, min_size=1, max_size=200), form=st.sampled_from(PACKED_FORMS))
def test_deflated_bodies_come_back(counts: list[int], form: str) -> None:
    body = b"".join(count.to_bytes(4, "little", signed=True) for count in counts)
    assert inflate(form, deflate(form, body)) == body


@pytest.mark.parametrize(("form", "n_bytes"), [("i2", 2), ("i4", 4)])
def test_many_rows_are_read_at_once(form: str, n_bytes: int) -> None:
    dice = random.Random(5)
    top = 2 ** (8 * n_bytes - 1)
    several = [[dice.randrange(-top, top) for _ in range(dice.choice((73, 146, 1)))] for _ in range(30)]
    contents = [
        deflate(form, b"".join(one.to_bytes(n_bytes, "little", signed=True) for one in counts)) for counts in several
    ]
    assert inflate_counts(form, contents).tolist() == [one for counts in several for one in counts]
    assert inflate_counts(form, []).tolist() == []
