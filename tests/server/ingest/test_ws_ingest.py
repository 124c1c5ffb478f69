"""Each event is stored once, whatever the link, an end that crosses data, a restart or a killed database do."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from becalm_protocol.codec import encode_msgpack
from becalm_protocol.derived import Beat
from becalm_protocol.envelope import seal
from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import (
    Ack,
    CloseSession,
    Ping,
    Pong,
    Problem,
    Reset,
    SessionClosed,
    StartSession,
    StopSession,
    StreamAck,
)
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.opening import Opener
from becalm_server.session import Session

RAW = b"select stream_id, seq, form, received_ns, sensor_ns, n_samples, body from raw_event order by 1, 2"


BEATS = b"select beat_idx, t_ns, emitted_ns, rr_ms from beat order by 1"


METRICS = b"select * from metrics order by t_ns"


async def test_every_event_is_stored_once_whatever_the_link_does(
    server: Any, sensors: Any, database_url: str, fetch: Any
) -> None:
    session_id = "5" * 32
    async with server.agent() as agent:
        await agent.hello()
        await agent.open(sensors.streams, session_id=session_id)
        for n in range(4):
            await agent.send(*sensors.second(n))
        await agent.wait(Ack)
    async with server.agent() as agent:
        await agent.hello()
        await agent.open(sensors.streams, session_id=session_id)
        await agent.send(*sensors.sent)  # all of it once more, whatever was acknowledged
        await agent.send(*sensors.second(4), *sensors.sent[-3:])
        await agent.close_session(session_id, sensors.last)
    stored = await fetch(database_url, RAW)
    assert [(row["stream_id"], row["seq"]) for row in stored] == sorted(
        (data.event.stream_id, data.seq) for data in sensors.sent
    )
    ecg = next(row for row in stored if row["stream_id"] == sensors.ecg.stream_id)
    assert (ecg["form"], ecg["n_samples"], len(ecg["body"])) == ("i2", 130, 260)
    async with server.http() as http:
        counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
    assert counts["n_duplicates_prevented"] == 15
    assert [stream["last_seq"] for stream in counts["streams"]] == [5, 5, 5]


async def test_hole_is_asked_for_again(server: Any, sensors: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        await agent.open(sensors.streams)
        first, second, third = (sensors.second(n)[0] for n in range(3))
        await agent.send(first, third)
        reset = await agent.wait(Reset)
        assert (reset.stream_id, reset.seq) == (sensors.ecg.stream_id, 1)
        await agent.send(second, third)
        await agent.wait_acks({sensors.ecg.stream_id: 3})


async def test_session_closes_only_when_everything_came(server: Any, sensors: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        events = sensors.second(0)
        await agent.send(*events[:2])
        last = tuple(StreamAck(stream_id=stream_id, seq=seq) for stream_id, seq in sensors.last.items())
        await agent.send(CloseSession(session_id=opened.session_id, last=last))
        assert (await agent.wait(Reset)).stream_id == sensors.belt.stream_id
        await agent.send(events[2], CloseSession(session_id=opened.session_id, last=last))
        await agent.wait(SessionClosed)


async def test_answer_to_the_last_message_may_be_lost(server: Any, sensors: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        await agent.send(*sensors.second(0))
        await agent.close_session(opened.session_id, sensors.last)
    async with server.agent() as agent:
        await agent.hello()
        again = await agent.open(sensors.streams, session_id=opened.session_id)
        assert {ack.stream_id: ack.seq for ack in again.acks} == sensors.last
        await agent.wait(StopSession)
        await agent.close_session(opened.session_id, sensors.last)


async def test_session_ended_during_its_opening_is_taken_up_late(
    server: Any, sensors: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Opener.begin
    ended: list[Any] = []

    async def begin_slowly(self: Opener, session: Session, **more: Any) -> None:
        await begin(self, session, **more)
        if not ended:
            ended.append(await http.post(f"/v1/sessions/{session.record.session_id}/stop"))

    monkeypatch.setattr(Opener, "begin", begin_slowly)
    async with server.agent() as agent:
        await agent.hello()
        session_id = (await http.post("/v1/sessions", json={})).json()["session_id"]
        await agent.open(sensors.streams, session_id=session_id)
        assert [answer.status_code for answer in ended] == [200]
        await agent.wait(StopSession)
        events = sensors.second(0)
        await agent.send(*events[:2])
        last = tuple(StreamAck(stream_id=stream_id, seq=seq) for stream_id, seq in sensors.last.items())
        await agent.send(CloseSession(session_id=session_id, last=last))
        reset = await agent.wait(lambda heard: isinstance(heard, Reset | SessionClosed))
        assert isinstance(reset, Reset)
        await agent.send(events[2])
        await agent.close_session(session_id, sensors.last)
    counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
    assert [stream["last_seq"] for stream in counts["streams"]] == [1, 1, 1]


async def test_end_before_the_last_events_asks_for_a_new_opening(server: Any, sensors: Any, http: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        await agent.send(*sensors.second(0))
        await agent.wait_acks(sensors.last)
    await http.post(f"/v1/sessions/{session_id}/stop")
    async with server.agent() as agent:
        await agent.hello()
        last = tuple(StreamAck(stream_id=stream_id, seq=2) for stream_id in sensors.last)
        await agent.send(CloseSession(session_id=session_id, last=last))
        assert await agent.closed() == CloseCode.RESTART
        assert "open it again" in agent.heard[-1].detail


async def test_data_that_cross_the_end_ask_for_a_new_opening(server: Any, sensors: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        await agent.send(*sensors.second(0))
        await agent.close_session(session_id, sensors.last)
        await agent.send(*sensors.second(1))
        assert await agent.closed() == CloseCode.RESTART
        assert "open it again" in agent.heard[-1].detail
    async with server.agent() as agent:
        await agent.hello()
        await agent.open(sensors.streams, session_id=session_id)
        await agent.send(*sensors.sent)
        await agent.close_session(session_id, sensors.last)


async def test_many_who_end_a_session_end_it_once(
    server: Any, sensors: Any, http: Any, database_url: str, fetch: Any
) -> None:
    async with server.agent() as agent:
        await agent.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        await agent.send(*sensors.second(0))
        await agent.wait_acks(sensors.last)
    async with asyncio.timeout(20.0):  # each waits for the same end, not for one of its own
        answers = await asyncio.gather(*(http.post(f"/v1/sessions/{session_id}/stop") for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await fetch(database_url, BEATS)) == 2  # one heard, one from the only end


async def test_newer_connection_fences_the_older(server: Any, sensors: Any) -> None:
    async with server.agent() as older, server.agent() as newer:
        await older.hello()
        await older.open(sensors.streams, session_id="7" * 32)
        await newer.hello()
        assert await older.closed() == CloseCode.FENCED
        assert isinstance(older.heard[-1], Problem)
        await newer.open(sensors.streams, session_id="7" * 32)
        await newer.send(*sensors.second(0))
        await newer.wait_acks(sensors.last)


async def test_damaged_event_is_not_stored_and_comes_again(
    server: Any, sensors: Any, database_url: str, fetch: Any
) -> None:
    session_id, events = "8" * 32, sensors.second(0)
    for bit in (70, 400, 1_100):
        frame = bytearray(seal(encode_msgpack(events[0])))
        frame[bit // 8] ^= 1 << bit % 8
        async with server.agent() as agent:
            await agent.hello()
            await agent.open(sensors.streams, session_id=session_id)
            await agent.connection.send(bytes(frame))
            assert await agent.closed() == CloseCode.MALFORMED
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams, session_id=session_id)
        assert {ack.seq for ack in opened.acks} == {0}
        await agent.send(*events)
        await agent.wait_acks(sensors.last)
    stored = await fetch(database_url, RAW)
    assert sorted((row["stream_id"], row["seq"]) for row in stored) == sorted(
        (data.event.stream_id, data.seq) for data in events
    )


async def test_waiting_session_finds_its_agent_again(server: Any, sensors: Any) -> None:
    async with server.http() as http:
        async with server.agent() as agent:
            await agent.hello()
            session_id = (await http.post("/v1/sessions")).json()["session_id"]
        async with server.agent() as agent:
            await agent.hello()
            assert (await agent.wait(StartSession)).session_id == session_id
            await agent.open(sensors.streams, session_id=session_id)


async def test_clock_of_the_agent_is_known_to_a_millisecond(server: Any, sensors: Any) -> None:
    async with server.agent() as agent, server.client() as client:
        await agent.hello()
        await client.hello()
        await agent.open(sensors.streams)
        for _ in range(3):
            await agent.wait(Ping)
        errors_ns = []
        for _ in range(5):
            before_ns = agent.now_ns()
            await client.send(Ping(sent_ns=time.monotonic_ns()))
            pong = await client.wait(Pong)
            after_ns = agent.now_ns()
            assert before_ns is not None
            assert after_ns is not None
            errors_ns.append(max(before_ns - pong.clock_ns, pong.clock_ns - after_ns, 0))
        assert min(errors_ns) < 1_000_000


async def test_restart_resumes_with_the_same_derived_rows(
    start_server: Any, sensors: Any, database_url: str, fetch: Any
) -> None:
    """Cut at every place: the rows are those of a run that was never interrupted."""
    session_id = "9" * 32
    for part in (range(3), range(3, 4), range(4, 9)):
        async with start_server(database_url) as server, server.agent() as agent, server.client() as client:
            await agent.hello()
            welcome = await client.hello()
            assert (welcome.session is None) == (part[0] == 0)
            await agent.open(sensors.streams, session_id=session_id)
            for n in part:
                await agent.send(*sensors.second(n))
            await agent.wait_acks(sensors.last)
            if part[-1] == 8:
                await agent.close_session(session_id, sensors.last)
    assert [row["rr_ms"] for row in await fetch(database_url, BEATS)] == pytest.approx(
        [*((900 + n) / 1.024 for n in range(9)), 1000 / 1.024]
    )
    metrics = await fetch(database_url, METRICS)
    assert [row["heart_rate_bpm"] for row in metrics] == [float(n) for n in range(9)]
    assert [row["t_ns"] for row in metrics] == [n * 10**9 for n in range(1, 10)]


async def test_killed_database_costs_nothing(start_server: Any, sensors: Any, traversable_dir: Path) -> None:
    database = EmbeddedPostgres(traversable_dir / "postgres")
    url = database.start()
    watch: asyncio.Task[None] | None = None
    try:
        async with start_server(url) as server, server.agent() as agent, server.client() as client:
            watch = asyncio.ensure_future(database.supervise())
            await agent.hello()
            await client.hello()
            await agent.open(sensors.streams)
            await agent.send(*sensors.second(0))
            await agent.wait_acks(sensors.last)
            await client.wait_live(Beat)
            assert database.pid is not None
            os.kill(database.pid, signal.SIGKILL)
            for n in range(1, 5):
                await agent.send(*sensors.second(n))
            await client.wait(lambda heard: getattr(getattr(heard, "event", None), "beat_idx", None) == 4)
            await agent.wait_acks(sensors.last)
            assert database.n_restarts == 1
        with psycopg.connect(url) as connection:
            rows = connection.execute("select stream_id, seq from raw_event").fetchall()
        assert sorted(rows) == sorted((data.event.stream_id, data.seq) for data in sensors.sent)
    finally:
        if watch is not None:
            watch.cancel()
        database.stop()
