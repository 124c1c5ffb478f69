"""The objects that bluetoothd shows on the bus, and the signals that tell of their changes."""

from __future__ import annotations  # elsewhere than on Linux the types of D-Bus are not there

import sys
from typing import Any

from tests.bluez.straps import ADAPTER, AGENTS, CHARACTERISTIC, DEVICE, HCI0, HRS, MANAGER, PROPERTIES, SERVICE, Strap

if sys.platform == "linux":
    from dbus_fast import Message
    from dbus_fast import Variant as V  # noqa: N817 - a hundred times below
    from dbus_fast.aio import MessageBus


class BluezObjects:
    """An adapter and the straps near it, as objects; `_bus` is set by whoever answers for them."""

    _bus: MessageBus

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, dict[str, Any]]] = {"/org/bluez": {AGENTS: {}}}
        self._straps: dict[str, Strap] = {}
        self.add_adapter()

    # ---------------------------------------------------------------------------------------------- what tests stage
    def add_adapter(self, *, powered: bool = True, roles: tuple[str, ...] = ("central", "peripheral")) -> None:
        self._objects[HCI0] = {
            ADAPTER: {
                "Address": V("s", "00:11:22:33:44:55"), "Name": V("s", "sim"), "Alias": V("s", "sim"),
                "Powered": V("b", powered), "Discovering": V("b", False), "Roles": V("as", list(roles)),
                "UUIDs": V("as", []),
            }
        }  # fmt: skip

    def remove_adapter(self) -> None:
        del self._objects[HCI0]

    def unplug(self) -> None:
        """The adapter goes, and with it all devices."""
        for strap in self._straps.values():
            self.forget(strap)
        interfaces = list(self._objects.pop(HCI0))
        self._signal("/", MANAGER, member="InterfacesRemoved", signature="oas", body=[HCI0, interfaces])

    def plug_in(self) -> None:
        self.add_adapter()
        self._add(HCI0, self._objects[HCI0])

    def put_on(self, strap: Strap, *, connected: bool = False, paired: bool = False) -> Strap:
        """Bring a strap near; connected: another process made the connection, and died."""
        self._straps[strap.path] = strap
        if connected or paired:
            self._objects[strap.path] = self._device(strap)
            self._objects[strap.path][DEVICE] |= {"Connected": V("b", connected), "Paired": V("b", paired)}
        if connected:
            self._objects |= self._gatt(strap)
            self._objects[strap.path][DEVICE]["ServicesResolved"] = V("b", True)
        return strap

    def drop(self, strap: Strap) -> None:
        """The link is lost; what bleak asked of it before is not forgotten."""
        self._change(strap.path, DEVICE, ServicesResolved=V("b", False), Connected=V("b", False))

    def forget(self, strap: Strap) -> None:
        """Remove a device, as bluetoothd does half a minute after a scan."""
        for path in [path for path in self._objects if path.startswith(strap.path)][::-1]:
            interfaces = list(self._objects.pop(path))
            self._signal("/", MANAGER, member="InterfacesRemoved", signature="oas", body=[path, interfaces])

    def notify(self, strap: Strap, uuid: str, data: bytes) -> None:
        """The strap notifies: bluetoothd tells it once for everyone who asked, and everyone hears each of them."""
        path = strap.char_path(uuid)
        for _ in strap.listeners.get(path, ()):
            self._change(path, CHARACTERISTIC, Value=V("ay", data))

    def is_connected(self, strap: Strap) -> bool:
        return strap.path in self._objects and bool(self._objects[strap.path][DEVICE]["Connected"].value)

    def is_paired(self, strap: Strap) -> bool:
        return strap.path in self._objects and bool(self._objects[strap.path][DEVICE]["Paired"].value)

    # -------------------------------------------------------------------------------------------------------- objects
    def _device(self, strap: Strap) -> dict[str, dict[str, Any]]:
        props = {
            "Address": V("s", strap.address), "AddressType": V("s", "random"), "Name": V("s", strap.name),
            "Alias": V("s", strap.name), "Adapter": V("o", HCI0), "Paired": V("b", False), "Trusted": V("b", False),
            "Connected": V("b", False), "ServicesResolved": V("b", False), "UUIDs": V("as", [HRS]),
            "RSSI": V("n", -55),
        }  # fmt: skip
        return {DEVICE: props}

    def _gatt(self, strap: Strap) -> dict[str, dict[str, dict[str, Any]]]:
        made: dict[str, dict[str, dict[str, Any]]] = {}
        for service, chars in strap.services.items():
            service_path = strap.char_path(next(iter(chars))).rpartition("/")[0]
            made[service_path] = {
                SERVICE: {"UUID": V("s", service), "Primary": V("b", True), "Device": V("o", strap.path)}
            }
            for uuid, char in chars.items():
                props = {"UUID": V("s", uuid), "Service": V("o", service_path), "Flags": V("as", char.flags)}
                if strap.tells_mtu:
                    props["MTU"] = V("q", 517)
                made[strap.char_path(uuid)] = {CHARACTERISTIC: props}
        return made

    def _add(self, path: str, interfaces: dict[str, dict[str, Any]]) -> None:
        self._objects[path] = interfaces
        self._signal("/", MANAGER, member="InterfacesAdded", signature="oa{sa{sv}}", body=[path, interfaces])

    def _change(self, path: str, interface: str, **props: Any) -> None:
        if path not in self._objects:
            return
        self._objects[path][interface].update(props)
        self._signal(path, PROPERTIES, member="PropertiesChanged", signature="sa{sv}as", body=[interface, props, []])

    def _signal(self, path: str, interface: str, *, member: str, signature: str, body: list[Any]) -> None:
        if self._bus.connected:
            self._bus.send(Message.new_signal(path, interface, member, signature, body))
