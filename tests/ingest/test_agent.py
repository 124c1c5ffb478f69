"""Replay through the agent's whole path, and what importing the agent costs."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.agent import AgentSettings, run_replay
from becalm_ingest.replay import read_recording
from becalm_ingest.report import AgentReport
from becalm_protocol.errors import BecalmError, ConfigError, RecordingError, StorageError
from becalm_protocol.events import RrBlock, SampleBlock, StreamState, StreamStatus
from becalm_protocol.handshake import Source


def write(folder: Path, *, n_rows: int = 3_000) -> Path:
    path = folder / "rec.csv"
    rows = "".join(f"{n % 50},{5 + n % 7},{800 if n % 100 == 9 else ''}\n" for n in range(n_rows))
    path.write_text("ecg_uv,eda_us,rr_ms\n" + rows)
    return path


def settings(wire: Any, folder: Path) -> AgentSettings:
    return AgentSettings(server_url=wire.url, data_dir=folder / "data")


async def test_a_recording_arrives_whole_as_fast_as_it_is_acknowledged(wire: Any, tmp_path: Path) -> None:
    path = write(tmp_path)
    async with asyncio.timeout(10.0):
        report = await run_replay(settings(wire, tmp_path), path, rate_hz=100.0, speed=0, stop=asyncio.Event())
    recording = read_recording(path, rate_hz=100.0, chunk_ms=100)
    sent = [event for event in recording.events() if isinstance(event, SampleBlock | RrBlock)]
    assert len(wire.events(SampleBlock)) + len(wire.events(RrBlock)) == len(sent) > 600
    assert sum(len(block.counts) for block in wire.events(SampleBlock)) == 6_000
    assert wire.opened[0].source is Source.REPLAY
    assert len(wire.closed) == 1
    assert report.received == {"ecg": 3_000, "skin_conductance": 3_000, "rr": 30}
    assert report.n_spooled == 0
    for events in wire.stored.values():
        assert isinstance(events[0], StreamStatus)
        assert isinstance(events[-1], StreamStatus)
        assert (events[0].state, events[-1].state) == (StreamState.STREAMING, StreamState.ENDED)


async def test_the_pace_is_that_of_the_file_times_the_speed(wire: Any, tmp_path: Path) -> None:
    path = write(tmp_path, n_rows=1_000)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.timeout(30.0):
        await run_replay(settings(wire, tmp_path), path, rate_hz=100.0, speed=20.0, stop=asyncio.Event())
    assert loop.time() - began_s > 0.4


async def test_a_stop_in_the_middle_closes_what_was_played(wire: Any, tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as group:
        task = group.create_task(
            run_replay(settings(wire, tmp_path), write(tmp_path), rate_hz=100.0, speed=5.0, stop=stop)
        )
        await wire.until(lambda: len(wire.events(SampleBlock)) > 5)
        stop.set()
        report = await task
    assert len(wire.closed) == 1
    assert report.n_spooled == 0
    assert 0 < report.received["ecg"] < 3_000


async def test_two_replays_are_two_sessions_of_one_agent(wire: Any, tmp_path: Path) -> None:
    path = write(tmp_path, n_rows=50)
    for _ in range(2):
        await run_replay(settings(wire, tmp_path), path, rate_hz=100.0, speed=0, stop=asyncio.Event())
    assert len({opened.session_id for opened in wire.opened}) == 2
    assert len({hello.agent_id for hello in wire.hellos}) == 1
    assert len(wire.stored) == 6


@pytest.mark.parametrize(
    ("speed", "folder", "error"),
    [(-1.0, "data", ConfigError), (1e9, "data", ConfigError), (1.0, "rec.csv/data", StorageError)],
)
async def test_what_cannot_be_done_is_said_before_anything_is_sent(
    wire: Any, tmp_path: Path, speed: float, folder: str, error: type[BecalmError]
) -> None:
    path = write(tmp_path)
    chosen = AgentSettings(server_url=wire.url, data_dir=tmp_path / folder)
    with pytest.raises(error):
        await run_replay(chosen, path, rate_hz=100.0, speed=speed, stop=asyncio.Event())
    assert wire.hellos == []


async def test_a_file_without_rate_says_what_to_give(wire: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="--rate-hz"):
        await run_replay(settings(wire, tmp_path), write(tmp_path), rate_hz=None, speed=1.0, stop=asyncio.Event())


async def test_a_real_strap_recording_arrives_whole(wire: Any, data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "polar_h10" / "ecg_rr_pvc.csv.gz"
    async with asyncio.timeout(20.0):
        report = await run_replay(settings(wire, tmp_path), path, rate_hz=None, speed=0, stop=asyncio.Event())
    assert report.received == {"ecg": 78_096, "rr": 798}
    assert sum(len(block.counts) for block in wire.events(SampleBlock)) == 78_096


def test_the_agent_stays_light() -> None:
    """It shares a small machine with nothing else to spare: no numerical libraries, no simulator."""
    code = (
        "import sys, becalm_ingest.agent, becalm_ingest.sensors\n"
        "heavy = {'numpy', 'scipy', 'neurokit2', 'pandas', 'bumble', 'kivy', 'fastapi', 'psycopg'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_replay_needs_no_bluetooth() -> None:
    code = "import sys, becalm_ingest.agent; print('bleak' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


async def test_one_agent_to_a_folder(wire: Any, tmp_path: Path) -> None:
    path, stop = write(tmp_path), asyncio.Event()
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as group:
        first = group.create_task(run_replay(settings(wire, tmp_path), path, rate_hz=100.0, speed=1.0, stop=stop))
        await wire.until(lambda: wire.events(SampleBlock))
        with pytest.raises(ConfigError, match="in use by another"):
            await run_replay(settings(wire, tmp_path), path, rate_hz=100.0, speed=0, stop=asyncio.Event())
        stop.set()
        await first
    third = await run_replay(settings(wire, tmp_path), path, rate_hz=100.0, speed=0, stop=asyncio.Event())
    assert third.n_spooled == 0


async def test_what_a_replay_without_a_server_left_is_sent_after_the_next(
    make_wire: Any, serve_wire: Any, tmp_path: Path
) -> None:
    wire = make_wire()
    async with serve_wire(wire) as server:
        port = server.sockets[0].getsockname()[1]
    path, stop = tmp_path / "long.csv", asyncio.Event()
    path.write_text("ecg_uv\n" + 50_000 * "1\n")  # 5,000 blocks: more than may wait for the server
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as group:

        def stop_when_spooled(report: AgentReport) -> None:
            if report.n_spooled >= 2_000:
                stop.set()

        group.create_task(
            run_replay(
                settings(wire, tmp_path), path, rate_hz=100.0, speed=1_000.0, stop=stop, on_report=stop_when_spooled
            )
        )
    assert stop.is_set()
    async with serve_wire(wire, port=port), asyncio.timeout(10.0):
        short = write(tmp_path, n_rows=50)
        report = await run_replay(settings(wire, tmp_path), short, rate_hz=100.0, speed=0, stop=asyncio.Event())
    assert report.n_spooled == 0
    assert [len(closed.last) for closed in wire.closed] == [3, 1]
