"""Virtual sensors on the air: GATT servers by Bumble around the sans-I/O sensors, streaming by absolute deadlines."""

import asyncio
from collections import deque
from functools import partial
from typing import Any

from bumble import data_types
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address

from becalm_protocol.errors import UsageError
from becalm_simulator.air import Air, SimController
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.cancelled import is_being_cancelled, raise_if_cancelled
from becalm_simulator.gatt import CharacteristicSpec, Outgoing, Property, Sensor
from becalm_simulator.uuid_text import short_form

ADVERTISING_INTERVAL_MS = 100
# A peer that does not confirm an indication within this is gone (the specification allows 30 s; nobody waits so long).
CONFIRMATION_TIMEOUT_S = 5.0
# Answers to commands that wait for the radio; more at once is a peer gone wild, and its oldest answers are dropped.
MAX_ANSWERS = 64


class VirtualDevice:
    """One sensor on the air: it advertises, takes one peer at a time and streams to it."""

    def __init__(self, sensor: Sensor, air: Air, *, clock: BodyClock) -> None:
        self.sensor = sensor
        self._air = air
        self._clock = clock
        self._controller = SimController(sensor.name, link=air)
        self._wake = asyncio.Event()
        self._answers: deque[Outgoing] = deque(maxlen=MAX_ANSWERS)
        self._connection: Any = None
        self._characteristics: dict[str, Any] = {}
        self._subscribed: set[str] = set()
        self._device = self._build()

    @property
    def is_connected(self) -> bool:
        """True while a peer is connected."""
        return self._connection is not None

    async def power_on(self) -> None:
        """Start advertising; go on after every disconnection."""
        await self._device.power_on()
        name = bytes(AdvertisingData([data_types.CompleteLocalName(self.sensor.name)]))
        await self._device.start_advertising(
            auto_restart=True, advertising_data=self._advertisement(), scan_response_data=name
        )

    def power_off(self) -> None:
        """Leave the air, as a sensor that is switched off: a connected peer sees the link time out."""
        self._controller.unplug()
        self._gone(None)

    async def drop(self) -> None:
        """End the link from the sensor's side; it advertises again at once."""
        if self._connection is None:
            raise UsageError(f"{self.sensor.name}: expected a connected peer to drop, got none")
        await self._connection.disconnect()

    def set_silent(self, *, silent: bool) -> None:
        """Let nothing through in either direction while the link seems to be up, or let it through again."""
        self._air.set_dark(self._controller, dark=silent)

    async def run(self) -> None:
        """Stream for ever: send what is due, then sleep to the next absolute deadline or until woken."""
        while True:
            await self._send_due()
            raise_if_cancelled()
            due_ns = self.sensor.due_ns()
            sleep_s = None if due_ns is None else self._clock.wait_s(due_ns)
            try:
                async with asyncio.timeout(sleep_s):
                    await self._wake.wait()
            except TimeoutError:
                pass  # the deadline has come
            self._wake.clear()

    async def _send_due(self) -> None:
        while self._answers:
            await self._send(self._answers.popleft())
        if self._connection is not None and self.sensor.due_ns() is not None:
            for outgoing in self.sensor.poll(self._clock.now_ns(), mtu=self._connection.att_mtu):
                await self._send(outgoing)

    async def _send(self, outgoing: Outgoing) -> None:
        connection = self._connection
        if connection is None or outgoing.uuid not in self._subscribed:
            return
        characteristic = self._characteristics[outgoing.uuid]
        if outgoing.indicate:
            await self._indicate(connection, characteristic, data=outgoing.data)
        else:
            await self._device.notify_subscriber(connection, characteristic, outgoing.data)
        if outgoing.kind is not None:
            self.sensor.sent[outgoing.kind] += outgoing.n_sent

    async def _indicate(self, connection: Any, characteristic: Any, *, data: bytes) -> None:
        try:
            async with asyncio.timeout(CONFIRMATION_TIMEOUT_S):
                await connection.cancel_on_disconnection(
                    self._device.indicate_subscriber(connection, characteristic, data)
                )
        except TimeoutError:
            pass  # no confirmation: the peer has gone or will be dropped by its own watchdog
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise

    # ----------------------------------------------------------------------------------------- what the peer does
    def _connected(self, connection: Any) -> None:
        self._connection = connection
        connection.on(Connection.EVENT_DISCONNECTION, self._gone)

    def _gone(self, _reason: Any) -> None:
        self._connection = None
        self._subscribed.clear()
        self._answers.clear()
        self.sensor.on_disconnected()
        self._wake.set()

    def _subscription(self, uuid: str, _bearer: Any, notify: bool, indicate: bool) -> None:
        wanted = notify or indicate
        (self._subscribed.add if wanted else self._subscribed.discard)(uuid)
        self.sensor.on_subscribed(uuid, wanted=wanted, now_ns=self._clock.now_ns())
        self._wake.set()

    def _written(self, uuid: str, connection: Any, data: bytes) -> None:
        self._answers.extend(
            self.sensor.on_write(uuid, bytes(data), mtu=connection.att_mtu, now_ns=self._clock.now_ns())
        )
        self._wake.set()

    # ------------------------------------------------------------------------------------------------------ build
    def _build(self) -> Device:
        configuration = DeviceConfiguration(
            name=self.sensor.name,
            address=Address(self.sensor.address),
            advertising_interval_min=ADVERTISING_INTERVAL_MS,
            advertising_interval_max=ADVERTISING_INTERVAL_MS,
        )
        device = Device.from_config_with_hci(configuration, self._controller, self._controller)
        for service in self.sensor.services:
            device.add_service(Service(UUID(service.uuid), [self._characteristic(c) for c in service.characteristics]))
        device.on(Device.EVENT_CONNECTION, self._connected)
        return device

    def _characteristic(self, spec: CharacteristicSpec) -> Any:
        permissions = Characteristic.Permissions(0)
        if Property.READ in spec.properties:
            permissions |= Characteristic.READABLE
        if spec.properties & (Property.WRITE | Property.WRITE_WITHOUT_RESPONSE):
            permissions |= Characteristic.WRITEABLE
        content = CharacteristicValue(
            read=lambda _connection: self.sensor.read(spec.uuid), write=partial(self._written, spec.uuid)
        )
        properties = Characteristic.Properties(int(spec.properties))
        characteristic = Characteristic(UUID(spec.uuid), properties, permissions, content)
        characteristic.on(Characteristic.EVENT_SUBSCRIPTION, partial(self._subscription, spec.uuid))
        self._characteristics[spec.uuid] = characteristic
        return characteristic

    def _advertisement(self) -> bytes:
        """Return the advertising data: the name goes into the scan response, a 128-bit UUID leaves it no room here."""
        flags = AdvertisingData.Flags.LE_GENERAL_DISCOVERABLE_MODE | AdvertisingData.Flags.BR_EDR_NOT_SUPPORTED
        uuid = UUID(self.sensor.services[0].uuid)
        short = short_form(self.sensor.services[0].uuid)
        services = (
            data_types.IncompleteListOf16BitServiceUUIDs([UUID.from_16_bits(short)])
            if short is not None
            else data_types.IncompleteListOf128BitServiceUUIDs([uuid])
        )
        return bytes(AdvertisingData([data_types.Flags(flags), services]))
