"""Reports are never lost behind windows, and made for whoever asks."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.server.peers import LIMIT_S
from tests.server.test_derive_again import Here
from tests.server.test_upkeep import keep_session, opened

from becalm_protocol.derived import Beat, BeatFlag, HrvWindow
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.doubts import Doubt
from becalm_server.recent_beats import Window
from becalm_server.slow_lane import MAX_WINDOWS, SlowLane
from becalm_signal.neurokit_lane import WindowReport

# One that was heard, of each session.
STREAMS = b"""
    insert into stream (stream_id, session_id, position, kind, unit, unit_per_count, clock, device, acked_seq)
    select md5(session_id), session_id, 0, 'rr', '1/1024 s', 1, 'arrival', 'a strap', 1 from session returning 1
"""


class Desk:
    """An archive and a session that keep what they are given."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.windows: list[int] = []
        self.doubts: list[Doubt] = []
        self.reported = asyncio.Event()

    async def reportless(self, *, limit: int) -> list[str]:
        return []

    async def rows(self, statement: str, *, session_ids: list[str], **_wish: Any) -> list[Any]:
        assert (statement, session_ids) == ("doubt_lost_windows", [])
        return []

    async def streams(self, session_id: str) -> list[Any]:
        return []

    async def raw_events(self, session_id: str) -> Any:
        return
        yield

    async def derived_rows(self, statement: str, *, session_id: str) -> list[Any]:
        return []

    async def put_report(self, session_id: str, *, body: str) -> None:
        self.reports.append(session_id)
        self.reported.set()

    def doubt(self, why: Doubt) -> None:
        self.doubts.append(why)

    def conclude(self, window: Any, *, shown: bool) -> None:
        self.windows.append(window.t_ns)

    def session_now_ns(self, *, at_least_ns: int) -> int:
        return at_least_ns


def window_of_tests(*, rr_ms: tuple[float, ...], **_more: Any) -> WindowReport:
    return WindowReport(indices={"HRV_MeanNN": sum(rr_ms) / len(rr_ms)}, withheld={})


def report_of_tests(**recording: Any) -> dict[str, Any]:
    return {"n_beats": len(recording["rr_ms"])}


async def test_windows_never_push_a_report_out() -> None:
    desk: Any = Desk()
    lane = SlowLane(archive=desk, window_report=window_of_tests, session_report=report_of_tests)
    for _ in range(3):
        lane.report_nowait("one")
    for n in range(3 * MAX_WINDOWS):
        lane.window_nowait(desk, Window(t_ns=n, window_s=60.0, rr_ms=(800.0,), beats_s=(1.0,)), shown=True)
    running = asyncio.ensure_future(lane.run())
    async with asyncio.timeout(20.0):
        await desk.reported.wait()
    running.cancel()
    await asyncio.wait([running])
    assert desk.windows == list(range(2 * MAX_WINDOWS, 3 * MAX_WINDOWS))
    assert desk.reports == ["one"]
    assert desk.doubts == [Doubt.WINDOWS] * 2 * MAX_WINDOWS  # what was pushed out is made after the end
    assert lane.statistics()["failed"] == 0


async def test_an_erased_session_gets_no_window_and_no_report() -> None:
    desk: Any = Desk()
    lane = SlowLane(archive=desk, window_report=window_of_tests, session_report=report_of_tests)
    for session_id in ("erased", "other"):
        session: Any = SimpleNamespace(record=SimpleNamespace(session_id=session_id))
        lane.window_nowait(session, Window(t_ns=1, window_s=60.0, rr_ms=(800.0,), beats_s=(1.0,)), shown=True)
        lane.report_nowait(session_id)
    lane.discard("erased")
    assert lane.statistics()["depth"] == 2


@pytest.mark.parametrize("n_seconds", [0, 1])
async def test_report_left_undone_is_made_for_whoever_asks(
    server: Any, sensors: Any, fetch: Any, database_url: str, n_seconds: int
) -> None:
    async with server.agent() as agent, server.http() as http:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        path = f"/v1/sessions/{opened.session_id}/report"
        assert "has ended" in (await http.get(path)).json()["detail"]
        for n in range(n_seconds):
            await agent.send(*sensors.second(n))
        await agent.close_session(opened.session_id, sensors.last)
        for _ in range(2):
            async with asyncio.timeout(LIMIT_S):  # made by the slow lane's process, which starts first
                while (await http.get(path)).status_code != 200:
                    pass
            await fetch(database_url, b"with gone as (delete from report returning 1) select count(*) from gone")


def heart_of(n_beats: int) -> Iterable[Beat]:
    for n in range(1, n_beats + 1):
        yield Beat(beat_idx=n, t_ns=n * NS_PER_S, emitted_ns=n * NS_PER_S, source=SignalKind.ECG, rr_ms=1000.0,
                   rr_corrected_ms=1000.0, flag=BeatFlag.OK, confirmed=True)  # fmt: skip


def window_at(t_s: int) -> HrvWindow:
    return HrvWindow(t_ns=t_s * NS_PER_S, emitted_ns=t_s * NS_PER_S, window_s=60.0, n_beats=60, indices={}, withheld={})


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("becalm_server.slow_lane.JobProcess", Here)


def failing_report(**_recording: Any) -> dict[str, Any]:
    raise ZeroDivisionError


async def started_until_reported(archive: Any, fetch: Any, url: str, *, n_reports: int) -> None:
    lane = SlowLane(archive=archive, window_report=window_of_tests, session_report=failing_report)
    running = asyncio.ensure_future(lane.run())
    async with asyncio.timeout(LIMIT_S):  # made in a thread
        while (await fetch(url, b"select count(*) as n from report"))[0]["n"] != n_reports:
            pass
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.usefixtures("in_this_process")
async def test_only_sessions_whose_last_window_was_lost_are_doubted_and_once(database_url: str, fetch: Any) -> None:
    kept: dict[str, list[Beat | HrvWindow]] = {
        "whole": [*heart_of(200), window_at(200)],
        "lost": [*heart_of(200), window_at(190)],
        "heartless": list(heart_of(15)),
        "derived": list(heart_of(200)),
    }
    asked = b"select session_id, reason, done_at is not null as is_done, n_tries from derive_again order by session_id"
    async with opened(database_url) as archive:
        for session_id, conclusions in kept.items():
            await keep_session(archive, conclusions, session_id=session_id)
        await archive.rows("doubt_sessions", session_id=["derived"], reason=[Doubt.CUT.value])
        await fetch(database_url, b"update derive_again set done_at = now(), n_tries = 3 returning 1")
        await fetch(database_url, STREAMS)
        for _ in range(2):
            await started_until_reported(archive, fetch, database_url, n_reports=len(kept))
            told = [tuple(row.values()) for row in await fetch(database_url, asked)]
            assert told == [("derived", "cut", True, 3), ("lost", "windows", False, 0)]
            await fetch(database_url, b"with gone as (delete from report returning 1) select count(*) from gone")


@pytest.mark.usefixtures("in_this_process")
async def test_a_report_that_cannot_be_made_says_so_and_is_not_tried_at_every_start(
    database_url: str, fetch: Any
) -> None:
    async with opened(database_url) as archive:
        await keep_session(archive, ())
        await fetch(database_url, STREAMS)
        await started_until_reported(archive, fetch, database_url, n_reports=1)
        (row,) = await fetch(database_url, b"select body from report")
        assert "ZeroDivisionError" in row["body"]["failed"]
        assert await archive.reportless(limit=1) == []
