"""Chest sensor, board, GSR unit and micro:bit over real GATT: found, surveyed, streamed, stored once, stopped."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.conductor import Conductor
from becalm_ingest.devices import Family, bitalino, movesense
from becalm_ingest.devices.bitalino_wiring import parse_wiring
from becalm_ingest.link import Backend, scan
from becalm_ingest.recorder import Notifications
from becalm_ingest.report import AgentReport
from becalm_ingest.sensors import Sensors
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.events import (
    Battery,
    Clock,
    Dropped,
    Gap,
    GapReason,
    RrBlock,
    SampleBlock,
    StreamInfo,
    StreamState,
)
from becalm_protocol.handshake import StartSession, StopSession
from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.gatt import Sensor
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.movesense import ChestSensor
from becalm_simulator.sensors.shimmer import GsrUnit
from becalm_simulator.sensors.wardrobe import wear_sensors

MOTION = ("acceleration_x", "acceleration_y", "acceleration_z")
TURNING = ("angular_velocity_x", "angular_velocity_y", "angular_velocity_z")


@dataclass(kw_only=True)
class World:
    """One sensor on a body, and the radio an agent reaches it by."""

    device: VirtualDevice
    backend: Backend

    def sent(self) -> dict[str, int]:
        """What the sensor really notified."""
        return {kind.value: n for kind, n in self.device.sensor.sent.items() if n}

    def forget(self) -> None:
        """Count anew: what is sent while the sensor is asked what it offers belongs to no session."""
        self.device.sensor.sent.update(dict.fromkeys(self.device.sensor.sent, 0))


@contextlib.asynccontextmanager
async def wearing(make: Callable[[Body], Sensor], folder: Path) -> AsyncIterator[World]:
    clock, air = BodyClock(speed=4.0), Air()
    device = VirtualDevice(make(Body.from_seed(3)), air, clock=clock)
    async with (
        serve_hci(air, f"unix:{folder / 'hci'}") as address,
        open_radio(address) as radio,
        asyncio.TaskGroup() as group,
    ):
        await device.power_on()
        running = group.create_task(device.run())
        backend = Backend(scanner=radio.scanner, client=radio.client, adapter=radio.adapter)
        yield World(device=device, backend=backend)
        running.cancel()
        device.power_off()


@contextlib.asynccontextmanager
async def agent(
    wire: Any, world: World, folder: Path, *, families: tuple[Family, ...] = (), record_path: Path | None = None
) -> AsyncIterator[Callable[[], Any]]:
    sensors = Sensors(devices=("auto",), backend=world.backend, record_path=record_path, families=families)
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


def worn(name: str) -> Callable[[Body], Sensor]:
    return lambda body: wear_sensors(body, (name,))[0]


def infos(wire: Any) -> dict[str, StreamInfo]:
    return {info.stream_id: info for opened in wire.opened for info in opened.streams}


def stored(wire: Any) -> dict[str, int]:
    totals = {info.kind.value: 0 for info in infos(wire).values()}
    for stream_id, info in infos(wire).items():
        for event in wire.stored[stream_id]:
            if isinstance(event, SampleBlock):
                totals[info.kind.value] += len(event.counts)
            elif isinstance(event, RrBlock):
                totals[info.kind.value] += len(event.rr_1024)
    return totals


def levels(wire: Any, kind: str) -> list[float]:
    """The samples of a stream in its unit."""
    return [
        count * info.unit_per_count
        for stream_id, info in infos(wire).items()
        if info.kind.value == kind
        for event in wire.stored[stream_id]
        if isinstance(event, SampleBlock)
        for count in event.counts
    ]


def is_ready(wire: Any, *kinds: str) -> bool:
    told = {sensor.kind.value: sensor.state for sensor in wire.statuses[-1].sensors} if wire.statuses else {}
    return set(told) == set(kinds) and set(told.values()) == {StreamState.READY}


async def run_session(wire: Any, world: World, *, kinds: tuple[str, ...], n_least: int = 30) -> None:
    await wire.until(lambda: is_ready(wire, *kinds))
    world.forget()
    await wire.tell(StartSession(session_id="one"))
    await wire.until(lambda: all(stored(wire).get(kind, 0) >= n_least for kind in kinds if kind != "rr"))
    await wire.tell(StopSession(session_id="one"))
    await wire.until(lambda: wire.closed)


@pytest.mark.parametrize(
    ("name", "family", "kinds"),
    [
        ("chest-sensor", "movesense", ("ecg", *MOTION, "rr")),
        ("board", "bitalino", ("ecg", "skin_conductance")),
        ("gsr", "shimmer", ("skin_conductance",)),
        ("skin-swapped", "uart_skin", ("skin_conductance",)),
    ],
)
async def test_everything_it_sent_is_stored_once(
    wire: Any, tmp_path: Path, name: str, family: str, kinds: tuple[str, ...]
) -> None:
    async with wearing(worn(name), tmp_path) as world:
        (seen,) = await scan(backend=world.backend, within_s=0.4)
        assert seen.family == family
        async with agent(wire, world, tmp_path) as finish:
            await run_session(wire, world, kinds=kinds, n_least=150 if "ecg" in kinds else 20)
            report = await finish()
        assert world.device.sensor.due_ns() is None  # it was stopped: batteries live
        assert {kind: n for kind, n in stored(wire).items() if n} == world.sent()
        assert not [event for event in wire.events() if isinstance(event, Gap | Dropped)]
        assert report.trouble is None
    if family in ("movesense", "bitalino"):
        assert {battery.level_pct for battery in wire.events(Battery)} <= {79, 68, 67, 69}
        assert wire.events(Battery)
    if "skin_conductance" in kinds:
        assert all(1.0 < level_us < 25.0 for level_us in levels(wire, "skin_conductance"))
    if "ecg" in kinds:  # a second and more of it: a beat at least
        assert 200.0 < max(levels(wire, "ecg")) < 3_000.0


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("chest-sensor", ("ecg", *MOTION, "rr")), ("board", ("ecg", "skin_conductance")), ("gsr", ("skin_conductance",))],
)
async def test_after_a_lost_link_it_goes_on_behind_a_gap(
    wire: Any, tmp_path: Path, name: str, kinds: tuple[str, ...]
) -> None:
    sampled = [kind for kind in kinds if kind != "rr"]

    def has_come_back() -> bool:
        told = {info.kind.value: wire.stored[stream_id] for stream_id, info in infos(wire).items()}
        return all(isinstance(told[kind][-1], SampleBlock) and has_gap(told[kind]) for kind in sampled)

    def has_gap(events: list[Any]) -> bool:
        return any(isinstance(event, Gap) for event in events)

    async with wearing(worn(name), tmp_path) as world, agent(wire, world, tmp_path):
        await wire.until(lambda: is_ready(wire, *kinds))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: all(stored(wire).get(kind, 0) >= 20 for kind in sampled))
        await world.device.drop()
        await wire.until(has_come_back)
    for stream_id, info in infos(wire).items():
        if info.kind.value not in sampled:
            continue
        events = wire.stored[stream_id]
        assert [event.reason for event in events if isinstance(event, Gap)][:1] == [GapReason.LINK_LOST]
        blocks = [event for event in events if isinstance(event, SampleBlock)]
        assert all(a.first_sample_idx + len(a.counts) <= b.first_sample_idx for a, b in pairwise(blocks))
        if info.clock is Clock.DEVICE:
            stamps = [block.sensor_ns or 0 for block in blocks]
            assert all(a < b for a, b in pairwise(stamps))


async def test_a_model_without_ecg_gives_what_it_has(wire: Any, tmp_path: Path) -> None:
    def make(body: Body) -> Sensor:
        return ChestSensor(body, drift_ppb=0, lacks=("/Meas/ECG", "/Meas/HR"), epoch_ns=2**32 * 10**6 - 2 * 10**9)

    async with wearing(make, tmp_path) as world, agent(wire, world, tmp_path):
        await run_session(wire, world, kinds=MOTION, n_least=150)  # 3 s: over the wrap of its clock
    assert not [event for event in wire.events() if isinstance(event, Gap | Dropped)]
    assert 950.0 < max(levels(wire, "acceleration_y")) < 1_050.0


async def test_the_gyroscope_on_demand(wire: Any, tmp_path: Path) -> None:
    families = (movesense.family(with_gyroscope=True),)
    async with wearing(worn("chest-sensor"), tmp_path) as world, agent(wire, world, tmp_path, families=families):
        await run_session(wire, world, kinds=("ecg", *MOTION, *TURNING, "rr"))
        assert {kind: n for kind, n in stored(wire).items() if n} == world.sent()
    assert 0.0 < max(map(abs, levels(wire, "angular_velocity_x"))) < 50.0


async def test_a_board_wired_in_a_way_of_its_own_and_its_recording(wire: Any, tmp_path: Path) -> None:
    families = (bitalino.family(parse_wiring("A3=skin_conductance,A1=respiration,A2=ecg")),)
    record_path = tmp_path / "session.jsonl"
    async with (
        wearing(worn("board"), tmp_path) as world,
        agent(wire, world, tmp_path, families=families, record_path=record_path),
    ):
        await run_session(wire, world, kinds=("respiration", "ecg", "skin_conductance"), n_least=150)
        assert stored(wire) == world.sent()
    assert not [event for event in wire.events() if isinstance(event, Gap | Dropped)]
    recording = Notifications(record_path)  # it knows nothing of the wiring
    again = [event for event in recording.events() if isinstance(event, SampleBlock)]
    for info in recording.streams:
        counts = [count for event in again if event.stream_id == info.stream_id for count in event.counts]
        assert [count * info.unit_per_count for count in counts] == levels(wire, info.kind.value)


async def test_a_unit_without_electrodes_is_said_with_words(wire: Any, tmp_path: Path) -> None:
    async with (
        wearing(lambda body: GsrUnit(body, drift_ppb=0, has_gsr=False), tmp_path) as world,
        agent(wire, world, tmp_path) as finish,
    ):
        await wire.until(lambda: is_ready(wire, "skin_conductance"))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: any(sensor.trouble for status in wire.statuses for sensor in status.sensors))
        report = await finish()
    assert "no skin conductance" in str(report.trouble)
