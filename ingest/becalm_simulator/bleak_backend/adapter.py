"""A bleak adapter over a Bumble host."""

from typing import Any, ClassVar, Self

from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.device import BLEDevice

from becalm_simulator.bleak_backend.host_adapter import HostAdapter


class BumbleAdapter(BaseBleakAdapter):
    """The shared adapter."""

    host: ClassVar[HostAdapter]

    @classmethod
    async def get(cls, **_: Any) -> Self:
        """Return the adapter. Raises BleakBluetoothNotAvailableError while there is none."""
        await cls.host.device()
        return cls()

    async def get_connected_devices(self, service_uuids: frozenset[str]) -> list[BLEDevice]:  # noqa: ARG002  see below
        """Return the sensors this adapter is connected to; it cannot tell their services apart."""
        device = await self.host.device()
        addresses = [connection.peer_address for connection in device.connections.values()]
        return [BLEDevice(address.to_string(False), None, {"address": address}) for address in addresses]
