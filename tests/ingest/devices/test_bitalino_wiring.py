"""What a person may say about the wiring of a board, and what is refused with words."""

import pytest

from becalm_ingest.devices import bitalino
from becalm_ingest.devices.bitalino_wiring import DEFAULT_WIRING, parse_wiring
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import SignalKind


def test_the_board_as_it_is_sold() -> None:
    assert DEFAULT_WIRING.channels == (2, 3)
    assert DEFAULT_WIRING.kinds == (SignalKind.ECG, SignalKind.SKIN_CONDUCTANCE)
    assert bitalino.FAMILY.streams == DEFAULT_WIRING.streams


def test_channels_are_put_in_their_order() -> None:
    wiring = parse_wiring(" a3 = skin_conductance , rate_hz=1000, A1=Respiration,a2=ecg")
    assert wiring.channels == (1, 2, 3)
    assert wiring.kinds == (SignalKind.RESPIRATION, SignalKind.ECG, SignalKind.SKIN_CONDUCTANCE)
    assert wiring.rate_hz == 1_000
    assert {stream.sample_rate_hz for stream in wiring.streams} == {1_000.0}


def test_transfer_functions_are_those_of_the_data_sheets() -> None:
    respiration, ecg, skin = parse_wiring("A1=respiration,A2=ecg,A3=skin_conductance").streams
    assert 1_024 * skin.unit_per_count == pytest.approx(25.0)
    assert 512 * ecg.unit_per_count == pytest.approx(1_500.0)
    assert 512 * respiration.unit_per_count == 50.0
    assert (skin.unit, ecg.unit, respiration.unit) == ("uS", "uV", "au")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "A3=skin_conductance"),
        ("A7=ecg", "entries like"),
        ("A5=ecg", "6 bits"),
        ("A2", "one of ecg"),
        ("A2=", "one of ecg"),
        ("A2=emg", "one of ecg, skin_conductance, respiration"),
        ("A2=ecg,A2=respiration", "A2 twice"),
        ("A1=ecg,A2=ecg", "ecg twice"),
        ("A2=ecg,rate_hz=250", "one of 10, 100, 1000"),
        ("A2=ecg,rate_hz=10", "100 Hz or more for ecg"),
        ("rate_hz=100", "at least one channel"),
    ],
)
def test_refusals_name_the_setting_and_what_is_possible(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_wiring(text)
    assert caught.value.setting == "--wiring"
