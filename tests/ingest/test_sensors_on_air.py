"""The whole agent against virtual sensors over real GATT: found, streamed, lost, silent, back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.conductor import Conductor
from becalm_ingest.link import Backend, scan
from becalm_ingest.report import AgentReport
from becalm_ingest.sensors import Sensors
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.errors import LinkError
from becalm_protocol.events import (
    Battery,
    Dropped,
    Gap,
    GapReason,
    RrBlock,
    SampleBlock,
    SignalKind,
    StreamState,
    StreamStatus,
)
from becalm_protocol.handshake import StartSession, StopSession
from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.wardrobe import wear_sensors

AXES = {"acceleration_x", "acceleration_y", "acceleration_z"}
ALL_KINDS = {"ecg", "rr", "respiration", "skin_conductance", *AXES}


@dataclass(kw_only=True)
class World:
    """A body with three sensors, and the radio an agent reaches them by."""

    strap: VirtualDevice
    belt: VirtualDevice
    skin: VirtualDevice
    backend: Backend

    def sent(self) -> dict[str, int]:
        """What the sensors really notified."""
        sensors = (self.strap.sensor, self.belt.sensor, self.skin.sensor)
        return {kind.value: n for sensor in sensors for kind, n in sensor.sent.items()}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock, air, body = BodyClock(speed=4.0), Air(), Body.from_seed(3)
    devices = [VirtualDevice(sensor, air, clock=clock) for sensor in wear_sensors(body)]
    async with (
        serve_hci(air, f"unix:{tmp_path / 'hci'}") as address,
        open_radio(address) as radio,
        asyncio.TaskGroup() as group,
    ):
        for device in devices:
            await device.power_on()
        running = [group.create_task(device.run()) for device in devices]
        strap, belt, skin = devices
        backend = Backend(scanner=radio.scanner, client=radio.client, adapter=radio.adapter)
        yield World(strap=strap, belt=belt, skin=skin, backend=backend)
        for task in running:
            task.cancel()
        for device in devices:
            device.power_off()


@contextlib.asynccontextmanager
async def agent(
    wire: Any, world: World, folder: Path, *, devices: tuple[str, ...] = ("auto",), record_path: Path | None = None
) -> AsyncIterator[Callable[[], Any]]:
    sensors = Sensors(devices=devices, backend=world.backend, record_path=record_path)
    conductor = Conductor(
        sensors, server_url=wire.url, data_dir=folder / "data", quota_bytes=DEFAULT_QUOTA_BYTES, start_now=False
    )
    stop = asyncio.Event()
    async with asyncio.timeout(12.0), asyncio.TaskGroup() as group:
        task = group.create_task(conductor.run(stop=stop))

        async def finish() -> AgentReport:
            stop.set()
            return await task

        yield finish
        await finish()


def states(wire: Any) -> dict[str, StreamState]:
    return {sensor.kind.value: sensor.state for sensor in wire.statuses[-1].sensors} if wire.statuses else {}


def is_ready(wire: Any, *kinds: str) -> bool:
    told = states(wire)
    return all(told.get(kind) is StreamState.READY for kind in kinds or ALL_KINDS)


def stored(wire: Any) -> dict[str, int]:
    kinds = {info.stream_id: info.kind.value for opened in wire.opened for info in opened.streams}
    totals = dict.fromkeys(ALL_KINDS, 0)
    for stream_id, events in wire.stored.items():
        for event in events:
            if isinstance(event, SampleBlock):
                totals[kinds[stream_id]] += len(event.counts)
            elif isinstance(event, RrBlock):
                totals[kinds[stream_id]] += len(event.rr_1024)
    return totals


def of_kind(wire: Any, kind: SignalKind) -> list[Any]:
    ids = [info.stream_id for opened in wire.opened for info in opened.streams if info.kind is kind]
    return [event for stream_id in dict.fromkeys(ids) for event in wire.stored[stream_id]]


async def test_a_scan_lists_the_three_with_family_and_strength(world: World) -> None:
    found = await scan(backend=world.backend, within_s=0.6)
    assert {(sensor.name, sensor.family) for sensor in found} == {
        ("SIM-HR 0001", "heart_rate"),
        ("SIM-BELT 0001", "vernier_belt"),
        ("SIM-EDA 0001", "uart_skin"),
    }
    assert all(-100 < sensor.rssi_dbm < 0 for sensor in found)


async def test_everything_a_sensor_sent_is_stored_once(wire: Any, world: World, tmp_path: Path) -> None:
    async with agent(wire, world, tmp_path) as finish:
        await wire.until(lambda: is_ready(wire))
        assert wire.opened == []
        assert world.sent() == dict.fromkeys(ALL_KINDS, 0)  # nothing streams before a session begins
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: min(stored(wire).values()) >= 4)
        await wire.tell(StopSession(session_id="one"))
        await wire.until(lambda: wire.closed)
        report = await finish()
    assert stored(wire) == world.sent() == report.received
    assert wire.events(Gap) == wire.events(Dropped) == []
    assert len(wire.opened) == 1
    assert {battery.level_pct for battery in wire.events(Battery)} == {87, 88}
    assert report.trouble is None


async def test_a_dropped_link_is_told_and_comes_back(wire: Any, world: World, tmp_path: Path) -> None:
    async with agent(wire, world, tmp_path, devices=("SIM-BELT 0001", "SIM-HR 0001")) as finish:
        await wire.until(lambda: is_ready(wire, "respiration", "ecg"))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: stored(wire)["respiration"] > 3 and stored(wire)["ecg"] > 0)
        await world.belt.drop()
        await wire.until(lambda: states(wire).get("respiration") is StreamState.LOST)
        await wire.until(lambda: any(isinstance(event, Gap) for event in of_kind(wire, SignalKind.RESPIRATION)))
        await finish()
    belt = of_kind(wire, SignalKind.RESPIRATION)
    (gap,) = [event for event in belt if isinstance(event, Gap)]
    assert gap.reason is GapReason.LINK_LOST
    assert 0 < gap.end_ns - gap.start_ns < 4 * 10**9
    told = [event.state for event in belt if isinstance(event, StreamStatus)]
    assert told[:3] == [StreamState.STREAMING, StreamState.LOST, StreamState.STREAMING]
    blocks = [event for event in belt if isinstance(event, SampleBlock)]
    assert all(a.first_sample_idx < b.first_sample_idx for a, b in pairwise(blocks))
    assert not [event for event in of_kind(wire, SignalKind.ECG) if isinstance(event, Gap)]
    assert stored(wire)["respiration"] == world.sent()["respiration"]


async def test_a_silent_link_is_given_up_and_made_anew(wire: Any, world: World, tmp_path: Path) -> None:
    async with agent(wire, world, tmp_path, devices=("sim-belt 0001",)):
        await wire.until(lambda: is_ready(wire, "respiration"))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: stored(wire)["respiration"] > 3)
        world.belt.set_silent(silent=True)
        await wire.until(lambda: states(wire).get("respiration") is StreamState.LATE)
        await wire.until(lambda: states(wire).get("respiration") is StreamState.LOST)
        world.belt.set_silent(silent=False)
        await wire.until(lambda: any(isinstance(event, Gap) for event in wire.events()))
    (gap,) = wire.events(Gap)
    assert gap.reason is GapReason.SENSOR_SILENT
    told = [event.state for event in wire.events(StreamStatus)]
    assert told == [
        *(StreamState.STREAMING, StreamState.LATE, StreamState.LOST),
        *(StreamState.STREAMING, StreamState.ENDED),
    ]


async def test_two_sessions_one_after_the_other_share_the_connections(wire: Any, world: World, tmp_path: Path) -> None:
    async with agent(wire, world, tmp_path, devices=("SIM-EDA 0001",)):
        await wire.until(lambda: is_ready(wire, "skin_conductance"))
        for n, session_id in enumerate(("one", "two"), start=1):
            await wire.tell(StartSession(session_id=session_id))
            await wire.until(lambda n=n: len(wire.opened) == n and stored(wire)["skin_conductance"] > 3 * n)
            await wire.tell(StopSession(session_id=session_id))
            await wire.until(lambda n=n: len(wire.closed) == n)
        assert world.skin.is_connected
    assert stored(wire)["skin_conductance"] == world.sent()["skin_conductance"]
    assert wire.events(Gap) == []


@pytest.mark.parametrize("devices", [("SIM-EDA 0001", "SIM-BELT 0001"), ("auto",)])
async def test_a_sensor_put_on_late_joins_the_session(
    wire: Any, world: World, tmp_path: Path, devices: tuple[str, ...]
) -> None:
    world.skin.set_silent(silent=True)
    world.strap.set_silent(silent=True)
    async with agent(wire, world, tmp_path, devices=devices):
        await wire.until(lambda: is_ready(wire, "respiration"))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: stored(wire)["respiration"] > 0)
        world.skin.set_silent(silent=False)
        await wire.until(lambda: stored(wire)["skin_conductance"] > 0)
    assert [len(opened.streams) for opened in wire.opened] == [1, 2]


async def test_when_the_agent_ends_every_sensor_is_free_again(wire: Any, world: World, tmp_path: Path) -> None:
    async with agent(wire, world, tmp_path) as finish:
        await wire.until(lambda: is_ready(wire))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: stored(wire)["ecg"] > 0)
        await finish()
    assert not world.strap.is_connected
    assert not world.belt.is_connected
    assert not world.skin.is_connected
    assert world.strap.sensor.due_ns() is None  # its ECG was stopped: batteries live
    assert len(await scan(backend=world.backend, within_s=0.6)) == 3


async def test_nobody_in_range_is_said(wire: Any, world: World, tmp_path: Path) -> None:
    async with agent(wire, world, tmp_path, devices=("Polar H10 C0FFEE12",)) as finish:
        await wire.until(lambda: wire.n_pings > 6)
        report = await finish()
    assert "polar h10 c0ffee12" in str(report.trouble).casefold()
    assert wire.opened == []


async def test_no_radio_at_all_is_said_with_advice(tmp_path: Path) -> None:
    async with open_radio(f"unix:{tmp_path / 'nobody'}") as radio:
        backend = Backend(scanner=radio.scanner, client=radio.client, adapter=radio.adapter)
        with pytest.raises(LinkError, match="virtual radio") as caught:
            await scan(backend=backend, within_s=0.5)
    assert caught.value.advice
