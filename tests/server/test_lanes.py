"""Processes of pipelines die, hang and stumble: the record stays whole, and what is derived stays the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.server.counting_pipeline import DeadlyPipeline, EndlessPipeline, WishfulPipeline
from tests.server.test_real_pipeline import BELT, ECG, N_SECONDS, in_one_go, recording

from becalm_protocol.derived import Beat
from becalm_protocol.events import PhaseChange
from becalm_protocol.handshake import Data, Source
from becalm_server.archive.derived_rows import to_tables
from becalm_server.lane import MAX_REPLAYED
from becalm_signal.pipeline import Pipeline

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds its child processes in /proc")
SCHEDULE = (PhaseChange(t_ns=0, phase="baseline"),)  # type: ignore[arg-type]
TABLES = {
    "insert_beats": b"select * from beat",
    "insert_breaths": b"select * from breath",
    "insert_metrics": b"select * from metrics",
    "insert_quality": b"select * from signal_quality",
    "insert_slow_metrics": b"select * from slow_metrics",
}


def lane_pids() -> list[int]:
    """The processes of pipelines that this process has started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"lane_worker" in words:
                found.append(int(pid))
    return found


def uninterrupted(session_id: str, data: list[Data]) -> dict[str, dict[str, list[Any]]]:
    derived = in_one_go([message.event for message in data], SCHEDULE)
    return to_tables([(session_id, item) for item in derived if type(item).__name__ != "Waveform"])


async def assert_as_if_uninterrupted(url: str, fetch: Any, session_id: str, data: list[Data]) -> None:
    expected = uninterrupted(session_id, data)
    assert len(expected["insert_beats"]["t_ns"]) > 40
    for statement, query in TABLES.items():
        columns = expected.get(statement, {"t_ns": []})
        stored = await fetch(url, query)
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        numbers = [name for name in columns if name != "indices"]  # documents come back parsed
        assert sorted(str([row[name] for name in numbers]) for row in stored) == sorted(
            str([row[name] for name in numbers]) for row in rows
        ), statement


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_rows_are_those_of_an_uninterrupted_run(
    start_server: Any, database_url: str, fetch: Any, monkeypatch: pytest.MonkeyPatch, blow: signal.Signals
) -> None:
    monkeypatch.setattr("becalm_server.lane.WATCH_S", 0.1)
    monkeypatch.setattr("becalm_server.lane.N_STARTING_LOOKS", 200)
    data, session_id = recording(), "8" * 32
    async with (
        start_server(database_url, make_pipeline=Pipeline, heartbeat_s=10.0) as server,
        server.agent() as agent,
        server.client() as client,
        server.http() as http,
    ):
        await agent.hello()
        await client.hello()
        await agent.open((ECG, BELT), session_id=session_id, source=Source.REPLAY)
        await agent.send(*data[:N_SECONDS])
        await client.wait(lambda heard: getattr(getattr(heard, "event", None), "t_ns", 0) >= 15 * 10**9)
        (pid,) = lane_pids()
        os.kill(pid, blow)
        await agent.send(*data[N_SECONDS:])
        last = {message.event.stream_id: message.seq for message in data}
        await agent.close_session(session_id, last)
        assert (await http.get("/v1/health")).json()["pipelines"]["deaths"] >= 1
        numbers = [heard.seq for heard in client.heard if hasattr(heard, "ledger")]
        assert numbers == list(range(1, len(numbers) + 1))
        beats = [heard.event for heard in client.heard if isinstance(getattr(heard, "event", None), Beat)]
    await assert_as_if_uninterrupted(database_url, fetch, session_id, data)
    assert len({(beat.beat_idx, beat.confirmed) for beat in beats}) == len(beats)  # nobody hears anything twice
    assert await fetch(database_url, b"select * from live_state") == []  # of a session that has ended, nothing is kept


async def test_state_spares_a_restarted_server_the_past(start_server: Any, database_url: str, fetch: Any) -> None:
    data, session_id = recording(), "7" * 32
    for part in (data[:50], data[50:]):
        async with start_server(database_url, make_pipeline=Pipeline) as server, server.agent() as agent:
            await agent.hello()
            await agent.open((ECG, BELT), session_id=session_id, source=Source.REPLAY)
            await agent.send(*part)
            last = {message.event.stream_id: message.seq for message in part}
            await agent.wait_acks(last)
            if part[-1] is data[-1]:
                await agent.close_session(session_id, last)
                continue
            while not (states := await fetch(database_url, b"select arrival_idx, newest_ns from live_state")):
                await agent.next()  # heartbeats: bounded by the time a test may take
            assert states[0]["newest_ns"] >= 10 * 10**9
    await assert_as_if_uninterrupted(database_url, fetch, session_id, data)


