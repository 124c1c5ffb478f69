"""A strap as bluetoothd knows it, and the names of what is on the bus."""

from dataclasses import dataclass, field

MANAGER, PROPERTIES = "org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties"
ADAPTER, DEVICE, AGENTS = "org.bluez.Adapter1", "org.bluez.Device1", "org.bluez.AgentManager1"
SERVICE, CHARACTERISTIC = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
HCI0 = "/org/bluez/hci0"
HRS, HRM = "0000180d-0000-1000-8000-00805f9b34fb", "00002a37-0000-1000-8000-00805f9b34fb"
BATTERY, LEVEL = "0000180f-0000-1000-8000-00805f9b34fb", "00002a19-0000-1000-8000-00805f9b34fb"
ABOUT = "0000180a-0000-1000-8000-00805f9b34fb"
MODEL, FIRMWARE = "00002a24-0000-1000-8000-00805f9b34fb", "00002a26-0000-1000-8000-00805f9b34fb"


@dataclass(kw_only=True)
class Char:
    """A characteristic of a virtual strap."""

    flags: list[str]
    value: bytes = b""
    is_encrypted: bool = False


@dataclass(kw_only=True)
class Strap:
    """A sensor as bluetoothd sees it."""

    name: str = "SIM-HR 0001"
    address: str = "F0:C0:FF:EE:12:00"
    services: dict[str, dict[str, Char]] = field(
        default_factory=lambda: {
            HRS: {HRM: Char(flags=["notify"])},
            BATTERY: {LEVEL: Char(flags=["read", "notify"], value=b"\x57")},
            ABOUT: {
                MODEL: Char(flags=["read"], value=b"H10\0"),
                FIRMWARE: Char(flags=["read"], value=b"5.0.0"),
            },
        }
    )
    in_range: bool = True
    resolves: bool = True
    """False: service discovery never comes to an end."""
    tells_mtu: bool = True
    """False before BlueZ 5.62."""
    knows_us: bool = False
    """It has a bond with this computer."""
    refuses_bond: bool = False
    written: list[tuple[str, bytes]] = field(default_factory=list)
    listeners: dict[str, list[str]] = field(default_factory=dict)
    """By characteristic, the bus names that asked for its notifications: kept over a lost link, as bluetoothd does."""
    first_words: dict[str, list[bytes]] = field(default_factory=dict)
    """By characteristic, what it notifies in the moment in which somebody begins to listen."""

    @property
    def path(self) -> str:
        return f"{HCI0}/dev_{self.address.replace(':', '_')}"

    def char(self, uuid: str) -> Char:
        return next(chars[uuid] for chars in self.services.values() if uuid in chars)

    def char_path(self, uuid: str) -> str:
        n_service = next(n for n, chars in enumerate(self.services.values()) if uuid in chars)
        n_char = list(list(self.services.values())[n_service]).index(uuid)
        return f"{self.path}/service{n_service + 1:02x}00/char{n_service + 1:02x}{2 * n_char + 1:02x}"
