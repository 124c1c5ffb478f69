"""A database that is away for long: who practises goes on, and afterwards everything is stored."""

import asyncio
import contextlib
from typing import Any

import psycopg
import pytest
from psycopg_pool.base import AttemptWithBackoff
from tests.server.test_writer_faults import own_cluster as own_cluster

from becalm_protocol.derived import Metrics
from becalm_protocol.errors import CloseCode, StorageError
from becalm_protocol.handshake import (
    Ack,
    AgentHello,
    AgentWelcome,
    CloseSession,
    Data,
    Held,
    Live,
    Problem,
    Reset,
    StreamAck,
)
from becalm_protocol.limits import CREDIT_FRAMES
from becalm_protocol.units import NS_PER_S
from becalm_server.access import identities
from becalm_server.archive import access_store, pools
from becalm_server.archive import writer as writer_module

N_SECONDS = 2 * CREDIT_FRAMES + 10
N_BEFORE = 2


class Beside:
    """An agent that keeps to its credit."""

    def __init__(self, agent: Any, sensors: Any) -> None:
        self._agent = agent
        self._sensors = sensors
        self.granted = 0

    async def send(self, seconds: range) -> None:
        for n in seconds:
            while n >= self.granted + CREDIT_FRAMES:
                await self.listen()
            await self._agent.send(*self._sensors.second(n))

    async def listen(self) -> None:
        message = await self._agent.next()
        told = message.held if isinstance(message, Held) else message.acks if isinstance(message, Ack) else ()
        if told:
            self.granted = max(self.granted, min(ack.seq for ack in told))


def metrics_at(n: int) -> Any:
    """The frame with the metrics of a second, or a later one."""
    return lambda heard: (
        isinstance(heard, Live) and isinstance(heard.event, Metrics) and heard.event.t_ns >= n * NS_PER_S
    )


async def begun(agent: Any, client: Any, sensors: Any) -> Any:
    """The last frame before the database goes: of a pipeline that has no past to read from it any more."""
    for n in range(N_BEFORE):
        await agent.send(*sensors.second(n))
        newest = await client.wait(metrics_at(n + 1))
    await agent.wait_acks(sensors.last)
    return newest


