"""What the virtual sensors offer and send over the air arrives byte for byte and is counted."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from tests.simulator.ears import START_ECG, Ears, command, find, note_what_is_sent

from becalm_protocol.events import SignalKind
from becalm_simulator.gatt import Property
from becalm_simulator.sensors import belt, heart_rate, heart_sensor, skin
from becalm_simulator.sensors.polar_stream import PMD_CONTROL, PMD_DATA

STOP_ECG = bytes.fromhex("03 00")


NOTIFYING = {
    "SIM-HR 0001": heart_rate.HEART_RATE,
    "SIM-BELT 0001": belt.RESPONSE,
    "SIM-EDA 0001": skin.UART_TX,
}


async def test_a_scan_finds_three_sensors_by_name_and_service(make_world: Any) -> None:
    async with make_world() as world:
        found: dict[str, list[str]] = {}
        complete = asyncio.Event()

        def notice(device: BLEDevice, advertisement: Any) -> None:
            if device.name:
                found[device.name] = advertisement.service_uuids
            if len(found) == 3:
                complete.set()

        async with BleakScanner(notice, backend=world.radio.scanner):
            await complete.wait()
        assert found == {
            "SIM-HR 0001": [heart_rate.HEART_RATE_SERVICE],
            "SIM-BELT 0001": [belt.BELT_SERVICE],
            "SIM-EDA 0001": [skin.UART_SERVICE],
        }


async def test_a_scan_by_service_finds_only_its_sensor(make_world: Any) -> None:
    async with make_world() as world:
        device = await BleakScanner.find_device_by_filter(
            lambda *_: True, timeout=2.0, service_uuids=[belt.BELT_SERVICE], backend=world.radio.scanner
        )
        assert device is not None
        assert device.address == world.belt.sensor.address


@pytest.mark.parametrize("name", sorted(NOTIFYING))
async def test_discovery_finds_exactly_what_the_sensor_offers(make_world: Any, name: str) -> None:
    async with make_world() as world:
        device = next(d for d in (world.strap, world.belt, world.skin) if d.sensor.name == name)
        async with BleakClient(await find(world, name), backend=world.radio.client) as client:
            assert client.mtu_size == (23 if name == "SIM-BELT 0001" else 247)
            found = {
                service.uuid: {c.uuid: set(c.properties) for c in service.characteristics}
                for service in client.services
            }
        for service in device.sensor.services:
            offered = {
                c.uuid: {p.name.lower().replace("_", "-") for p in Property if p in c.properties and p.name}
                for c in service.characteristics
            }
            assert found[service.uuid] == offered


async def test_readable_values(make_world: Any) -> None:
    async with make_world() as world:
        async with BleakClient(await find(world, "SIM-HR 0001"), backend=world.radio.client) as client:
            uuids = (heart_sensor.BATTERY_LEVEL, heart_rate.BODY_LOCATION, heart_sensor.MODEL_NUMBER, PMD_CONTROL)
            contents = [bytes(await client.read_gatt_char(uuid)) for uuid in uuids]
        assert contents == [b"\x57", b"\x01", b"SIM-HR", bytes.fromhex("0F 05 00")]


async def test_everything_the_strap_sends_arrives_byte_for_byte_and_is_counted(make_world: Any) -> None:
    async with make_world() as world:
        sent = note_what_is_sent(world.strap.sensor)
        control, ecg, beats = Ears(), Ears(), Ears()
        async with BleakClient(await find(world, "SIM-HR 0001"), backend=world.radio.client) as client:
            await client.start_notify(PMD_CONTROL, control)
            await client.start_notify(PMD_DATA, ecg)
            await client.start_notify(heart_rate.HEART_RATE, beats)
            await client.write_gatt_char(PMD_CONTROL, START_ECG, response=True)
            await ecg.wait_heard(12)
            await client.write_gatt_char(PMD_CONTROL, STOP_ECG, response=True)
            await control.wait_heard(2)
            await client.stop_notify(heart_rate.HEART_RATE)
            for ears, uuid in ((control, PMD_CONTROL), (ecg, PMD_DATA), (beats, heart_rate.HEART_RATE)):
                assert ears.heard == [outgoing.data for outgoing in sent if outgoing.uuid == uuid]
            assert control.heard == [bytes.fromhex("F0 02 00 00 00"), bytes.fromhex("F0 03 00 00 00")]
            n_rr = sum((len(data) - 2) // 2 for data in beats.heard)
            assert n_rr > 0
            sent_of = {kind: n for kind, n in world.strap.sensor.sent.items() if n}
            assert sent_of == {SignalKind.ECG: 73 * len(ecg.heard), SignalKind.RR: n_rr}


async def test_everything_the_belt_sends_arrives_byte_for_byte_and_is_counted(make_world: Any) -> None:
    async with make_world() as world:
        sent = note_what_is_sent(world.belt.sensor)
        ears = Ears()
        async with BleakClient(await find(world, "SIM-BELT 0001"), backend=world.radio.client) as client:
            await client.start_notify(belt.RESPONSE, ears)
            start = command(0x18, bytes.fromhex("FF 01 02 00 00 00") + bytes(8))
            await client.write_gatt_char(belt.COMMAND, start[:20], response=True)
            await client.write_gatt_char(belt.COMMAND, start[20:], response=True)
            await ears.wait_heard(60)
            await client.write_gatt_char(belt.COMMAND, command(0x19, bytes.fromhex("FF 00 FF FF FF FF")), response=True)
            await client.stop_notify(belt.RESPONSE)
            assert ears.heard == [outgoing.data for outgoing in sent][: len(ears.heard)]
        measured = sum(data[0] == 0x20 for data in ears.heard)
        assert measured > 50
        assert world.belt.sensor.sent == {SignalKind.RESPIRATION: measured}


async def test_everything_the_skin_sensor_sends_arrives_byte_for_byte_and_is_counted(make_world: Any) -> None:
    async with make_world() as world:
        sent = note_what_is_sent(world.skin.sensor)
        ears = Ears()
        async with BleakClient(await find(world, "SIM-EDA 0001"), backend=world.radio.client) as client:
            await client.start_notify(skin.UART_TX, ears)
            await ears.wait_heard(100)
            await client.stop_notify(skin.UART_TX)
            assert ears.heard == [outgoing.data for outgoing in sent]
        assert world.skin.sensor.sent == {SignalKind.SKIN_CONDUCTANCE: b"".join(ears.heard).count(b"\n")}


async def test_nothing_is_sent_or_counted_after_unsubscribing(make_world: Any) -> None:
    async with make_world() as world:
        ears, others = Ears(), Ears()
        async with (
            BleakClient(await find(world, "SIM-EDA 0001"), backend=world.radio.client) as client,
            BleakClient(await find(world, "SIM-HR 0001"), backend=world.radio.client) as other,
        ):
            await client.start_notify(skin.UART_TX, ears)
            await ears.wait_heard(5)
            await client.stop_notify(skin.UART_TX)
            n_heard, n_sent = len(ears.heard), dict(world.skin.sensor.sent)
            await other.start_notify(
                heart_rate.HEART_RATE, others
            )  # seconds of body time pass, as another sensor shows
            await others.wait_heard(3)
        assert len(ears.heard) == n_heard
        assert world.skin.sensor.sent == n_sent


async def test_three_sensors_stream_at_once_to_one_adapter(make_world: Any) -> None:
    async with make_world() as world, AsyncExitStack() as stack:
        ears = {}
        for name, uuid in NOTIFYING.items():
            client = await stack.enter_async_context(BleakClient(await find(world, name), backend=world.radio.client))
            ears[name] = Ears()
            await client.start_notify(uuid, ears[name])
            if name == "SIM-BELT 0001":
                await client.write_gatt_char(belt.COMMAND, command(0x18, bytes(14)), response=True)
        connected = await (await BleakAdapter.get(backend=world.radio.adapter)).get_connected_devices()
        assert len(connected) == 3
        for listener in ears.values():
            await listener.wait_heard(3)
