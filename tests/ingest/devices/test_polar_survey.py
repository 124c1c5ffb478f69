"""What a survey asks a Polar sensor, and the family it makes of the answers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices import Conversation, Cursor, Family
from becalm_ingest.devices.polar_pmd import CONTROL_UUID, Survey
from becalm_protocol.errors import DeviceDataError
from becalm_protocol.events import Clock, RrBlock, SampleBlock, SignalKind

AXES = [SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z]
LIGHTS = [SignalKind.PPG_1, SignalKind.PPG_2, SignalKind.PPG_3, SignalKind.PPG_AMBIENT]
OF_STRAP = {
    "01 00": "F0 01 00 00 00 00 01 82 00 01 01 0E 00",
    "01 02": "F0 01 02 00 00 00 04 C8 00 64 00 32 00 19 00 01 01 10 00 02 03 08 00 04 00 02 00",
}
OF_BAND = {
    "01 01": "F0 01 01 00 00 00 01 87 00 01 01 16 00 04 01 04",
    "01 02": "F0 01 02 00 00 00 01 34 00 01 01 10 00 02 01 08 00 04 01 03",
}


def ask(features: str, answers: dict[str, str]) -> tuple[list[str], Family]:
    """Let a survey ask; what is not in `answers` is refused. Return its questions and what it found."""
    survey = Survey()
    survey.take(CONTROL_UUID, bytes.fromhex(features))
    asked = survey.questions()
    for write in asked:
        n_before = survey.n_answers
        answer = answers.get(write.data.hex(" "), f"F0 {write.data.hex(' ')} 06 00")
        survey.parse(bytes.fromhex(answer), channel="control")
        assert survey.n_answers == n_before + write.expects_answer
    assert survey.refusal is None
    return [write.data.hex(" ") for write in asked], survey.found()


def cursors_of(family: Family) -> dict[SignalKind, Cursor]:
    return {
        stream.kind: Cursor(
            stream_id=stream.kind.value, sample_rate_hz=stream.sample_rate_hz, unit_per_count=stream.unit_per_count
        )
        for stream in family.streams
    }


def test_a_strap() -> None:
    asked, family = ask("0F 05 00", OF_STRAP)
    assert asked == ["01 00", "01 02", "03 00", "03 02"]
    assert [stream.kind for stream in family.streams] == [SignalKind.ECG, *AXES]
    conversation = family.converse(cursors_of(family))
    assert [write.data.hex(" ") for write in conversation.start()] == [
        "02 00 00 01 82 00 01 01 0e 00",
        "02 02 00 01 32 00 01 01 10 00 02 01 08 00",
    ]
    assert all(write.expects_answer for write in conversation.start())
    assert [write.data.hex(" ") for write in conversation.stop()] == ["03 00", "03 02"]


def test_an_arm_band() -> None:
    asked, family = ask("0F 0E 00", OF_BAND)
    assert asked == ["01 01", "01 02", "03 01", "03 02", "03 03"]
    assert [stream.kind for stream in family.streams] == [*LIGHTS, *AXES, SignalKind.PPI]
    assert [stream.sample_rate_hz for stream in family.streams] == [55.0] * 4 + [52.0] * 3 + [None]
    assert family.streams[-1].clock is Clock.ARRIVAL
    conversation = family.converse(cursors_of(family))
    assert [write.data.hex(" ") for write in conversation.start()] == [
        "02 01 00 01 87 00 01 01 16 00 04 01 04",
        "02 02 00 01 34 00 01 01 10 00 02 01 08 00 04 01 03",
        "02 03",
    ]


@pytest.mark.parametrize(
    ("features", "answers", "kinds"),
    [
        ("0F 05 00", {"01 00": OF_STRAP["01 00"]}, [SignalKind.ECG]),
        ("0F 08 00", {}, [SignalKind.PPI]),
        ("0F E0 00", {}, []),
        ("0F 05 00", {}, []),
    ],
)
def test_what_is_refused_is_not_offered(features: str, answers: dict[str, str], kinds: list[SignalKind]) -> None:
    assert [stream.kind for stream in ask(features, answers)[1].streams] == kinds


def test_an_answer_in_pieces() -> None:
    survey = Survey()
    survey.take(CONTROL_UUID, bytes.fromhex("0F 01 00"))
    survey.parse(bytes.fromhex("F0 01 00 00 01 00 01"), channel="control")
    assert survey.n_answers == 0
    survey.parse(bytes.fromhex("F0 01 00 00 00 82 00"), channel="control")
    survey.parse(bytes.fromhex("00"), channel="data")  # of a stream that runs already
    assert survey.n_answers == 1
    assert survey.found().streams[0].sample_rate_hz == 130.0


def test_features_that_are_none() -> None:
    with pytest.raises(DeviceDataError, match="features"):
        Survey().take(CONTROL_UUID, b"\xf0\x02\x00\x00\x00")


@given(st.binary(max_size=4), st.lists(st.binary(max_size=60), max_size=6))
def test_any_answers_make_a_family_or_device_data_error(features: bytes, answers: list[bytes]) -> None:
    survey = Survey()
    try:
        survey.take(CONTROL_UUID, b"\x0f" + features)
        for answer in answers:
            survey.parse(b"\xf0" + answer, channel="control")
    except DeviceDataError:
        pass
    family = survey.found()
    family.converse(cursors_of(family)).start()


# ------------------------------------------------------------------------------------------------- what it then parses
def talk() -> Conversation:
    family = ask("0F 0E 00", OF_BAND)[1]
    return family.converse(cursors_of(family))


def acc_frame(stamp_ns: int, *, form: int, payload: str) -> bytes:
    return struct.pack("<BQB", 2, stamp_ns, form) + bytes.fromhex(payload)


@pytest.mark.parametrize(
    ("form", "payload", "factor", "counts"),
    [
        # Steps of 8 g over 15 bits: as sent.
        (0x80, "01 00 FF FF 00 10", 8 / 32768, (1, -1, 4096)),
        (0x80, "01 00 FF FF 00 10", 0.000244, (1, -1, 4096)),
        (0x80, "01 00 FF FF 00 10", None, (1, -1, 4096)),
        # A sensor that counts otherwise than its settings say: to the nearest step of 0.244 mg.
        (0x80, "01 00 FF FF 00 10", 16 / 32768, (2, -2, 8192)),
        (0x81, "E8 03 18 FC 01 00", 1.0, (4096, -4096, 4)),
        (0x01, "E8 03 18 FC 01 00", None, (4096, -4096, 4)),
    ],
)
def test_steps_of_acceleration(form: int, payload: str, factor: float | None, counts: tuple[int, int, int]) -> None:
    conversation = talk()
    told = b"\x05\x01" + struct.pack("<f", factor) if factor is not None else b""
    conversation.parse(bytes.fromhex("F0 02 02 00 00") + told, channel="control", received_ns=0)
    events = conversation.parse(acc_frame(9, form=form, payload=payload), channel="data", received_ns=5)
    assert events == tuple(
        SampleBlock(stream_id=kind.value, received_ns=5, first_sample_idx=0, sensor_ns=9, counts=(count,))
        for kind, count in zip(AXES, counts, strict=True)
    )


def test_steps_too_large_for_32_bits_are_refused() -> None:
    conversation = talk()
    told = b"\x05\x01" + struct.pack("<f", 3e38)
    conversation.parse(bytes.fromhex("F0 02 02 00 00") + told, channel="control", received_ns=0)
    with pytest.raises(DeviceDataError, match="32 bits"):
        conversation.parse(acc_frame(9, form=0x80, payload="01 00 FF FF 00 10"), channel="data", received_ns=5)


def test_newer_light_fills_the_channels_there_are() -> None:
    conversation = talk()
    data = struct.pack("<BQB", 1, 9, 0x8D) + bytes.fromhex("01 00 00 02 00 00 03 00 00")
    events = conversation.parse(data, channel="data", received_ns=5)
    assert [event.stream_id for event in events] == ["ppg_1", "ppg_2", "ppg_3"]


def ppi_frame(stamp_ns: int, *pulses: tuple[int, int, int, int]) -> bytes:
    return struct.pack("<BQB", 3, stamp_ns, 0) + b"".join(struct.pack("<BHHB", *pulse) for pulse in pulses)


def test_pulse_intervals_carry_the_sensors_doubts() -> None:
    conversation = talk()
    data = ppi_frame(7, (60, 1000, 10, 6), (61, 980, 40, 7), (62, 977, 12, 4), (0, 0, 0, 6), (63, 65535, 9, 6))
    (block,) = conversation.parse(data, channel="data", received_ns=5)
    assert block == RrBlock(
        stream_id="ppi",
        received_ns=5,
        rr_1024=(1024, 1004, 1000, 0, 65535),
        heart_rate_bpm=63,
        in_contact=False,
        error_ms=(10, 40, 12, 0, 9),
        usable=(True, False, False, False, False),
    )


def test_every_millisecond_has_a_tick_of_its_own() -> None:
    assert len({round(ms * 1.024) for ms in range(64_000)}) == 64_000


def test_a_sensor_without_contact_detection_says_so() -> None:
    conversation = talk()
    (block,) = conversation.parse(ppi_frame(0, (60, 1000, 10, 0)), channel="data", received_ns=5)
    assert isinstance(block, RrBlock)
    assert (block.in_contact, block.usable) == (None, (True,))


def test_the_same_intervals_may_come_twice_but_not_with_the_same_stamp() -> None:
    conversation = talk()
    for stamp_ns in (0, 0, 7, 9):
        assert conversation.parse(ppi_frame(stamp_ns, (60, 1000, 10, 6)), channel="data", received_ns=5)
    with pytest.raises(DeviceDataError, match="again"):
        conversation.parse(ppi_frame(7, (60, 1000, 10, 6)), channel="data", received_ns=6)
