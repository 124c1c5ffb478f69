"""Connection events: when measurements leave, and the phase that each link has."""

from contextlib import AsyncExitStack
from typing import Any

from becalm_simulator.gatt import Outgoing
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors import belt, skin

INTERVAL_NS = 30_000_000
START_MEASURING = bytes.fromhex("58 13 FE 81 18") + bytes(14)


async def test_measurements_leave_at_connection_events_of_the_sensors_own_phase(make_world: Any) -> None:
    async with make_world() as world, AsyncExitStack() as stack:
        polled: dict[str, list[int]] = {}
        for device, uuid in ((world.skin, skin.UART_TX), (world.belt, belt.RESPONSE)):
            polled[device.sensor.name] = _note_poll_times(device)
            client, ears = await stack.enter_async_context(world.connected(device.sensor.name))
            await ears.listen(client, uuid)
            if device is world.belt:
                await client.write_gatt_char(belt.COMMAND, START_MEASURING, response=True)
        await ears.wait_more(30)
        phases = {name: {t_ns % INTERVAL_NS for t_ns in times} for name, times in polled.items()}
    assert all(len(times) >= 10 for times in polled.values())
    assert all(len(phase) == 1 for phase in phases.values())
    assert phases["SIM-EDA 0001"] != phases["SIM-BELT 0001"]


def _note_poll_times(device: VirtualDevice) -> list[int]:
    times: list[int] = []
    poll = device.sensor.poll

    def noting(now_ns: int, *, mtu: int) -> tuple[Outgoing, ...]:
        outgoing = poll(now_ns, mtu=mtu)
        if outgoing:
            times.append(now_ns)
        return outgoing

    device.sensor.poll = noting  # type: ignore[method-assign]
    return times
