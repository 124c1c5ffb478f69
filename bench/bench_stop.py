"""How soon sensors are told to rest once an agent process gets SIGTERM while its server is away. Prints JSON.

python bench/bench_stop.py --runs 5
"""

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from becalm_simulator.air import Air
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.wardrobe import wear_sensors

NOBODY = "http://127.0.0.1:9"
STOPS: dict[str, Callable[[bytes], bool]] = {
    "polar ECG": lambda data: data == b"\x03\x00",
    "breathing belt": lambda data: data[4:5] == b"\x19",
}


async def one_run(folder: Path, *, server: str) -> dict[str, float]:
    """Stream, terminate, and return seconds from the signal to each stop and to the end of the process."""
    air, written = Air(), list[tuple[float, bytes]]()
    devices = [VirtualDevice(sensor, air, clock=BodyClock()) for sensor in wear_sensors(Body.from_seed(3))]
    for device in devices:
        listen(device, written)
    async with serve_hci(air, f"unix:{folder / 'hci'}") as radio, asyncio.TaskGroup() as group:
        for device in devices:
            await device.power_on()
        running = [group.create_task(device.run()) for device in devices]
        words = ("--radio", radio, "--server", server, "--data-dir", str(folder / "data"), "--start", "--json")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "becalm_cli", "agent", *words, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(30.0):
            while not all(sum(device.sensor.sent.values()) for device in devices):  # noqa: ASYNC110 - they have no event
                await asyncio.sleep(0.05)
        told_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await process.wait()
        ended_s = time.monotonic()
        for task in running:
            task.cancel()
        for device in devices:
            device.power_off()
    stops = {name: min(s for s, data in written if s > told_s and fits(data)) - told_s for name, fits in STOPS.items()}
    return {**stops, "process": ended_s - told_s}


def listen(device: VirtualDevice, written: list[tuple[float, bytes]]) -> None:
    """Note what a sensor is told, and when."""
    obey = device.sensor.on_write

    def on_write(uuid: str, data: bytes, **when: Any) -> Any:
        written.append((time.monotonic(), bytes(data)))
        return obey(uuid, data, **when)

    device.sensor.on_write = on_write  # type: ignore[method-assign]


async def main(n_runs: int) -> None:
    runs = []
    for _ in range(n_runs):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(await one_run(Path(folder), server=NOBODY))
    figures = {
        f"{name} s": {
            "median": round(statistics.median(r[name] for r in runs), 3),
            "max": round(max(r[name] for r in runs), 3),
        }
        for name in runs[0]
    }
    print(json.dumps({"runs": n_runs, "after SIGTERM": figures}, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    asyncio.run(main(parser.parse_args().runs))
