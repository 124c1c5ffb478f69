"""What the radio's errors mean to a person, and what they can do."""

import re
from typing import Final

from becalm_protocol.errors import LinkError

Told = tuple[str, str]
"""The sentence and the advice; `{label}` stands for the sensor."""
ADAPTER: Final = "The Bluetooth adapter"
"""The label of what concerns no single sensor."""

_OFF: Final = ("Bluetooth is off", "Switch it on in the system settings")
_NO_SERVICE: Final = ("The Bluetooth service is not running", "Start it: systemctl start bluetooth")
_NO_RIGHT: Final = (
    "This user may not use Bluetooth",
    "Add the user to the group bluetooth and log in again",
)
_BUSY: Final = ("Bluetooth is busy with another request", "Wait; if it stays, switch it off and on")
_AWAY: Final = ("{label} is out of range or in use", "Bring it near, close other apps and watches that use it")
_SILENT: Final = ("{label} does not answer", "Bring it near, and close other apps that use it")
_LOST: Final = ("The connection with {label} was lost", "It is made anew")
_HELD: Final = (
    "{label} refuses a connection: another app, watch or bike computer holds it",
    "Close what uses it, or take it off for a minute",
)
_REFUSED_BOND: Final = (
    "{label} refused to bond",
    "Remove it in the system's Bluetooth settings; take it off for a minute; close apps it is bonded with",
)
_UNSUPPORTED: Final = (
    "{label} does not support what becalm asks for",
    "Update its firmware in its maker's app",
)

_GONE: Final = ("The Bluetooth adapter is gone", "Plug it in again, or switch Bluetooth off and on")
# What is said of a sensor would be nonsense of the adapter. macOS asks the person, and waits for the answer.
_OF_ADAPTER: Final[dict[Told, Told]] = {
    _AWAY: _GONE,
    _LOST: _GONE,
    _SILENT: (
        "The Bluetooth adapter does not answer",
        "If the system asks whether becalm may use Bluetooth, agree; else switch it off and on",
    ),
}
# What a back end says that was told where a virtual radio is.
_NO_RADIO: Final = (
    "No virtual radio answers at the address given",
    "Start it with becalm simulate, and take the --radio that it shows",
)
# By the name of the reason of bleak's BleakBluetoothNotAvailableError.
_NOT_AVAILABLE: Final[dict[str, Told]] = {
    "NO_BLUETOOTH": (
        "This computer has no Bluetooth that works",
        "Plug in a Bluetooth 4.0 adapter, or use becalm demo",
    ),
    "NO_BLE_CENTRAL_ROLE": ("This Bluetooth adapter is too old for sensors", "Plug in a Bluetooth 4.0 adapter"),
    "POWERED_OFF": _OFF,
    "DENIED_BY_USER": ("This program may not use Bluetooth", "Allow it in the system's privacy settings"),
    "DENIED_BY_SYSTEM": ("The system does not let this program use Bluetooth", "Ask who administers this computer"),
    "DENIED_BY_UNKNOWN": ("This program may not use Bluetooth", "Allow it in the system's privacy settings"),
    "UNKNOWN": ("Bluetooth is not available", "Switch it off and on again"),
}
# Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1: authentication, authorization, key size and encryption missing.
_NEEDS_BOND: Final = {0x05, 0x08, 0x0C, 0x0F}
# The same table: not permitted to read or write, not supported, not found, and the CCCD refused (CSS 11, B.1.2).
_LACKS: Final = {0x02, 0x03, 0x06, 0x0A, 0xFD}
# The same table: out of resources, as straps say that serve their one or two peers already.
_NO_ROOM: Final = 0x11
# By the name of the error on D-Bus.
_DBUS: Final[dict[str, Told]] = {
    "org.freedesktop.DBus.Error.ServiceUnknown": _NO_SERVICE,
    "org.freedesktop.DBus.Error.NameHasNoOwner": _NO_SERVICE,
    "org.freedesktop.DBus.Error.NoReply": ("The Bluetooth service does not answer", "systemctl restart bluetooth"),
    "org.freedesktop.DBus.Error.AccessDenied": _NO_RIGHT,
    "org.freedesktop.DBus.Error.UnknownObject": _AWAY,
    "org.bluez.Error.NotReady": _OFF,
    "org.bluez.Error.InProgress": _BUSY,
    "org.bluez.Error.NotAuthorized": _NO_RIGHT,
    "org.bluez.Error.DoesNotExist": _AWAY,
    "org.bluez.Error.NotConnected": _LOST,
    "org.bluez.Error.AuthenticationFailed": _REFUSED_BOND,
    "org.bluez.Error.AuthenticationRejected": _REFUSED_BOND,
    "org.bluez.Error.AuthenticationCanceled": _REFUSED_BOND,
    "org.bluez.Error.AuthenticationTimeout": _REFUSED_BOND,
    "org.bluez.Error.ConnectionAttemptFailed": _AWAY,
    "org.bluez.Error.NotSupported": _UNSUPPORTED,
}
# By what the text says, where no code does: BlueZ's `Failed`, Windows, macOS, and bleak itself. The first that fits.
_TEXTS: Final[tuple[tuple[str, Told], ...]] = (
    (r"characteristic .* was not found|does not support (notifications|GATT)|service discovery has not", _UNSUPPORTED),
    (r"adapter '\w+' not found", _NOT_AVAILABLE["NO_BLUETOOTH"]),
    (r"adapter-not-powered|resource not ready|not powered", _OFF),
    (r"requires BlueZ", ("This BlueZ is too old", "Update the package bluez to 5.55 or newer")),
    (
        r"failed to discover services|access denied",
        (
            "{label} ended the connection at once",
            "It is tried again; if it stays so, remove it in the system's Bluetooth settings, close other apps",
        ),
    ),
    (r"connection-refused|connection refused|limit exceeded|limited resources", _HELD),
    (r"in progress|connection-busy|canceled|\bbusy\b", _BUSY),
    (r"could not pair|failure trying to pair|does not support pairing", _REFUSED_BOND),
    (r"not connected|disconnected|connection abort|connection reset", _LOST),
    (r"not found|unreachable|page.timeout|host is down|timed? ?out|abort-by-local|unknown error|no route", _AWAY),
)


