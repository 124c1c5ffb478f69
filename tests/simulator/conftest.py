"""A body wearing the three sensors on an air of its own, and a bleak back end that reaches it over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice

from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import RadioClasses, open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.faults import FaultLine, Happening, parse_fault
from becalm_simulator.gatt import Outgoing
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.wardrobe import wear_sensors

TIME_LIMIT_S = 20.0


class Ears:
    """Collects what one connection notifies, with the body time of its arrival."""

    def __init__(self, clock: BodyClock) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.at_ns: list[int] = []
        self.gone = asyncio.Event()
        self._clock = clock
        self._news = asyncio.Event()

    async def listen(self, client: BleakClient, uuid: str) -> None:
        """Subscribe to a characteristic."""
        await client.start_notify(uuid, lambda _, data: self._hear(uuid, bytes(data)))

    def of(self, uuid: str) -> list[bytes]:
        """What one characteristic notified."""
        return [data for at, data in self.heard if at == uuid]

    async def wait(self, is_enough: Callable[[], object]) -> None:
        """Wait until what was heard is enough."""
        while not is_enough():
            self._news.clear()
            await self._news.wait()

    async def wait_more(self, n_more: int) -> None:
        """Wait for so many more notifications."""
        n_all = len(self.heard) + n_more
        await self.wait(lambda: len(self.heard) >= n_all)

    def _hear(self, uuid: str, data: bytes) -> None:
        self.heard.append((uuid, data))
        self.at_ns.append(self._clock.now_ns())
        self._news.set()


@dataclass
class World:
    """What a test of the radio may touch."""

    air: Air
    body: Body
    clock: BodyClock
    strap: VirtualDevice
    belt: VirtualDevice
    skin: VirtualDevice
    address: str
    radio: RadioClasses

    @property
    def devices(self) -> tuple[VirtualDevice, VirtualDevice, VirtualDevice]:
        """All three sensors."""
        return self.strap, self.belt, self.skin

    async def befall(self, *lines: str) -> tuple[Happening, ...]:
        """Stage faults whose times count from now; return what happened when the last is over."""
        now_ns = self.clock.now_ns()
        faults = [parse_fault(line) for line in lines]
        line = FaultLine(self.devices, [replace(f, at_ns=f.at_ns + now_ns) for f in faults], self.clock)
        await line.run()
        return line.timeline

    async def find(self, name: str, *, within_s: float = 2.0) -> BLEDevice | None:
        """Scan for a sensor."""
        return await BleakScanner.find_device_by_name(name, timeout=within_s, backend=self.radio.scanner)

    def ears(self) -> Ears:
        """Return ears for a connection made otherwise."""
        return Ears(self.clock)

    @asynccontextmanager
    async def connected(self, name: str, *uuids: str) -> AsyncIterator[tuple[BleakClient, Ears]]:
        """Connect to a sensor and subscribe; go on when the first notification has come."""
        device, ears = await self.find(name), self.ears()
        assert device is not None
        async with BleakClient(device, lambda _: ears.gone.set(), backend=self.radio.client) as client:
            for uuid in uuids:
                await ears.listen(client, uuid)
            if uuids:
                await ears.wait_more(1)
            yield client, ears

    def note_what_is_measured(self, device: VirtualDevice) -> list[Outgoing]:
        """Keep a copy of every measurement that a sensor hands to the radio from now on."""
        noted: list[Outgoing] = []
        poll = device.sensor.poll

        def noting(now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:
            outgoing = poll(now_ns, mtu=mtu)
            noted.extend(outgoing)
            return outgoing

        device.sensor.poll = noting  # type: ignore[method-assign]
        return noted


MakeWorld = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def make_world(tmp_path: Path) -> MakeWorld:
    """Make a world in which time runs `speed` times as fast; a test may stay in it for four seconds."""

    @asynccontextmanager
    async def make(*, speed: float = 8.0, seed: int = 7) -> AsyncIterator[World]:
        clock, air, body = BodyClock(speed=speed), Air(), Body.from_seed(seed)
        devices = [VirtualDevice(sensor, air, clock=clock) for sensor in wear_sensors(body)]
        place = f"unix:{tmp_path / 'hci'}"
        async with (
            asyncio.timeout(TIME_LIMIT_S),
            serve_hci(air, place) as address,
            open_radio(address) as radio,
            asyncio.TaskGroup() as group,
        ):
            for device in devices:
                await device.power_on()
            running = [group.create_task(device.run(), name=device.sensor.name) for device in devices]
            strap, belt, skin = devices
            yield World(
                air=air, body=body, clock=clock, strap=strap, belt=belt, skin=skin, address=address, radio=radio
            )
            for task in running:
                task.cancel()
            for device in devices:
                device.power_off()

    return make
