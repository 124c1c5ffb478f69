"""How each kind of fault is brought about on a virtual device: one coroutine a kind, over when the fault is."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_simulator.battery import FULL_PCT
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.faults.language import Fault, FaultKind
from becalm_simulator.radio import VirtualDevice

# How long a flapping link stands: enough to connect and to subscribe, too short to be of use.
FLAP_NS = ns_from_s(1.0)
# A sensor that sends nothing loses nothing: what is left of an overrun is forgotten then.
OVERRUN_WITHIN_NS = ns_from_s(20.0)
_LOOK_NS = 20 * NS_PER_MS

Switch = Callable[[VirtualDevice, Fault, bool], Awaitable[None]]


class Stage:
    """Brings faults about. Of faults of one kind on one sensor that overlap, the last to end undoes them."""

    def __init__(self, clock: BodyClock) -> None:
        self._clock = clock
        self._n_on: Counter[tuple[str, FaultKind]] = Counter()
        self._courses: dict[FaultKind, Callable[[VirtualDevice, Fault], Awaitable[None]]] = {
            FaultKind.OUT_OF_RANGE: self._out_of_range,
            FaultKind.DROP: self._drop,
            FaultKind.LOSE: self._lose,
            FaultKind.DEAD_BATTERY: self._dead_battery,
            FaultKind.FLAPPING: self._flapping,
            FaultKind.CLOCK_RESET: self._clock_reset,
            FaultKind.CLOCK_JUMP: self._clock_jump,
            FaultKind.NEEDS_BONDING: self._needs_bonding,
        }

    async def play(self, fault: Fault, device: VirtualDevice) -> None:
        """Bring a fault about on a sensor; return when it is over, or has begun for ever."""
        if fault.kind in _SWITCHES:
            await self._switched(fault, device, switch=_SWITCHES[fault.kind])
        else:
            await self._courses[fault.kind](device, fault)

    async def take_adapters(self, fault: Fault, device: VirtualDevice) -> None:
        """Take the agents' adapters on a sensor's air away, and bring them back."""
        if device.air.adapters is not None:
            device.air.adapters.take_away()
            await self._sleep(fault.span_ns or 0)
            await device.air.adapters.bring()

    async def _switched(self, fault: Fault, device: VirtualDevice, *, switch: Switch) -> None:
        if fault.span_ns is None:
            self._n_on[device.sensor.address, fault.kind] += 1  # for ever: no other that ends undoes it
            await switch(device, fault, True)
            return
        async with self._while_on(fault, device, switch=switch):
            await self._sleep(fault.span_ns)

    @asynccontextmanager
    async def _while_on(self, fault: Fault, device: VirtualDevice, *, switch: Switch) -> AsyncIterator[None]:
        key = (device.sensor.address, fault.kind)
        self._n_on[key] += 1
        await switch(device, fault, True)
        try:
            yield
        finally:
            self._n_on[key] -= 1
            if not self._n_on[key]:
                await switch(device, fault, False)

    async def _out_of_range(self, device: VirtualDevice, fault: Fault) -> None:
        span_ns = fault.span_ns or 0
        until_lost_ns = min(device.supervision_ns, span_ns) if device.is_connected else span_ns
        async with self._while_on(fault, device, switch=_away):
            await self._sleep(until_lost_ns)
            if until_lost_ns < span_ns:
                device.time_out()
                await self._sleep(span_ns - until_lost_ns)

    @staticmethod
    async def _drop(device: VirtualDevice, _fault: Fault) -> None:
        if device.is_connected:
            await device.drop()

    async def _lose(self, device: VirtualDevice, fault: Fault) -> None:
        device.outbox.n_to_lose += fault.amount or 0
        give_up_ns = self._clock.now_ns() + OVERRUN_WITHIN_NS
        while device.outbox.n_to_lose and self._clock.now_ns() < give_up_ns:
            await self._sleep(_LOOK_NS)
        device.outbox.n_to_lose = 0

    async def _dead_battery(self, device: VirtualDevice, fault: Fault) -> None:
        first_pct = device.battery_pct
        for level_pct in range(first_pct - 1, -1, -1):
            await device.set_battery(level_pct)
            await self._sleep((fault.amount or 0) * NS_PER_S // first_pct)
        device.power_off()
        if fault.span_ns is not None:
            await self._sleep(fault.span_ns)
            await device.set_battery(FULL_PCT)
            await device.power_on()

    async def _flapping(self, device: VirtualDevice, fault: Fault) -> None:
        end_ns = self._clock.now_ns() + (fault.span_ns or 0)
        while (left_ns := end_ns - self._clock.now_ns()) > 0:
            try:
                async with asyncio.timeout(self._clock.real_s(left_ns)):
                    await device.wait_connected()
            except TimeoutError:
                return
            await self._sleep(min(FLAP_NS, left_ns))
            if device.is_connected:
                await device.drop()

    async def _clock_reset(self, device: VirtualDevice, _fault: Fault) -> None:
        device.sensor.clock.restart(self._clock.now_ns())

    async def _clock_jump(self, device: VirtualDevice, fault: Fault) -> None:
        device.sensor.clock.jump((fault.amount or 0) * NS_PER_MS, body_ns=self._clock.now_ns())

    @staticmethod
    async def _needs_bonding(device: VirtualDevice, _fault: Fault) -> None:
        await device.need_bond()

    async def _sleep(self, span_ns: int) -> None:
        await asyncio.sleep(self._clock.real_s(span_ns))


async def _away(device: VirtualDevice, _fault: Fault, on: bool) -> None:
    device.set_away(away=on)


async def _silent(device: VirtualDevice, _fault: Fault, on: bool) -> None:
    device.set_silent(silent=on)


async def _delay(device: VirtualDevice, fault: Fault, on: bool) -> None:
    device.set_late(up_to_ms=fault.amount if on else None)


async def _duplicate(device: VirtualDevice, _fault: Fault, on: bool) -> None:
    device.outbox.is_doubling = on


async def _reorder(device: VirtualDevice, _fault: Fault, on: bool) -> None:
    device.outbox.is_mixing = on


async def _held(device: VirtualDevice, _fault: Fault, on: bool) -> None:
    await device.set_held(held=on)


async def _small_mtu(device: VirtualDevice, fault: Fault, on: bool) -> None:
    await device.limit_mtu(fault.amount if on else None)


_SWITCHES: dict[FaultKind, Switch] = {
    FaultKind.SILENT: _silent,
    FaultKind.DELAY: _delay,
    FaultKind.DUPLICATE: _duplicate,
    FaultKind.REORDER: _reorder,
    FaultKind.HELD: _held,
    FaultKind.SMALL_MTU: _small_mtu,
}
