"""Unmodified open-source clients read the virtual sensors and agree with our own driver. For developers only.

They are no dependency: where one is not installed its tests are skipped.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import bleak
import pytest
from bleak import BleakClient, BleakScanner

from becalm_ingest.devices.heart_rate import parse_measurement
from becalm_ingest.devices.polar_frames import parse_frame, parse_pulses, parse_samples
from becalm_protocol.units import ms_from_rr_ticks
from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.heart_rate import HEART_RATE
from becalm_simulator.sensors.optical import G_PER_COUNT
from becalm_simulator.sensors.polar_stream import PMD_DATA
from becalm_simulator.sensors.wardrobe import wear_sensors

Scene = Callable[..., AbstractAsyncContextManager[tuple[Any, "Sent"]]]


class Sent:
    """Notifications that a sensor handed to the radio."""

    def __init__(self) -> None:
        self.data: list[tuple[str, bytes]] = []

    def frames(self, kind: int) -> list[Any]:
        """Data frames of one measurement, read by our driver."""
        return [parse_frame(data) for uuid, data in self.data if uuid == PMD_DATA and data[0] == kind]

    def rows(self, kind: int) -> list[tuple[int, ...]]:
        """Samples of one measurement, a row each."""
        return [row for frame in self.frames(kind) for row in zip(*parse_samples(frame), strict=True)]

    def heart_rates(self) -> list[Any]:
        """Heart rate measurements, read by our driver."""
        return [parse_measurement(data) for uuid, data in self.data if uuid == HEART_RATE]


@pytest.fixture
def make_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A sensor on the air, found by bleak, whose usual back end is the virtual radio's."""

    @asynccontextmanager
    async def make(name: str) -> AsyncIterator[tuple[Any, Sent]]:
        air, clock, sent = Air(), BodyClock(speed=16.0), Sent()
        (sensor,) = wear_sensors(Body.from_seed(3), [name])
        device = VirtualDevice(sensor, air, clock=clock)
        poll = sensor.poll

        def noting(now_ns: int, *, mtu: int) -> Any:
            outgoing = poll(now_ns, mtu=mtu)
            sent.data += [(o.uuid, o.data) for o in outgoing]
            return outgoing

        monkeypatch.setattr(sensor, "poll", noting)
        async with (
            asyncio.timeout(20.0),
            serve_hci(air, f"unix:{tmp_path / 'hci'}") as address,
            open_radio(address) as radio,
            asyncio.TaskGroup() as group,
        ):
            monkeypatch.setattr(bleak, "get_platform_client_backend_type", lambda: (radio.client, "virtual"))
            monkeypatch.setattr(bleak, "get_platform_scanner_backend_type", lambda: (radio.scanner, "virtual"))
            await device.power_on()
            running = group.create_task(device.run())
            found = await BleakScanner.find_device_by_name(sensor.name, timeout=2.0)
            assert found is not None
            yield found, sent
            running.cancel()
            device.power_off()

    return make


