"""GSP packets, after Movesense's public specification (GATT SensorData Protocol, version 1)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices import Cursor, movesense
from becalm_ingest.devices.movesense_packets import parse_ecg, parse_heart_rate, parse_motion
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import Battery, Dropped, Gap, RawEvent, RrBlock, SampleBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S

WITH_GYROSCOPE = movesense.family(with_gyroscope=True)
ECG, ACC, IMU6, HR, BATTERY = 1, 2, 3, 4, 5


def talk(*, with_gyroscope: bool = False) -> movesense.Conversation:
    family = WITH_GYROSCOPE if with_gyroscope else movesense.FAMILY
    return movesense.Conversation(
        {t.kind: Cursor(stream_id=t.kind.value, sample_rate_hz=t.sample_rate_hz) for t in family.streams}
    )


def ecg(t_ms: int, *counts: int) -> bytes:
    return struct.pack(f"<BBI{len(counts)}i", 2, ECG, t_ms, *counts)


def acc(t_ms: int, *floats: float) -> bytes:
    return struct.pack(f"<BBI{len(floats)}f", 2, ACC, t_ms, *floats)


def parse(conversation: movesense.Conversation, data: bytes, *, t_ms: int = 0) -> tuple[RawEvent, ...]:
    return conversation.parse(data, channel="data", received_ns=t_ms * NS_PER_MS)


def test_the_commands_ask_for_each_path_by_a_number() -> None:
    assert [(write.data, write.expects_answer) for write in talk().start()] == [
        (b"\x01\x01/Meas/ECG/250\0", True),
        (b"\x01\x02/Meas/Acc/52\0", True),
        (b"\x01\x04/Meas/HR\0", True),
        (b"\x04\x05/System/Energy/Level\0", False),
    ]
    assert [write.data for write in talk().stop()] == [b"\x02\x01", b"\x02\x02", b"\x02\x04"]
    assert b"\x01\x03/Meas/IMU6/52\0" in [write.data for write in talk(with_gyroscope=True).start()]


def test_ecg_is_kept_in_the_sensors_own_counts() -> None:
    (block,) = parse(talk(), ecg(1_000, *range(-8, 8)), t_ms=50)
    assert block == SampleBlock(
        stream_id="ecg",
        received_ns=50 * NS_PER_MS,
        first_sample_idx=0,
        sensor_ns=1_060 * NS_PER_MS,  # the stamp is of the first, 15 samples of 4 ms before
        counts=tuple(range(-8, 8)),
    )


def test_acceleration_comes_in_three_streams_of_milli_g() -> None:
    blocks = parse(talk(), acc(0, 9.80665, 0.0, -0.0980665, 0.0, 1.0, 0.0))
    assert [(b.stream_id, b.counts) for b in blocks if isinstance(b, SampleBlock)] == [
        ("acceleration_x", (100_000, 0)),
        ("acceleration_y", (0, 10_197)),
        ("acceleration_z", (-1_000, 0)),
    ]


def test_motion_has_its_arrays_one_after_the_other() -> None:
    floats = (9.80665, 0.0, 0.0, 0.0, 9.80665, 0.0, 1.5, -2.0, 0.0, 0.0, 0.0, 250.0)
    blocks = parse(talk(with_gyroscope=True), struct.pack("<BBI12f", 2, IMU6, 5, *floats))
    assert [b.counts for b in blocks if isinstance(b, SampleBlock)] == [
        (100_000, 0), (0, 100_000), (0, 0), (1_500, 0), (-2_000, 0), (0, 250_000),
    ]  # fmt: skip


def counts(events: tuple[RawEvent, ...], stream_id: str) -> list[tuple[int, ...]]:
    return [e.counts for e in events if isinstance(e, SampleBlock) and e.stream_id == stream_id]


@pytest.mark.parametrize("cut", [4, 40, 97])
def test_a_packet_in_two_parts_is_put_together(cut: int) -> None:
    whole = struct.pack("<BBI48f", 2, IMU6, 7, *map(float, range(48)))
    conversation = talk(with_gyroscope=True)
    expected = counts(parse(talk(with_gyroscope=True), whole), "angular_velocity_z")
    for t_ms in (0, 154):
        rest = bytes((3, IMU6)) + whole[2 + cut :]
        assert parse(conversation, struct.pack("<BBI", 2, IMU6, t_ms) + whole[6 : 2 + cut], t_ms=t_ms) == ()
        assert counts(parse(conversation, rest, t_ms=t_ms), "angular_velocity_z") == expected


def test_parts_are_learnt_where_the_first_looks_whole() -> None:
    conversation = talk()
    parse(conversation, acc(0, 1.0, 2.0, 3.0))
    with pytest.raises(DeviceDataError, match="first part"):
        parse(conversation, struct.pack("<BB3f", 3, ACC, 4.0, 5.0, 6.0), t_ms=1)
    assert parse(conversation, acc(77, 1.0, 2.0, 3.0), t_ms=77) == ()
    events = parse(conversation, struct.pack("<BB3f", 3, ACC, 4.0, 5.0, 6.0), t_ms=78)
    assert [type(event) for event in events] == [Gap, SampleBlock] * 3  # how much the broken one held is not known


def test_a_second_part_that_never_comes_is_told() -> None:
    conversation = talk()
    assert parse(conversation, acc(0, 1.0, 2.0, 3.0)[:-1]) == ()
    with pytest.raises(DeviceDataError, match="second part"):
        parse(conversation, acc(77, 1.0, 2.0, 3.0)[:-1], t_ms=77)


def test_lost_packets_are_counted_by_the_sensors_clock() -> None:
    conversation = talk()
    parse(conversation, ecg(0, *[0] * 16))
    gap, block = parse(conversation, ecg(3 * 64, *[0] * 16), t_ms=192)
    assert isinstance(gap, Gap)
    assert gap.n_missing == 32
    assert isinstance(block, SampleBlock)
    assert block.first_sample_idx == 48


def test_the_clock_wraps_without_a_gap() -> None:
    conversation = talk()
    parse(conversation, ecg(2**32 - 64, *[0] * 16))
    (block,) = parse(conversation, ecg(0, *[0] * 16), t_ms=64)
    assert isinstance(block, SampleBlock)
    assert block.sensor_ns == (2**32 + 60) * NS_PER_MS


def test_a_packet_delivered_twice_is_taken_once_and_no_gap() -> None:
    conversation = talk()
    parse(conversation, ecg(0, *[0] * 16))
    (dropped,) = parse(conversation, ecg(0, *[0] * 16), t_ms=1)
    assert isinstance(dropped, Dropped)
    assert "again" in dropped.problem
    (block,) = parse(conversation, ecg(64, *[0] * 16), t_ms=64)
    assert isinstance(block, SampleBlock)
    assert block.first_sample_idx == 16


def test_rr_in_milliseconds_keeps_every_one() -> None:
    (block,) = parse(talk(), struct.pack("<BBf3H", 2, HR, 61.6, 998, 999, 1_000))
    assert block == RrBlock(stream_id="rr", received_ns=0, rr_1024=(1_022, 1_023, 1_024), heart_rate_bpm=62)
    (nothing,) = parse(talk(), struct.pack("<BBf", 2, HR, float("nan")))
    assert nothing == RrBlock(stream_id="rr", received_ns=0, rr_1024=())


@given(st.integers(0, 63_999), st.integers(0, 63_999))
def test_two_different_milliseconds_are_never_one(a: int, b: int) -> None:
    def told(ms: int) -> int:
        (block,) = parse(talk(), struct.pack("<BBfH", 2, HR, 60.0, ms))
        assert isinstance(block, RrBlock)
        return block.rr_1024[0]

    assert (told(a) == told(b)) == (a == b)


def test_the_battery_level() -> None:
    assert parse(talk(), bytes((1, BATTERY, 200, 0, 81))) == (Battery(stream_id="ecg", received_ns=0, level_pct=81),)
    assert parse(talk(), bytes((1, BATTERY, 503 & 0xFF, 503 >> 8))) == ()


@pytest.mark.parametrize(
    ("status", "words"), [(404, "does not have it"), (409, "busy"), (507, "no room"), (599, "status 599")]
)
def test_a_refused_path_is_given_up_with_words_and_the_last_one_ends_the_family(status: int, words: str) -> None:
    conversation = talk()
    assert parse(conversation, struct.pack("<BBH", 1, ECG, status)) == ()
    assert conversation.n_answers == 1
    assert set(conversation.refused) == {SignalKind.ECG}
    refusal = conversation.refused[SignalKind.ECG]
    assert "/Meas/ECG/250" in refusal.problem
    assert words in refusal.problem
    assert refusal.advice
    assert conversation.refusal is None
    for ref in (ACC, HR):
        parse(conversation, struct.pack("<BBH", 1, ref, status))
    assert conversation.refusal is not None


def test_the_answer_to_a_stop_refuses_nothing() -> None:
    conversation = talk()
    for status in (200, 404):
        parse(conversation, struct.pack("<BBH", 1, ECG, status))
    assert conversation.refused == {}


def test_a_granted_path_is_an_answer() -> None:
    conversation = talk()
    assert parse(conversation, struct.pack("<BBH", 1, ECG, 200)) == ()
    assert (conversation.n_answers, conversation.refusal) == (1, None)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x02",
        b"\x07\x01",
        b"\x01\x01",
        b"\x01\x01\xc8",
        b"\x02\x63" + bytes(8),
        acc(0, float("nan"), 0.0, 0.0),
        acc(0, 1e30, 0.0, 0.0),
        struct.pack("<BBfB", 2, HR, 60.0, 1),
        struct.pack("<BBf", 2, HR, -1.0),
        struct.pack("<BBfH", 2, HR, 60.0, 64_000),
        struct.pack("<BBI", 3, ECG, 1),
    ],
)
def test_wrong_notifications(wrong: bytes) -> None:
    with pytest.raises(DeviceDataError, match="expected"):
        parse(talk(), wrong)


@pytest.mark.parametrize("n_bytes", range(9))
def test_truncated_packets(n_bytes: int) -> None:
    payload = bytes(n_bytes)
    if n_bytes < 8:
        with pytest.raises(DeviceDataError, match="expected"):
            parse_ecg(payload)
    with pytest.raises(DeviceDataError, match="expected"):
        parse_motion(payload, n_arrays=1)
    if n_bytes not in (4, 6, 8):
        with pytest.raises(DeviceDataError, match="expected"):
            parse_heart_rate(payload)


def survey_after(*statuses: int) -> tuple[str, ...]:
    """What a survey finds where ECG, acceleration and heart rate are answered so."""
    assert movesense.FAMILY.survey is not None
    survey = movesense.FAMILY.survey()
    questions = [write.data[:2] for write in survey.questions()]
    assert questions == [b"\0\x09", b"\x01\x01", b"\x02\x01", b"\x01\x02", b"\x02\x02", b"\x01\x04", b"\x02\x04"]
    survey.parse(b"\x01\x09\x01SERIAL\0Product\0", channel="data")
    for ref, status in zip((ECG, ACC, HR), statuses, strict=True):
        survey.parse(struct.pack("<BBH", 1, ref, status), channel="data")
        survey.parse(ecg(0, 1, 2), channel="data")  # a packet slips in before the stop
        survey.parse(struct.pack("<BBH", 1, ref, 200), channel="data")
    assert survey.n_answers == len(questions)
    return tuple(template.kind.value for template in survey.found().streams)


def test_the_survey_finds_what_this_sensor_has() -> None:
    motion = ("acceleration_x", "acceleration_y", "acceleration_z")
    assert survey_after(200, 200, 200) == ("ecg", *motion, "rr")
    assert survey_after(404, 200, 201) == (*motion, "rr")
    assert survey_after(501, 404, 507) == ()


@given(st.lists(st.binary(max_size=80), max_size=8), st.lists(st.sampled_from(range(1, 10)), min_size=8, max_size=8))
def test_any_bytes_give_events_or_device_data_error(pieces: list[bytes], refs: list[int]) -> None:
    conversation = talk(with_gyroscope=True)
    for n, (piece, ref) in enumerate(zip(pieces, refs, strict=False)):
        for data in (piece, bytes((2 + n % 2, ref)) + piece, bytes((1, ref)) + piece):
            try:
                events = conversation.parse(data, channel="data", received_ns=n * NS_PER_S)
            except DeviceDataError:
                continue
            assert all(isinstance(event, SampleBlock | RrBlock | Gap | Battery | Dropped) for event in events)


def test_streams_left_to_another_family_are_not_asked_for() -> None:
    conversation = movesense.Conversation({SignalKind.ECG: Cursor(stream_id="e", sample_rate_hz=250.0)})
    assert [write.data[:2] for write in conversation.start()] == [b"\x01\x01", b"\x04\x05"]
    assert parse(conversation, struct.pack("<BBfH", 2, HR, 60.0, 1_000)) == ()
