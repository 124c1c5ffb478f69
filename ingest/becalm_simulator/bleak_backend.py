"""A bleak 3.1 back end over a Bumble host: an agent meets the virtual radio (or a USB dongle) through plain bleak.

`async with open_radio("unix:PATH") as radio` gives the three types that bleak takes as `backend=`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Self, TypeVar

from becalm_protocol.events import value
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeoutError
from bumble.device import Connection, Peer
from bumble.hci import Address

from becalm_simulator.host_adapter import HostAdapter

T = TypeVar("T")

# The largest an attribute value can need (Core 5.4, Vol 3, Part F, 3.2.9: 512 bytes and their headers).
WANTED_MTU = 517
DEFAULT_MTU = 23
DISCONNECT_TIMEOUT_S = 1.0
_CCCD = "00002902-0000-1000-8000-00805f9b34fb"
_UUID_FIELDS = (
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)


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


class BumbleScanner(BaseBleakScanner):
    """Scans with the shared adapter; several scanners may run at once."""

    host: ClassVar[HostAdapter]

    def __init__(self, detection_callback: Any, service_uuids: list[str] | None, scanning_mode: str, **_: Any) -> None:
        super().__init__(detection_callback, service_uuids)
        self._is_active = scanning_mode == "active"
        self._device: Any = None

    async def start(self) -> None:
        """Begin to report advertisements."""
        self.seen_devices = {}
        self._device = await self.host.device()
        self._device.on("advertisement", self._heard)
        if not self._device.scanning:
            await self._device.start_scanning(active=self._is_active)

    async def stop(self) -> None:
        """End reporting; the last scanner to stop ends the scan."""
        device, self._device = self._device, None
        if device is None:
            return
        device.remove_listener("advertisement", self._heard)
        if device is self.host.living() and device.scanning and not device.listeners("advertisement"):
            await device.stop_scanning()

    def _heard(self, advertisement: Any) -> None:
        data = advertisement.data
        uuids = list(
            dict.fromkeys(_text(uuid) for kind in _UUID_FIELDS for group in data.get_all(kind) for uuid in group)
        )
        if not self.is_allowed_uuid(uuids):
            return
        name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME) or data.get(AdvertisingData.SHORTENED_LOCAL_NAME)
        manufacturer = {who: bytes(b) for who, b in data.get_all(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)}
        told = AdvertisementData(
            local_name=name,
            manufacturer_data=manufacturer,
            service_data={},
            service_uuids=uuids,
            tx_power=data.get(AdvertisingData.TX_POWER_LEVEL),
            rssi=advertisement.rssi,
            platform_data=(advertisement,),
        )
        address = advertisement.address.to_string(False)
        device = self.create_or_update_device(address, address, name, {"address": advertisement.address}, told)
        self.call_detection_callbacks(device, told)


class BumbleClient(BaseBleakClient):
    """One connection to one sensor."""

    host: ClassVar[HostAdapter]

    def __init__(self, address_or_ble_device: BLEDevice | str, services: set[str] | None = None, **kwargs: Any) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=kwargs["disconnected_callback"],
            timeout=kwargs["timeout"],
        )
        self._wanted_services = services
        self._connection: Any = None
        self._disconnected = asyncio.Event()
        self._handlers: dict[int, Callable[[bytes], None]] = {}
        is_device = isinstance(address_or_ble_device, BLEDevice)
        self._name = address_or_ble_device.name if isinstance(address_or_ble_device, BLEDevice) else None
        self._peer_address = (
            address_or_ble_device.details["address"]
            if is_device and isinstance(address_or_ble_device.details, dict)  # type: ignore[union-attr]
            else Address(self.address)
        )

    @property
    def name(self) -> str:
        """The name the sensor advertised, else its address."""
        return self._name or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        """The negotiated MTU."""
        return int(self._connection.att_mtu) if self._connection else DEFAULT_MTU

    @property
    def is_connected(self) -> bool:
        """True from a successful `connect` to the end of the link."""
        return self._connection is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        """Connect, negotiate the MTU and discover everything."""
        if self._connection:
            raise BleakError("client is already connected")
        device = await self.host.device()
        async with self.host.connecting:
            connection = await self._connect(device)
        self._connection = connection
        self._disconnected.clear()
        connection.on(Connection.EVENT_DISCONNECTION, self._ended)
        try:
            async with asyncio.timeout(self._timeout):
                if pair:
                    await self.pair()
                peer = Peer(connection)
                await self._while_connected(peer.request_mtu(WANTED_MTU))
                self.services = await self._while_connected(self._discover(peer))
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """End the link, if there is one."""
        connection = self._connection
        if connection is None or self.host.living() is None:
            return
        try:
            async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
                await connection.disconnect()
                await self._disconnected.wait()
        except (TimeoutError, BaseBumbleError):
            self._ended(None)

    async def pair(self, *_: Any, **__: Any) -> None:
        """Pair with the sensor."""
        await self._while_connected(self._linked().pair())

    async def unpair(self) -> None:
        """Forget the bond and disconnect."""
        device = self.host.living()
        if device is not None and device.keystore:
            await device.keystore.delete(str(self._peer_address))
        await self.disconnect()

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        """Read a characteristic; nothing is cached."""
        self._linked()
        return bytearray(await self._while_connected(characteristic.obj.read_value()))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        """Read a descriptor; nothing is cached."""
        self._linked()
        return bytearray(await self._while_connected(descriptor.obj.read_value()))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
        """Write a characteristic."""
        self._linked()
        await self._while_connected(characteristic.obj.write_value(bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        """Write a descriptor."""
        self._linked()
        await self._while_connected(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Callable[[bytearray], None], **_: Any
    ) -> None:
        """Subscribe; every notification goes to `callback` in the order it came."""
        self._linked()

        def handle(content: bytes) -> None:
            callback(bytearray(content))

        await self._while_connected(characteristic.obj.subscribe(handle))
        self._handlers[characteristic.handle] = handle

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe; what the sensor sent before it heard of that is still delivered."""
        self._linked()
        # Bumble would drop the handler before it tells the sensor, and lose what is on its way.
        cccd = next((d for d in characteristic.descriptors if d.uuid == _CCCD), None)
        if cccd is not None:
            await self._while_connected(cccd.obj.write_value(b"\x00\x00", with_response=True))
        handler = self._handlers.pop(characteristic.handle, None)
        await self._while_connected(characteristic.obj.unsubscribe(handler))

    # ------------------------------------------------------------------------------------------------ the link
    async def _connect(self, device: Any) -> Any:
        try:
            # Bumble's own timeout cancels the attempt at the controller; one of ours would leave it pending there.
            return await device.connect(self._peer_address, timeout=self._timeout)
        except BumbleTimeoutError as exc:
            raise BleakDeviceNotFoundError(self.address, f"{self.address} not found") from exc
        except BaseBumbleError as exc:
            raise BleakError(f"{self.address}: cannot connect ({exc})") from exc
        except asyncio.CancelledError:
            if device.is_le_connecting and device is self.host.living():
                await asyncio.shield(device.cancel_connection(self._peer_address))
            if _is_being_cancelled():
                raise
            raise BleakError(f"{self.address}: the adapter was lost while connecting") from None

    async def _discover(self, peer: Any) -> BleakGATTServiceCollection:
        found = BleakGATTServiceCollection()
        await peer.discover_services()
        for service in peer.services:
            if self._wanted_services and _text(service.uuid) not in self._wanted_services:
                continue
            bleak_service = BleakGATTService(service, service.handle, _text(service.uuid))
            found.add_service(bleak_service)
            for characteristic in await service.discover_characteristics():
                await self._add_characteristic(found, bleak_service, characteristic)
        return found

    async def _add_characteristic(
        self, found: BleakGATTServiceCollection, service: BleakGATTService, characteristic: Any
    ) -> None:
        bleak_characteristic = BleakGATTCharacteristic(
            characteristic,
            characteristic.handle,
            _text(characteristic.uuid),
            list(gatt_char_props_to_strs(int(characteristic.properties))),
            lambda: self.mtu_size - 3,
            service,
        )
        found.add_characteristic(bleak_characteristic)
        for descriptor in await characteristic.discover_descriptors():
            found.add_descriptor(
                BleakGATTDescriptor(descriptor, descriptor.handle, _text(descriptor.type), bleak_characteristic)
            )

    def _ended(self, _reason: Any) -> None:
        if self._connection is None:
            return
        self._connection = None
        self.services = None
        self._handlers.clear()
        self._disconnected.set()
        if self._disconnected_callback:
            self._disconnected_callback()

    def _linked(self) -> Any:
        if self._connection is None:
            raise BleakError("Not connected")
        return self._connection

    async def _while_connected(self, operation: Awaitable[T]) -> T:
        """Await a GATT operation; a lost link or an ATT error becomes bleak's own error."""
        try:
            done: T = await self._linked().cancel_on_disconnection(operation)
        except ATT_Error as exc:
            raise BleakGATTProtocolError(int(exc.error_code)) from exc  # type: ignore[arg-type]
        except BaseBumbleError as exc:
            raise BleakError(f"{self.address}: {exc}") from exc
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            raise BleakError("disconnected") from None
        return done


class BumbleAdapter(BaseBleakAdapter):
    """The shared adapter."""

    host: ClassVar[HostAdapter]

    @classmethod
    async def get(cls, **_: Any) -> Self:
        """Return the adapter. Raises BleakBluetoothNotAvailableError while there is none."""
        await cls.host.device()
        return cls()

    async def get_connected_devices(self, service_uuids: frozenset[str]) -> list[BLEDevice]:
        """Return the sensors this adapter is connected to; it cannot tell their services apart."""
        device = await self.host.device()
        addresses = [connection.peer_address for connection in device.connections.values()]
        return [BLEDevice(address.to_string(False), None, {"address": address}) for address in addresses]


def _is_being_cancelled() -> bool:
    """Tell our own cancellation from the one that Bumble raises at a disconnection."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _text(uuid: UUID) -> str:
    """Return a UUID as bleak writes it."""
    content = uuid.to_bytes()
    if len(content) == 16:
        return str(uuid.to_hex_str("-")).lower()
    return f"{int.from_bytes(content, 'little'):08x}-0000-1000-8000-00805f9b34fb"
