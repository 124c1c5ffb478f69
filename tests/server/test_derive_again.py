"""Sessions that were interrupted, or whose end came late: afterwards they are what one uninterrupted run gives."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
from tests.server.conftest import window_of_tests
from tests.server.counting_pipeline import CountingPipeline
from tests.server.peers import LIMIT_S
from tests.server.test_upkeep import keep_session, opened

from becalm_protocol.units import NS_PER_S
from becalm_server.archive.derive_again import derive_again
from becalm_server.archive.doubts import Doubt
from becalm_server.archive.snapshot import Snapshot, open_snapshot
from becalm_server.archive.statements import SQL
from becalm_server.archive.store import Archive
from becalm_server.archive.upkeep import MAX_TRIES, Upkeep
from becalm_server.archive.writes import Write
from becalm_server.recent_beats import RecentBeats
from becalm_signal.neurokit_lane import WindowReport

N_SECONDS = 75
# The least urgent process of a machine that is busy with other tests.
LOOKS = 200
COUNTING = "tests.server.counting_pipeline:CountingPipeline"


def never(**_window: Any) -> WindowReport:
    """NeuroKit2 at the moment at which its server goes away."""
    time.sleep(600)
    raise AssertionError


class Expected:
    """What one uninterrupted run concludes, by the test's own hands."""

    def __init__(self, sensors: Any) -> None:
        pipeline, recent = CountingPipeline(sensors.streams), RecentBeats()
        self.beats: list[tuple[int, int, float]] = []
        self.windows: list[tuple[int, int]] = []
        for data in sensors.sent:
            for item in pipeline.feed(data.event):
                recent.feed(item)
                self._keep(item)
            self.windows += [(w.t_ns, len(w.rr_ms)) for w in recent.due(data.event.received_ns)]
        for item in pipeline.finish():
            self._keep(item)

    def _keep(self, item: Any) -> None:
        if hasattr(item, "beat_idx"):
            self.beats.append((item.beat_idx, item.t_ns, item.rr_ms))


async def wait_derived(http: Any, session_id: str, *, beats: Any) -> dict[str, Any]:
    """What is told once a session was derived again; a look with every heartbeat."""
    for _ in range(LOOKS):
        counts: dict[str, Any] = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
        if counts["derived_again_at"] is not None:
            return counts
        await beats.next()
    raise AssertionError("not derived again")


async def stored_of(http: Any, session_id: str) -> tuple[list[Any], list[Any]]:
    path = f"/v1/sessions/{session_id}"
    beats = (await http.get(f"{path}/beats")).json()["items"]
    windows = (await http.get(f"{path}/windows")).json()["items"]
    return (
        [(row["beat_idx"], row["t_ns"], row["rr_ms"]) for row in beats],
        [(row["t_ns"], row["n_beats"]) for row in windows],
    )


