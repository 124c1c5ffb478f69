"""Whatever BlueZ does between any two calls: the agent lives, comes back, and hears each notification once."""

import asyncio
import os
import random
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest import conductor, link, link_connection, sensor, sensors
from becalm_ingest.conductor import Conductor
from becalm_ingest.sensors import Sensors
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES

HRM = "00002a37-0000-1000-8000-00805f9b34fb"
N_SEEDS = int(os.environ.get("BECALM_MISCHIEF_SEEDS", "4"))
N_CALLS = 60
SHARE = 0.25
Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _limits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of bad luck in a second: every limit shorter, in the same order."""
    monkeypatch.setattr(link_connection, "OPERATION_WITHIN_S", 0.1)
    monkeypatch.setattr(link_connection, "_CONNECT_WITHIN_S", 0.2)
    monkeypatch.setattr(link_connection, "_CONNECT_GUARD_S", 0.3)
    monkeypatch.setattr(link_connection, "_DISCONNECT_WITHIN_S", 0.1)
    monkeypatch.setattr(link, "OPERATION_WITHIN_S", 0.1)
    monkeypatch.setattr(sensor, "_BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr(sensor, "_BACKOFF_LONGEST_S", 0.02)
    monkeypatch.setattr(sensor, "_AWAY_LONGEST_S", 0.02)
    monkeypatch.setattr(sensor, "_FIND_WITHIN_S", 0.2)
    monkeypatch.setattr(sensors, "_LOOK_WITHIN_S", 0.2)
    monkeypatch.setattr(sensors, "_LOOK_BRIEFLY_S", 0.2)
    monkeypatch.setattr(sensors, "_PAUSE_FIRST_S", 0.01)
    monkeypatch.setattr(sensors, "_PAUSE_LONGEST_S", 0.02)
    monkeypatch.setattr(conductor, "_DRAIN_WITHIN_S", 0.05)


@pytest.mark.parametrize("seed", range(N_SEEDS))
async def test_the_agent_comes_back_from_any_bad_luck(
    bluez: Any, make_strap: Any, mischiefs: list[Any], until: Until, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    strap, n_calls = bluez.put_on(make_strap()), 0

    def mischief(_: str) -> Any:
        nonlocal n_calls
        n_calls += 1
        return dice.choice(mischiefs) if n_calls < N_CALLS and dice.random() < SHARE else None

    source = Sensors(devices=(strap.name,), backend=None, record_path=None)
    running = Conductor(
        source, server_url="ws://127.0.0.1:9", data_dir=tmp_path / "data", quota_bytes=DEFAULT_QUOTA_BYTES,
        start_now=True,
    )  # fmt: skip
    stop = asyncio.Event()
    bluez.mischief = mischief

    def n_beats() -> int:
        return running.report().received.get("rr", 0)

    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        task = group.create_task(running.run(stop=stop))
        while n_calls < N_CALLS and not task.done():
            bluez.drop(strap)  # a link that holds would wait for the end of the test
            await asyncio.sleep(0.05)
        await until(lambda: bluez.is_connected(strap) and strap.listeners.get(strap.char_path(HRM)))
        n_before = n_beats()
        for n in range(3):
            bluez.notify(strap, HRM, struct.pack("<BBH", 0x10, 60, 1000 + n))
        await until(lambda: n_beats() >= n_before + 3)
        assert n_beats() == n_before + 3
        stop.set()
        await task
