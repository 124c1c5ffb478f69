"""Virtual sensors on the air: GATT servers by Bumble around the sans-I/O sensors, streaming at connection events."""

import asyncio
from contextlib import suppress
from typing import Any

from bumble.core import BaseBumbleError
from bumble.device import Connection, Device
from bumble.keys import MemoryKeyStore

from becalm_protocol.errors import UsageError
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS
from becalm_simulator.air import Air
from becalm_simulator.battery import FULL_PCT, Battery
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.cancelled import is_being_cancelled, raise_if_cancelled
from becalm_simulator.controller import SimController
from becalm_simulator.gatt import BATTERY_LEVEL, LimitsMtu, Outgoing, Sensor, TellsBattery
from becalm_simulator.outbox import Outbox
from becalm_simulator.peripheral import advertisement, build_peripheral, require_bond, scan_response

# A peer that does not confirm an indication within this is gone (the specification allows 30 s; nobody waits so long).
CONFIRMATION_TIMEOUT_S = 5.0
# What small sensors get through in one connection event before the peer turns to another.
MAX_PER_EVENT = 6
# What fits one link-layer packet with data length extension: 251 bytes, less the L2CAP header.
USUAL_MTU = 247


class VirtualDevice:
    """One sensor on the air: it advertises, takes one peer at a time and streams to it."""

    def __init__(self, sensor: Sensor, air: Air, *, clock: BodyClock) -> None:
        self.sensor = sensor
        self.air = air
        self.lost: dict[SignalKind, int] = dict.fromkeys(sensor.sent, 0)
        """Samples measured for a subscribed peer that never reached it."""
        self.outbox = Outbox(self.lost)
        self._clock = clock
        self._max_mtu = sensor.max_mtu if isinstance(sensor, LimitsMtu) else USUAL_MTU
        self._mtu_limit = self._max_mtu
        self._needs_bond = False
        self._bonds = MemoryKeyStore()
        self._connected = asyncio.Event()
        self._wake = asyncio.Event()
        self._connection: Any = None
        self._subscribed: set[str] = set()
        self._anchor_ns = self._served_ns = 0
        self._plug_in()
        self._battery = Battery(self._first_battery_pct())

    @property
    def is_connected(self) -> bool:
        """True while a peer is connected."""
        return self._connection is not None

    @property
    def is_on(self) -> bool:
        """True while it is on the air."""
        return self._controller in self.air.controllers

    @property
    def battery_pct(self) -> int:
        """What its battery holds."""
        return self._battery.level_pct

    @property
    def supervision_ns(self) -> int:
        """Silence after which both ends give the present link up."""
        return self._controller.supervision_ms * NS_PER_MS

    async def wait_connected(self) -> None:
        """Wait until a peer is connected."""
        await self._connected.wait()

    async def run(self) -> None:
        """Stream for ever: send at each connection event what is due, sleep to the next or until woken."""
        while True:
            event_ns = self._next_event_ns()
            try:
                async with asyncio.timeout(None if event_ns is None else self._clock.wait_s(event_ns)):
                    await self._wake.wait()
                self._wake.clear()
            except TimeoutError:
                await self._serve()
                raise_if_cancelled()

    # ------------------------------------------------------------------------------------------------------ power
    async def power_on(self) -> None:
        """Start advertising; go on after every disconnection."""
        if not self.is_on:
            self._plug_in()
        self._device.keystore = self._bonds
        await self._device.power_on()
        await self._device.start_advertising(
            auto_restart=True,
            advertising_data=advertisement(self.sensor),
            scan_response_data=scan_response(self.sensor),
        )

    def power_off(self) -> None:
        """Leave the air, as a sensor that is switched off: a connected peer sees the link time out."""
        self._controller.unplug()
        self._gone(None)

    async def set_battery(self, level_pct: int) -> None:
        """Have the battery hold so much, and tell a peer that wants to know."""
        self._battery.set_level(level_pct)
        await self._tell_battery()

    # ------------------------------------------------------------------------------------------------------- link
    async def drop(self) -> None:
        """End the link from the sensor's side; it advertises again at once."""
        connection = self._connection
        if connection is None:
            raise UsageError(f"{self.sensor.name}: expected a connected peer to drop, got none")
        try:
            with suppress(BaseBumbleError):  # it ended by itself in this moment
                await connection.disconnect()
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise

    def set_silent(self, *, silent: bool) -> None:
        """Let nothing through in either direction while the link seems to be up, or let it through again."""
        self.air.set_dark(self._controller, dark=silent)

    def set_away(self, *, away: bool) -> None:
        """Go out of range, or come back: what was held back arrives then, unless `time_out` ended the link."""
        self.air.set_away(self._controller, away=away)

    def time_out(self) -> None:
        """End the link as both ends do when they have not heard each other for too long."""
        self.air.time_out(self._controller)

    def set_late(self, *, up_to_ms: int | None) -> None:
        """Let packets come late by up to so many milliseconds of body time, in order; None: at once."""
        up_to_s = None if up_to_ms is None else self._clock.real_s(up_to_ms * NS_PER_MS)
        self.air.set_late(self._controller, up_to_s=up_to_s)

    async def set_held(self, *, held: bool) -> None:
        """Be connected to another host, which is not on this air: no advertising, no connection; or be free again."""
        self._controller.is_held = held
        if held and self.is_connected:
            await self.drop()

    async def limit_mtu(self, max_mtu: int | None) -> None:
        """Grant no more than so many bytes (None: as usual) from the next connection on; a present one ends."""
        self._mtu_limit = min(max_mtu or self._max_mtu, self._max_mtu)
        self._device.gatt_server.max_mtu = self._mtu_limit
        if self.is_connected:
            await self.drop()

    async def need_bond(self) -> None:
        """Refuse commands and streams to whoever has not paired; bonds outlive links and power."""
        self._needs_bond = True
        require_bond(self._device, self.sensor)
        if self._connection is not None and not self._connection.is_encrypted:
            await self.drop()

    # -------------------------------------------------------------------------------------------------- streaming
    def _next_event_ns(self) -> int | None:
        """Return the first connection event at which something can leave."""
        due = [t_ns for t_ns in (self.sensor.due_ns(), self.outbox.due_ns()) if t_ns is not None]
        if self._connection is None or not due:
            return None
        from_ns = max(min(due), self._served_ns + 1)
        return self._anchor_ns + -(-(from_ns - self._anchor_ns) // self._interval_ns) * self._interval_ns

    @property
    def _interval_ns(self) -> int:
        return max(self._controller.interval_us * 1000, NS_PER_MS)

    async def _serve(self) -> None:
        """Serve the newest connection event: what was measured by then, or waits from before."""
        connection, now_ns = self._connection, self._clock.now_ns()
        if connection is None:
            return
        self._served_ns = event_ns = now_ns - (now_ns - self._anchor_ns) % self._interval_ns
        if (due_ns := self.sensor.due_ns()) is not None and due_ns <= event_ns:
            for outgoing in self.sensor.poll(event_ns, mtu=connection.att_mtu):
                if outgoing.uuid in self._subscribed:
                    self.outbox.put(outgoing, now_ns=event_ns)
        await self._wear_battery(now_ns)
        if not self.air.is_away(self._controller):
            for outgoing in self.outbox.take(MAX_PER_EVENT, now_ns=event_ns):
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
        reached = self.sensor.sent if self.air.is_heard(self._controller) else self.lost
        for kind in outgoing.kinds:
            reached[kind] += outgoing.n_sent

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

    async def _wear_battery(self, now_ns: int) -> None:
        before_pct = self._battery.level_pct
        self._battery.wear(now_ns, is_streaming=bool(self._subscribed))
        if self._battery.level_pct != before_pct:
            await self._tell_battery()

    async def _tell_battery(self) -> None:
        if isinstance(self.sensor, TellsBattery):
            self.sensor.battery_pct = self._battery.level_pct
        await self._send(Outgoing(uuid=BATTERY_LEVEL, data=bytes((self._battery.level_pct,))))

    def _first_battery_pct(self) -> int:
        if BATTERY_LEVEL in self._characteristics:
            return self.sensor.read(BATTERY_LEVEL)[0]
        return self.sensor.battery_pct if isinstance(self.sensor, TellsBattery) else FULL_PCT

    # ----------------------------------------------------------------------------------------- what the peer does
    def on_read(self, uuid: str) -> bytes:
        """Return the value of a characteristic."""
        return bytes((self._battery.level_pct,)) if uuid == BATTERY_LEVEL else self.sensor.read(uuid)

    def on_written(self, uuid: str, connection: Any, data: bytes) -> None:
        """Hand a write to the sensor, whose answers leave at the next connection event."""
        now_ns = self._clock.now_ns()
        for outgoing in self.sensor.on_write(uuid, bytes(data), mtu=connection.att_mtu, now_ns=now_ns):
            self.outbox.answer(outgoing, now_ns=now_ns)
        self._wake.set()

    def on_subscription(self, uuid: str, _bearer: Any, notify: bool, indicate: bool) -> None:
        """Note that notifications are wanted, or no longer."""
        wanted = notify or indicate
        self._battery.wear(self._clock.now_ns(), is_streaming=bool(self._subscribed))
        (self._subscribed.add if wanted else self._subscribed.discard)(uuid)
        self.sensor.on_subscribed(uuid, wanted=wanted, now_ns=self._clock.now_ns())
        self._wake.set()

    def _came(self, connection: Any) -> None:
        self._connection = connection
        self._anchor_ns = self._clock.now_ns()
        connection.on(Connection.EVENT_DISCONNECTION, self._gone)
        self._connected.set()

    def _gone(self, _reason: Any) -> None:
        self._connection = None
        self._connected.clear()
        self._subscribed.clear()
        self.outbox.clear()
        self.sensor.on_disconnected()
        self._wake.set()

    def _plug_in(self) -> None:
        self._controller = SimController(self.sensor.name, link=self.air)
        self._device, self._characteristics = build_peripheral(self.sensor, self._controller, peer=self)
        self._device.gatt_server.max_mtu = self._mtu_limit
        if self._needs_bond:
            require_bond(self._device, self.sensor)
        self._device.on(Device.EVENT_CONNECTION, self._came)
