"""Reports are never lost behind windows, and made for whoever asks."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from becalm_server.archive.doubts import Doubt
from becalm_server.recent_beats import Window
from becalm_server.slow_lane import MAX_WINDOWS, SlowLane
from becalm_signal.neurokit_lane import WindowReport


class Desk:
    """An archive and a session that keep what they are given."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.windows: list[int] = []
        self.doubts: list[Doubt] = []
        self.reported = asyncio.Event()

    async def reportless(self, *, limit: int) -> list[str]:
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
            for _ in range(2_000):  # bounded: made by the slow lane's process, which starts first
                response = await http.get(path)
                if response.status_code == 200:
                    break
            assert response.status_code == 200
            await fetch(database_url, b"with gone as (delete from report returning 1) select count(*) from gone")
