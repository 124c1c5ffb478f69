"""The only importer of bleak: finds sensors, holds connections, and says plainly what went wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakError

from becalm_ingest.devices import FAMILIES, Channel, Family, Write
from becalm_ingest.devices.family import uuid_of
from becalm_ingest.link_trouble import link_error
from becalm_protocol.errors import LinkError
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

_BATTERY_LEVEL_UUID = uuid_of(0x2A19)
_CONNECT_WITHIN_S = 10.0
# Longer than bleak's own limit: two limits of one length race, and the loser leaves the adapter busy.
_CONNECT_GUARD_S = 15.0
OPERATION_WITHIN_S = 5.0
_DISCONNECT_WITHIN_S = 3.0
_SCAN_LONGEST_S = 5.0
# Names follow the first advertisement within a second; then the list is complete.
_SCAN_QUIET_S = 0.5
# BlueZ forgets devices half a minute after a scan; an older sighting is of no use for a connection.
_SIGHTING_FRESH_NS = 2 * NS_PER_S


@value
class Sighting:
    """A sensor seen in a scan."""

    name: str
    address: str
    rssi_dbm: int
    family: str
    """The family it was recognised by; once connected it may turn out to have more."""
    device: BLEDevice
    seen_ns: int
    """On the machine's monotonic clock."""


async def scan(*, backend: Backend | None = None, within_s: float = _SCAN_LONGEST_S) -> tuple[Sighting, ...]:
    """Return the sensors in range, the nearest first. Raises LinkError with advice."""
    radio = Radio(backend or Backend())
    found = await radio.look(is_enough=lambda _: False, within_s=within_s)
    return tuple(sorted(found.values(), key=lambda sighting: -sighting.rssi_dbm))


class Radio:
    """The adapter: one scan or one connection attempt at a time, as adapters want it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._turn = asyncio.Lock()
        self._seen: dict[str, Sighting] = {}

    async def look(self, *, is_enough: Callable[[dict[str, Sighting]], bool], within_s: float) -> dict[str, Sighting]:
        """Scan until `is_enough` of the sensors seen, or for `within_s`. Raises LinkError."""
        found: dict[str, Sighting] = {}
        news = asyncio.Event()

        def notice(device: BLEDevice, advertisement: AdvertisementData) -> None:
            sighting = _recognise(device, advertisement)
            if sighting is not None:
                before = found.get(sighting.address)
                found[sighting.address] = self._seen[sighting.address] = sighting
                if before is None or before.name != sighting.name:
                    news.set()

        async with self._turn, plainly("The Bluetooth adapter", within_s=None):
            scanner = BleakScanner(notice, backend=self._backend.scanner)
            async with asyncio.timeout(OPERATION_WITHIN_S):
                await scanner.start()
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(within_s):
                        while not is_enough(found):
                            news.clear()
                            await news.wait()
            finally:
                async with asyncio.timeout(OPERATION_WITHIN_S):
                    await scanner.stop()
        return found

    async def look_around(self, *, within_s: float) -> dict[str, Sighting]:
        """Scan until something was found and nothing new has come for a moment, or for `within_s`."""
        deadline_ns = time.monotonic_ns() + round(within_s * NS_PER_S)
        found = await self.look(is_enough=bool, within_s=within_s)
        while found and time.monotonic_ns() < deadline_ns:
            n_before = {(s.address, s.name) for s in found.values()}
            more = found | await self.look(is_enough=lambda _: False, within_s=_SCAN_QUIET_S)
            if {(s.address, s.name) for s in more.values()} == n_before:
                return more
            found = more
        return found

    async def find(self, address: str, *, label: str, within_s: float) -> Sighting:
        """Return a fresh sighting of one sensor. Raises LinkError where it is not there."""
        known = self._seen.get(address)
        if known is None or time.monotonic_ns() - known.seen_ns > _SIGHTING_FRESH_NS:
            found = await self.look(is_enough=lambda seen: address in seen, within_s=within_s)
            known = found.get(address)
        if known is None:
            raise LinkError(
                f"{label} is not in range, or another app holds it",
                advice="Put it on, bring it near, and close other apps and watches that use it",
            )
        return known

    async def clear_orphans(self, is_wanted: Callable[[str, str], bool]) -> None:
        """End connections that an earlier process left behind: a connected sensor does not show in scans."""
        uuids = [family.service_uuid for family in FAMILIES]
        devices: list[BLEDevice] = []
        with suppress(NotImplementedError, LinkError):
            async with plainly("The Bluetooth adapter"):
                adapter = await BleakAdapter.get(backend=self._backend.adapter)
                devices = await adapter.get_connected_devices(uuids)
        for device in devices:
            if is_wanted(device.name or "", device.address):
                link = Link(device, label=device.name or device.address, backend=self._backend)
                with suppress(LinkError):
                    await link.open()
                await link.close()

    async def connect(self, sighting: Sighting, *, on_lost: Callable[[], None]) -> "Link":
        """Return an open connection. Raises LinkError."""
        link = Link(sighting.device, label=sighting.name, backend=self._backend, on_lost=on_lost)
        self._seen.pop(sighting.address, None)
        try:
            async with self._turn:
                await link.open()
        except BaseException:
            await link.close()
            raise
        return link


def _recognise(device: BLEDevice, advertisement: AdvertisementData) -> Sighting | None:
    name = advertisement.local_name or device.name or ""
    name = "".join(filter(str.isprintable, name))[:40]
    uuids = tuple(uuid.lower() for uuid in advertisement.service_uuids)
    # Services tell more than names: first all families by service, then by name.
    by_service = (family for family in FAMILIES if family.matches(advertised_uuids=uuids, name=""))
    by_name = (family for family in FAMILIES if family.matches(advertised_uuids=(), name=name))
    family = next(by_service, None) or next(by_name, None)
    if family is None:
        return None
    return Sighting(
        name=name or device.address,
        address=device.address,
        rssi_dbm=advertisement.rssi,
        family=family.name,
        device=device,
        seen_ns=time.monotonic_ns(),
    )
