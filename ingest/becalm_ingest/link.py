"""The radio: finds sensors and connects, one thing at a time. With `link_connection` the only user of bleak."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from bleak import BleakAdapter, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from becalm_ingest.devices import FAMILIES
from becalm_ingest.link_connection import OPERATION_WITHIN_S, Backend, Link, plainly
from becalm_ingest.link_trouble import ADAPTER, held, out_of_range
from becalm_ingest.turn import Turn
from becalm_protocol.errors import LinkError
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

__all__ = ["Backend", "Link", "Radio", "Sighting", "scan"]

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
        self._turn = Turn()
        self._seen: dict[str, Sighting] = {}
        self._ours: set[str] = set()

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

        async with self._turn.take(), plainly(ADAPTER, within_s=within_s + 3 * OPERATION_WITHIN_S):
            if is_enough(found):
                return found  # what was looked for came in somebody else's scan
            scanner = BleakScanner(notice, backend=self._backend.scanner)
            async with asyncio.timeout(OPERATION_WITHIN_S):
                await scanner.start()
            try:
                async with self._turn.scan(within_s=within_s):
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
        if self._fresh(address) is None:
            await self.look(is_enough=lambda _: self._fresh(address) is not None, within_s=within_s)
        known = self._fresh(address)
        if known is None:
            raise held(label) if await self._free(lambda _, connected: connected == address) else out_of_range(label)
        return known

    async def clear_orphans(self, is_wanted: Callable[[str, str], bool]) -> None:
        """End connections that an earlier process left behind: a connected sensor does not show in scans."""
        await self._free(is_wanted)

    async def connect(self, sighting: Sighting, *, on_lost: Callable[[], None]) -> Link:
        """Return an open connection. Raises LinkError."""
        address = sighting.address
        link = Link(
            sighting.device,
            label=sighting.name,
            backend=self._backend,
            on_lost=on_lost,
            on_closed=lambda: self._ours.discard(address),
        )
        self._seen.pop(address, None)
        try:
            async with self._turn.take():
                self._ours.add(address)
                await link.open()
        except BaseException:
            await link.close()
            raise
        return link

    def is_ours(self, address: str) -> bool:
        """Tell whether there is a connection with this sensor, or one is being made: nobody else may bond."""
        return address in self._ours

    def _fresh(self, address: str) -> Sighting | None:
        known = self._seen.get(address)
        return known if known is not None and time.monotonic_ns() - known.seen_ns <= _SIGHTING_FRESH_NS else None

    async def _free(self, is_wanted: Callable[[str, str], bool]) -> int:
        """Disconnect the wanted sensors that the system still holds; return how many there were."""
        uuids = [family.service_uuid for family in FAMILIES]
        devices: list[BLEDevice] = []
        with suppress(NotImplementedError, LinkError):
            async with plainly(ADAPTER):
                adapter = await BleakAdapter.get(backend=self._backend.adapter)
                devices = await adapter.get_connected_devices(uuids)
        wanted = [device for device in devices if is_wanted(device.name or "", device.address)]
        for device in wanted:
            link = Link(device, label=device.name or device.address, backend=self._backend)
            async with self._turn.take():
                with suppress(LinkError):
                    await link.open()
                await link.close()
        return len(wanted)


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