async def test_feedback_goes_on_and_is_stored_afterwards(
    start_server: Any, own_cluster: Any, sensors: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(writer_module, "BACKOFF_S", (0.02, 0.1))
    async with (
        start_server(own_cluster.url, heartbeat_s=1.0) as server,
        server.agent() as agent,
        server.client() as client,
        server.http() as http,
    ):
        await agent.hello()
        await client.hello()
        session_id = (await agent.open(sensors.streams)).session_id
        beside = Beside(agent, sensors)
        before = await begun(agent, client, sensors)
        await asyncio.to_thread(own_cluster.stop)
        try:
            n_heard = len(agent.heard)
            for first in range(N_BEFORE, N_SECONDS, 50):
                await beside.send(range(first, min(first + 50, N_SECONDS)))
                away = await client.wait(metrics_at(min(first + 50, N_SECONDS)))
            assert not [heard for heard in agent.heard[n_heard:] if isinstance(heard, Ack)]
        finally:
            own_cluster.start()  # here: it ends with the thread that started it
        await agent.wait_acks(sensors.last)
        await beside.send(range(N_SECONDS, N_SECONDS + 1))
        after = await client.wait(metrics_at(N_SECONDS + 1))
        await agent.close_session(session_id, sensors.last)
        counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
    assert [frame.ledger.held for frame in (before, away, after)] == [None, True, None]
    assert counts["n_missing_events"] == 0
    assert {one["last_seq"] for one in counts["streams"]} == {N_SECONDS + 1}
    assert counts["n_metrics"] == N_SECONDS + 1


async def test_who_was_here_comes_back_while_it_is_away(
    start_server: Any, own_cluster: Any, sensors: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(writer_module, "BACKOFF_S", (0.02, 0.1))
    monkeypatch.setattr(access_store, "WAIT_LIMIT_S", 0.2)
    monkeypatch.setattr(identities, "REMEMBER_NS", 0)
    async with start_server(own_cluster.url, heartbeat_s=1.0) as server:
        async with server.agent() as agent, server.client() as client:
            await agent.hello()
            await client.hello()
            session_id = (await agent.open(sensors.streams)).session_id
            await begun(agent, client, sensors)
        await asyncio.to_thread(own_cluster.stop)
        try:
            async with server.agent() as stranger:
                await stranger.send(AgentHello(versions=(2,), agent_id="f" * 32))
                told = await stranger.wait(lambda heard: isinstance(heard, Problem | AgentWelcome))
                assert "Nothing is lost" in told.detail
                assert await stranger.closed() == CloseCode.OVERLOADED
            async with server.agent() as agent, server.client() as client:
                await agent.hello()
                await client.hello()
                await agent.open(sensors.streams, session_id=session_id)
                await agent.send(*sensors.second(N_BEFORE))
                await client.wait(metrics_at(N_BEFORE + 1))
        finally:
            own_cluster.start()  # here: it ends with the thread that started it
        async with server.agent() as agent, server.http() as http:
            await agent.hello()
            await agent.open(sensors.streams, session_id=session_id)
            await agent.close_session(session_id, sensors.last)
            counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
    assert counts["n_missing_events"] == 0
    assert {one["last_seq"] for one in counts["streams"]} == {N_BEFORE + 1}


async def test_a_sensor_that_joins_while_it_is_away_holds_nobody_up(
    start_server: Any, own_cluster: Any, make_sensors: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(writer_module, "BACKOFF_S", (0.02, 0.1))
    worn, joining = make_sensors(), make_sensors()
    belt = joining.belt.stream_id

    def second_of_belt(n: int) -> list[Data]:
        return [data for data in joining.second(n) if data.event.stream_id == belt]

    async with (
        start_server(own_cluster.url, heartbeat_s=2.0) as server,
        server.agent() as agent,
        server.client() as client,
        server.http() as http,
    ):
        await agent.hello()
        await client.hello()
        session_id = (await agent.open(worn.streams)).session_id
        await begun(agent, client, worn)
        await asyncio.to_thread(own_cluster.stop)
        try:
            await agent.send(*worn.second(N_BEFORE))
            await agent.wait(Held)
            opened = await agent.open((*worn.streams, joining.belt), session_id=session_id)
            for n in range(N_BEFORE + 1, N_BEFORE + 4):
                await agent.send(*worn.second(n), *second_of_belt(n))
            await client.wait(metrics_at(N_BEFORE + 4))
        finally:
            own_cluster.start()  # here: it ends with the thread that started it
        assert {ack.stream_id for ack in opened.acks} == set(worn.last)
        asked = await agent.wait(Reset)
        assert (asked.stream_id, asked.seq) == (belt, 0)
        await agent.send(*(data for data in joining.sent if data.event.stream_id == belt))
        last = worn.last | {belt: 3}
        await agent.wait_acks({belt: 3})
        await agent.close_session(session_id, last)
        counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
    assert counts["n_missing_events"] == 0
    assert {one["stream_id"]: one["last_seq"] for one in counts["streams"]} == last


async def test_a_session_does_not_end_before_a_sensor_that_waits_has_joined(
    start_server: Any, own_cluster: Any, make_sensors: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(writer_module, "BACKOFF_S", (0.02, 0.1))
    worn = make_sensors()
    async with start_server(own_cluster.url, heartbeat_s=1.0) as server, server.agent() as agent:
        await agent.hello()
        session_id = (await agent.open((worn.ecg,))).session_id
        await asyncio.to_thread(own_cluster.stop)
        try:
            await agent.send(worn.second(0)[0])
            await agent.wait(Held)
            await agent.open((worn.ecg, worn.belt), session_id=session_id)
            await agent.send(
                CloseSession(session_id=session_id, last=(StreamAck(stream_id=worn.belt.stream_id, seq=1),))
            )
            assert "has not joined" in (await agent.wait(Problem)).detail
            assert await agent.closed() == CloseCode.OVERLOADED
        finally:
            own_cluster.start()  # here: it ends with the thread that started it


async def test_an_answer_of_the_database_opens_no_door(start_server: Any, database_url: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(identities, "REMEMBER_NS", 0)
    async with start_server(database_url) as server:
        async with server.agent() as agent:
            await agent.hello()
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute("alter table access_device rename to another_name")
        async with server.agent() as agent:
            await agent.send(AgentHello(versions=(2,), agent_id=agent.agent_id))
            await agent.wait(lambda heard: isinstance(heard, Problem | AgentWelcome))
            assert isinstance(agent.heard[-1], Problem)
            assert await agent.closed() == CloseCode.OVERLOADED


async def test_a_silent_database_is_not_waited_for() -> None:
    over = asyncio.Event()

    async def silent() -> None:
        with contextlib.suppress(asyncio.CancelledError):  # as of a query that cannot be told to end
            await asyncio.Event().wait()
        await over.wait()

    with pytest.raises(StorageError, match="no answer"), pools.in_words():
        await pools.answered(silent(), within_s=0.01)
    over.set()


async def test_requests_are_answered_as_soon_as_it_is_back(
    start_server: Any, own_cluster: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 3600.0)  # as after an outage of an hour
    monkeypatch.setattr(pools, "RECONNECT_S", 0.1)
    monkeypatch.setattr(identities, "REMEMBER_NS", 0)
    async with start_server(own_cluster.url) as server, server.http() as http:
        statuses = []
        await asyncio.to_thread(own_cluster.stop)
        try:
            statuses.append((await http.get("/v1/sessions")).status_code)
        finally:
            own_cluster.start()  # here: it ends with the thread that started it
        for _ in range(3):
            statuses.append((await http.get("/v1/sessions")).status_code)  # noqa: PERF401  (one after the other)
    assert statuses[0] == 503
    assert statuses[-1] == 200


async def test_memory_is_bounded(start_server: Any, own_cluster: Any, sensors: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(writer_module, "BACKOFF_S", (0.02, 0.1))
    monkeypatch.setattr(writer_module, "MAX_HELD", 100)
    async with start_server(own_cluster.url, heartbeat_s=1.0) as server, server.agent() as agent:
        await agent.hello()
        await agent.open(sensors.streams)
        beside = Beside(agent, sensors)
        await beside.send(range(1))
        await agent.wait_acks(sensors.last)
        await asyncio.to_thread(own_cluster.stop)
        try:
            await beside.send(range(1, CREDIT_FRAMES))
            told = [await agent.wait(Held) for _ in range(3)]
            numbers = {ack.seq for held in told[1:] for ack in held.held}
            assert max(numbers) < CREDIT_FRAMES  # the link stays, and asks for no more
        finally:
            own_cluster.start()  # here: it ends with the thread that started it
        await agent.wait_acks(sensors.last)
