"""Opening a radio for bleak: the three types it takes as `backend=`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import BaseBleakScanner

from becalm_protocol.events import value
from becalm_simulator.bleak_backend.adapter import BumbleAdapter
from becalm_simulator.bleak_backend.client import BumbleClient
from becalm_simulator.bleak_backend.host_adapter import HostAdapter
from becalm_simulator.bleak_backend.scanner import BumbleScanner


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
