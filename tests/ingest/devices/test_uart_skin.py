"""The grammar of self-built sensors, cut anywhere, with and without their own time."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices import Cursor, uart_skin
from becalm_ingest.devices.skin_transfer import TRANSFERS
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import Dropped, Gap, GapReason, RawEvent, SampleBlock, SignalKind

STREAM = "d" * 32


def talk() -> uart_skin.Conversation:
    return uart_skin.Conversation({SignalKind.SKIN_CONDUCTANCE: Cursor(stream_id=STREAM, sample_rate_hz=8.0)})


def told(text: bytes, *, cuts: tuple[int, ...] = ()) -> list[RawEvent]:
    conversation = talk()
    bounds = [0, *sorted(cuts), len(text)]
    return [
        event
        for n, (start, end) in enumerate(pairwise(bounds))
        for event in conversation.parse(text[start:end], channel="lines", received_ns=n)
    ]


def samples(events: list[RawEvent]) -> list[int]:
    return [count for event in events if isinstance(event, SampleBlock) for count in event.counts]


@pytest.mark.parametrize(
    ("line", "eda_us", "t_ms"),
    [
        (b"eda_us=4.213", 4.213, None),
        (b"eda_us=4.213,t_ms=12345", 4.213, 12345),
        (b"t_ms=5,eda_us=1", 1.0, 5),
        (b" eda_us = 2.5 , temp_c=33.1", 2.5, None),
        (b"eda_us=0", 0.0, None),
        (b"eda_us=4.2e-1", 0.42, None),
        (b"raw=0,transfer=grove", 50.0, None),
        (b"raw=512,transfer=grove,t_ms=9", 0.0, 9),
        (b"raw=600,transfer=grove", 0.0, None),
        (b"transfer=bitalino,raw=512", 12.5, None),
        (b"raw=2048,transfer=divider,full=4096,ref_kohm=100", 10.0, None),
        (b"raw=0, transfer = divider ,full=4095,ref_kohm=47", 0.0, None),
    ],
)
def test_readings(line: bytes, eda_us: float, t_ms: float | None) -> None:
    reading = uart_skin.parse_line(line)
    assert reading is not None
    assert reading.eda_us == pytest.approx(eda_us)
    assert reading.t_ms == t_ms


@pytest.mark.parametrize("banner", [b"", b"GSR sensor 1.2 ready", b"\x00\xff"])
def test_banners_are_passed_over(banner: bytes) -> None:
    assert uart_skin.parse_line(banner) is None


@pytest.mark.parametrize(
    "wrong",
    [
        b"eda_us=",
        b"eda_us=nan",
        b"eda_us=inf",
        b"eda_us=1e400",
        b"eda_us=-1",
        b"eda_us=1001",
        b"eda_us=1_0",
        b"eda_us=4,2",
        b"t_ms=5",
        b"eda_us=1,\xffx=2",
        b"eda_us=1,",
        b"raw=300",
        b"raw=300,transfer=kettle",
        b"transfer=grove",
        b"raw=300,transfer=divider,full=4095",
        b"raw=4095,transfer=divider,full=4095,ref_kohm=10",
        b"raw=5000,transfer=divider,full=4095,ref_kohm=10",
        b"raw=1,transfer=divider,full=4095,ref_kohm=0",
        b"raw=x,transfer=grove",
        b"raw=3,transfer=\xff",
    ],
)
def test_wrong_lines(wrong: bytes) -> None:
    with pytest.raises(DeviceDataError, match="expected"):
        uart_skin.parse_line(wrong)


@given(st.lists(st.integers(0, 60), max_size=6))
def test_lines_cut_anywhere_give_the_same_samples(cuts: list[int]) -> None:
    text = b"eda_us=1.0000,t_ms=0\r\neda_us=1.0001,t_ms=125\r\neda_us=1.0002,t_ms=250\r\n"
    assert samples(told(text, cuts=tuple(cuts))) == [10_000, 10_001, 10_002]


def test_joining_in_the_middle_of_a_line_is_no_fault() -> None:
    assert told(b"a_us=9.9\neda_us=1\n") == [
        SampleBlock(stream_id=STREAM, received_ns=0, first_sample_idx=0, counts=(10_000,))
    ]


def test_a_bad_line_among_good_ones_is_dropped_and_told_as_a_gap() -> None:
    events = told(b"eda_us=1\neda_us=2\neda_us=x\neda_us=3\n")
    assert [type(event) for event in events] == [SampleBlock, Dropped, Gap, SampleBlock]
    assert samples(events) == [10_000, 20_000, 30_000]
    assert isinstance(events[2], Gap)
    assert events[2].reason is GapReason.NOT_A_NUMBER


@pytest.mark.parametrize("period_ms", [40, 125, 1000])
def test_lost_lines_are_counted_by_the_sensors_time_whatever_its_rate(period_ms: int) -> None:
    lines = [f"eda_us=1,t_ms={n * period_ms + n % 2}\n".encode() for n in range(12)]
    events = told(b"".join(lines[:6] + lines[8:]))
    assert [event.n_missing for event in events if isinstance(event, Gap)] == [2]
    last = [event for event in events if isinstance(event, SampleBlock)][-1]
    assert last.first_sample_idx + len(last.counts) == 12


def test_a_sensor_that_started_anew_is_a_gap_of_unknown_length() -> None:
    events = told(b"eda_us=1,t_ms=9000\neda_us=1,t_ms=9125\neda_us=1,t_ms=3\n")
    assert [event.n_missing for event in events if isinstance(event, Gap)] == [None]


def test_a_line_delivered_twice_is_one_sample_and_no_gap() -> None:
    lines = [f"eda_us=1,t_ms={125 * n}\n".encode() for n in range(4)]
    events = told(lines[0] + lines[1] * 2 + lines[2] + lines[3])
    assert [type(event) for event in events] == [SampleBlock, Dropped, SampleBlock]
    assert len(samples(events)) == 4
    assert len(samples(told(b"eda_us=1\n" * 3))) == 3  # without its time a line that comes again is another one


def test_a_stream_without_line_ends_is_refused_within_4_kib() -> None:
    conversation = talk()
    for _ in range(4_096 // 256):
        assert conversation.parse(b"x" * 256, channel="lines", received_ns=0) == ()
    with pytest.raises(DeviceDataError, match="4096"):
        conversation.parse(b"x", channel="lines", received_ns=0)
    (block,) = conversation.parse(b"\neda_us=1\n", channel="lines", received_ns=1)
    assert isinstance(block, SampleBlock)


LINES = (
    "raw=9,transfer=grove\n",
    "raw=-512,transfer=grove\n",
    "raw=7,transfer=divider,full=9,ref_kohm=1e-99\n",
    "raw=",
)


@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.text("eda_us=t_ms0123456789.,\n-", max_size=60), st.sampled_from(LINES)),
        max_size=12,
    )
)
def test_any_bytes_give_events_or_device_data_error(pieces: list[bytes | str]) -> None:
    conversation = talk()
    for n, piece in enumerate(pieces):
        data = piece if isinstance(piece, bytes) else piece.encode()
        try:
            events = conversation.parse(data, channel="lines", received_ns=n)
        except DeviceDataError:
            continue
        assert all(isinstance(event, SampleBlock | Gap | Dropped) for event in events)


def test_the_page_for_builders_says_what_is_read() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "diy_skin_sensor.md").read_text(encoding="utf-8")
    examples = page.partition("```text\n")[2].partition("```")[0].splitlines()
    assert len(examples) == 3
    for line in examples:
        assert uart_skin.parse_line(line.encode()) is not None
    for name in TRANSFERS:
        assert f"| `{name}` |" in page
    sketch = page.partition("```cpp\n")[2].partition("```")[0]
    assert len(sketch.splitlines()) <= 40
    for uuid in (uart_skin.SERVICE_UUID, *uart_skin.CHARACTERISTIC_UUIDS):
        assert f'"{uuid}"' in sketch
    formats = re.findall(r'"(eda_us=.*?)\\n"', sketch)
    assert [line.replace("%.4f", "4.2130").replace("%lu", "125") for line in formats] == ["eda_us=4.2130,t_ms=125"]
