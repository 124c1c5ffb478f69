"""Listening to virtual sensors."""

import asyncio
from collections.abc import Callable
from typing import Any

from bleak import BleakScanner
from bleak.backends.device import BLEDevice

from becalm_simulator.gatt import Outgoing, Sensor

START_ECG = bytes.fromhex("02 00 00 01 82 00 01 01 0E 00")


async def find(world: Any, name: str) -> BLEDevice:
    device = await BleakScanner.find_device_by_name(name, timeout=2.0, backend=world.radio.scanner)
    assert device is not None
    return device


def command(code: int, arguments: bytes = b"") -> bytes:
    packet = bytearray((0x58, 5 + len(arguments), 0xFE, 0, code)) + arguments
    packet[3] = (sum(packet) - packet[3]) & 0xFF
    return bytes(packet)


def note_what_is_sent(sensor: Sensor) -> list[Outgoing]:
    """Keep a copy of everything the sensor hands to the radio, answers included."""
    noted: list[Outgoing] = []

    def noting(act: Callable[..., tuple[Outgoing, ...]]) -> Callable[..., tuple[Outgoing, ...]]:
        def acted(*args: Any, **kwargs: Any) -> tuple[Outgoing, ...]:
            outgoing = act(*args, **kwargs)
            noted.extend(outgoing)
            return outgoing

        return acted

    sensor.poll, sensor.on_write = noting(sensor.poll), noting(sensor.on_write)  # type: ignore[method-assign]
    return noted


class Ears:
    """Collects notifications and lets a test wait until there are n of them."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._news = asyncio.Event()

    def __call__(self, _: Any, data: bytearray) -> None:
        self.heard.append(bytes(data))
        self._news.set()

    async def wait_heard(self, n_all: int) -> None:
        while len(self.heard) < n_all:
            self._news.clear()
            await self._news.wait()
