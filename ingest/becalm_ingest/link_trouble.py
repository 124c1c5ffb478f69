"""What the radio's errors mean to a person, and what they can do."""

from becalm_protocol.errors import LinkError

# By the name of the reason of bleak's BleakBluetoothNotAvailableError.
_NOT_AVAILABLE = {
    "NO_BLUETOOTH": (
        "This computer has no Bluetooth that works",
        "Plug in a Bluetooth 4.0 adapter, or use becalm demo",
    ),
    "NO_BLE_CENTRAL_ROLE": ("This Bluetooth adapter is too old for sensors", "Plug in a Bluetooth 4.0 adapter"),
    "POWERED_OFF": ("Bluetooth is off", "Switch it on in the system settings"),
    "DENIED_BY_USER": ("This program may not use Bluetooth", "Allow it in the system's privacy settings"),
    "DENIED_BY_SYSTEM": ("The system does not let this program use Bluetooth", "Ask who administers this computer"),
    "DENIED_BY_UNKNOWN": ("This program may not use Bluetooth", "Allow it in the system's privacy settings"),
    "UNKNOWN": ("Bluetooth is not available", "Switch it off and on again"),
}
# Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1: authentication, authorization, key size and encryption missing.
_NEEDS_BOND = {0x05, 0x08, 0x0C, 0x0F}
# By the name of BlueZ's errors on D-Bus.
_DBUS = {
    "org.freedesktop.DBus.Error.ServiceUnknown": (
        "The Bluetooth service is not running",
        "Start it: systemctl start bluetooth",
    ),
    "org.freedesktop.DBus.Error.AccessDenied": (
        "This user may not use Bluetooth",
        "Add the user to the group bluetooth and log in again",
    ),
    "org.bluez.Error.NotReady": ("Bluetooth is off", "Switch it on in the system settings"),
    "org.bluez.Error.InProgress": ("Bluetooth is busy with another request", "Wait; if it stays, switch it off and on"),
    "org.bluez.Error.AuthenticationFailed": ("{label} refused to bond", "Remove it in the system settings, try again"),
}


class BondMissingError(LinkError):
    """The sensor wants to be bonded first."""


def link_error(exc: BaseException, *, label: str) -> LinkError:
    """Return the sentence and the advice for an error of the radio."""
    if isinstance(exc, LinkError):
        return exc
    reason = getattr(getattr(exc, "reason", None), "name", None)
    if reason in _NOT_AVAILABLE:
        return _made(_NOT_AVAILABLE[reason], label=label)
    if _gatt_code(exc) in _NEEDS_BOND:
        return BondMissingError(
            f"{label} wants to be bonded with this computer first",
            advice="Confirm the system's question; if it fails, remove the sensor in the system settings and try again",
        )
    dbus_error = getattr(exc, "dbus_error", None)
    if dbus_error in _DBUS:
        return _made(_DBUS[dbus_error], label=label)
    if isinstance(exc, TimeoutError):
        return LinkError(f"{label} does not answer", advice="Bring it near, and close other apps that use it")
    if isinstance(exc, FileNotFoundError | ConnectionRefusedError):
        return LinkError("The Bluetooth service is not running", advice="Start it: systemctl start bluetooth")
    if type(exc).__name__ == "BleakDeviceNotFoundError" or "not found" in str(exc):
        return LinkError(f"{label} is out of range or in use", advice="Bring it near, close other apps that use it")
    return LinkError(
        f"The connection with {label} failed ({str(exc) or type(exc).__name__})", advice="It is tried again"
    )


def _gatt_code(exc: BaseException) -> int | None:
    code = getattr(exc, "code", None)
    return int(code) if isinstance(code, int) else None


def _made(told: tuple[str, str], *, label: str) -> LinkError:
    problem, advice = told
    return LinkError(problem.format(label=label), advice=advice)