async def test_windows_lost_with_a_server_are_made_after_the_end(
    start_server: Any, database_url: str, sensors: Any
) -> None:
    session_id = "5" * 32
    for part, report in ((range(70), never), (range(70, N_SECONDS), window_of_tests)):
        async with (
            start_server(database_url, window_report=report) as server,
            server.agent() as agent,
            server.http() as http,
        ):
            await agent.hello()
            await agent.open(sensors.streams, session_id=session_id)
            for n in part:
                await agent.send(*sensors.second(n))
            await agent.wait_acks(sensors.last)
            if part[-1] == N_SECONDS - 1:
                await agent.close_session(session_id, sensors.last)
                told = await wait_derived(http, session_id, beats=agent)
                beats, windows = await stored_of(http, session_id)
    expected = Expected(sensors)
    assert told["derived_again_reason"] == "interrupted"
    assert beats == expected.beats
    assert windows == expected.windows
    assert [t_ns // NS_PER_S for t_ns, _ in windows] == [60, 70]


async def test_data_that_come_after_the_end_count_as_if_they_had_come_before(server: Any, sensors: Any) -> None:
    async with server.http() as http:
        session_id = await server.leave(sensors, range(30))
        ended_at = (await end_without_agent(http, session_id))["ended_at"]
        early, _ = await stored_of(http, session_id)
        assert early == Expected(sensors).beats  # an end without the agent is an end
        async with server.agent() as agent:
            await agent.hello()
            await agent.open(sensors.streams, session_id=session_id)
            for n in range(30, N_SECONDS):
                await agent.send(*sensors.second(n))
            await agent.close_session(session_id, sensors.last)
            told = await wait_derived(http, session_id, beats=agent)
            beats, windows = await stored_of(http, session_id)
        session = (await http.get(f"/v1/sessions/{session_id}")).json()
    expected = Expected(sensors)
    assert told["derived_again_reason"] == "late"
    assert session["ended_at"] == ended_at
    assert beats[len(early) - 1] != early[-1]  # what the first end settled was not true any more
    assert (beats, windows) == (expected.beats, expected.windows)


async def end_without_agent(http: Any, session_id: str) -> dict[str, Any]:
    """What is told of the end; the server learns in its own time that the agent is gone."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            told: dict[str, Any] = (await http.post(f"/v1/sessions/{session_id}/stop")).json()
            if told["ended_at"] is not None:
                return told


@pytest.mark.parametrize("comes_back", [True, False])
async def test_late_data_count_whatever_happens_after_they_are_committed(
    start_server: Any, database_url: str, sensors: Any, comes_back: bool
) -> None:
    async with start_server(database_url) as server, server.http() as http:
        session_id = await server.leave(sensors, range(30))
        await end_without_agent(http, session_id)
        await server.leave(sensors, range(30, N_SECONDS), session_id=session_id)
    async with start_server(database_url) as server, server.http() as http, server.agent() as agent:
        await agent.hello()
        if comes_back:
            await agent.open(sensors.streams, session_id=session_id)
            await agent.close_session(session_id, sensors.last)
        told = await wait_derived(http, session_id, beats=agent)
        beats, windows = await stored_of(http, session_id)
        duration_s = (await http.get(f"/v1/sessions/{session_id}")).json()["duration_s"]
    expected = Expected(sensors)
    assert told["derived_again_reason"] == "late"
    assert (beats, windows) == (expected.beats, expected.windows)
    assert duration_s == N_SECONDS


async def test_a_session_without_an_accident_is_left_alone(server: Any, sensors: Any) -> None:
    async with server.agent() as agent, server.http() as http:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        await agent.send(*sensors.second(0))
        await agent.close_session(opened.session_id, sensors.last)
        counts = (await http.get(f"/v1/sessions/{opened.session_id}/counts")).json()
        assert (counts["derived_again_reason"], counts["derived_again_at"]) == (None, None)
    async with server.agent() as agent:  # the answer to its last message was lost: it brings nothing
        await agent.hello()
        await agent.open(sensors.streams, session_id=opened.session_id)
        await agent.close_session(opened.session_id, sensors.last)
        async with server.http() as http:
            counts = (await http.get(f"/v1/sessions/{opened.session_id}/counts")).json()
        assert counts["derived_again_reason"] is None


class Here:
    """A job's process that is none: its end is tried elsewhere, and takes a second each time."""

    async def run(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(function, *arguments, **named)

    async def close(self) -> None:
        pass


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("becalm_server.archive.upkeep.JobProcess", Here)


async def doubted(archive: Archive) -> str:
    session_id = await keep_session(archive, ())
    await archive.rows("doubt_sessions", session_id=[session_id], reason=[Doubt.GIVEN_UP.value])
    return session_id


@pytest.mark.usefixtures("in_this_process")
async def test_what_fails_again_is_tried_a_few_times(database_url: str, fetch: Callable[..., Any]) -> None:
    deadly = "tests.server.counting_pipeline:NoPipeline"
    async with opened(database_url) as archive:
        session_id = await doubted(archive)
        upkeep = Upkeep(archive, derive=partial(derive_again, pipeline=deadly, window_report=window_of_tests))
        for _ in range(2 * MAX_TRIES):
            await upkeep.once()
        (row,) = await fetch(database_url, b"select done_at, n_tries from derive_again")
        assert (row["done_at"], row["n_tries"]) == (None, MAX_TRIES)
        upkeep = Upkeep(archive, derive=partial(derive_again, pipeline=COUNTING, window_report=window_of_tests))
        await fetch(database_url, b"update derive_again set tried_version = '0' returning 1")
        await upkeep.once()  # another pipeline has its own tries
        (row,) = await fetch(database_url, b"select done_at is not null as is_done from derive_again")
        assert row["is_done"]
    assert session_id == "one"


@pytest.mark.usefixtures("in_this_process")
async def test_doubt_during_the_work_has_it_done_once_more(database_url: str, fetch: Callable[..., Any]) -> None:
    async with opened(database_url) as archive:
        session_id = await doubted(archive)
        upkeep = Upkeep(archive, derive=partial(derive_again, pipeline=COUNTING, window_report=window_of_tests))
        await upkeep.once()
        (row,) = await fetch(database_url, b"select done_at is not null as is_done, n_tries from derive_again")
        assert (row["is_done"], row["n_tries"]) == (True, 1)
        archive.writer.put_nowait(Write(session_id=session_id, doubt=Doubt.CUT, queued_ns=0))
        await archive.writer.wait_drained()
        (row,) = await fetch(database_url, b"select done_at is not null as is_done, reason from derive_again")
        assert (row["is_done"], row["reason"]) == (False, "cut")
        await upkeep.once()
        (row,) = await fetch(database_url, b"select done_at is not null as is_done, n_tries from derive_again")
        assert (row["is_done"], row["n_tries"]) == (True, 1)


async def test_doubt_between_the_look_and_the_work_is_not_taken_for_done(
    database_url: str, fetch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database_url) as archive:
        session_id = await doubted(archive)

        @contextmanager
        def seen_then_doubted(url: str, session_id: str) -> Iterator[Snapshot]:
            with open_snapshot(url, session_id) as snapshot, psycopg.connect(url, autocommit=True) as connection:
                named = {"session_id": [session_id], "reason": [Doubt.LATE.value]}
                connection.execute(SQL["doubt_sessions"], named)
                yield snapshot

        monkeypatch.setattr("becalm_server.archive.derive_again.open_snapshot", seen_then_doubted)
        url = archive.entrances.owner
        await asyncio.to_thread(derive_again, url, session_id, pipeline=COUNTING, window_report=window_of_tests)
        (row,) = await fetch(database_url, b"select done_at, reason from derive_again")
        assert (row["done_at"], row["reason"]) == (None, "late")


@pytest.mark.parametrize("is_opened", [True, False])
async def test_a_session_that_is_erased_during_the_work_is_no_failure(
    database_url: str, monkeypatch: pytest.MonkeyPatch, is_opened: bool
) -> None:
    async with opened(database_url) as archive:
        session_id = await doubted(archive)

        @contextmanager
        def seen_and_erased(url: str, session_id: str) -> Iterator[Snapshot]:
            with psycopg.connect(url, autocommit=True) as connection, ExitStack() as stack:
                snapshot = stack.enter_context(open_snapshot(url, session_id)) if is_opened else None
                connection.execute("delete from session where session_id = %s", (session_id,))
                yield snapshot or stack.enter_context(open_snapshot(url, session_id))

        monkeypatch.setattr("becalm_server.archive.derive_again.open_snapshot", seen_and_erased)
        url = archive.entrances.owner
        again = partial(derive_again, pipeline=COUNTING, window_report=window_of_tests)
        assert await asyncio.to_thread(again, url, session_id) is False
