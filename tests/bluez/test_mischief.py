"""Whatever BlueZ does between any two calls: the agent lives, comes back, and hears each notification once."""

import asyncio
import os
import random
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest import conductor, link, link_connection, pairing, sensor, sensors, system_bus
from becalm_ingest.conductor import Conductor
from becalm_ingest.sensors import Sensors
from becalm_ingest.session import Session
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.events import RawEvent, RrBlock

HRM = "00002a37-0000-1000-8000-00805f9b34fb"
N_SEEDS = int(os.environ.get("BECALM_MISCHIEF_SEEDS", "4"))
N_CALLS = 60
SHARE = 0.25
PROBE, MARKS = 999, [1000, 1001, 1002]
Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _limits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of bad luck in seconds: every limit shorter, in the same order, yet long enough for a busy machine."""
    monkeypatch.setattr(link_connection, "OPERATION_WITHIN_S", 0.3)
    monkeypatch.setattr(link_connection, "_CONNECT_WITHIN_S", 0.5)
    monkeypatch.setattr(link_connection, "_CONNECT_GUARD_S", 0.8)
    monkeypatch.setattr(link_connection, "_DISCONNECT_WITHIN_S", 0.3)
    monkeypatch.setattr(link, "OPERATION_WITHIN_S", 0.3)
    monkeypatch.setattr(sensor, "_BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr(sensor, "_BACKOFF_LONGEST_S", 0.02)
    monkeypatch.setattr(sensor, "_AWAY_LONGEST_S", 0.02)
    monkeypatch.setattr(sensor, "_FIND_WITHIN_S", 0.2)
    monkeypatch.setattr(sensors, "_LOOK_WITHIN_S", 0.2)
    monkeypatch.setattr(sensors, "_LOOK_BRIEFLY_S", 0.2)
    monkeypatch.setattr(sensors, "_PAUSE_FIRST_S", 0.01)
    monkeypatch.setattr(sensors, "_PAUSE_LONGEST_S", 0.02)
    monkeypatch.setattr(system_bus, "_CALL_WITHIN_S", 0.3)
    monkeypatch.setattr(pairing, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(conductor, "_DRAIN_WITHIN_S", 0.05)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every interval that reaches the session, in order."""
    intervals: list[int] = []
    put = Session.put

    def note(session: Session, event: RawEvent) -> None:
        if isinstance(event, RrBlock):
            intervals.extend(event.rr_1024)
        put(session, event)

    monkeypatch.setattr(Session, "put", note)
    return intervals


@pytest.mark.parametrize("seed", range(N_SEEDS))
async def test_the_agent_comes_back_from_any_bad_luck(
    bluez: Any, make_strap: Any, mischiefs: Any, until: Until, tmp_path: Path, heard: list[int], seed: int
) -> None:
    dice = random.Random(seed)
    strap, n_calls = bluez.put_on(make_strap()), 0

    def mischief(_: str) -> Any:
        nonlocal n_calls
        n_calls += 1
        return dice.choice(list(mischiefs)) if n_calls < N_CALLS and dice.random() < SHARE else None

    source = Sensors(devices=(strap.name,), backend=None, record_path=None)
    running = Conductor(
        source, server_url="ws://127.0.0.1:9", data_dir=tmp_path / "data", quota_bytes=DEFAULT_QUOTA_BYTES,
        start_now=True,
    )  # fmt: skip
    stop = asyncio.Event()
    bluez.mischief = mischief

    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        task = group.create_task(running.run(stop=stop))
        while n_calls < N_CALLS and not task.done():
            bluez.drop(strap)  # a link that holds would wait for the end of the test
            await asyncio.sleep(0.05)
        while PROBE not in heard and not task.done():
            bluez.notify(strap, HRM, beat(PROBE))
            await asyncio.sleep(0.02)
        for rr_1024 in MARKS:
            bluez.notify(strap, HRM, beat(rr_1024))
        await until(lambda: MARKS[-1] in heard)
        assert bluez.agent is not None
        assert [rr_1024 for rr_1024 in heard if rr_1024 in MARKS] == MARKS
        stop.set()
        await task


def beat(rr_1024: int) -> bytes:
    return struct.pack("<BBH", 0x10, 60, rr_1024)