class BondMissingError(LinkError):
    """The sensor wants to be bonded first."""


def link_error(exc: BaseException, *, label: str) -> LinkError:
    """Return the sentence and the advice for an error of the radio."""
    if isinstance(exc, LinkError):
        return exc
    if _wants_bond(exc):
        return bond_missing(label)
    told = _by_name(exc) or _by_code(exc) or _by_kind(exc) or _by_text(str(exc))
    if told is None:
        return LinkError(f"The connection with {label} failed ({_shown(exc)})", advice="It is tried again")
    problem, advice = _OF_ADAPTER.get(told, told) if label == ADAPTER else told
    return LinkError(problem.format(label=label), advice=advice)


def bond_missing(label: str) -> BondMissingError:
    """The sensor speaks to bonded computers only, and could not be bonded with yet."""
    return BondMissingError(
        f"{label} wants to be bonded with this computer first",
        advice="Confirm the system's question; if it fails, remove the sensor in the system settings and try again",
    )


def bond_lost(label: str) -> LinkError:
    """The sensor no longer knows the bond this computer has."""
    return LinkError(
        f"{label} has forgotten its bond with this computer",
        advice="The old bond is removed and a new one made; if it stays so, remove it in the Bluetooth settings",
    )


def unsupported(label: str, *, lack: str) -> LinkError:
    """The sensor's firmware lacks something its family has."""
    return LinkError(f"{label} {lack}", advice="Update its firmware in its maker's app")


def out_of_range(label: str) -> LinkError:
    """The sensor does not show in scans."""
    return LinkError(
        f"{label} is not in range, or another app holds it",
        advice="Put it on (a dry strap sleeps), bring it near, close other apps and watches that use it",
    )


def held(label: str) -> LinkError:
    """The sensor does not show in scans because this computer was connected with it."""
    return LinkError(
        f"{label} was connected with this computer already",
        advice="It has been freed and is looked for again; close other programs that use it",
    )


def _wants_bond(exc: BaseException) -> bool:
    is_unpaired = _dbus_name(exc) == "org.bluez.Error.NotPermitted" and "not paired" in str(exc).casefold()
    return is_unpaired or _gatt_code(exc) in _NEEDS_BOND


def _by_name(exc: BaseException) -> Told | None:
    if "no virtual radio" in str(exc):
        return _NO_RADIO
    reason = getattr(getattr(exc, "reason", None), "name", "")
    return _NOT_AVAILABLE.get(str(reason)) or _DBUS.get(_dbus_name(exc))


def _by_code(exc: BaseException) -> Told | None:
    code = _gatt_code(exc)
    if code in _LACKS:
        return _UNSUPPORTED
    return _HELD if code == _NO_ROOM else None


def _by_kind(exc: BaseException) -> Told | None:
    if isinstance(exc, TimeoutError):
        return _SILENT
    if isinstance(exc, FileNotFoundError | ConnectionRefusedError):
        return _NO_SERVICE
    if isinstance(exc, PermissionError):
        return _NO_RIGHT
    if isinstance(exc, AssertionError | KeyError):  # bleak, taken by surprise
        return _LOST
    if isinstance(exc, EOFError):
        return "The connection with the Bluetooth service was lost", "It is tried again"
    return _AWAY if type(exc).__name__ == "BleakDeviceNotFoundError" else None


def _by_text(text: str) -> Told | None:
    return next((told for pattern, told in _TEXTS if re.search(pattern, text, re.IGNORECASE)), None)


def _dbus_name(exc: BaseException) -> str:
    return str(getattr(exc, "dbus_error", ""))


def _gatt_code(exc: BaseException) -> int | None:
    code = getattr(exc, "code", None)
    return int(code) if isinstance(code, int) else None


def _shown(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__)[:200]
