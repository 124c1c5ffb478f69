"""The ECG control point, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_simulator.sensors.polar_control import PolarControl

START = "02 00 00 01 82 00 01 01 0E 00"


@pytest.mark.parametrize(
    ("command", "mtu", "answer"),
    [
        ("01 00", 23, "F0 01 00 00 00 00 01 82 00 01 01 0E 00"),
        (START, 232, "F0 02 00 00 00"),
        (START, 231, "F0 02 00 0A 00"),
        ("02 00", 517, "F0 02 00 00 00"),
        ("02 00 00 01 C8 00", 517, "F0 02 00 08 00"),
        ("02 00 01 01 10 00", 517, "F0 02 00 07 00"),
        ("02 00 02 01 08 00", 517, "F0 02 00 05 00"),
        ("02 00 00 01 82", 517, "F0 02 00 04 00"),
        ("03 00", 517, "F0 03 00 06 00"),
        ("02 02 00 01 C8 00", 517, "F0 02 02 03 00"),
        ("02 3F", 517, "F0 02 3F 02 00"),
        ("02", 517, "F0 02 00 04 00"),
        ("09 00", 517, "F0 09 00 01 00"),
        ("", 517, "F0 00 00 01 00"),
    ],
)
def test_answers(command: str, mtu: int, answer: str) -> None:
    assert PolarControl().answer(bytes.fromhex(command), mtu=mtu) == bytes.fromhex(answer)


def test_start_and_stop_answer_already_in_state_the_second_time() -> None:
    control = PolarControl()
    answers = [control.answer(bytes.fromhex(c), mtu=517)[3] for c in (START, START, "03 00", "03 00", START)]
    assert answers == [0, 6, 0, 6, 0]
    assert control.streaming


@given(command=st.binary(max_size=40), mtu=st.integers(23, 517))
def test_any_bytes_get_an_answer(command: bytes, mtu: int) -> None:
    answer = PolarControl().answer(command, mtu=mtu)
    assert answer[0] == 0xF0
    assert answer[3] <= 14