async def test_wish_is_a_step_that_a_restart_repeats(
    start_server: Any, database_url: str, sensors: Any, fetch: Any
) -> None:
    session_id = "6" * 32
    for seconds in (range(2), range(2, 4)):
        async with (
            start_server(database_url, make_pipeline=WishfulPipeline) as server,
            server.agent() as agent,
            server.http() as http,
        ):
            await agent.hello()
            await agent.open(sensors.streams, session_id=session_id)
            for n in seconds:
                await agent.send(*sensors.second(n))
                await agent.wait_acks(sensors.last)
                if n == 0:
                    path = f"/v1/sessions/{session_id}"
                    assert (await http.patch(path, json={"breath_source": "ecg"})).status_code == 200
            if seconds[-1] == 3:
                await agent.close_session(session_id, sensors.last)
    beats = await fetch(database_url, b"select rr_ms from beat order by beat_idx")
    assert [beat["rr_ms"] for beat in beats] == [0.0, 1.0, 1.0, 1.0]
    assert [row["source"] for row in await fetch(database_url, b"select source from breath_wish")] == ["ecg"]


async def test_deadly_step_costs_feedback_and_nothing_else(
    start_server: Any, database_url: str, make_sensors: Any, fetch: Any
) -> None:
    deadly, harmless = make_sensors(), make_sensors()
    async with (
        start_server(database_url, make_pipeline=DeadlyPipeline, heartbeat_s=10.0) as server,
        server.agent() as one,
        server.agent() as other,
        server.http() as http,
    ):
        await one.hello("one")
        await other.hello("other")
        deadly_id = (await one.open(deadly.streams)).session_id
        harmless_id = (await other.open(harmless.streams)).session_id
        for n in range(5):
            await one.send(*deadly.second(n))
            if n < 2:
                await other.send(*harmless.second(n))
        await one.close_session(deadly_id, deadly.last)
        await other.close_session(harmless_id, harmless.last)
        counts = (await http.get(f"/v1/sessions/{deadly_id}/counts")).json()
        assert (counts["n_missing_events"], counts["stored"]["rr"]) == (0, 5)
        # A death may be laid at another's door, or on a busy machine at none: answers on their way are lost with it.
        told = (await http.get("/v1/health")).json()["pipelines"]
        assert 3 <= told["deaths"] <= 12
        assert told["given_up"] == 1
        assert counts["derived_again_reason"] == "given_up"
    beats = await fetch(database_url, b"select session_id from beat order by beat_idx")
    assert [beat["session_id"] for beat in beats].count(harmless_id) == 2


async def test_deadly_end_is_given_up_too(start_server: Any, database_url: str, sensors: Any) -> None:
    async with (
        start_server(database_url, make_pipeline=EndlessPipeline, heartbeat_s=10.0) as server,
        server.agent() as agent,
        server.http() as http,
    ):
        await agent.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        await agent.send(*sensors.second(0), *sensors.second(1))
        await agent.close_session(session_id, sensors.last)
        counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
        assert (counts["n_beats"], counts["derived_again_reason"]) == (2, "given_up")
        told = (await http.get("/v1/health")).json()["pipelines"]
        assert (told["deaths"], told["given_up"]) == (3, 1)


async def test_a_past_lets_other_sessions_in_between(
    start_server: Any, database_url: str, sensors: Any, fetch: Any
) -> None:
    session_id = "9" * 32
    for part in range(2):
        async with start_server(database_url) as server, server.agent() as agent, server.http() as http:
            await agent.hello()
            await agent.open(sensors.streams, session_id=session_id)
            if part == 0:
                for n in range(60):
                    await agent.send(*sensors.second(n))
                await agent.wait_acks(sensors.last)
                await fetch(
                    database_url, b"with gone as (delete from live_state returning 1) select count(*) from gone"
                )
                continue
            await agent.close_session(session_id, sensors.last)
            told = (await http.get("/v1/health")).json()["pipelines"]
    assert 1 < told["peak"] <= MAX_REPLAYED + 1


async def test_sessions_are_spread_over_all_processes(start_server: Any, database_url: str, make_sensors: Any) -> None:
    async with start_server(database_url, pipeline_workers=2, heartbeat_s=10.0) as server:
        assert len(lane_pids()) == 2
        async with server.agent() as one, server.agent() as other, server.client() as client:
            await client.hello()
            for agent, agent_id in ((one, "one"), (other, "other")):
                worn = make_sensors()
                await agent.hello(agent_id)
                opened = await agent.open(worn.streams)
                await agent.send(*worn.second(0))
                await agent.close_session(opened.session_id, worn.last)
    assert lane_pids() == []


def test_process_imports_the_live_lane_alone() -> None:
    heavy = ("neurokit2", "pandas", "scipy", "psycopg", "fastapi", "uvicorn", "websockets")
    imports = "import sys, becalm_server.lane_worker, becalm_signal.pipeline"
    code = f"{imports}; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
