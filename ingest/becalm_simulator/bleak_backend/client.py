"""A bleak client over a Bumble host."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bumble import hci
from bumble.att import ATT_Error
from bumble.core import BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeoutError
from bumble.device import Connection, ConnectionParametersPreferences, Device, Peer

from becalm_simulator.bleak_backend.host_adapter import HostAdapter
from becalm_simulator.cancelled import is_being_cancelled, raise_if_cancelled
from becalm_simulator.uuid_text import uuid_text

T = TypeVar("T")

# The largest an attribute value can need (Core 5.4, Vol 3, Part F, 3.2.9: 512 bytes and their headers).
WANTED_MTU = 517
DEFAULT_MTU = 23
# What phones and PCs ask for while data flows, and when they give a silent link up.
CONNECTION_INTERVAL_MS = 30
SUPERVISION_TIMEOUT_MS = 5000
DISCONNECT_TIMEOUT_S = 1.0
GIVE_UP_TIMEOUT_S = 1.0
_PREFERENCES = ConnectionParametersPreferences(
    connection_interval_min=CONNECTION_INTERVAL_MS,
    connection_interval_max=CONNECTION_INTERVAL_MS,
    supervision_timeout=SUPERVISION_TIMEOUT_MS,
)
_CCCD = "00002902-0000-1000-8000-00805f9b34fb"


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
        known = address_or_ble_device if isinstance(address_or_ble_device, BLEDevice) else None
        self._name = known.name if known else None
        self._peer_address = known.details["address"] if known else hci.Address(self.address)

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
        if device.lookup_connection(connection.handle) is not connection:  # it ended before we could take note
            raise BleakError(f"{self.address}: the connection was not established")
        self._connection = connection
        self._disconnected.clear()
        connection.on(Connection.EVENT_DISCONNECTION, self._ended)
        try:
            async with asyncio.timeout(self._timeout):
                await self._encrypt(device)
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
        if connection is None:
            return
        if not self.host.is_living(connection.device):
            self._ended(None)
            return
        try:
            async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
                await connection.disconnect()
                await self._disconnected.wait()
        except TimeoutError:
            # The controller stands still and would keep the link for ever, its sensor unseen: begin afresh with it.
            self._ended(None)
            await self.host.close()
        except BaseBumbleError:
            self._ended(None)

    async def pair(self, *_: Any, **__: Any) -> None:
        """Pair with the sensor."""
        await self._while_connected(self._linked().pair())

    async def unpair(self) -> None:
        """Forget the bond and disconnect."""
        keystore = self._linked().device.keystore
        if keystore:
            await keystore.delete(str(self._peer_address))
        await self.disconnect()

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_: Any) -> bytearray:
        """Read a characteristic; nothing is cached."""
        self._linked()
        return bytearray(await self._while_connected(characteristic.obj.read_value()))

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_: Any) -> bytearray:
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
            # Bumble keeps a handler also when the sensor refused the subscription.
            if self._handlers.get(characteristic.handle) is handle:
                callback(bytearray(content))

        self._handlers[characteristic.handle] = handle
        try:
            await self._while_connected(characteristic.obj.subscribe(handle))
        except BaseException:
            self._handlers.pop(characteristic.handle, None)
            raise

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
            return await device.connect(
                self._peer_address,
                timeout=self._timeout,
                connection_parameters_preferences={hci.HCI_LE_1M_PHY: _PREFERENCES},
            )
        except BumbleTimeoutError as exc:
            raise BleakDeviceNotFoundError(self.address, f"{self.address} not found") from exc
        except BaseBumbleError as exc:
            raise BleakError(f"{self.address}: cannot connect ({exc})") from exc
        except asyncio.CancelledError:
            await asyncio.shield(self._give_up(device))
            if is_being_cancelled():
                raise
            raise BleakError(f"{self.address}: the adapter was lost while connecting") from None

    async def _encrypt(self, device: Any) -> None:
        """Make the link of a bonded sensor safe at once, as operating systems do."""
        if await device.keystore.get(str(self._peer_address)) is not None:
            await self._while_connected(self._linked().encrypt())

    async def _give_up(self, device: Any) -> None:
        """Tell the controller to forget the attempt: a pending one would make it refuse the next."""
        told = asyncio.Event()
        device.once(Device.EVENT_CONNECTION_FAILURE, lambda _: told.set())
        with suppress(BaseBumbleError, TimeoutError):  # refused: nothing is pending any more
            async with asyncio.timeout(GIVE_UP_TIMEOUT_S):
                await device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
                await told.wait()
        for connection in list(device.connections.values()):
            if connection.peer_address == self._peer_address:  # it was made in the last moment
                await connection.disconnect()

    async def _discover(self, peer: Any) -> BleakGATTServiceCollection:
        found = BleakGATTServiceCollection()
        await peer.discover_services()
        for service in peer.services:
            if self._wanted_services and uuid_text(service.uuid) not in self._wanted_services:
                continue
            bleak_service = BleakGATTService(service, service.handle, uuid_text(service.uuid))
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
            uuid_text(characteristic.uuid),
            list(gatt_char_props_to_strs(int(characteristic.properties))),
            lambda: self.mtu_size - 3,
            service,
        )
        found.add_characteristic(bleak_characteristic)
        for descriptor in await characteristic.discover_descriptors():
            found.add_descriptor(
                BleakGATTDescriptor(descriptor, descriptor.handle, uuid_text(descriptor.type), bleak_characteristic)
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
            raise BleakGATTProtocolError(int(exc.error_code)) from exc
        except BaseBumbleError as exc:
            raise BleakError(f"{self.address}: {exc}") from exc
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            raise BleakError("disconnected") from None
        raise_if_cancelled()
        return done
