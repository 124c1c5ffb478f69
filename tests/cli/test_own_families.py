"""Options of the agent that change what a device family gives."""

import pytest

from becalm_cli.parts import own_families
from becalm_protocol.errors import ConfigError


def test_without_options_every_family_is_as_usual() -> None:
    assert own_families(wiring=None, gyroscope=False) == ()


def test_a_wiring_and_a_gyroscope() -> None:
    board, chest = own_families(wiring="A4=skin_conductance,A1=respiration", gyroscope=True)
    assert (board.name, [stream.kind for stream in board.streams]) == ("bitalino", ["respiration", "skin_conductance"])
    assert chest.name == "movesense"
    assert "angular_velocity_x" in [stream.kind for stream in chest.streams]


def test_an_impossible_wiring_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="A9=ecg"):
        own_families(wiring="A9=ecg", gyroscope=False)
