"""Faults of the link and the adapter over real GATT, as plain bleak meets them, and the line that stages all faults."""

import asyncio
from typing import Any

import pytest
from bleak import BleakClient
from bleak.exc import BleakBluetoothNotAvailableError, BleakDeviceNotFoundError

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_simulator.air import Air
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.faults import FaultLine, parse_fault
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors import skin
from becalm_simulator.sensors.wardrobe import WARDROBE, wear_sensors

HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"
PMD_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
START_ECG = bytes.fromhex("02 00 00 01 82 00 01 01 0E 00")
STRAP, BELT, SKIN = "SIM-HR 0001", "SIM-BELT 0001", "SIM-EDA 0001"


async def test_drop(make_world: Any) -> None:
    async with make_world() as world:
        async with world.connected(SKIN, skin.UART_TX) as (client, ears):
            (happened,) = await world.befall("t=0 drop sensor=skin")
            await ears.gone.wait()
            assert not client.is_connected
        assert (happened.sensor, happened.was_connected) == (SKIN, True)
        assert happened.ended_ns is not None
        assert happened.ended_ns - happened.began_ns < NS_PER_S
        (nothing,) = await world.befall("t=0 drop sensor=skin")
        assert not nothing.was_connected


async def test_a_short_absence_delays_but_loses_nothing(make_world: Any) -> None:
    async with make_world() as world, world.connected(SKIN, skin.UART_TX) as (client, ears):
        measured = world.note_what_is_measured(world.skin)
        n_before = len(ears.heard)
        (happened,) = await world.befall("t=0 out_of_range 2 sensor=skin")
        assert happened.ended_ns is not None
        in_between = [t for t in ears.at_ns[n_before:] if t > happened.began_ns + 60 * NS_PER_MS]
        assert in_between == []
        await ears.wait_more(40)
        assert client.is_connected
        texts = b"".join(outgoing.data for outgoing in measured)
        assert b"".join(ears.of(skin.UART_TX)[n_before:]) in texts
        assert world.skin.lost[SignalKind.SKIN_CONDUCTANCE] == 0


async def test_a_long_absence_ends_the_link_by_time_out_and_then_it_is_back(make_world: Any) -> None:
    async with make_world() as world:
        async with world.connected(SKIN, skin.UART_TX) as (_, ears), asyncio.TaskGroup() as group:
            staging = group.create_task(world.befall("t=0 out_of_range 12 sensor=skin"))
            await ears.gone.wait()
            gone_ns = world.clock.now_ns()
            assert await world.find(SKIN, within_s=0.3) is None
            (happened,) = await staging
        assert gone_ns - happened.began_ns == pytest.approx(5 * NS_PER_S, abs=NS_PER_S)
        assert happened.ended_ns == pytest.approx(happened.began_ns + 12 * NS_PER_S, abs=NS_PER_S)
        async with world.connected(SKIN, skin.UART_TX):
            pass


async def test_silent(make_world: Any) -> None:
    async with make_world() as world, world.connected(SKIN, skin.UART_TX) as (client, ears):
        n_before = len(ears.heard)
        (happened,) = await world.befall("t=0 silent 3 sensor=skin")
        assert client.is_connected
        n_meanwhile = sum(t > happened.began_ns + 60 * NS_PER_MS for t in ears.at_ns[n_before:])
        assert n_meanwhile <= 1  # the first after its end may have come already
        assert world.skin.lost[SignalKind.SKIN_CONDUCTANCE] in range(15, 27)  # 8 lines a second
        await ears.wait_more(3)


async def test_delay_keeps_everything_and_its_order(make_world: Any) -> None:
    async with make_world() as world, world.connected(SKIN, skin.UART_TX) as (_, ears):
        measured = world.note_what_is_measured(world.skin)
        n_before = len(ears.heard)
        (happened,) = await world.befall("t=0 delay 1500 for 8 sensor=skin")
        await ears.wait_more(10)
        assert happened.ended_ns is not None
        heard = ears.of(skin.UART_TX)[n_before:]
        first = next(i for i, outgoing in enumerate(measured) if outgoing.data == heard[-1])
        assert [o.data for o in measured[: first + 1]][-len(heard) :] == heard[-first - 1 :]
        late_ns = _line_delays_ns(ears, since=n_before)
        assert max(late_ns) > 500 * NS_PER_MS
        assert max(late_ns) < 2500 * NS_PER_MS


def _line_delays_ns(ears: Any, *, since: int) -> list[int]:
    """How long after its measurement the end of each line came, less the quickest."""
    delays, line = [], b""
    for (_, data), at_ns in zip(ears.heard[since:], ears.at_ns[since:], strict=True):
        line += data
        if line.endswith(b"\n"):
            if line.startswith(b"eda_us="):
                delays.append(at_ns - int(line.partition(b"t_ms=")[2]) * NS_PER_MS)
            line = b""
    return [delay - min(delays) for delay in delays]


