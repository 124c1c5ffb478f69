"""One connection with a sensor: every operation has its limit, and words for its failure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from bleak import BleakClient
from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner
from bleak.backends.service import BleakGATTServiceCollection
from bleak.exc import BleakError

from becalm_ingest.devices import FAMILIES, Channel, Family, Write
from becalm_ingest.devices.family import uuid_of
from becalm_ingest.link_trouble import BondMissingError, bond_lost, bond_missing, link_error, unsupported
from becalm_protocol import limits
from becalm_protocol.errors import LinkError
from becalm_protocol.events import value

OPERATION_WITHIN_S = 5.0

_BATTERY_LEVEL_UUID = uuid_of(0x2A19)
_MODEL_UUID, _FIRMWARE_UUID = uuid_of(0x2A24), uuid_of(0x2A26)
_CONNECT_WITHIN_S = 10.0
# Longer than bleak's own limit: two limits of one length race, and the loser leaves the adapter busy.
_CONNECT_GUARD_S = 15.0
_DISCONNECT_WITHIN_S = 3.0

# bleak asserts, and looks up by path, what a link lost between two of its steps has changed meanwhile: seen on BlueZ.
_FAILURES = (BleakError, TimeoutError, OSError, EOFError, AssertionError, KeyError)

T = TypeVar("T")


@value
class Backend:
    """The classes bleak works with; None takes those of this machine."""

    scanner: type[BaseBleakScanner] | None = None
    client: type[BaseBleakClient] | None = None
    adapter: type[BaseBleakAdapter] | None = None


@value
class About:
    """What a sensor's Device Information Service says; None where it does not."""

    model: str | None = None
    firmware: str | None = None


