"""Links that drop, fall silent or are taken, and sensors switched off, on the virtual radio."""

import asyncio
from functools import partial
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDeviceNotFoundError, BleakError
from tests.simulator.ears import START_ECG, Ears, find

from becalm_protocol.events import SignalKind
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.gatt import Outgoing
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors import heart_rate, heart_sensor, skin
from becalm_simulator.sensors.polar_stream import PMD_CONTROL


async def test_an_mtu_too_small_for_ecg_is_error_10(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with make_world() as world:
        monkeypatch.setattr("becalm_simulator.bleak_backend.client.WANTED_MTU", 64)
        ears = Ears()
        async with BleakClient(await find(world, "SIM-HR 0001"), backend=world.radio.client) as client:
            assert client.mtu_size == 64
            await client.start_notify(PMD_CONTROL, ears)
            await client.write_gatt_char(PMD_CONTROL, START_ECG, response=True)
            await ears.wait_heard(1)
        assert ears.heard == [bytes.fromhex("F0 02 00 0A 00")]


async def test_a_dropped_link_is_told_and_the_sensor_can_be_met_again(make_world: Any) -> None:
    async with make_world() as world:
        for _ in range(3):
            gone, ears = asyncio.Event(), Ears()
            device = await find(world, "SIM-HR 0001")
            client = BleakClient(device, partial(_set, gone), backend=world.radio.client)
            await client.connect()
            await client.start_notify(heart_rate.HEART_RATE, ears)
            await ears.wait_heard(1)
            await world.strap.drop()
            await gone.wait()
            assert not client.is_connected
            with pytest.raises(BleakError):
                await client.read_gatt_char(heart_sensor.BATTERY_LEVEL)
            await client.disconnect()


async def test_a_silent_link_looks_connected_and_can_be_left(make_world: Any) -> None:
    async with make_world() as world:
        gone, ears = asyncio.Event(), Ears()
        client = BleakClient(await find(world, "SIM-EDA 0001"), lambda _: gone.set(), backend=world.radio.client)
        await client.connect()
        await client.start_notify(skin.UART_TX, ears)
        await ears.wait_heard(1)
        world.skin.set_silent(silent=True)
        n_heard, n_lost = len(ears.heard), world.skin.lost[SignalKind.SKIN_CONDUCTANCE]
        async with BleakClient(await find(world, "SIM-HR 0001"), backend=world.radio.client) as other:
            others = Ears()
            await other.start_notify(heart_rate.HEART_RATE, others)
            await others.wait_heard(3)
        assert client.is_connected
        assert not gone.is_set()
        assert len(ears.heard) <= n_heard + 1  # one may have been in the air
        assert world.skin.lost[SignalKind.SKIN_CONDUCTANCE] > n_lost + 5
        await client.disconnect()
        assert gone.is_set()
        world.skin.set_silent(silent=False)
        async with BleakClient(await find(world, "SIM-EDA 0001"), backend=world.radio.client) as again:
            later = Ears()
            await again.start_notify(skin.UART_TX, later)
            await later.wait_heard(3)


async def test_what_is_sent_into_a_link_that_just_ended_counts_as_lost(make_world: Any) -> None:
    """Between a link's end and the sensor's hearing of it, it still believes that it is connected."""
    async with make_world() as world, world.connected("SIM-EDA 0001") as (client, ears):
        await ears.listen(client, skin.UART_TX)
        await ears.wait_more(1)
        kind = SignalKind.SKIN_CONDUCTANCE
        n_sent, n_lost = world.skin.sensor.sent[kind], world.skin.lost[kind]
        world.skin.time_out()
        assert world.skin.is_connected
        await world.skin._send(Outgoing(uuid=skin.UART_TX, data=b"1", kind=kind, n_sent=1))
        assert (world.skin.sensor.sent[kind], world.skin.lost[kind]) == (n_sent, n_lost + 1)


async def test_a_sensor_switched_off_is_lost_and_then_not_found(make_world: Any) -> None:
    async with make_world() as world:
        gone = asyncio.Event()
        device = await find(world, "SIM-HR 0001")
        client = BleakClient(device, lambda _: gone.set(), backend=world.radio.client)
        await client.connect()
        world.strap.power_off()
        await gone.wait()
        with pytest.raises(BleakDeviceNotFoundError):
            await BleakClient(device, timeout=0.3, backend=world.radio.client).connect()
        async with BleakClient(await find(world, "SIM-EDA 0001"), backend=world.radio.client) as other:
            assert other.is_connected  # the attempt that failed left the adapter usable


async def test_a_cancelled_connection_attempt_leaves_the_adapter_usable(make_world: Any) -> None:
    async with make_world() as world:
        device = await find(world, "SIM-HR 0001")
        world.strap.power_off()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await BleakClient(device, timeout=4.0, backend=world.radio.client).connect()
        async with BleakClient(await find(world, "SIM-EDA 0001"), backend=world.radio.client) as other:
            assert other.is_connected


async def test_two_agents_share_the_air_and_a_sensor_takes_one_at_a_time(make_world: Any) -> None:
    async with make_world() as world, open_radio(world.address) as second:
        taken = await find(world, "SIM-HR 0001")
        async with BleakClient(taken, backend=world.radio.client) as client:
            with pytest.raises(BleakDeviceNotFoundError):
                await BleakClient(taken, timeout=0.3, backend=second.client).connect()
            free = await BleakScanner.find_device_by_name("SIM-BELT 0001", timeout=2.0, backend=second.scanner)
            assert free is not None
            async with BleakClient(free, backend=second.client) as other:
                assert client.is_connected
                assert other.is_connected


async def test_dropping_nobody_is_refused(make_world: Any) -> None:
    async with make_world() as world:
        device: VirtualDevice = world.strap
        with pytest.raises(Exception, match="SIM-HR 0001: expected a connected peer to drop, got none"):
            await device.drop()


def _set(event: asyncio.Event, _: BleakClient) -> None:
    event.set()