async def test_adapter_gone(make_world: Any) -> None:
    async with make_world() as world:
        async with world.connected(SKIN, skin.UART_TX) as (_, ears), asyncio.TaskGroup() as group:
            staging = group.create_task(world.befall("t=0 adapter_gone 6"))
            await ears.gone.wait()
            with pytest.raises(BleakBluetoothNotAvailableError):
                await world.find(SKIN, within_s=0.1)
            (happened,) = await staging
        assert (happened.sensor, happened.was_connected) == (None, True)
        async with world.connected(SKIN, skin.UART_TX):
            pass


async def test_held(make_world: Any) -> None:
    async with make_world() as world:
        async with world.connected(SKIN, skin.UART_TX) as (_, ears), asyncio.TaskGroup() as group:
            staging = group.create_task(world.befall("t=0 held 8 sensor=skin"))
            await ears.gone.wait()
            assert await world.find(SKIN, within_s=0.2) is None
            with pytest.raises(BleakDeviceNotFoundError):
                await BleakClient(world.skin.sensor.address, timeout=0.2, backend=world.radio.client).connect()
            (happened,) = await staging
        assert happened.was_connected
        async with world.connected(SKIN, skin.UART_TX):
            pass


async def test_flapping(make_world: Any) -> None:
    async with make_world() as world, asyncio.TaskGroup() as group:
        staging = group.create_task(world.befall("t=0 flapping 9 sensor=skin"))
        n_links = 0
        while not staging.done():
            async with world.connected(SKIN) as (_, ears):
                began_ns = world.clock.now_ns()
                n_links += 1
                if n_links < 3:
                    await ears.gone.wait()
                    assert world.clock.now_ns() - began_ns < 3 * NS_PER_S
                else:
                    await staging
        assert n_links >= 3
        async with world.connected(SKIN, skin.UART_TX) as (client, ears):
            await ears.wait_more(10)
            assert client.is_connected


async def test_small_mtu(make_world: Any) -> None:
    async with make_world() as world:
        async with world.connected(STRAP, HEART_RATE) as (client, ears), asyncio.TaskGroup() as group:
            assert client.mtu_size == 247
            staging = group.create_task(world.befall("t=0 small_mtu 64 for 8 sensor=strap"))
            await ears.gone.wait()
            async with world.connected(STRAP) as (again, answers):
                assert again.mtu_size == 64
                await answers.listen(again, PMD_CONTROL)
                await again.write_gatt_char(PMD_CONTROL, START_ECG, response=True)
                await answers.wait_more(1)
                assert answers.of(PMD_CONTROL) == [bytes.fromhex("F0 02 00 0A 00")]
                await answers.gone.wait()
            await staging
        async with world.connected(STRAP) as (client, _):
            assert client.mtu_size == 247


async def test_without_a_name_every_sensor_is_struck_and_overlapping_faults_end_with_the_last(make_world: Any) -> None:
    async with make_world() as world, world.connected(SKIN, skin.UART_TX) as (_, ears):
        timeline = await world.befall("t=0 silent 2", "t=1 silent 4 sensor=skin")
        assert sorted(str(happened.sensor) for happened in timeline) == sorted([STRAP, BELT, SKIN, SKIN])
        by_end = sorted(timeline, key=lambda happened: happened.ended_ns or 0)
        assert by_end[-1].ended_ns is not None
        meanwhile = [t for t in ears.at_ns if timeline[0].began_ns + 60 * NS_PER_MS < t < by_end[-1].ended_ns]
        assert meanwhile == []
        await ears.wait_more(3)


async def test_a_fault_on_a_sensor_that_nobody_wears_is_refused(make_world: Any) -> None:
    async with make_world() as world:
        with pytest.raises(ConfigError, match=r"expected a sensor of strap, belt, skin, SIM-HR, SIM-BELT.*got shoe"):
            FaultLine(world.devices, [parse_fault("t=1 drop sensor=shoe")], world.clock)
        FaultLine(world.devices, [parse_fault("t=1 drop sensor=sim-belt")], world.clock)


@pytest.mark.parametrize("word", sorted({word for word in WARDROBE if word.partition("-")[2] in ("", "sensor")}))
async def test_a_sensor_is_called_as_it_is_put_on(word: str) -> None:
    (sensor,), clock = wear_sensors(Body.from_seed(1), (word,)), BodyClock()
    device = VirtualDevice(sensor, Air(), clock=clock)
    FaultLine([device], [parse_fault(f"t=1 drop sensor={word}")], clock)
    with pytest.raises(ConfigError, match=f"expected a sensor of {word}, SIM-[A-Z]+, got shoe"):
        FaultLine([device], [parse_fault("t=1 drop sensor=shoe")], clock)


async def test_a_link_that_its_sensor_left_in_the_dark_ends_for_its_peer_too(make_world: Any) -> None:
    async with make_world() as world:
        async with world.connected(SKIN, skin.UART_TX) as (_, ears):
            await world.befall("t=0 silent 3 sensor=skin", "t=1 drop sensor=skin")
            await ears.gone.wait()
        async with world.connected(SKIN, skin.UART_TX):
            pass
