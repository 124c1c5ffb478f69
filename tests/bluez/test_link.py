"""The agent's radio on bleak's own BlueZ back end: what goes wrong there, said and survived."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from bleak import BleakClient
from bleak.backends import BleakBackend

from becalm_ingest import link_connection
from becalm_ingest.devices import Channel
from becalm_ingest.link import Backend, Link, Radio, scan
from becalm_ingest.link_trouble import BondMissingError
from becalm_protocol.errors import LinkError

HRM = "00002a37-0000-1000-8000-00805f9b34fb"
CHANNEL = Channel(name="measurement", uuids=(HRM,))
Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def radio() -> Radio:
    return Radio(Backend())


@pytest.fixture
def strap(bluez: Any, make_strap: Any) -> Any:
    return bluez.put_on(make_strap())


async def connected(radio: Radio, strap: Any, *, on_lost: Callable[[], None] = lambda: None) -> Link:
    sighting = await radio.find(strap.address, label=strap.name, within_s=2.0)
    return await radio.connect(sighting, on_lost=on_lost)


async def connected_at_last(radio: Radio, strap: Any) -> Link:
    """Connect, as often as it takes bleak to hear of what is new."""
    async with asyncio.timeout(20.0):
        while True:
            with contextlib.suppress(LinkError):
                return await connected(radio, strap)
            await asyncio.sleep(0.01)


async def heard_after_losses(radio: Radio, bluez: Any, strap: Any, *, until: Until, n_losses: int) -> list[int]:
    """How often each notification was delivered, on a first connection and after each loss."""
    heard_n = []
    for _ in range(n_losses + 1):
        lost = asyncio.Event()
        link = await connected(radio, strap, on_lost=lost.set)
        heard: list[bytearray] = []
        await link.subscribe(CHANNEL, on_bytes=heard.append)
        bluez.notify(strap, HRM, b"\0\x3c")
        bluez.notify(strap, HRM, b"\0\xff")
        await until(partial(heard.__contains__, b"\0\xff"))
        heard_n.append(heard.count(bytearray(b"\0\x3c")))
        bluez.drop(strap)
        async with asyncio.timeout(2.0):
            await lost.wait()
        await link.close()
    return heard_n


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


async def test_the_death_of_the_bus_is_a_lost_link_and_its_return_heals(
    bus: Any, bluez: Any, strap: Any, radio: Radio, make_bluez: Any
) -> None:
    lost = asyncio.Event()
    link = await connected(radio, strap, on_lost=lost.set)
    await link.subscribe(CHANNEL, on_bytes=lambda _: None)
    await bus.kill()
    async with asyncio.timeout(2.0):
        await lost.wait()
    await link.close()
    with pytest.raises(LinkError, match="service is not running"):
        await connected(radio, strap)
    (bus.folder / "bus").unlink(missing_ok=True)
    await bus.start()
    again = make_bluez()
    await again.start()
    again.put_on(strap)
    await (await connected(radio, strap)).close()
    await again.stop()


async def test_the_death_of_the_bus_ends_a_scan_in_words(bus: Any, bluez: Any, radio: Radio, until: Until) -> None:
    async with asyncio.TaskGroup() as group:
        scanning = group.create_task(_failure_of(radio.look(is_enough=lambda _: False, within_s=1.0)))
        await until(lambda: bluez.asked("StartDiscovery"))
        await bus.kill()
    assert scanning.result().advice


async def _failure_of(work: Awaitable[object]) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await work
    return caught.value


async def test_an_adapter_pulled_out_is_said_and_found_again(bluez: Any, strap: Any, radio: Radio) -> None:
    await (await connected(radio, strap)).close()
    bluez.unplug()
    with pytest.raises(LinkError, match=r"adapter is gone|no Bluetooth that works"):
        await connected(radio, strap)
    bluez.plug_in()
    await (await connected_at_last(radio, strap)).close()


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


# ----------------------------------------------------------------------------------------------- no rights, no radio
async def test_a_user_without_the_right_is_told_so(bus: Any, make_bluez: Any) -> None:
    await bus.start(rules='<deny send_destination="org.bluez"/>')
    fake = make_bluez()
    await fake.start()
    with pytest.raises(LinkError, match=r"may not use Bluetooth.*group bluetooth"):
        await scan(within_s=0.1)
    await fake.stop()


async def test_a_user_whom_the_bus_does_not_accept_is_told_so(bluez: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLEAK_DBUS_AUTH_UID", "54321")
    with pytest.raises(LinkError, match="does not let this program use Bluetooth"):
        await scan(within_s=0.1)


async def test_no_bluez_at_all_is_told(bus: Any) -> None:
    await bus.start()
    with pytest.raises(LinkError, match=r"service is not running.*systemctl start bluetooth"):
        await scan(within_s=0.1)


async def test_bluetooth_off_is_told(bus: Any, make_bluez: Any) -> None:
    await _scan_fails(bus, make_bluez, lambda fake: fake.add_adapter(powered=False), words="Bluetooth is off")


async def test_no_adapter_is_told(bus: Any, make_bluez: Any) -> None:
    await _scan_fails(bus, make_bluez, lambda fake: fake.remove_adapter(), words="no Bluetooth that works.*Plug in")


async def test_an_old_adapter_is_told(bus: Any, make_bluez: Any) -> None:
    await _scan_fails(bus, make_bluez, lambda fake: fake.add_adapter(roles=()), words="too old")


async def _scan_fails(bus: Any, make_bluez: Any, stage: Callable[[Any], None], *, words: str) -> None:
    await bus.start()
    fake = make_bluez()
    stage(fake)
    await fake.start()
    with pytest.raises(LinkError, match=words):
        await scan(within_s=0.1)
    await fake.stop()


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
