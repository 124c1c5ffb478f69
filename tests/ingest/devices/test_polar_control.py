"""Commands, answers, settings and refusals of the control point, byte for byte."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.devices.polar_control import (
    Answer,
    ControlChannel,
    Ended,
    Settings,
    parse_features,
    parse_settings,
    refused,
    settings_command,
    start_command,
    stop_command,
)
from becalm_ingest.devices.polar_frames import Measurement
from becalm_protocol.errors import DeviceDataError


def feed(*frames: str) -> list[Answer | Ended | None]:
    channel = ControlChannel()
    return [channel.feed(bytes.fromhex(frame)) for frame in frames]


def test_commands() -> None:
    chosen = Settings(rates_hz=(200,), resolutions_bit=(16,), ranges=(8,), channels=(3,))
    assert settings_command(Measurement.ACC).hex(" ") == "01 02"
    assert (
        start_command(Measurement.ACC, chosen=chosen).hex(" ") == "02 02 00 01 c8 00 01 01 10 00 02 01 08 00 04 01 03"
    )
    assert start_command(Measurement.PPI, chosen=Settings()).hex(" ") == "02 03"
    assert stop_command(Measurement.PPG).hex(" ") == "03 01"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0F 05 00", {Measurement.ECG, Measurement.ACC}),
        ("0F 0E 02", {Measurement.PPG, Measurement.ACC, Measurement.PPI}),
        ("0F E0", set()),
    ],
)
def test_features(data: str, expected: set[Measurement]) -> None:
    assert parse_features(bytes.fromhex(data)) == expected


@pytest.mark.parametrize("data", ["", "0F", "F0 05 00"])
def test_wrong_features(data: str) -> None:
    with pytest.raises(DeviceDataError, match="features"):
        parse_features(bytes.fromhex(data))


def test_an_answer_in_one_frame() -> None:
    assert feed("F0 01 00 00 00 00 01 82 00") == [
        Answer(op=1, kind=0, error=0, parameters=bytes.fromhex("00 01 82 00"))
    ]
    assert feed("F0 02 82 0A") == [Answer(op=2, kind=2, error=10, parameters=b"")]


def test_an_answer_goes_on_while_it_says_so() -> None:
    answers = feed("F0 01 02 00 01 00 02", "F0 01 02 00 01 19 00", "F0 01 02 00 00 C8 00")
    assert answers == [None, None, Answer(op=1, kind=2, error=0, parameters=bytes.fromhex("00 02 19 00 C8 00"))]


def test_an_answer_that_never_ends_is_given_up_for_the_next() -> None:
    assert feed("F0 01 02 00 01 00 02", "F0 02 00 00 00")[1] == Answer(op=2, kind=0, error=0, parameters=b"")
    channel, piece = ControlChannel(), bytes.fromhex("F0 01 02 00 01") + bytes(200)
    assert [channel.feed(piece), channel.feed(piece)] == [None, None]
    with pytest.raises(DeviceDataError, match="at most 512"):
        channel.feed(piece)


def test_an_end_and_features_are_no_answers() -> None:
    assert feed("01 00 82", "0F 05 00") == [Ended(kinds=frozenset({0, 2})), None]


@pytest.mark.parametrize("data", ["", "F0", "F0 02 00", "77 00 00 00 00"])
def test_wrong_answers(data: str) -> None:
    with pytest.raises(DeviceDataError, match="answer"):
        feed(data)


def test_settings() -> None:
    listed = bytes.fromhex(
        "00 04 C8 00 64 00 32 00 19 00 01 01 10 00 02 03 08 00 04 00 02 00 04 01 03 03 01 01 02 03 04"
    )
    factor = b"\x05\x01" + struct.pack("<f", 0.25)
    later = bytes.fromhex("07 01 99 99 99")
    assert parse_settings(listed + factor + later) == Settings(
        rates_hz=(200, 100, 50, 25), resolutions_bit=(16,), ranges=(8, 4, 2), channels=(3,), factor=0.25
    )
    assert parse_settings(b"") == parse_settings(bytes.fromhex("00 00")) == Settings()


@pytest.mark.parametrize(
    "parameters", ["00", "00 01", "00 02 82 00", "06 01 00", "05 01 00 00 C0 7F", "05 01 00 00 00 00"]
)
def test_wrong_settings(parameters: str) -> None:
    with pytest.raises(DeviceDataError, match="expected"):
        parse_settings(bytes.fromhex(parameters))


@pytest.mark.parametrize(
    ("error", "why", "advice"),
    [
        (1, "does not know the command", "wait a minute"),
        (2, "does not know the measurement", "wait a minute"),
        (3, "does not support it", "wait a minute"),
        (4, "too short or too long", "wait a minute"),
        (5, "parameter out of range", "wait a minute"),
        (6, "in that state already", "wait a minute"),
        (7, "resolution", "wait a minute"),
        (8, "sample rate", "wait a minute"),
        (9, "range", "wait a minute"),
        (10, "packets too small", "Bluetooth off and on"),
        (11, "number of channels", "wait a minute"),
        (12, "a state that does not allow it", "training"),
        (13, "in its charger", "off the charger"),
        (14, "no room left", "wait a minute"),
        (99, "gave error 99", "wait a minute"),
    ],
)
def test_every_refusal_is_said_in_words(error: int, why: str, advice: str) -> None:
    refusal = refused(Measurement.ACC, error=error)
    assert "acceleration" in refusal.problem
    assert why in refusal.problem
    assert advice in refusal.advice


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_give_answers_or_device_data_error(frames: list[bytes]) -> None:
    channel = ControlChannel()
    for data in frames:
        try:
            said = channel.feed(data)
            if isinstance(said, Answer):
                parse_settings(said.parameters)
        except DeviceDataError:
            continue
