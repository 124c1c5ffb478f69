"""No bus, no bluetoothd, no adapter, no right: said in words, and healed where it comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.bluez.link_steps import CHANNEL, Until, connected, connected_at_last

from becalm_ingest.link import Radio, scan
from becalm_protocol.errors import LinkError


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
