"""A real agent process told to end: its sensors are told to rest, for batteries live from that."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from becalm_simulator.air import Air
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.wardrobe import wear_sensors

PMD_STOP_ECG = bytes([3, 0])
BELT_STOP_COMMAND = 0x19  # the byte after length, counter and checksum
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to a process")


class Listening:
    """Notes what a sensor is told, then has it obey as ever."""

    def __init__(self, device: VirtualDevice) -> None:
        self.written: list[bytes] = []
        self._obey = device.sensor.on_write
        device.sensor.on_write = self.on_write  # type: ignore[method-assign]

    def on_write(self, uuid: str, data: bytes, **when: Any) -> Any:
        self.written.append(bytes(data))
        return self._obey(uuid, data, **when)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_told_to_end_stops_every_stream_first(
    wire: Any, tmp_path: Path, number: signal.Signals
) -> None:
    clock, air = BodyClock(), Air()
    devices = [VirtualDevice(sensor, air, clock=clock) for sensor in wear_sensors(Body.from_seed(3))]
    strap, belt = Listening(devices[0]), Listening(devices[1])
    async with serve_hci(air, f"unix:{tmp_path / 'hci'}") as radio, asyncio.TaskGroup() as group:
        for device in devices:
            await device.power_on()
        running = [group.create_task(device.run()) for device in devices]
        words = ("agent", "--radio", radio, "--server", wire.url, "--data-dir", str(tmp_path / "data"), "--start")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "becalm_cli", *words, "--json",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(15.0):  # a process starts slowly on a busy machine
                while not all(sum(device.sensor.sent.values()) for device in devices):  # noqa: ASYNC110 - sensors have no event to wait for
                    await asyncio.sleep(0.01)
            process.send_signal(number)
            async with asyncio.timeout(20.0):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            for task in running:
                task.cancel()
            for device in devices:
                device.power_off()
    assert PMD_STOP_ECG in strap.written
    assert BELT_STOP_COMMAND in {data[4] for data in belt.written if len(data) > 4}
    assert not any(device.is_connected for device in devices)
