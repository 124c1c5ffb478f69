"""Every failure of the radio becomes a sentence with advice."""

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

from becalm_ingest.link_trouble import BondMissingError, link_error
from becalm_protocol.errors import LinkError


@pytest.mark.parametrize("reason", list(BleakBluetoothNotAvailableReason))
def test_every_reason_of_bleak_is_known(reason: BleakBluetoothNotAvailableReason) -> None:
    told = link_error(BleakBluetoothNotAvailableError("x", reason), label="strap")
    assert "failed" not in told.problem
    assert told.advice


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BleakDeviceNotFoundError("AA"), "out of range or in use"),
        (BleakError("device 'dev_AA' not found"), "out of range or in use"),
        (BleakDBusError("org.bluez.Error.NotReady", []), "Bluetooth is off"),
        (BleakDBusError("org.bluez.Error.InProgress", []), "busy"),
        (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", []), "may not use Bluetooth"),
        (BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", []), "service is not running"),
        (TimeoutError(), "does not answer"),
        (FileNotFoundError(2, "no bus"), "service is not running"),
        (BleakError("strange"), "strange"),
        (EOFError(), "EOFError"),
    ],
)
def test_sentences(error: BaseException, words: str) -> None:
    told = link_error(error, label="SIM-HR 0001")
    assert words in str(told)
    assert told.advice


@pytest.mark.parametrize("code", [0x05, 0x08, 0x0C, 0x0F])
def test_a_missing_bond_can_be_told_apart(code: int) -> None:
    assert isinstance(link_error(BleakGATTProtocolError(code), label="strap"), BondMissingError)
    assert not isinstance(link_error(BleakGATTProtocolError(0x01), label="strap"), BondMissingError)


def test_what_is_told_already_stays_as_it_is() -> None:
    told = LinkError("a", advice="b")
    assert link_error(told, label="strap") is told
