"""bluetoothd as the agent meets it, on a private bus: objects, signals, and the quirks that cost people data.

Everything between the agent and this fake is real: bleak's own BlueZ back end, dbus-fast and a dbus-daemon.
"""

import asyncio
import gc
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.bluez.fake_bluez import Bluez, Mischief
from tests.bluez.private_bus import Bus
from tests.bluez.straps import Char, Strap

from becalm_ingest.link import Backend, Radio

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # BlueZ is Linux, and dbus-fast is installed there alone


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    """A private system bus, not started yet."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("no dbus-daemon here (Debian and Ubuntu: apt-get install dbus-daemon)")
    made = Bus(folder=tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    yield made
    await made.kill()
    # What bleak has running for this loop ends with its bus; left to the garbage collector it would end anywhere.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    if rest:
        await asyncio.wait(rest, timeout=0.5)
    gc.collect()


@pytest.fixture
async def bluez(bus: Bus) -> AsyncIterator[Bluez]:
    """bluetoothd on the private bus."""
    await bus.start()
    fake = Bluez()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def make_bluez() -> type[Bluez]:
    return Bluez


@pytest.fixture
def mischiefs() -> type[Mischief]:
    return Mischief


@pytest.fixture
def make_strap() -> type[Strap]:
    return Strap


@pytest.fixture
def make_char() -> type[Char]:
    return Char


Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait until something is true."""

    async def wait(is_true: Callable[[], object]) -> None:
        async with asyncio.timeout(20.0):
            while not is_true():  # noqa: ASYNC110 - plain attributes have no event to wait for
                await asyncio.sleep(0.002)

    return wait


@pytest.fixture
def radio() -> Radio:
    return Radio(Backend())


@pytest.fixture
def strap(bluez: Bluez) -> Strap:
    """An ordinary strap, near."""
    return bluez.put_on(Strap())
