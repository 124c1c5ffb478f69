"""The whole agent on BlueZ: every notification once, whatever the link does; its states and troubles in words."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest import conductor, sensor_facts
from becalm_ingest.conductor import Conductor
from becalm_ingest.sensors import Sensors
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.events import StreamState
from becalm_protocol.sensor_state import LinkState

HRM = "00002a37-0000-1000-8000-00805f9b34fb"
LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
PMD = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL, DATA = PMD.replace("5c80", "5c81"), PMD.replace("5c80", "5c82")
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _no_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "_DRAIN_WITHIN_S", 0.05)


class Running:
    """An agent under way, without a server: what it receives stays in its spool."""

    def __init__(self, folder: Path, *, devices: tuple[str, ...], start_now: bool) -> None:
        self.source = Sensors(devices=devices, backend=None, record_path=None)
        self.conductor = Conductor(
            self.source, server_url="ws://127.0.0.1:9", data_dir=folder / "data", quota_bytes=DEFAULT_QUOTA_BYTES,
            start_now=start_now,
        )  # fmt: skip
        self.links: list[LinkState | None] = []
        tell = self.source.on_change

        def note() -> None:
            self.links.extend(state.link for state in self.source.sensors()[:1])
            tell()

        self.source.on_change = note

    @property
    def state(self) -> Any:
        """Of its first signal."""
        return next(iter(self.source.sensors()), None)

    @property
    def n_beats(self) -> int:
        return self.conductor.report().received.get("rr", 0)

    def listens(self) -> bool:
        """Whether its setup is done: BlueZ remembers for a while who listened over a link that was lost."""
        return self.state is not None and self.state.link is LinkState.STREAMING

    def has_battery(self, level_pct: int) -> bool:
        return bool(self.state.battery_pct == level_pct)

    def has_beats(self, n_beats: int) -> bool:
        return self.n_beats >= n_beats

    def has(self, state: StreamState) -> Callable[[], bool]:
        return lambda: self.state is not None and self.state.state is state


@asynccontextmanager
async def agent(
    folder: Path, *, devices: tuple[str, ...] = ("auto",), start_now: bool = True
) -> AsyncIterator[Running]:
    running, stop = Running(folder, devices=devices, start_now=start_now), asyncio.Event()
    async with asyncio.timeout(20.0), asyncio.TaskGroup() as group:
        task = group.create_task(running.conductor.run(stop=stop))
        try:
            yield running
        finally:
            stop.set()
            await task


def beat(rr_1024: int) -> bytes:
    return struct.pack("<BBH", 0x10, 60, rr_1024)


async def test_after_each_loss_every_notification_is_kept_once(
    bluez: Any, make_strap: Any, until: Until, tmp_path: Path
) -> None:
    strap = bluez.put_on(make_strap())
    async with agent(tmp_path) as running:
        for n in range(3):
            await until(running.listens)
            assert strap.listeners.get(strap.char_path(HRM))
            bluez.notify(strap, HRM, beat(1000))
            bluez.notify(strap, HRM, beat(1001))
            await until(partial(running.has_beats, 2 * (n + 1)))
            bluez.drop(strap)
            await until(running.has(StreamState.LOST))
        assert running.n_beats == 6
    assert not bluez.is_connected(strap)
    assert bluez.agent is None


async def test_what_comes_before_the_setup_is_done_is_kept(
    bluez: Any, make_strap: Any, until: Until, tmp_path: Path
) -> None:
    strap = bluez.put_on(make_strap())
    strap.first_words[HRM] = [beat(1000), beat(1001)]
    async with agent(tmp_path) as running:
        for n in range(2):
            await until(running.listens)
            await until(partial(running.has_beats, 2 * (n + 1)))
            bluez.drop(strap)
            await until(running.has(StreamState.LOST))
        assert running.n_beats == 4


async def test_the_states_of_a_connection_are_told_in_order(
    bluez: Any, make_strap: Any, until: Until, tmp_path: Path
) -> None:
    strap = bluez.put_on(make_strap())
    async with agent(tmp_path) as running:
        for _ in range(2):
            await until(running.listens)
            bluez.notify(strap, HRM, beat(1000))
            await until(running.has(StreamState.STREAMING))
            bluez.drop(strap)
            await until(running.has(StreamState.LOST))
    told = [link for link, _ in groupby(running.links)]
    once = [LinkState.SETUP, LinkState.STREAMING, LinkState.LOST, LinkState.BACK_OFF]
    assert told[:10] == [*once, LinkState.SCANNING, LinkState.CONNECTING, *once]


async def test_strength_battery_model_and_firmware_are_told(
    bluez: Any, make_strap: Any, until: Until, tmp_path: Path
) -> None:
    strap = bluez.put_on(make_strap())
    async with agent(tmp_path) as running:
        await until(lambda: strap.listeners.get(strap.char_path(HRM)))
        state = running.state
        assert (state.battery_pct, state.model, state.firmware) == (87, "H10", "5.0.0")
        assert state.rssi_dbm in {-55, -56}
        assert state.trouble is None
        bluez.notify(strap, LEVEL, b"\x4f")
        await until(lambda: running.state.battery_pct == 79)


@pytest.mark.parametrize("start_now", [False, True])
async def test_the_battery_is_read_again_in_and_out_of_a_session(
    bluez: Any, make_strap: Any, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_now: bool
) -> None:
    monkeypatch.setattr(sensor_facts, "_BATTERY_EVERY_S", 0.05)
    strap = make_strap()
    strap.char(LEVEL).flags = ["read"]
    bluez.put_on(strap)
    async with agent(tmp_path, start_now=start_now) as running:
        for level_pct in (87, 40):
            strap.char(LEVEL).value = bytes([level_pct])
            await until(lambda: running.state is not None)
            await until(partial(running.has_battery, level_pct))
        assert running.state.link is (LinkState.STREAMING if start_now else LinkState.READY)


async def test_a_strap_that_an_agent_killed_before_left_connected_streams(
    bluez: Any, make_strap: Any, until: Until, tmp_path: Path
) -> None:
    strap = bluez.put_on(make_strap(), connected=True)
    async with agent(tmp_path, devices=(strap.name,)) as running:
        await until(lambda: strap.listeners.get(strap.char_path(HRM)))
        bluez.notify(strap, HRM, beat(1000))
        await until(lambda: running.n_beats)
    assert bluez.asked("Connect") == 1  # the orphan was taken over and let go, then connected anew


@pytest.mark.parametrize("has_old_bond", [False, True])
async def test_an_ecg_behind_a_bond_is_started_though_the_mtu_reads_as_23(
    bluez: Any, make_strap: Any, make_char: Any, until: Until, tmp_path: Path, has_old_bond: bool
) -> None:
    """An old bond that the strap has forgotten is removed and made anew on the way."""
    strap = make_strap(tells_mtu=False)
    strap.services[PMD] = {
        CONTROL: make_char(flags=["read", "write", "indicate"], value=b"\x0f\x01\0", is_encrypted=True),
        DATA: make_char(flags=["notify"]),
    }
    bluez.put_on(strap, paired=has_old_bond)
    async with agent(tmp_path) as running:
        answered = 0

        def answer() -> bool:
            nonlocal answered
            for _, data in strap.written[answered:]:
                answered += 1
                bluez.notify(strap, CONTROL, settings() if data[0] == 1 else bytes([0xF0, data[0], data[1], 0, 0]))
            return running.conductor.report().received.get("ecg", 0) >= 73

        def ecg() -> None:
            bluez.notify(strap, DATA, struct.pack("<BQB", 0, 599_616_000_000_000_000, 0) + bytes(3 * 73))

        await until(lambda: answer() or any(data[0] == 2 for _, data in strap.written[:answered]))
        ecg()
        await until(answer)
    assert strap.knows_us
    assert bluez.asked("RemoveDevice") == has_old_bond
    assert (CONTROL, b"\x03\x00") in strap.written  # the stream was stopped: batteries live


def settings() -> bytes:
    """ECG at 130 Hz with 14 bits."""
    return bytes.fromhex("f0010000 00 0001 8200 0101 0e00".replace(" ", ""))


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (lambda fake: fake.add_adapter(powered=False), "Bluetooth is off. Switch it on"),
        (lambda fake: fake.remove_adapter(), "no Bluetooth that works"),
        (
            lambda fake: fake.fail("GetManagedObjects", "org.freedesktop.DBus.Error.AccessDenied", times=99),
            "may not use",
        ),
    ],
)
async def test_what_keeps_it_from_sensors_is_told(
    bus: Any, make_bluez: Any, until: Until, tmp_path: Path, stage: Callable[[Any], None], words: str
) -> None:
    await bus.start()
    fake = make_bluez()
    stage(fake)
    await fake.start()
    async with agent(tmp_path) as running:
        await until(lambda: words in str(running.conductor.report().trouble))
    await fake.stop()


async def test_a_strap_out_of_reach_is_told_with_its_usual_signals(
    bluez: Any, make_strap: Any, until: Until, tmp_path: Path
) -> None:
    strap = bluez.put_on(make_strap())
    bluez.fail("Connect", "org.bluez.Error.Failed", "le-connection-refused", times=99)
    async with agent(tmp_path) as running:
        await until(lambda: running.state is not None and running.state.link is LinkState.BACK_OFF)
        state = running.state
        assert (state.state, state.kind.value) == (StreamState.LOST, "rr")
        assert "another app, watch or bike computer holds it" in state.trouble
    assert strap.written == []
