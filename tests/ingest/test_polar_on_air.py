"""Straps and arm bands with measurements on command, over real GATT: asked, streamed, recorded, refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.conductor import Conductor
from becalm_ingest.devices import polar_choice
from becalm_ingest.link import Backend
from becalm_ingest.replay import read_recording
from becalm_ingest.report import AgentReport
from becalm_ingest.sensors import Sensors
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.events import Dropped, Gap, RrBlock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import StartSession, StopSession
from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.heart_sensor import HeartSensor
from becalm_simulator.sensors.wardrobe import wear_sensors

# Pulse intervals come 25 s after their start.
SPEED = 16.0


@dataclass(kw_only=True)
class Scene:
    """An agent beside a body that wears something."""

    wire: Any
    devices: list[VirtualDevice]
    record_path: Path
    agent: asyncio.Task[AgentReport]
    stop: asyncio.Event

    def sent(self) -> dict[str, int]:
        """What the sensors really notified, by device and signal."""
        sensors = [device.sensor for device in self.devices]
        return {f"{sensor.name} {kind.value}": n for sensor in sensors for kind, n in sensor.sent.items()}

    def streams(self) -> dict[str, StreamInfo]:
        return {info.stream_id: info for opened in self.wire.opened for info in opened.streams}

    def stored(self) -> dict[str, int]:
        totals = dict.fromkeys(self.sent(), 0)
        for stream_id, info in self.streams().items():
            for event in self.wire.stored[stream_id]:
                if isinstance(event, SampleBlock | RrBlock):
                    n = len(event.counts) if isinstance(event, SampleBlock) else len(event.rr_1024)
                    totals[f"{info.device} {info.kind.value}"] += n
        return totals

    def told(self) -> dict[str, str]:
        """State of each signal, as the agent tells the server."""
        last = self.wire.statuses[-1].sensors if self.wire.statuses else ()
        return {f"{state.device} {state.kind.value}": state.state.value for state in last}

    async def finish(self) -> AgentReport:
        self.stop.set()
        return await self.agent


MakeScene = Callable[..., AbstractAsyncContextManager[Scene]]


@pytest.fixture
def make_scene(wire: Any, tmp_path: Path) -> MakeScene:
    @asynccontextmanager
    async def make(*names: str) -> AsyncIterator[Scene]:
        clock, air = BodyClock(speed=SPEED), Air()
        devices = [VirtualDevice(sensor, air, clock=clock) for sensor in wear_sensors(Body.from_seed(3), names)]
        async with (
            asyncio.timeout(15.0),
            serve_hci(air, f"unix:{tmp_path / 'hci'}") as address,
            open_radio(address) as radio,
            asyncio.TaskGroup() as group,
        ):
            for device in devices:
                await device.power_on()
            running = [group.create_task(device.run()) for device in devices]
            backend = Backend(scanner=radio.scanner, client=radio.client, adapter=radio.adapter)
            sensors = Sensors(devices=("auto",), backend=backend, record_path=tmp_path / "rec.jsonl")
            conductor = Conductor(
                sensors,
                server_url=wire.url,
                data_dir=tmp_path / "data",
                quota_bytes=DEFAULT_QUOTA_BYTES,
                start_now=False,
            )
            stop = asyncio.Event()
            agent = group.create_task(conductor.run(stop=stop))
            scene = Scene(wire=wire, devices=devices, record_path=tmp_path / "rec.jsonl", agent=agent, stop=stop)
            yield scene
            await scene.finish()
            for task in running:
                task.cancel()
            for device in devices:
                device.power_off()

    return make


async def test_everything_of_an_arm_band_is_stored_once_and_read_again(make_scene: MakeScene) -> None:
    async with make_scene("optical") as scene:
        wire = scene.wire
        await wire.until(lambda: set(scene.told()) == set(scene.sent()))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: scene.stored()["SIM-OPT 0001 ppi"] > 0)
        await wire.tell(StopSession(session_id="one"))
        await wire.until(lambda: wire.closed)
        report = await scene.finish()
    assert scene.stored() == scene.sent()
    assert min(n for key, n in scene.sent().items() if not key.endswith(" rr")) > 0
    _only_what_was_lost_is_missing(scene)
    assert report.trouble is None
    units = {info.kind: (info.unit, info.unit_per_count, info.sample_rate_hz) for info in scene.streams().values()}
    assert units[SignalKind.ACCELERATION_X] == ("mg", 8000 / 32768, 52.0)
    assert units[SignalKind.PPG_1] == ("au", 1.0, 55.0)
    assert units[SignalKind.PPI] == ("1/1024 s", 1.0, None)
    _same_events(scene)


async def test_a_strap_and_an_old_arm_band_side_by_side(make_scene: MakeScene) -> None:
    async with make_scene("strap", "optical-old") as scene:
        wire = scene.wire
        await wire.until(lambda: set(scene.told()) == set(scene.sent()))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: min(n for key, n in scene.stored().items() if key != "SIM-OPT 0002 rr") > 0)
        await wire.tell(StopSession(session_id="one"))
        await wire.until(lambda: wire.closed)
        await scene.finish()
    assert scene.stored() == scene.sent()
    _only_what_was_lost_is_missing(scene)
    light = next(info for info in scene.streams().values() if info.kind is SignalKind.PPG_1)
    assert light.sample_rate_hz == 135.0
    _same_events(scene)


async def test_acceleration_at_200_hz(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polar_choice, "WANTED_ACC_RATE_HZ", 200)
    async with make_scene("strap") as scene:
        wire = scene.wire
        await wire.until(lambda: set(scene.told()) == set(scene.sent()))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: scene.stored()["SIM-HR 0001 acceleration_x"] > 2_000)
        await wire.tell(StopSession(session_id="one"))
        await wire.until(lambda: wire.closed)
        await scene.finish()
    assert scene.stored() == scene.sent()
    _only_what_was_lost_is_missing(scene)
    assert {info.sample_rate_hz for info in scene.streams().values()} == {None, 130.0, 200.0}


async def test_plain_straps_of_all_manners(make_scene: MakeScene) -> None:
    async with make_scene("strap-energy", "strap-wide", "strap-without-rr") as scene:
        wire = scene.wire
        await wire.until(lambda: set(scene.told()) == set(scene.sent()))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: min(scene.stored()[f"SIM-HR 000{n} rr"] for n in (2, 3)) > 10)
        await wire.tell(StopSession(session_id="one"))
        await wire.until(lambda: wire.closed)
        await scene.finish()
    assert scene.stored() == scene.sent()
    blocks = {
        info.device: [event for event in wire.stored[stream_id] if isinstance(event, RrBlock)]
        for stream_id, info in scene.streams().items()
    }
    assert {block.in_contact for block in blocks["SIM-HR 0002"]} == {True}
    assert {block.in_contact for block in blocks["SIM-HR 0003"]} == {None}
    assert {block.rr_1024 for block in blocks["SIM-HR 0004"]} == {()}
    assert all(40 < (blocks[device][-1].heart_rate_bpm or 0) < 140 for device in blocks)


async def test_a_sensor_in_its_charger_is_told_with_advice_and_comes_back(make_scene: MakeScene) -> None:
    async with make_scene("strap") as scene:
        wire = scene.wire
        await wire.until(lambda: set(scene.told()) == set(scene.sent()))
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: scene.stored()["SIM-HR 0001 acceleration_z"] > 0)
        strap = scene.devices[0].sensor
        assert isinstance(strap, HeartSensor)
        strap.put_on_charger(charging=True)
        await wire.until(lambda: scene.told()["SIM-HR 0001 ecg"] == "lost")
        n_beats = scene.stored()["SIM-HR 0001 rr"]
        await wire.until(lambda: scene.stored()["SIM-HR 0001 rr"] > n_beats + 2)  # the service needs no command
        n_samples = scene.stored()["SIM-HR 0001 ecg"]
        strap.put_on_charger(charging=False)
        await scene.devices[0].drop()
        await wire.until(lambda: scene.stored()["SIM-HR 0001 ecg"] > n_samples)
        await scene.finish()
    assert any(isinstance(event, Gap) for event in wire.events(Gap))


def _only_what_was_lost_is_missing(scene: Scene) -> None:
    """On a busy machine so many seconds in one overrun a sensor's buffer: that is counted at both ends."""
    assert scene.wire.events(Dropped) == []
    lost = {(device.sensor.name, kind): n for device in scene.devices for kind, n in device.lost.items()}
    for stream_id, info in scene.streams().items():
        gaps = [event for event in scene.wire.stored[stream_id] if isinstance(event, Gap)]
        n_lost = lost[info.device, info.kind]
        assert len(gaps) <= n_lost
        assert sum(gap.n_missing or 0 for gap in gaps) <= n_lost


def _same_events(scene: Scene) -> None:
    """The recording plays as it was heard."""
    recording = read_recording(scene.record_path, rate_hz=None, chunk_ms=100)
    names = {info.stream_id: (info.device, info.kind) for info in (*recording.streams, *scene.streams().values())}

    def by_stream(events: Any) -> dict[Any, list[Any]]:
        found: dict[Any, list[Any]] = {}
        for event in events:
            if isinstance(event, SampleBlock):
                told: Any = (event.received_ns, event.sensor_ns, event.counts)
            elif isinstance(event, RrBlock):
                told = (event.received_ns, event.rr_1024, event.error_ms, event.usable, event.in_contact)
            else:
                continue
            found.setdefault(names[event.stream_id], []).append(told)
        return found

    assert by_stream(recording.events()) == by_stream(scene.wire.events())
