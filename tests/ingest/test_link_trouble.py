"""Every failure of the radio becomes a sentence with something to do."""

import pytest
from bleak.exc import (
    PROTOCOL_ERROR_CODES,
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

from becalm_ingest.link_trouble import ADAPTER, BondMissingError, bond_lost, held, link_error, out_of_range, unsupported
from becalm_protocol.errors import LinkError

Reason = BleakBluetoothNotAvailableReason
STRAP = "SIM-HR 0001"


def not_available(reason: Reason) -> BleakBluetoothNotAvailableError:
    return BleakBluetoothNotAvailableError("as the system says it", reason)


def bluez(name: str, *text: str) -> BleakDBusError:
    return BleakDBusError(f"org.bluez.Error.{name}", list(text))


def bus(name: str) -> BleakDBusError:
    return BleakDBusError(f"org.freedesktop.DBus.Error.{name}", ["text"])


TABLE: list[tuple[BaseException, str, str]] = [
    # Bluetooth off
    (not_available(Reason.POWERED_OFF), "Bluetooth is off", "Switch it on"),
    (bluez("NotReady", "Resource Not Ready"), "Bluetooth is off", "Switch it on"),
    (bluez("Failed", "br-connection-adapter-not-powered"), "Bluetooth is off", "Switch it on"),
    # not permitted: macOS, Linux
    (not_available(Reason.DENIED_BY_USER), "may not use Bluetooth", "privacy settings"),
    (not_available(Reason.DENIED_BY_UNKNOWN), "may not use Bluetooth", "privacy settings"),
    (not_available(Reason.DENIED_BY_SYSTEM), "does not let this program", "administers"),
    (bus("AccessDenied"), "may not use Bluetooth", "group bluetooth"),
    (bluez("NotAuthorized"), "may not use Bluetooth", "group bluetooth"),
    (PermissionError(13, "Permission denied"), "may not use Bluetooth", "group bluetooth"),
    # no adapter, or one of no use
    (not_available(Reason.NO_BLUETOOTH), "no Bluetooth", "Plug in"),
    (BleakBluetoothNotAvailableError("no virtual radio at unix:/x", Reason.NO_BLUETOOTH), "virtual radio", "simulate"),
    (not_available(Reason.NO_BLE_CENTRAL_ROLE), "too old", "Plug in"),
    (not_available(Reason.UNKNOWN), "not available", "off and on"),
    (BleakError("adapter 'hci0' not found"), "no Bluetooth", "Plug in"),
    # no service
    (bus("ServiceUnknown"), "service is not running", "systemctl start bluetooth"),
    (bus("NameHasNoOwner"), "service is not running", "systemctl start bluetooth"),
    (bus("NoReply"), "does not answer", "systemctl restart bluetooth"),
    (FileNotFoundError(2, "no bus"), "service is not running", "systemctl start bluetooth"),
    (ConnectionRefusedError(111, "refused"), "service is not running", "systemctl start bluetooth"),
    (EOFError(), "Bluetooth service was lost", "tried again"),
    (BleakError("Bleak requires BlueZ >= 5.55."), "BlueZ is too old", "5.55"),
    # held by another app
    (bluez("Failed", "le-connection-refused"), "another app", "Close"),
    (BleakGATTProtocolError(0x11), "another app", "Close"),
    (bluez("InProgress", "Operation already in progress"), "busy", "off and on"),
    (bluez("Failed", "br-connection-busy"), "busy", "off and on"),
    # out of range
    (BleakDeviceNotFoundError("AA"), "out of range or in use", "near"),
    (BleakError("device 'dev_AA' not found"), "out of range or in use", "near"),
    (BleakError("Could not get GATT services: Unreachable"), "out of range or in use", "near"),
    (bluez("Failed", "Page Timeout"), "out of range or in use", "near"),
    (bluez("Failed", "le-connection-abort-by-local"), "out of range or in use", "near"),
    (bluez("Failed", "Host is down"), "out of range or in use", "near"),
    (bus("UnknownObject"), "out of range or in use", "near"),
    (TimeoutError(), "does not answer", "near"),
    # lost
    (BleakError("Not connected"), "was lost", "anew"),
    (BleakError("disconnected"), "was lost", "anew"),
    (AssertionError(), "was lost", "anew"),
    (KeyError("/org/bluez/hci0/dev_AA/service0001"), "was lost", "anew"),
    (bluez("NotConnected"), "was lost", "anew"),
    (bluez("Failed", "Software caused connection abort"), "was lost", "anew"),
    (BleakError("failed to discover services, device disconnected"), "ended the connection at once", "remove it"),
    (BleakError("Could not start notify on 0010: Access Denied"), "ended the connection at once", "remove it"),
    # bonds
    (BleakGATTProtocolError(0x05), "wants to be bonded", "Confirm"),
    (bluez("NotPermitted", "Not paired"), "wants to be bonded", "Confirm"),
    (bluez("AuthenticationFailed", "Authentication Failed"), "refused to bond", "Remove it"),
    (bluez("AuthenticationTimeout"), "refused to bond", "Remove it"),
    (BleakError("Could not pair with device: FAILED"), "refused to bond", "Remove it"),
    (bond_lost(STRAP), "forgotten its bond", "new one"),
    # firmware
    (BleakCharacteristicNotFoundError("fb005c81"), "does not support", "firmware"),
    (BleakGATTProtocolError(0x06), "does not support", "firmware"),
    (BleakGATTProtocolError(0x0A), "does not support", "firmware"),
    (BleakGATTProtocolError(0xFD), "does not support", "firmware"),
    (bluez("NotSupported"), "does not support", "firmware"),
    (unsupported(STRAP, lack="has no characteristic fb005c81"), "fb005c81", "firmware"),
    # what the agent finds out by itself
    (out_of_range(STRAP), "not in range", "bring it near"),
    (held(STRAP), "connected with this computer already", "close other programs"),
    # what nobody foresaw
    (BleakError("strange {0} {label}"), "strange {0} {label}", "tried again"),
]


@pytest.mark.parametrize(("error", "sentence", "advice"), TABLE, ids=lambda item: str(item)[:40])
def test_each_failure_has_a_sentence_and_something_to_do(error: BaseException, sentence: str, advice: str) -> None:
    told = link_error(error, label=STRAP)
    assert sentence in told.problem
    assert advice in told.advice
    assert "Error" not in str(told)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_of_bleak_is_known(reason: Reason) -> None:
    told = link_error(not_available(reason), label=STRAP)
    assert "failed" not in told.problem
    assert told.advice


@pytest.mark.parametrize("code", sorted(PROTOCOL_ERROR_CODES))
def test_every_code_of_the_attribute_protocol_is_told(code: int) -> None:
    told = link_error(BleakGATTProtocolError(code), label=STRAP)
    assert STRAP in told.problem or "busy" in told.problem
    assert told.advice
    assert isinstance(told, BondMissingError) == (code in {0x05, 0x08, 0x0C, 0x0F})


@pytest.mark.parametrize(
    ("error", "sentence", "advice"),
    [
        (TimeoutError(), "adapter does not answer", "agree"),
        (bus("UnknownObject"), "adapter is gone", "Plug it in"),
        (bluez("Failed", "Host is down"), "adapter is gone", "Plug it in"),
        (not_available(Reason.POWERED_OFF), "Bluetooth is off", "Switch it on"),
    ],
)
def test_the_adapter_is_not_spoken_of_as_a_sensor(error: BaseException, sentence: str, advice: str) -> None:
    told = link_error(error, label=ADAPTER)
    assert sentence in told.problem
    assert advice in told.advice


def test_what_is_told_already_stays_as_it_is() -> None:
    told = LinkError("a", advice="b")
    assert link_error(told, label=STRAP) is told
