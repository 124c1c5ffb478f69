"""Faults of the sensor itself over real GATT: what it sends, its clock, its battery, its bonds."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakGATTProtocolError

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.gatt import BATTERY_LEVEL
from becalm_simulator.sensors import skin

HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"
PMD_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
PMD_DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
SINCE_2000_NS = 599_616_000 * NS_PER_S
START_ECG = bytes.fromhex("02 00 00 01 82 00 01 01 0E 00")
STRAP, BELT, SKIN = "SIM-HR 0001", "SIM-BELT 0001", "SIM-EDA 0001"
AUTHENTICATION_MISSING = 0x05


async def test_duplicate(make_world: Any) -> None:
    async with make_world() as world, world.connected(SKIN, skin.UART_TX) as (_, ears):
        measured = world.note_what_is_measured(world.skin)
        n_sent = world.skin.sensor.sent[SignalKind.SKIN_CONDUCTANCE]
        await world.befall("t=0 duplicate 4 sensor=skin")
        doubled = [a for a, b in pairwise(ears.heard) if a == b]
        assert len(doubled) > 20
        n_lines = sum(outgoing.n_sent for outgoing in measured)
        assert abs(world.skin.sensor.sent[SignalKind.SKIN_CONDUCTANCE] - n_sent - n_lines) <= 1


async def test_reorder_lets_characteristics_overtake_each_other_but_not_themselves(make_world: Any) -> None:
    async with make_world() as world, world.connected(STRAP, HEART_RATE) as (client, ears):
        await ears.listen(client, PMD_CONTROL)
        await ears.listen(client, PMD_DATA)
        await client.write_gatt_char(PMD_CONTROL, START_ECG, response=True)
        await ears.wait(lambda: ears.of(PMD_DATA))
        measured = world.note_what_is_measured(world.strap)
        n_before = len(ears.heard)
        await world.befall("t=0 reorder 12 sensor=strap")
        await ears.wait_more(4)
        heard = ears.heard[n_before:]
        sent = [(o.uuid, o.data) for o in measured]
        start = sent.index(next(pair for pair in heard if pair in sent))
        assert heard[1:12] != sent[start + 1 : start + 12]
        for uuid in (PMD_DATA, HEART_RATE):
            ours = [pair for pair in heard if pair[0] == uuid and pair in sent]
            assert ours == [pair for pair in sent if pair[0] == uuid][: len(ours)]


async def test_lose(make_world: Any) -> None:
    async with make_world() as world, world.connected(SKIN, skin.UART_TX) as (_, ears):
        measured = world.note_what_is_measured(world.skin)
        (happened,) = await world.befall("t=0 lose 7 sensor=skin")
        assert happened.ended_ns is not None
        await ears.wait_more(10)
        missing = [o.data for o in measured[: len(measured) - 6] if o.data not in ears.of(skin.UART_TX)]
        assert [o.data for o in measured[:7]] == missing
        assert world.skin.lost[SignalKind.SKIN_CONDUCTANCE] in (2, 3, 4)


async def test_dead_battery_fades_goes_off_and_comes_back_fresh(make_world: Any) -> None:
    async with make_world() as world:
        async with world.connected(STRAP) as (client, ears), asyncio.TaskGroup() as group:
            await ears.listen(client, BATTERY_LEVEL)
            assert bytes(await client.read_gatt_char(BATTERY_LEVEL)) == b"\x57"
            staging = group.create_task(world.befall("t=0 dead_battery 3 for 3 sensor=strap"))
            await ears.gone.wait()
            assert [data[0] for data in ears.of(BATTERY_LEVEL)] == list(range(0x56, -1, -1))
            assert await world.find(STRAP, within_s=0.2) is None
            await staging
        async with world.connected(STRAP, HEART_RATE) as (client, _):
            assert bytes(await client.read_gatt_char(BATTERY_LEVEL)) == b"\x64"


async def test_dead_battery_for_ever_has_no_end(make_world: Any) -> None:
    async with make_world() as world:
        (happened,) = await world.befall("t=0 dead_battery 1 sensor=belt")
        assert happened.ended_ns is None
        assert world.belt.sensor.battery_pct == 0
        assert not world.belt.is_on
        assert await world.find(BELT, within_s=0.2) is None


def _shown_ms(ears: Any) -> list[int]:
    lines = b"".join(ears.of(skin.UART_TX)).split(b"\n")[1:-1]
    return [int(line.partition(b"t_ms=")[2]) for line in lines]


async def test_clock_reset_and_jump_show_in_the_stamps_of_a_sensor(make_world: Any) -> None:
    async with make_world() as world, world.connected(SKIN, skin.UART_TX) as (_, ears):
        await ears.wait_more(25)
        await world.befall("t=0 clock_jump 60000 sensor=skin", "t=3 clock_reset sensor=skin")
        await ears.wait_more(15)
        shown = _shown_ms(ears)
        leaps = [b - a for a, b in pairwise(shown) if not 0 < b - a < 1000]
        assert leaps[0] == pytest.approx(60_000 + 125, abs=300)
        assert leaps[1] < -60_000
        assert shown[-1] < 5_000


async def test_a_reset_strap_wakes_up_in_2019_again(make_world: Any) -> None:
    async with make_world() as world, world.connected(STRAP) as (client, ears):
        await ears.listen(client, PMD_CONTROL)
        await ears.listen(client, PMD_DATA)
        await client.write_gatt_char(PMD_CONTROL, START_ECG, response=True)
        await ears.wait(lambda: len(ears.of(PMD_DATA)) > 2)
        await world.befall("t=2 clock_reset sensor=strap")
        n_before = len(ears.of(PMD_DATA))
        await ears.wait(lambda: len(ears.of(PMD_DATA)) > n_before + 2)
        stamps = [int.from_bytes(data[1:9], "little") - SINCE_2000_NS for data in ears.of(PMD_DATA)]
        back = next(i for i in range(1, len(stamps)) if stamps[i] < stamps[i - 1])
        assert stamps[back] < NS_PER_S
        frame_ns = ns_from_s(73 / 130)
        assert all(b - a == pytest.approx(frame_ns, abs=NS_PER_MS) for a, b in pairwise(stamps[back:]))


async def test_needs_bonding_until_paired_and_the_bond_outlives_links_power_and_adapters(make_world: Any) -> None:
    async with make_world() as world:
        (happened,) = await world.befall("t=0 needs_bonding sensor=strap")
        assert happened.ended_ns is None
        async with world.connected(STRAP, HEART_RATE) as (client, ears):
            with pytest.raises(BleakGATTProtocolError) as refused:
                await ears.listen(client, PMD_DATA)
            assert refused.value.code == AUTHENTICATION_MISSING
            with pytest.raises(BleakGATTProtocolError) as refused:
                await client.write_gatt_char(PMD_CONTROL, START_ECG, response=True)
            assert refused.value.code == AUTHENTICATION_MISSING
            await client.pair()
            await _stream_ecg(client, ears)
        for disturb in ("t=0 drop sensor=strap", "t=0 adapter_gone 0.5", "t=0 dead_battery 1 for 0.5 sensor=strap"):
            await world.befall(disturb)
            async with world.connected(STRAP) as (client, ears):
                await _stream_ecg(client, ears)


async def _stream_ecg(client: BleakClient, ears: Any) -> None:
    await ears.listen(client, PMD_CONTROL)
    await ears.listen(client, PMD_DATA)
    await client.write_gatt_char(PMD_CONTROL, START_ECG, response=True)
    await ears.wait(lambda: ears.of(PMD_DATA))


async def test_a_bond_is_with_one_host_only(make_world: Any) -> None:
    async with make_world() as world, open_radio(world.address) as second:
        await world.befall("t=0 needs_bonding sensor=skin")
        async with world.connected(SKIN) as (client, ears):
            with pytest.raises(BleakGATTProtocolError):
                await ears.listen(client, skin.UART_TX)
            await client.pair()
            await ears.listen(client, skin.UART_TX)
            await ears.wait_more(20)
            assert not any(before == after for before, after in pairwise(ears.heard))  # one subscription hears, not two
        device = await BleakScanner.find_device_by_name(SKIN, timeout=2.0, backend=second.scanner)
        assert device is not None
        async with BleakClient(device, backend=second.client) as stranger:
            with pytest.raises(BleakGATTProtocolError):
                await world.ears().listen(stranger, skin.UART_TX)


async def test_bonding_asked_of_a_connected_peer_ends_its_link(make_world: Any) -> None:
    async with make_world() as world, world.connected(SKIN, skin.UART_TX) as (_, ears):
        await world.befall("t=0 needs_bonding sensor=skin")
        await ears.gone.wait()
