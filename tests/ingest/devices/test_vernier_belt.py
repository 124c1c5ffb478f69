"""Go Direct packets, after the vendor's BSD-licensed godirect-js (constants.js, Device.js)."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices import Cursor, vernier_belt
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import Battery, Gap, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S

STREAM = "c" * 32


def packet(kind: int, body: bytes) -> bytes:
    built = bytearray([kind, 4 + len(body), 0x42, 0]) + body
    built[3] = (sum(built) - built[3]) & 0xFF
    return bytes(built)


def normal(mask: int, *rows: tuple[float, ...]) -> bytes:
    cells = [cell for row in rows for cell in row]
    return packet(0x20, struct.pack(f"<BHBB{len(cells)}f", 6, mask, len(rows), 0, *cells))


def wide(mask: int, *rows: tuple[float, ...]) -> bytes:
    cells = [cell for row in rows for cell in row]
    return packet(0x20, struct.pack(f"<BIBB{len(cells)}f", 7, mask, len(rows), 0, *cells))


def talk() -> vernier_belt.Conversation:
    return vernier_belt.Conversation({SignalKind.RESPIRATION: Cursor(stream_id=STREAM, sample_rate_hz=10.0)})


def counts(data: bytes) -> tuple[int, ...]:
    events = talk().parse(data, channel="response", received_ns=0)
    return tuple(count for event in events if isinstance(event, SampleBlock) for count in event.counts)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (normal(0b10, (12.345,)), (12_345,)),
        (normal(0b10, (1.0,), (-0.5,)), (1_000, -500)),
        (normal(0b110110, (9.5, math.nan, 3.0, 4.0)), (9_500,)),  # the belt's rate is NaN for its first 30 s
        (normal(0b110, (1.0, 7.0), (2.0, 8.0)), (1_000, 2_000)),
        (normal(0b100, (7.0,)), ()),
        (wide(0b10, (2.5,)), (2_500,)),
        (wide(1 << 20 | 0b10, (2.5, 9.0), (3.5, 9.0)), (2_500, 3_500)),
        (packet(0x20, struct.pack("<BBBB2f", 8, 0, 1, 2, 1.5, 2.5)), (1_500, 2_500)),
        (packet(0x20, struct.pack("<BBBBf", 8, 0, 2, 1, 1.5)), ()),
        (packet(0x20, struct.pack("<BBBBi", 9, 0, 1, 1, 5)), ()),
        (normal(0b10), ()),
    ],
)
def test_every_kind_of_measurement(data: bytes, expected: tuple[int, ...]) -> None:
    assert counts(data) == expected


def test_a_packet_may_come_in_any_pieces() -> None:
    whole = normal(0b10, (1.0,)) + normal(0b10, (2.0,), (3.0,))
    for cut in range(len(whole)):
        conversation = talk()
        events = [
            *conversation.parse(whole[:cut], channel="response", received_ns=0),
            *conversation.parse(whole[cut:], channel="response", received_ns=1),
        ]
        blocks = [event for event in events if isinstance(event, SampleBlock)]
        assert [block.counts for block in blocks] == [(1_000,), (2_000, 3_000)]
        assert [block.first_sample_idx for block in blocks] == [0, 1]


def test_a_fragment_that_lost_its_rest_is_left_behind() -> None:
    conversation = talk()
    assert conversation.parse(normal(0b10, (1.0,))[:7], channel="response", received_ns=0) == ()
    (block,) = conversation.parse(normal(0b10, (2.0,)), channel="response", received_ns=2 * NS_PER_S)
    assert isinstance(block, SampleBlock)
    assert block.counts == (2_000,)


def test_after_a_wrong_packet_a_gap_and_the_next_samples() -> None:
    conversation = talk()
    conversation.parse(normal(0b10, (1.0,)), channel="response", received_ns=0)
    broken = bytearray(normal(0b10, (2.0,)))
    broken[-1] ^= 1
    with pytest.raises(DeviceDataError, match="checksum"):
        conversation.parse(bytes(broken), channel="response", received_ns=100 * NS_PER_MS)
    gap, block = conversation.parse(normal(0b10, (3.0,)), channel="response", received_ns=200 * NS_PER_MS)
    assert isinstance(gap, Gap)
    assert gap.n_missing is None
    assert isinstance(block, SampleBlock)
    assert block.first_sample_idx == 2  # one more has passed by its time


@pytest.mark.parametrize(
    "wrong",
    [
        bytes([0x20, 0, 0, 0]),
        bytes([0x20, 3, 0]),
        packet(0x20, struct.pack("<BHBB", 6, 2, 9, 0)),
        packet(0x20, b"\x06"),
        normal(0b10, (math.nan,)),
        normal(0b10, (math.inf,)),
        normal(0b10, (3e9,)),
    ],
)
def test_wrong_packets(wrong: bytes) -> None:
    with pytest.raises(DeviceDataError, match="expected"):
        talk().parse(wrong, channel="response", received_ns=0)


def test_battery_from_the_status_answer() -> None:
    conversation = talk()
    status = packet(0x98, bytes([0x10, 0xFE]) + struct.pack("<BBBBHBBHBB", 0, 0, 1, 5, 12, 1, 7, 3, 88, 0))
    assert conversation.parse(status, channel="response", received_ns=3) == (
        Battery(stream_id=STREAM, received_ns=3, level_pct=88),
    )
    assert conversation.n_answers == 1


def test_commands_are_cut_in_20_bytes_with_falling_counters_and_right_sums() -> None:
    conversation = talk()
    writes = (*conversation.start(), *conversation.stop())
    assert all(len(write.data) <= 20 for write in writes)
    packets, buffer = [], b""
    for write in writes:
        buffer += write.data
        if len(buffer) == buffer[1]:
            packets.append(buffer)
            buffer = b""
    assert buffer == b""
    assert [p[4] for p in packets] == [0x1A, 0x10, 0x1B, 0x18, 0x19]
    assert [p[2] for p in packets] == [0xFF, 0xFE, 0xFD, 0xFC, 0xFB]
    assert all((sum(p) - p[3]) & 0xFF == p[3] for p in packets)
    assert packets[2][7:11] == struct.pack("<I", 100_000)
    assert packets[3][7:11] == struct.pack("<I", 0b10)
    assert [write.expects_answer for write in writes] == [False, True, True, True, True, False]


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_any_bytes_give_events_or_device_data_error(pieces: list[bytes]) -> None:
    conversation = talk()
    for n, piece in enumerate(pieces):
        try:
            events = conversation.parse(piece, channel="response", received_ns=n * NS_PER_MS)
        except DeviceDataError:
            continue
        assert all(isinstance(event, SampleBlock | Gap | Battery) for event in events)


@given(st.binary(max_size=40), st.integers(0, 40))
def test_right_sums_over_random_bodies(body: bytes, form: int) -> None:
    try:
        talk().parse(packet(0x20, bytes([form]) + body), channel="response", received_ns=0)
    except DeviceDataError:
        return
