"""The air alone: who is told what when controllers are late, away or too many for one sensor."""

import asyncio
from typing import Any

from bleak import BleakClient
from bleak.exc import BleakError

from becalm_simulator.air import MAX_HELD_PACKETS, Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.controller import SimController
from becalm_simulator.sensors import skin

SKIN = "SIM-EDA 0001"
LAST = 30


class Recording(Air):
    """Keeps the order in which packets arrive."""

    def __init__(self) -> None:
        super().__init__(seed=3)
        self.arrived: list[int] = []
        self.all_there = asyncio.Event()

    def carry(self, sender: SimController, receiver: SimController, number: int) -> None:
        self._carry(sender, receiver, arrive=lambda: self._arrive(number))

    def _arrive(self, number: int) -> None:
        self.arrived.append(number)
        if number == LAST:
            self.all_there.set()


async def turns(n_turns: int = 5) -> None:
    for _ in range(n_turns):
        await asyncio.sleep(0)


async def test_late_packets_keep_their_order_also_when_the_delay_ends() -> None:
    air = Recording()
    sensor, adapter = SimController("sensor", link=air), SimController("adapter", link=air)
    air.set_late(sensor, up_to_s=0.02)
    for number in range(LAST):
        air.carry(sensor, adapter, number)
    air.set_late(sensor, up_to_s=None)
    air.carry(sensor, adapter, LAST)
    await turns()
    assert LAST not in air.arrived
    async with asyncio.timeout(2.0):
        await air.all_there.wait()
    assert air.arrived == list(range(LAST + 1))


async def test_what_is_held_back_arrives_in_order_and_no_more_than_a_controller_keeps() -> None:
    air = Recording()
    sensor, adapter = SimController("sensor", link=air), SimController("adapter", link=air)
    air.set_away(sensor, away=True)
    for number in range(MAX_HELD_PACKETS + 5):
        air.carry(adapter, sensor, number)
    await turns()
    assert air.arrived == []
    air.set_away(sensor, away=False)
    await turns()
    assert air.arrived == list(range(MAX_HELD_PACKETS))


async def test_in_the_dark_everything_vanishes() -> None:
    air = Recording()
    sensor, adapter = SimController("sensor", link=air), SimController("adapter", link=air)
    air.set_dark(adapter, dark=True)
    air.carry(sensor, adapter, 0)
    air.set_dark(adapter, dark=False)
    air.carry(sensor, adapter, 1)
    await turns()
    assert air.arrived == [1]


async def test_of_two_hosts_that_hear_one_advertisement_one_gets_the_sensor(make_world: Any) -> None:
    async with make_world() as world, open_radio(world.address) as second:
        clients = [BleakClient(world.skin.sensor.address, timeout=0.5, backend=r.client) for r in (world.radio, second)]
        results = await asyncio.gather(*(client.connect() for client in clients), return_exceptions=True)
        assert sorted(client.is_connected for client in clients) == [False, True]
        assert sum(isinstance(result, BleakError) for result in results) == 1
        winner = next(client for client in clients if client.is_connected)
        ears = world.ears()
        await ears.listen(winner, skin.UART_TX)
        await ears.wait_more(2)
        await winner.disconnect()
        async with world.connected(SKIN, skin.UART_TX):
            pass
