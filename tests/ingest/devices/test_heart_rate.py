"""Heart Rate Measurement, Bluetooth SIG Heart Rate Service 1.0, section 3.1, table 3.1: every combination of flags."""

import struct
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices import Cursor, heart_rate
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import Gap, GapReason, RrBlock, SignalKind

STREAM = "a" * 32


def talk() -> tuple[heart_rate.Conversation, Cursor]:
    cursor = Cursor(stream_id=STREAM, sample_rate_hz=None)
    return heart_rate.Conversation({SignalKind.RR: cursor}), cursor


@pytest.mark.parametrize(
    ("wide", "contact", "energy", "rr"), list(product((False, True), range(4), (False, True), range(4)))
)
def test_all_flags(wide: bool, contact: int, energy: bool, rr: int) -> None:
    bpm = 300 if wide else 61
    rr_1024 = (1000, 0, 65535)[:rr]
    flags = wide | contact << 1 | energy << 3 | bool(rr) << 4
    data = bytes([flags]) + (struct.pack("<H", bpm) if wide else bytes([bpm]))
    data += struct.pack("<H", 513) if energy else b""
    data += struct.pack(f"<{rr}H", *rr_1024)
    measurement = heart_rate.parse_measurement(data)
    assert measurement.heart_rate_bpm == bpm
    assert measurement.in_contact is {0: None, 1: None, 2: False, 3: True}[contact]
    assert measurement.energy_kj == (513 if energy else None)
    assert measurement.rr_1024 == rr_1024


def test_intervals_stay_integers_of_1024ths() -> None:
    (block,) = talk()[0].parse(bytes.fromhex("10 3d 03 04 e9 03"), channel="measurement", received_ns=5)
    assert block == RrBlock(stream_id=STREAM, received_ns=5, rr_1024=(1027, 1001), heart_rate_bpm=61)


@pytest.mark.parametrize(("head", "n_rr"), [("10 3c", 9), ("11 2c 01", 8), ("18 3c 01 02", 8), ("19 2c 01 01 02", 7)])
def test_as_many_intervals_as_the_smallest_packet_holds(head: str, n_rr: int) -> None:
    data = bytes.fromhex(head) + struct.pack(f"<{n_rr}H", *range(700, 700 + n_rr))
    assert len(data) <= 20 < len(data) + 2
    (block,) = talk()[0].parse(data, channel="measurement", received_ns=5)
    assert isinstance(block, RrBlock)
    assert block.rr_1024 == tuple(range(700, 700 + n_rr))


def test_two_heartbeats_may_look_the_same() -> None:
    conversation, _ = talk()
    data = bytes.fromhex("10 3c 00 04")
    blocks = [conversation.parse(data, channel="measurement", received_ns=n) for n in (1, 2)]
    assert [(event.received_ns, event.rr_1024) for (event,) in blocks if isinstance(event, RrBlock)] == [
        (1, (1024,)),
        (2, (1024,)),
    ]


def test_a_strap_without_intervals_still_tells_rate_and_contact() -> None:
    (block,) = talk()[0].parse(bytes.fromhex("04 00"), channel="measurement", received_ns=5)
    assert block == RrBlock(stream_id=STREAM, received_ns=5, rr_1024=(), heart_rate_bpm=0, in_contact=False)


@pytest.mark.parametrize(
    "wrong",
    ["", "01", "01 3c", "08 3c", "08 3c 01", "10 3c 01", "10 3c 01 02 03", "00 3c 00", "18 3c 01", "00 3c 00 00"],
)
def test_wrong_lengths(wrong: str) -> None:
    with pytest.raises(DeviceDataError, match="expected"):
        heart_rate.parse_measurement(bytes.fromhex(wrong))


def test_more_intervals_than_a_notification_can_hold() -> None:
    with pytest.raises(DeviceDataError, match="RR"):
        heart_rate.parse_measurement(b"\x10\x3c" + bytes(2 * 257))


def test_reserved_flags_may_bring_fields_of_a_later_version() -> None:
    assert heart_rate.parse_measurement(bytes.fromhex("20 3c 07 07")).rr_1024 == ()


def test_a_break_is_told_before_the_next_intervals() -> None:
    conversation, cursor = talk()
    conversation.parse(b"\x00\x3c", channel="measurement", received_ns=1_000)
    cursor.mark_break(GapReason.LINK_LOST)
    gap, block = conversation.parse(b"\x00\x3c", channel="measurement", received_ns=9_000)
    assert gap == Gap(stream_id=STREAM, received_ns=9_000, start_ns=1_000, end_ns=9_000, reason=GapReason.LINK_LOST)
    assert isinstance(block, RrBlock)


@given(st.binary(max_size=600))
def test_any_bytes_give_events_or_device_data_error(data: bytes) -> None:
    try:
        events = talk()[0].parse(data, channel="measurement", received_ns=0)
    except DeviceDataError:
        return
    assert all(isinstance(event, RrBlock) for event in events)


def test_nothing_to_write() -> None:
    conversation, _ = talk()
    assert conversation.start() == conversation.stop() == ()
