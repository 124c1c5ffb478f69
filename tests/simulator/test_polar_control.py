"""The control point of straps and arm bands, byte for byte."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_simulator.sensors import optical, strap
from becalm_simulator.sensors.polar_control import PolarControl

START = "02 00 00 01 82 00 01 01 0E 00"
START_ACC = "02 02 00 01 C8 00 01 01 10 00 02 01 08 00"
START_BAND_ACC = "02 02 00 01 34 00 01 01 10 00 02 01 08 00 04 01 03"


def of_strap() -> PolarControl:
    return PolarControl(strap.OFFERS)


def of_band() -> PolarControl:
    return PolarControl(optical.NEW_OFFERS)


@pytest.mark.parametrize(
    ("command", "mtu", "answer"),
    [
        ("01 00", 23, "F0 01 00 00 00 00 01 82 00 01 01 0E 00"),
        ("01 02", 517, "F0 01 02 00 00 00 04 C8 00 64 00 32 00 19 00 01 01 10 00 02 03 08 00 04 00 02 00"),
        (START, 232, "F0 02 00 00 00"),
        (START, 231, "F0 02 00 0A 00"),
        (START_ACC, 229, "F0 02 02 00 00"),
        (START_ACC, 228, "F0 02 02 0A 00"),
        ("02 00", 517, "F0 02 00 00 00"),
        ("02 00 00 01 C8 00", 517, "F0 02 00 08 00"),
        ("02 00 01 01 10 00", 517, "F0 02 00 07 00"),
        ("02 02 02 01 10 00", 517, "F0 02 02 09 00"),
        ("02 00 02 01 08 00", 517, "F0 02 00 05 00"),
        ("02 00 04 01 04", 517, "F0 02 00 05 00"),
        ("02 00 00 01 82", 517, "F0 02 00 04 00"),
        ("03 00", 517, "F0 03 00 06 00"),
        ("02 01 00 01 C8 00", 517, "F0 02 01 03 00"),
        ("02 3F", 517, "F0 02 3F 02 00"),
        ("02", 517, "F0 02 00 04 00"),
        ("09 00", 517, "F0 09 00 01 00"),
        ("", 517, "F0 00 00 01 00"),
    ],
)
def test_answers_of_a_strap(command: str, mtu: int, answer: str) -> None:
    assert of_strap().answer(bytes.fromhex(command), mtu=mtu) == (bytes.fromhex(answer),)


def test_features() -> None:
    assert of_strap().features() == bytes.fromhex("0F 05 00")
    assert of_band().features() == bytes.fromhex("0F 0E 00")


def test_a_start_tells_what_a_compressed_sample_is_worth() -> None:
    (answer,) = of_band().answer(bytes.fromhex(START_BAND_ACC), mtu=185)
    assert answer == bytes.fromhex("F0 02 02 00 00 05 01") + struct.pack("<f", 8 / 32768)
    assert of_band().answer(bytes.fromhex("02 01 04 01 02"), mtu=185) == (bytes.fromhex("F0 02 01 0B 00"),)
    assert of_band().answer(bytes.fromhex("02 03"), mtu=185) == (bytes.fromhex("F0 02 03 00 00"),)


def test_what_does_not_fit_one_indication_goes_on_in_the_next() -> None:
    whole = of_strap().answer(bytes.fromhex("01 02"), mtu=517)[0][5:]
    pieces = of_strap().answer(bytes.fromhex("01 02"), mtu=23)
    assert [(len(piece), piece[4]) for piece in pieces] == [(20, 1), (12, 0)]
    assert b"".join(piece[5:] for piece in pieces) == whole


def test_start_and_stop_answer_already_in_state_the_second_time() -> None:
    control = of_strap()
    commands = (START, START, START_ACC, "03 00", "03 00", START)
    answers = [control.answer(bytes.fromhex(command), mtu=517)[0][3] for command in commands]
    assert answers == [0, 6, 0, 0, 6, 0]
    assert control.chosen == {0: {0: 130, 1: 14}, 2: {0: 200, 1: 16, 2: 8}}


def test_in_its_charger_it_ends_everything_and_starts_nothing() -> None:
    control = of_strap()
    for command in (START, START_ACC):
        control.answer(bytes.fromhex(command), mtu=517)
    control.in_charger = True
    assert control.end_all() == bytes.fromhex("01 00 02")
    assert control.answer(bytes.fromhex(START), mtu=517) == (bytes.fromhex("F0 02 00 0D 00"),)
    assert control.chosen == {}


@given(command=st.binary(max_size=40), mtu=st.integers(23, 517))
def test_any_bytes_get_an_answer(command: bytes, mtu: int) -> None:
    for control in (of_strap(), of_band()):
        for answer in control.answer(command, mtu=mtu):
            assert answer[0] == 0xF0
            assert answer[3] <= 14
            assert len(answer) <= mtu - 3
