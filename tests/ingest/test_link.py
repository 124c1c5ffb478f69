"""Connections on a back end of our own: what is done to the system, in which order, and with which limits."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, Self

import pytest
from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.service import BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError

from becalm_ingest.link import Backend, Link, Radio, Sighting
from becalm_protocol.errors import LinkError


class QuietClient(BaseBleakClient):
    """A client that notes what is asked of it."""

    done: ClassVar[list[str]] = []
    fault: ClassVar[BaseException | None] = None

    def __init__(self, address_or_ble_device: BLEDevice | str, services: Any = None, **kwargs: Any) -> None:
        super().__init__(address_or_ble_device, **{k: kwargs[k] for k in ("disconnected_callback", "timeout")})
        self._on = False

    @property
    def mtu_size(self) -> int:
        return 23

    @property
    def is_connected(self) -> bool:
        return self._on

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        self.done.append(f"connect {self.address}")
        if self.fault is not None:
            raise self.fault
        self._on = True
        self.services = BleakGATTServiceCollection()

    async def disconnect(self) -> None:
        self.done.append(f"disconnect {self.address}")
        self._on = False
        if isinstance(self.fault, BleakError):
            raise BleakError("Not connected")

    def lose(self) -> None:
        self._on = False
        assert self._disconnected_callback is not None
        self._disconnected_callback()

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **kwargs: Any) -> bytearray:
        raise NotImplementedError

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **kwargs: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
        raise NotImplementedError

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        raise NotImplementedError

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Callable[[bytearray], None], **kwargs: Any
    ) -> None:
        raise NotImplementedError

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        raise NotImplementedError


class LeftoverAdapter(BaseBleakAdapter):
    """An adapter that is still connected to two sensors of a process that was killed."""

    @classmethod
    async def get(cls, **kwargs: Any) -> Self:
        return cls()

    async def get_connected_devices(self, service_uuids: frozenset[str]) -> list[BLEDevice]:
        return [BLEDevice("AA:01", "Polar H10 MINE", None), BLEDevice("AA:02", "Polar H10 YOURS", None)]


@pytest.fixture
def backend() -> Backend:
    QuietClient.done, QuietClient.fault = [], None
    return Backend(client=QuietClient, adapter=LeftoverAdapter)


def sighting(address: str = "AA:01") -> Sighting:
    device = BLEDevice(address, "strap", None)
    return Sighting(name="strap", address=address, rssi_dbm=-50, family="heart_rate", device=device, seen_ns=0)


async def test_only_a_wanted_sensor_left_connected_is_freed(backend: Backend) -> None:
    await Radio(backend).clear_orphans(lambda name, _: name == "Polar H10 MINE")
    assert QuietClient.done == ["connect AA:01", "disconnect AA:01"]


@pytest.mark.parametrize("fault", [BleakError("x"), BleakDeviceNotFoundError("AA:01"), TimeoutError()])
async def test_one_that_cannot_be_freed_stops_nobody(backend: Backend, fault: BaseException) -> None:
    QuietClient.fault = fault
    await Radio(backend).clear_orphans(lambda *_: True)
    assert QuietClient.done == ["connect AA:01", "disconnect AA:01", "connect AA:02", "disconnect AA:02"]


async def test_a_failed_connection_is_disconnected_too(backend: Backend) -> None:
    QuietClient.fault = BleakError("strange")
    with pytest.raises(LinkError, match="strange"):
        await Radio(backend).connect(sighting(), on_lost=lambda: None)
    assert QuietClient.done == ["connect AA:01", "disconnect AA:01"]


async def test_after_a_loss_the_client_is_disconnected_all_the_same(backend: Backend) -> None:
    """BlueZ delivers each notification once more for every lost connection that was not."""
    lost = asyncio.Event()
    link = await Radio(backend).connect(sighting(), on_lost=lost.set)
    client = link._client._backend
    assert isinstance(client, QuietClient)
    client.lose()
    assert lost.is_set()
    assert link.is_lost
    await link.close()
    assert QuietClient.done == ["connect AA:01", "disconnect AA:01"]


@pytest.mark.parametrize("surprise", [AssertionError(), KeyError("/org/bluez"), BleakError("x"), EOFError()])
async def test_a_goodbye_that_surprises_the_library_ends_nobody(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, surprise: BaseException
) -> None:
    """bleak asserts that a lost link has no services any more, and at times it is not so far yet."""

    async def disconnect(_: QuietClient) -> None:
        raise surprise

    monkeypatch.setattr(QuietClient, "disconnect", disconnect)
    radio = Radio(backend)
    link = await radio.connect(sighting(), on_lost=lambda: None)
    await link.close()
    assert not radio.is_ours("AA:01")


async def test_one_connection_attempt_at_a_time(backend: Backend) -> None:
    running = most = 0

    class SlowClient(QuietClient):
        async def connect(self, pair: bool, **kwargs: Any) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1
            await super().connect(pair, **kwargs)

    radio = Radio(Backend(client=SlowClient))
    async with asyncio.TaskGroup() as group:
        for n in range(4):
            group.create_task(radio.connect(sighting(f"AA:0{n}"), on_lost=lambda: None))
    assert most == 1
    assert len(QuietClient.done) == 4


async def test_an_unknown_sensor_has_no_family_and_no_battery(backend: Backend) -> None:
    link = Link(BLEDevice("AA:01", "kettle", None), label="kettle", backend=backend)
    await link.open()
    assert link.families() == ()
    assert await link.battery_pct() is None
    await link.close()
