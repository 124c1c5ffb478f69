"""A body wearing the three sensors on an air of its own, and a bleak back end that reaches it over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import RadioClasses, open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.simulate import wear_sensors

TIME_LIMIT_S = 4.0


@dataclass
class World:
    """What a test of the radio may touch."""

    air: Air
    body: Body
    strap: VirtualDevice
    belt: VirtualDevice
    skin: VirtualDevice
    address: str
    radio: RadioClasses


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
            yield World(air=air, body=body, strap=strap, belt=belt, skin=skin, address=address, radio=radio)
            for task in running:
                task.cancel()
            for device in devices:
                device.power_off()

    return make
