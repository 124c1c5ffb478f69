from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.errors import StorageError
from becalm_protocol.events import (
    Battery,
    Dropped,
    Gap,
    GapReason,
    RawEvent,
    RrBlock,
    SampleBlock,
    StreamState,
    StreamStatus,
)
from becalm_server.archive.raw_rows import to_event, to_row

TIMES = st.integers(0, 2**53)
INT32 = st.integers(-(2**31), 2**31 - 1)
INT16 = st.integers(-(2**15), 2**15 - 1)
BLOCKS = st.builds(
    SampleBlock,
    stream_id=st.just("s"),
    received_ns=TIMES,
    first_sample_idx=TIMES,
    sensor_ns=st.none() | st.integers(-(2**63), 2**63 - 1),
    counts=st.lists(INT32, min_size=1, max_size=50).map(tuple) | st.lists(INT16, min_size=1, max_size=50).map(tuple),
)
RRS = st.builds(
    RrBlock,
    stream_id=st.just("s"),
    received_ns=TIMES,
    rr_1024=st.lists(st.integers(0, 0xFFFF), max_size=9).map(tuple),
    heart_rate_bpm=st.none() | st.integers(0, 0xFFFF),
    in_contact=st.none() | st.booleans(),
)
PPIS = st.lists(st.tuples(*[st.integers(0, 0xFFFF)] * 2, st.booleans()), max_size=9).map(
    lambda told: RrBlock(
        stream_id="s",
        received_ns=1,
        rr_1024=tuple(rr for rr, _, _ in told),
        error_ms=tuple(ms for _, ms, _ in told),
        usable=tuple(usable for _, _, usable in told),
    )
)
OTHERS = st.sampled_from(
    [
        Gap(stream_id="s", received_ns=9, start_ns=1, end_ns=8, n_missing=None, reason=GapReason.LINK_LOST),
        StreamStatus(stream_id="s", received_ns=3, state=StreamState.LOST),
        Battery(stream_id="s", received_ns=4, level_pct=7),
        Dropped(stream_id="s", received_ns=5, problem="expected 3 bytes, got 00 ff"),
    ]
)


@given(event=BLOCKS | RRS | PPIS | OTHERS, seq=TIMES)
def test_row_gives_the_event_back(event: RawEvent, seq: int) -> None:
    row = to_row(event, seq=seq, arrival_idx=0)
    assert to_event(row) == event
    assert row.seq == seq


@pytest.mark.parametrize(("count", "form", "n_bytes"), [(32_767, "i2", 2), (-32_768, "i2", 2), (32_768, "i4", 4)])
def test_samples_take_two_bytes_where_they_can(count: int, form: str, n_bytes: int) -> None:
    block = SampleBlock(stream_id="s", received_ns=0, first_sample_idx=0, counts=(count,))
    row = to_row(block, seq=1, arrival_idx=0)
    assert (row.form, len(row.body)) == (form, n_bytes)


def test_samples_are_little_endian() -> None:
    block = SampleBlock(stream_id="s", received_ns=0, first_sample_idx=0, counts=(1, -2))
    assert to_row(block, seq=1, arrival_idx=0).body == b"\x01\x00\xfe\xff"


def test_row_of_a_later_version_is_named() -> None:
    row = to_row(Battery(stream_id="s", received_ns=4, level_pct=7), seq=1, arrival_idx=0)
    with pytest.raises(StorageError, match="later becalm"):
        to_event(replace(row, form="ping", body=b'{"type":"ping","sent_ns":1}'))
