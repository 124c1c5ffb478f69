"""The supervisor of one sensor, over a radio that the test holds."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from bleak.backends.device import BLEDevice

from becalm_ingest import sensor as sensor_module
from becalm_ingest.devices import Channel, Family, heart_rate
from becalm_ingest.link import Backend, Link, Radio, Sighting
from becalm_ingest.sensor import Sensor
from becalm_ingest.session import Session
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES, Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_protocol.errors import LinkError
from becalm_protocol.handshake import Source

SIGHTING = Sighting(
    name="kettle", address="AA", rssi_dbm=-50, family="heart_rate", device=BLEDevice("AA", "kettle", None), seen_ns=0
)


class UselessLink(Link):
    """Connects at once, and has no signal we know."""

    def __init__(self) -> None:
        self.label = "kettle"
        self.is_lost = False

    async def close(self) -> None:
        return

    async def battery_pct(self) -> int | None:
        return None

    def families(self) -> tuple[Family, ...]:
        return ()


class UselessRadio(Radio):
    def __init__(self) -> None:
        super().__init__(Backend())
        self.connected_s: list[float] = []
        self.enough = asyncio.Event()

    async def find(self, address: str, *, label: str, within_s: float) -> Sighting:
        return SIGHTING

    async def connect(self, sighting: Sighting, *, on_lost: Callable[[], None]) -> Link:
        self.connected_s.append(asyncio.get_running_loop().time())
        if len(self.connected_s) == 4:
            self.enough.set()
        return UselessLink()


async def test_a_sensor_of_no_use_is_asked_ever_less_often() -> None:
    radio = UselessRadio()
    sensor = Sensor(SIGHTING, label="kettle", radio=radio, recorder=None, on_change=lambda: None)
    task = asyncio.create_task(sensor.run())
    async with asyncio.timeout(20.0):
        await radio.enough.wait()
    task.cancel()
    assert radio.connected_s[3] - radio.connected_s[2] > 0.45
    assert sensor.trouble is not None
    assert "no signal we know" in sensor.trouble


class EmptyRadio(UselessRadio):
    """The sensor has left the room, until it is looked for the 20th time."""

    n_looks = 0

    async def find(self, address: str, *, label: str, within_s: float) -> Sighting:
        self.n_looks += 1
        if self.n_looks < 20:
            raise LinkError("kettle is not in range", advice="Bring it near")
        self.enough.set()
        return SIGHTING


async def test_a_sensor_that_left_is_looked_for_as_often_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_module, "_BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr(sensor_module, "_AWAY_LONGEST_S", 0.02)
    radio = EmptyRadio()
    sensor = Sensor(SIGHTING, label="kettle", radio=radio, recorder=None, on_change=lambda: None)
    task = asyncio.create_task(sensor.run())
    async with asyncio.timeout(20.0):
        await radio.enough.wait()
    task.cancel()
    assert radio.n_looks == 20


class BriefLink(UselessLink):
    """Brings one heart rate, then the link is lost."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__()
        self._on_lost = on_lost

    def families(self) -> tuple[Family, ...]:
        return (heart_rate.FAMILY,)

    async def about(self) -> NoReturn:
        raise LinkError("kettle says nothing", advice="none")

    async def watch_battery(self, on_level: Callable[[int], None]) -> NoReturn:
        raise LinkError("kettle says nothing", advice="none")

    async def subscribe(self, channel: Channel, *, on_bytes: Callable[[bytearray], None]) -> None:
        on_bytes(bytearray(b"\x00\x3c"))
        self.is_lost = True
        self._on_lost()


class BriefRadio(UselessRadio):
    async def connect(self, sighting: Sighting, *, on_lost: Callable[[], None]) -> Link:
        self.connected_s.append(asyncio.get_running_loop().time())
        if len(self.connected_s) == 12:
            self.enough.set()
        return BriefLink(on_lost)


async def test_a_connection_that_streamed_is_made_anew_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sensor_module, "_BACKOFF_FIRST_S", 0.02)
    spool = Spool(tmp_path / "spool.db", quota_bytes=DEFAULT_QUOTA_BYTES)
    spool.begin(SpooledSession(session_id="one", started_unix_ns=0, started_monotonic_ns=0, source=Source.LIVE))
    session = Session(session_id="one", spool=spool, now_ns=time.monotonic_ns)
    radio = BriefRadio()
    sensor = Sensor(SIGHTING, label="kettle", radio=radio, recorder=None, on_change=lambda: None)
    sensor.begin(session)
    task = asyncio.create_task(sensor.run())
    async with asyncio.timeout(20.0):
        await radio.enough.wait()
    task.cancel()
    spool.close()
    (tally,) = session.tallies.values()
    assert tally.n_gaps >= 10
