"""The simulator as a whole: in one process, in a process of its own, with agents that die."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner

from becalm_protocol.errors import ConfigError
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.faults import parse_fault
from becalm_simulator.sensors.heart_rate import HEART_RATE
from becalm_simulator.sensors.skin import UART_TX
from becalm_simulator.simulate import SimulatorReport, SimulatorSettings, run_simulator

FAULTS_OVER_NS = 1_000_000_000
# Guards against a hang only: on a busy machine two processes take seconds to start.
HANG_S = 40.0
SIMULATOR = """
import asyncio, json, sys
from becalm_simulator.simulate import SimulatorSettings, run_simulator

async def main():
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async def watch():
        await reader.read()
        stop.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        report = await run_simulator(
            SimulatorSettings(seed=7, radio=sys.argv[1]), on_ready=lambda a: print(a, flush=True), stop=stop
        )
    print(json.dumps(report.as_dict()), flush=True)

asyncio.run(main())
"""
AGENT = """
import asyncio, sys
from bleak import BleakClient, BleakScanner
from becalm_simulator.bleak_backend import open_radio

async def main():
    async with open_radio(sys.argv[1]) as radio:
        for name in ("SIM-HR 0001", "SIM-EDA 0001"):
            device = await BleakScanner.find_device_by_name(name, timeout=3.0, backend=radio.scanner)
            await BleakClient(device, backend=radio.client).connect()
        print("connected", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def process(code: str, *arguments: str) -> AsyncIterator[Process]:
    """Run a program that is killed at the end if it has not ended itself; its warnings are errors."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", code, *arguments, stdin=PIPE, stdout=PIPE, env=dict(os.environ)
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def read_line(started: Process) -> str:
    assert started.stdout is not None
    return (await started.stdout.readline()).decode().strip()


async def first_notification(radio: Any, name: str, *, uuid: str, gone: asyncio.Event) -> None:
    """Connect, wait for one notification, and return while still connected."""
    device = await BleakScanner.find_device_by_name(name, timeout=3.0, backend=radio.scanner)
    assert device is not None
    heard = asyncio.Event()
    client = BleakClient(device, lambda _: gone.set(), backend=radio.client)
    await client.connect()
    await client.start_notify(uuid, lambda *_: heard.set())
    await heard.wait()


async def test_the_report_says_what_was_sent_and_what_was_true() -> None:
    stop, ready = asyncio.Event(), asyncio.Queue[str]()
    settings = SimulatorSettings(seed=7, server_url="ws://127.0.0.1:1")
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        simulator = group.create_task(run_simulator(settings, on_ready=ready.put_nowait, stop=stop))
        async with open_radio(await ready.get()) as radio:
            await first_notification(radio, "SIM-EDA 0001", uuid=UART_TX, gone=asyncio.Event())
            await first_notification(radio, "SIM-HR 0001", uuid=HEART_RATE, gone=asyncio.Event())
            stop.set()
            report: SimulatorReport = await simulator
    assert report.sent["skin_conductance"] > 0
    assert report.sent["ecg"] == report.sent["respiration"] == 0
    assert report.lived_s > 0.5
    assert report.beats_true in range(1, 12)
    assert json.loads(json.dumps(report.as_dict()))["true_arousal"] == {
        "start": round(report.arousal_start, 4),
        "end": round(report.arousal_end, 4),
    }


async def test_a_place_that_cannot_be_had_is_a_clear_sentence(tmp_path: Path) -> None:
    settings = SimulatorSettings(seed=7, radio=f"unix:{tmp_path / 'no such folder' / 'hci'}")
    with pytest.raises(ConfigError, match="radio: cannot listen"):
        await run_simulator(settings, on_ready=lambda _: None, stop=asyncio.Event())


async def test_a_new_agent_finds_working_sensors_after_the_first_was_killed(tmp_path: Path) -> None:
    place = f"unix:{tmp_path / 'hci'}"
    async with asyncio.timeout(HANG_S), process(SIMULATOR, place) as simulator:
        address = await read_line(simulator)
        async with process(AGENT, address) as agent:
            assert await read_line(agent) == "connected"
            agent.kill()
        async with open_radio(address) as radio:
            gone = asyncio.Event()
            await first_notification(radio, "SIM-EDA 0001", uuid=UART_TX, gone=gone)
            assert not gone.is_set()
        assert simulator.stdin is not None
        simulator.stdin.close()
        report = json.loads(await read_line(simulator))
        assert await simulator.wait() == 0
    assert report["sent"]["skin_conductance"] >= 1


async def test_a_killed_simulator_is_a_lost_link(tmp_path: Path) -> None:
    gone = asyncio.Event()
    async with (
        asyncio.timeout(HANG_S),
        process(SIMULATOR, f"unix:{tmp_path / 'hci'}") as simulator,
        open_radio(await read_line(simulator)) as radio,
    ):
        await first_notification(radio, "SIM-EDA 0001", uuid=UART_TX, gone=gone)
        simulator.kill()
        await gone.wait()


async def test_the_report_tells_what_really_went_wrong() -> None:
    stop, ready = asyncio.Event(), asyncio.Queue[str]()
    faults = (parse_fault("t=0.1 silent 0.5 sensor=skin"), parse_fault("t=0.2 needs_bonding sensor=belt"))
    began_ns = time.monotonic_ns()
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        settings = SimulatorSettings(seed=7, faults=faults)
        simulator = group.create_task(run_simulator(settings, on_ready=ready.put_nowait, stop=stop))
        async with open_radio(await ready.get()) as radio:
            over_ns = time.monotonic_ns() + FAULTS_OVER_NS
            late = asyncio.Event()
            device = await BleakScanner.find_device_by_name("SIM-HR 0001", timeout=3.0, backend=radio.scanner)
            assert device is not None
            async with BleakClient(device, backend=radio.client) as client:
                await client.start_notify(HEART_RATE, lambda *_: _set_when(late, over_ns))
                await late.wait()
        stop.set()
        report: SimulatorReport = await simulator
    silent, bonding = report.faults
    assert (silent.fault, silent.sensor) == (faults[0], "SIM-EDA 0001")
    assert silent.began_ns >= faults[0].at_ns
    assert silent.ended_ns is not None
    assert silent.ended_ns - silent.began_ns >= 500_000_000
    assert (bonding.sensor, bonding.ended_ns) == ("SIM-BELT 0001", None)
    assert began_ns <= report.began_machine_ns <= time.monotonic_ns()
    told = json.loads(json.dumps(report.as_dict()))["faults"]
    assert [row["fault"] for row in told] == [str(fault) for fault in faults]
    assert told[1]["ended_s"] is None


def _set_when(event: asyncio.Event, from_ns: int) -> None:
    if time.monotonic_ns() >= from_ns:
        event.set()


async def test_a_fault_on_a_sensor_that_nobody_wears_is_refused() -> None:
    settings = SimulatorSettings(seed=7, faults=(parse_fault("t=1 drop sensor=shoe"),))
    with pytest.raises(ConfigError, match="fault: `t=1 drop sensor=shoe`: expected a sensor of strap, belt, skin"):
        await run_simulator(settings, on_ready=lambda _: None, stop=asyncio.Event())
