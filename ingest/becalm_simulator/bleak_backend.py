"""A bleak 3.1 back end over a Bumble host: an agent meets the virtual radio (or a USB dongle) through plain bleak.

`async with open_radio("unix:PATH") as radio` gives the three types that bleak takes as `backend=`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Self

from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner

from becalm_protocol.events import value
from becalm_simulator.host_adapter import HostAdapter
from becalm_simulator.radio_client import BumbleClient
from becalm_simulator.radio_scanner import BumbleScanner


@value
class RadioClasses:
    """What bleak's scanner, client and adapter take as `backend=`."""

    scanner: type[BaseBleakScanner]
    client: type[BaseBleakClient]
    adapter: type[BaseBleakAdapter]


@asynccontextmanager
async def open_radio(spec: str) -> AsyncIterator[RadioClasses]:
    """Give bleak's back end types for the adapter at `unix:PATH`, `tcp:HOST:PORT` or any Bumble transport (`usb:0`).

    The adapter is opened when first used, and anew after it was lost; while it is away bleak raises
    BleakBluetoothNotAvailableError.
    """
    host = HostAdapter(spec)
    try:
        yield RadioClasses(
            scanner=type("RadioScanner", (BumbleScanner,), {"host": host}),
            client=type("RadioClient", (BumbleClient,), {"host": host}),
            adapter=type("RadioAdapter", (BumbleAdapter,), {"host": host}),
        )
    finally:
        await host.close()


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