class Heard:
    """Collects what a client gives and lets a test wait for it."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._news = asyncio.Event()

    def take(self, item: Any) -> None:
        self.items.append(item)
        self._news.set()

    async def wait(self, n_items: int) -> None:
        while len(self.items) < n_items:
            self._news.clear()
            await self._news.wait()


def begins(whole: list[Any], part: Iterable[Any]) -> bool:
    """Tell whether `part`, all that was heard in time, is how `whole` begins."""
    heard = list(part)
    return bool(heard) and whole[: len(heard)] == heard


async def test_polar_python_reads_the_strap(make_scene: Scene) -> None:
    library = pytest.importorskip("polar_python", reason="polar-python is not installed")
    async with make_scene("strap") as (found, sent):
        ecg, acc, beats = Heard(), Heard(), Heard()
        async with library.PolarDevice(found) as device:
            features = await device.get_available_features()
            assert [feature.name for feature in features] == ["ECG", "ACC"]
            settings = await device.request_stream_settings(features[1])
            assert {s.type.name: s.values for s in settings.settings} == {
                "SAMPLE_RATE": [200, 100, 50, 25],
                "RESOLUTION": [16],
                "RANGE": [8, 4, 2],
            }
            await device.start_hr_stream(beats.take)
            await device.start_ecg_stream(ecg.take, sample_rate=130, resolution=14)
            await device.start_acc_stream(acc.take, sample_rate=200, resolution=16, range=8)
            for heard in (ecg, acc, beats):
                await heard.wait(4)
    assert begins([uv for (uv,) in sent.rows(0)], (uv for frame in ecg.items for uv in frame.data))
    assert begins(sent.rows(2), (row for frame in acc.items for row in frame.data))
    told = [(m.heart_rate_bpm, [ms_from_rr_ticks(rr) for rr in m.rr_1024]) for m in sent.heart_rates()]
    assert begins(told, ((item.heartrate, item.rr_intervals) for item in beats.items))


async def test_polar_python_reads_the_arm_band(make_scene: Scene) -> None:
    library = pytest.importorskip("polar_python", reason="polar-python is not installed")
    async with make_scene("optical") as (found, sent):
        ppg, acc, ppi = Heard(), Heard(), Heard()
        async with library.PolarDevice(found) as device:
            await device.start_ppi_stream(ppi.take)
            await device.start_ppg_stream(ppg.take, sample_rate=135, resolution=22, channels=4)
            await device.start_acc_stream(acc.take, sample_rate=52, resolution=16, range=8, channels=3)
            for heard in (ppg, acc, ppi):
                await heard.wait(1)
    assert begins(sent.rows(1), (tuple(row) for frame in ppg.items for row in frame.samples))
    # Its whole mg are cut off towards zero.
    in_mg = [tuple(int(count * G_PER_COUNT * 1000) for count in row) for row in sent.rows(2)]
    assert begins(in_mg, (row for frame in acc.items for row in frame.data))
    told = [(p.interval_ms, p.error_ms, p.is_blocked) for frame in sent.frames(3) for p in parse_pulses(frame)]
    heard_ppi = [(s.ppi, s.error_estimate, s.invalid_ppi) for frame in ppi.items for s in frame.samples]
    assert begins(told, heard_ppi)


async def test_bleakheart_reads_the_strap(make_scene: Scene) -> None:
    library = pytest.importorskip("bleakheart", reason="bleakheart is not installed")
    async with make_scene("strap") as (found, sent):
        ecg, acc, beats = Heard(), Heard(), Heard()
        async with BleakClient(found) as client:
            assert await library.BatteryLevel(client).read() == 87
            heart_rate = library.HeartRate(client, callback=beats.take, unpack=False)
            await heart_rate.start_notify()

            def take(item: Any) -> None:
                {"ECG": ecg, "ACC": acc}[item[0]].take(item)

            measurements = library.PolarMeasurementData(client, callback=take)
            assert await measurements.available_measurements() == ["ECG", "ACC"]
            offered = await measurements.available_settings("ACC")
            assert offered["RANGE"] == [8, 4, 2]
            assert (await measurements.start_streaming("ECG"))[0] == 0
            assert (await measurements.start_streaming("ACC"))[0] == 0
            assert (await measurements.start_streaming("ACC"))[1] == "ALREADY IN STATE"
            for heard in (ecg, acc, beats):
                await heard.wait(4)
            assert await measurements.stop_streaming("ACC") == (0, "SUCCESS")
            assert await measurements.stop_streaming("ECG") == (0, "SUCCESS")
    assert begins([uv for (uv,) in sent.rows(0)], (uv for _, _, uvs in ecg.items for uv in uvs))
    assert begins(sent.rows(2), (row for _, _, rows in acc.items for row in rows))
    assert all(40 < item[2][0] < 140 for item in beats.items[-2:])


def test_deltas_are_packed_from_the_lowest_bit() -> None:
    """A frame of a real arm band, printed in bleakheart's source: read as polar-python does, not as bleakheart does."""
    library = pytest.importorskip("bleakheart._core", reason="bleakheart is not installed")
    other = pytest.importorskip("polar_python.parsers.compression", reason="polar-python is not installed")
    source = Path(str(library.__file__)).read_text(encoding="utf-8")
    _, _, printed = source.partition("Sample dataframe:")
    data = bytes.fromhex("".join(printed.strip().split("\n\n")[0].split()))
    samples = parse_samples(parse_frame(data))
    assert list(map(list, zip(*samples, strict=True))) == other.parse_delta_frames_all(data[10:], 4, 22, "signed_int")
    steps = [abs(b - a) for channel in samples for a, b in pairwise(channel)]
    assert max(steps) < 200  # from the highest bit it would jump by 511
