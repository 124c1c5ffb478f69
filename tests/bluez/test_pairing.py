"""Bonds on Linux: made without a question for our own sensors, refused to anyone else, made anew when broken."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from becalm_ingest import link_connection, pairing, system_bus
from becalm_ingest.devices import Write
from becalm_ingest.link import Link, Radio
from becalm_ingest.pairing import address_of, answer_pairing
from becalm_protocol.errors import LinkError

PMD = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL = PMD.replace("5c80", "5c81")
START = Write(uuid=CONTROL, data=bytes.fromhex("02000001820001010e00"), expects_answer=False)
Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def strap(bluez: Any, make_strap: Any, make_char: Any) -> Any:
    """A strap whose newer firmware wants a bond before it sends its ECG."""
    strap = make_strap()
    strap.services[PMD] = {CONTROL: make_char(flags=["read", "write", "indicate"], is_encrypted=True)}
    return bluez.put_on(strap)


@asynccontextmanager
async def answering(radio: Radio, bluez: Any, *, until: Until) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(answer_pairing(radio.is_ours))
        await until(lambda: bluez.agent)
        yield
        task.cancel()


async def connected(radio: Radio, strap: Any) -> Link:
    sighting = await radio.find(strap.address, label=strap.name, within_s=2.0)
    return await radio.connect(sighting, on_lost=lambda: None)


async def test_the_agent_is_the_default_one_while_it_runs(bluez: Any, radio: Radio, until: Until) -> None:
    async with answering(radio, bluez, until=until):
        assert bluez.capability == "NoInputNoOutput"
    assert bluez.agent is None
    assert bluez.asked("UnregisterAgent") == 1


async def test_an_encrypted_characteristic_is_written_once_bonded(
    bluez: Any, strap: Any, radio: Radio, until: Until
) -> None:
    async with answering(radio, bluez, until=until):
        link = await connected(radio, strap)
        await link.write(START)
        assert strap.written == [(CONTROL, START.data)]
        assert bluez.is_paired(strap)
        await link.close()


async def test_without_a_pairing_agent_the_write_ends_in_words(
    bluez: Any, strap: Any, radio: Radio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_connection, "OPERATION_WITHIN_S", 0.3)
    link = await connected(radio, strap)
    with pytest.raises(LinkError, match="does not answer"):
        await link.write(START)
    with pytest.raises(LinkError, match="refused to bond"):
        await link.pair()
    await link.close()
    assert strap.written == []


async def test_a_stranger_is_refused(bluez: Any, strap: Any, radio: Radio, until: Until) -> None:
    stranger = "/org/bluez/hci0/dev_66_66_66_66_66_66"
    async with answering(radio, bluez, until=until):
        link = await connected(radio, strap)
        rejected = "org.bluez.Error.Rejected"
        assert await bluez.ask_agent("RequestAuthorization", "o", stranger) == rejected
        assert await bluez.ask_agent("AuthorizeService", "os", stranger, PMD) == rejected
        for member in ("RequestPinCode", "RequestPasskey"):
            assert await bluez.ask_agent(member, "o", strap.path) == rejected
        assert await bluez.ask_agent("RequestConfirmation", "ou", strap.path, 123456) == rejected
        assert await bluez.ask_agent("RequestAuthorization", "o", strap.path) is None
        assert await bluez.ask_agent("AuthorizeService", "os", strap.path, PMD) is None
        assert await bluez.ask_agent("Cancel", "") is None
        await link.close()
        assert await bluez.ask_agent("RequestAuthorization", "o", strap.path) == rejected


async def test_a_bond_the_strap_forgot_is_removed_and_made_anew(
    bluez: Any, strap: Any, radio: Radio, until: Until
) -> None:
    bluez.put_on(strap, paired=True)
    async with answering(radio, bluez, until=until):
        link = await connected(radio, strap)
        with pytest.raises(LinkError, match="forgotten its bond"):
            await link.write(START)
        assert not bluez.is_paired(strap)
        await link.close()
        again = await connected(radio, strap)
        await again.write(START)
        assert bluez.is_paired(strap)
        await again.close()


async def test_a_strap_that_will_not_bond_is_said(bluez: Any, strap: Any, radio: Radio, until: Until) -> None:
    strap.refuses_bond = True
    async with answering(radio, bluez, until=until):
        link = await connected(radio, strap)
        with pytest.raises(LinkError, match="refused to bond"):
            await link.write(START)
        await link.close()


async def test_it_registers_again_with_a_bluetooth_service_started_anew(
    bluez: Any, make_bluez: Any, radio: Radio, until: Until
) -> None:
    async with answering(radio, bluez, until=until):
        await bluez.stop()
        again = make_bluez()
        await again.start()
        await until(lambda: again.agent)
    await until(lambda: again.agent is None)
    await again.stop()


async def test_a_bluetooth_service_that_will_not_take_it_yet_is_asked_again(
    bluez: Any, radio: Radio, until: Until, mischiefs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_bus, "_CALL_WITHIN_S", 0.1)
    monkeypatch.setattr(pairing, "_LOOK_EVERY_S", 0.02)
    luck = {"RegisterAgent": [mischiefs.HANG, mischiefs.REFUSE], "RequestDefaultAgent": [mischiefs.HANG]}
    bluez.mischief = lambda member: luck[member].pop() if luck.get(member) else None
    async with answering(radio, bluez, until=until):
        assert bluez.asked("RegisterAgent") == 4
        assert bluez.asked("RequestDefaultAgent") == 2


async def test_the_end_of_the_bus_does_not_end_it(bus: Any, bluez: Any, radio: Radio, until: Until) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(answer_pairing(radio.is_ours))
        await until(lambda: bluez.agent)
        await bus.kill()
        await until(lambda: not bluez._bus.connected)
        assert not task.done()
        task.cancel()


async def test_without_a_bus_it_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, radio: Radio) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(answer_pairing(radio.is_ours))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()


def test_the_address_is_read_from_the_name_of_the_device() -> None:
    assert address_of("/org/bluez/hci1/dev_F0_C0_FF_EE_12_00") == "F0:C0:FF:EE:12:00"
