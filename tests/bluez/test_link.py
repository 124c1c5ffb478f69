"""The agent's radio on bleak's own BlueZ back end: what goes wrong there, said and survived."""

import asyncio
from typing import Any

import pytest
from bleak import BleakClient
from bleak.backends import BleakBackend
from tests.bluez.link_steps import CHANNEL, Until, connected, heard_after_losses

from becalm_ingest import link_connection
from becalm_ingest.devices import Channel
from becalm_ingest.link import Radio, scan
from becalm_ingest.link_trouble import BondMissingError
from becalm_protocol.errors import LinkError


async def test_it_is_bleaks_own_back_end(bluez: Any, strap: Any, radio: Radio) -> None:
    link = await connected(radio, strap)
    assert link._client.backend_id is BleakBackend.BLUEZ_DBUS
    assert {family.name for family in link.families()} == {"heart_rate"}
    assert await link.battery_pct() == 87
    assert await link.about() == link_connection.About(model="H10", firmware="5.0.0")
    await link.close()
    assert not bluez.is_connected(strap)


async def test_each_notification_comes_once_however_often_the_link_was_lost(
    bluez: Any, strap: Any, radio: Radio, until: Until
) -> None:
    assert await heard_after_losses(radio, bluez, strap, until=until, n_losses=3) == [1, 1, 1, 1]


