"""A session that nobody closes: the server does, and whatever its agent still brings is kept."""

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from becalm_protocol.handshake import Source, StopSession
from becalm_server import abandoned
from becalm_server.abandoned import Abandoned
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive
from becalm_server.sessions import Sessions


@pytest.fixture
async def server_that_looks(start_server: Any, database_url: str, monkeypatch: Any) -> AsyncIterator[Any]:
    """One that looks all the time; for its sessions no hours pass before `hours_pass`."""
    for name, value in {"AFTER_START_S": 0.0, "LOOK_EVERY_S": 0.05}.items():
        monkeypatch.setattr(abandoned, name, value)
    async with start_server(database_url) as server:
        yield server


@pytest.fixture
def hours_pass(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make a moment without an agent two hours: a session that is being opened has none for a moment."""
    return lambda: monkeypatch.setattr(abandoned, "STALE_S", 0.0)


async def wait_closed(http: Any, session_id: str, *, beats: Any) -> dict[str, Any]:
    """The session once the server has closed it; a look with every heartbeat."""
    for _ in range(50):
        told: dict[str, Any] = (await http.get(f"/v1/sessions/{session_id}")).json()
        if told["closed_by_server"]:
            return told
        await beats.next()
    raise AssertionError("not closed")


async def test_its_last_sample_is_its_end(
    server_that_looks: Any, make_sensors: Any, hours_pass: Callable[[], None]
) -> None:
    kept, left = make_sensors(), make_sensors()
    server = server_that_looks
    async with server.agent() as here, server.http() as http:
        await here.hello("agent that stays")
        under_way = (await here.open(kept.streams)).session_id  # older than the other one, so it is looked at first
        session_id = await server.leave(left, range(3))
        hours_pass()
        closed = await wait_closed(http, session_id, beats=here)
        async with server.agent() as agent:
            await agent.hello()
            await agent.open(left.streams, session_id=session_id)
            await agent.wait(StopSession)
            await agent.send(*left.second(3))
            await agent.close_session(session_id, left.last)
        late = (await http.get(f"/v1/sessions/{session_id}")).json()
        counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
        carried = (await http.get(f"/v1/sessions/{under_way}")).json()
    assert (closed["phase"], closed["duration_s"]) == ("ended", 3.0)
    assert late == closed | {"duration_s": 4.0}
    assert {one["last_seq"] for one in counts["streams"]} == {4}
    assert (carried["ended_at"], carried["closed_by_server"]) == (None, False)


async def test_one_that_no_sensor_ever_opened_ends_too(server_that_looks: Any, hours_pass: Callable[[], None]) -> None:
    server = server_that_looks
    async with server.http() as http, server.client() as client:
        await client.hello()
        async with server.agent() as agent:
            await agent.hello()
            session_id = (await http.post("/v1/sessions")).json()["session_id"]
        hours_pass()
        closed = await wait_closed(http, session_id, beats=client)
    assert (closed["started_at"], closed["duration_s"]) == (None, 0.0)


async def test_one_that_is_erased_meanwhile_keeps_no_other_open(
    server_that_looks: Any, make_sensors: Any, hours_pass: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, left = server_that_looks, make_sensors()
    found = Archive.abandoned_sessions
    gone = SessionRecord(session_id="e" * 32, source=Source.LIVE, baseline_s=60.0)

    async def with_one_that_is_gone(self: Archive, *, silent_s: float) -> list[SessionRecord]:
        return [gone, *await found(self, silent_s=silent_s)]

    monkeypatch.setattr(Archive, "abandoned_sessions", with_one_that_is_gone)
    async with server.http() as http, server.client() as client:
        await client.hello()
        session_id = await server.leave(left, range(1))
        hours_pass()
        closed = await wait_closed(http, session_id, beats=client)
    assert closed["duration_s"] == 1.0


class Hands:
    """Sessions of which one lies in an agent's hands or does not; and their archive, whose times say it is over."""

    def __init__(self) -> None:
        self.agents = self
        self.record = SessionRecord(session_id="a" * 32, source=Source.LIVE, baseline_s=60.0)
        self.is_carried = True
        self.stopped: list[str] = []

    def carrier(self, record: SessionRecord) -> object | None:
        return record if self.is_carried else None

    async def stop(self, session_id: str) -> SessionRecord:
        self.stopped.append(session_id)
        return self.record

    async def abandoned_sessions(self, *, silent_s: float) -> list[SessionRecord]:
        assert silent_s > 0
        return [self.record]


async def test_a_wrong_clock_and_a_link_that_breaks_end_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    hands, now_ns = Hands(), 10**15
    monkeypatch.setattr("time.monotonic_ns", lambda: now_ns)
    looks = Abandoned(cast(Sessions, hands), archive=cast(Archive, hands))
    await looks.close(silent_s=60.0)
    hands.is_carried = False
    for _ in range(60):
        now_ns += 10**9 - 1
        await looks.close(silent_s=60.0)
    assert hands.stopped == []
    now_ns += 100
    await looks.close(silent_s=60.0)
    assert hands.stopped == [hands.record.session_id]