class Link:
    """One connection with a client of its own. Every operation fails as LinkError, and as nothing else."""

    def __init__(
        self,
        device: BLEDevice,
        *,
        label: str,
        backend: Backend,
        on_lost: Callable[[], None] = lambda: None,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self.label = label
        self.is_lost = False
        self._on_lost = on_lost
        self._on_closed = on_closed
        self._has_paired = False
        self._client = BleakClient(
            device, disconnected_callback=self._note_lost, timeout=_CONNECT_WITHIN_S, backend=backend.client
        )

    async def open(self) -> None:
        """Connect and discover the services."""
        async with plainly(self.label, within_s=_CONNECT_GUARD_S):
            await self._client.connect()

    async def close(self) -> None:
        """Disconnect; also after a loss, or BlueZ delivers every later notification twice."""
        with suppress(LinkError):
            async with plainly(self.label, within_s=_DISCONNECT_WITHIN_S):
                await self._client.disconnect()
        self._on_closed()

    def families(self) -> tuple[Family, ...]:
        """The families whose service the sensor has. Raises LinkError where the link is lost."""
        uuids = {service.uuid for service in self._services()}
        return tuple(family for family in FAMILIES if family.service_uuid in uuids)

    async def battery_pct(self) -> int | None:
        """Return the level of the Battery Service, None where there is none."""
        data = await self._read_if_there(_BATTERY_LEVEL_UUID)
        return data[0] if data and data[0] <= 100 else None

    async def watch_battery(self, on_level: Callable[[int], None]) -> None:
        """Have every change of the battery level told, where the sensor tells it."""
        characteristic = self._services().get_characteristic(_BATTERY_LEVEL_UUID)
        if characteristic is None or "notify" not in characteristic.properties:
            return

        def take(_: BleakGATTCharacteristic, data: bytearray) -> None:
            if data and data[0] <= 100:
                on_level(data[0])

        async with plainly(self.label):
            await self._client.start_notify(characteristic, take)

    async def about(self) -> About:
        """Return what the sensor says of itself."""
        model, firmware = [_text(await self._read_if_there(uuid)) for uuid in (_MODEL_UUID, _FIRMWARE_UUID)]
        return About(model=model, firmware=firmware)

    async def read(self, uuid: str) -> bytes:
        """Return the value of a characteristic. Raises LinkError where it cannot be read."""
        return bytes(await self._bonded(lambda: self._client.read_gatt_char(self._existing(uuid))))

    async def subscribe(self, channel: Channel, *, on_bytes: Callable[[bytearray], None]) -> None:
        """Have every notification of a channel go to `on_bytes`."""
        characteristic = self._notifying(channel)
        await self._bonded(lambda: self._client.start_notify(characteristic, lambda _, data: on_bytes(data)))

    async def unsubscribe(self, channel: Channel) -> None:
        """End the notifications of a channel; those on their way have been delivered when this returns."""
        async with plainly(self.label):
            await self._client.stop_notify(self._notifying(channel))

    async def write(self, write: Write) -> None:
        """Write bytes, with response where the characteristic allows it."""
        characteristic = self._existing(write.uuid)
        response = "write" in characteristic.properties
        await self._bonded(lambda: self._client.write_gatt_char(characteristic, write.data, response=response))

    async def pair(self) -> None:
        """Bond with the sensor, which newer firmware wants before it sends."""
        self._has_paired = True
        try:
            async with plainly(self.label, within_s=_CONNECT_GUARD_S):
                await self._client.pair()
        except NotImplementedError as exc:  # macOS bonds by itself, and asks the person
            raise bond_missing(self.label) from exc

    # ----------------------------------------------------------------------------------------------------- inside
    async def _bonded(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Do something the sensor may want a bond for: bond once; where that changes nothing the bond is broken."""
        try:
            return await self._within_limit(operation)
        except BondMissingError:
            if not self._has_paired:
                await self.pair()
        try:
            return await self._within_limit(operation)
        except BondMissingError as exc:
            await self._forget_bond()
            raise bond_lost(self.label) from exc

    async def _within_limit(self, operation: Callable[[], Awaitable[T]]) -> T:
        async with plainly(self.label):
            return await operation()

    async def _forget_bond(self) -> None:
        """Remove a bond that only this side still has; the next connection makes a new one."""
        with suppress(LinkError, NotImplementedError):
            async with plainly(self.label):
                await self._client.unpair()

    async def _read_if_there(self, uuid: str) -> bytes:
        characteristic = self._services().get_characteristic(uuid)
        if characteristic is None or "read" not in characteristic.properties:
            return b""
        async with plainly(self.label):
            return bytes(await self._client.read_gatt_char(characteristic))

    def _existing(self, uuid: str) -> BleakGATTCharacteristic:
        characteristic = self._services().get_characteristic(uuid)
        if characteristic is None:
            raise unsupported(self.label, lack=f"has no characteristic {uuid[:8]}")
        return characteristic

    def _notifying(self, channel: Channel) -> BleakGATTCharacteristic:
        """Makers give the two ways of a service either identifier, so it is chosen by what it can do."""
        for uuid in channel.uuids:
            characteristic = self._services().get_characteristic(uuid)
            if characteristic is not None and {"notify", "indicate"} & set(characteristic.properties):
                return characteristic
        raise unsupported(self.label, lack=f"does not notify {channel.name}")

    def _services(self) -> BleakGATTServiceCollection:
        """A link lost since its discovery has none any more."""
        try:
            return self._client.services
        except BleakError as exc:
            raise LinkError(f"The connection with {self.label} was lost", advice="It is made anew") from exc

    def _note_lost(self, _: BleakClient) -> None:
        self.is_lost = True
        self._on_lost()


@asynccontextmanager
async def plainly(label: str, *, within_s: float | None = None) -> AsyncIterator[None]:
    """Limit an operation, to OPERATION_WITHIN_S by default, and turn its failure into a LinkError."""
    try:
        async with asyncio.timeout(OPERATION_WITHIN_S if within_s is None else within_s):
            yield
    except _FAILURES as exc:
        raise link_error(exc, label=label) from exc


def _text(data: bytes) -> str | None:
    """Strings of the Device Information Service are UTF-8; some firmware ends them with zeros."""
    text = "".join(filter(str.isprintable, data.decode("utf-8", errors="replace")))
    return text.strip()[: limits.MAX_NAME_CHARS] or None