async def test_without_our_goodbye_each_loss_would_double_them(
    bluez: Any, strap: Any, radio: Radio, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the fake has the fault that the test above guards against."""

    async def say_nothing(_: BleakClient) -> None:
        return

    monkeypatch.setattr(BleakClient, "disconnect", say_nothing)
    assert await heard_after_losses(radio, bluez, strap, until=until, n_losses=2) == [1, 2, 3]


async def test_a_scan_tells_name_and_strength(bluez: Any, strap: Any) -> None:
    (seen,) = await scan(within_s=0.3)
    assert (seen.name, seen.family) == (strap.name, "heart_rate")
    assert seen.rssi_dbm in {-55, -56}
    assert bluez.asked("StopDiscovery") == 1


# --------------------------------------------------------------------------------------------------------- in progress
async def test_what_is_in_progress_is_waited_for(bluez: Any, strap: Any, radio: Radio) -> None:
    link = await connected(radio, strap)
    bluez.fail("ReadValue", "org.bluez.Error.InProgress", "In Progress", times=3)
    assert await link.battery_pct() == 87
    await link.close()


async def test_what_stays_in_progress_has_an_end(
    bluez: Any, strap: Any, radio: Radio, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await connected(radio, strap)
    monkeypatch.setattr(link_connection, "OPERATION_WITHIN_S", 0.3)
    bluez.fail("ReadValue", "org.bluez.Error.InProgress", "In Progress", times=1000)
    with pytest.raises(LinkError, match="does not answer"):
        await link.battery_pct()
    await link.close()


@pytest.mark.parametrize("member", ["StartDiscovery", "Connect"])
async def test_a_busy_adapter_is_said_and_the_next_attempt_works(
    bluez: Any, strap: Any, radio: Radio, member: str
) -> None:
    bluez.fail(member, "org.bluez.Error.InProgress", "Operation already in progress")
    with pytest.raises(LinkError, match="busy"):
        await connected(radio, strap)
    await (await connected(radio, strap)).close()


async def test_a_stop_of_the_scan_in_progress_leaves_no_stuck_scan(bluez: Any, strap: Any) -> None:
    bluez.fail("StopDiscovery", "org.bluez.Error.InProgress", "In Progress")
    assert len(await scan(within_s=0.2)) == 1
    assert len(await scan(within_s=0.2)) == 1


# ---------------------------------------------------------------------------------------------- gone, and gone for good
async def test_a_device_that_bluez_forgot_is_looked_for_again(bluez: Any, strap: Any, radio: Radio) -> None:
    sighting = await radio.find(strap.address, label=strap.name, within_s=2.0)
    bluez.forget(strap)
    with pytest.raises(LinkError, match="out of range or in use"):
        await radio.connect(sighting, on_lost=lambda: None)
    await (await connected(radio, strap)).close()


async def test_a_link_lost_before_it_is_asked_anything_is_a_lost_link(bluez: Any, strap: Any, radio: Radio) -> None:
    lost = asyncio.Event()
    link = await connected(radio, strap, on_lost=lost.set)
    bluez.drop(strap)
    await lost.wait()
    for question in (link.battery_pct, link.about, lambda: link.subscribe(CHANNEL, on_bytes=lambda _: None)):
        with pytest.raises(LinkError, match="was lost"):
            await question()
    with pytest.raises(LinkError, match="was lost"):
        link.families()
    await link.close()


async def test_out_of_range_is_said(bluez: Any, strap: Any, radio: Radio) -> None:
    sighting = await radio.find(strap.address, label=strap.name, within_s=2.0)
    strap.in_range = False
    with pytest.raises(LinkError, match="out of range or in use"):
        await radio.connect(sighting, on_lost=lambda: None)
    with pytest.raises(LinkError, match="not in range, or another app holds it"):
        await radio.find(strap.address, label=strap.name, within_s=0.1)


async def test_a_discovery_without_end_has_its_limit(
    bluez: Any, strap: Any, radio: Radio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_connection, "_CONNECT_WITHIN_S", 0.3)
    strap.resolves = False
    with pytest.raises(LinkError, match="does not answer"):
        await connected(radio, strap)
    assert not bluez.is_connected(strap)


# ------------------------------------------------------------------------------------------------------------- orphans
async def test_a_strap_left_connected_is_freed_and_found(bluez: Any, make_strap: Any, radio: Radio) -> None:
    strap = bluez.put_on(make_strap(), connected=True)
    theirs = bluez.put_on(make_strap(name="SIM-HR 0002", address="F0:C0:FF:EE:12:02"), connected=True)
    await radio.clear_orphans(lambda name, _: name == strap.name)
    assert not bluez.is_connected(strap)
    assert bluez.is_connected(theirs)
    await (await connected(radio, strap)).close()


async def test_a_strap_that_another_program_took_meanwhile_is_said_and_freed(
    bluez: Any, make_strap: Any, radio: Radio
) -> None:
    strap = bluez.put_on(make_strap(), connected=True)
    with pytest.raises(LinkError, match="close other programs"):
        await radio.find(strap.address, label=strap.name, within_s=0.1)
    await (await connected(radio, strap)).close()


# -------------------------------------------------------------------------------------------------- odd BlueZ versions
async def test_a_hidden_battery_service_costs_only_the_battery(bluez: Any, strap: Any, radio: Radio) -> None:
    del strap.services["0000180f-0000-1000-8000-00805f9b34fb"]
    link = await connected(radio, strap)
    assert await link.battery_pct() is None
    await link.watch_battery(lambda _: None)
    heard: list[bytes] = []
    await link.subscribe(CHANNEL, on_bytes=lambda data: heard.append(bytes(data)))
    await link.close()


async def test_a_battery_that_notifies_is_heard(bluez: Any, strap: Any, radio: Radio, until: Until) -> None:
    link = await connected(radio, strap)
    levels: list[int] = []
    await link.watch_battery(levels.append)
    level = "00002a19-0000-1000-8000-00805f9b34fb"
    for data in (b"\x50", b"", b"\xff", b"\x4f"):
        bluez.notify(strap, level, data)
    await until(lambda: 79 in levels)
    assert levels == [80, 79]
    await link.close()


async def test_a_missing_characteristic_is_a_matter_of_firmware(bluez: Any, strap: Any, radio: Radio) -> None:
    link = await connected(radio, strap)
    with pytest.raises(LinkError, match="Update its firmware"):
        await link.read("fb005c81-02e7-f387-1cad-8acd2d8df0c8")
    with pytest.raises(LinkError, match=r"does not notify ecg.*Update its firmware"):
        await link.subscribe(Channel(name="ecg", uuids=("fb005c82-02e7-f387-1cad-8acd2d8df0c8",)), on_bytes=print)
    await link.close()


async def test_a_bond_that_no_request_can_make_is_left_to_the_system(
    bluez: Any, strap: Any, radio: Radio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def as_on_macos(*_: object, **__: object) -> None:
        raise NotImplementedError

    link = await connected(radio, strap)
    monkeypatch.setattr(link._client, "pair", as_on_macos)
    with pytest.raises(BondMissingError, match="Confirm the system's question"):
        await link.pair()
    await link.close()
