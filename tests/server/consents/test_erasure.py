"""What is kept of a person can be erased, session by session or whole, also while a session lives."""

import asyncio
import json
from typing import Any

import httpx
import psycopg
import pytest
from tests.server.access.conftest import paired
from tests.server.consents.conftest import recorded

from becalm_protocol.errors import CloseCode
from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK
from becalm_protocol.handshake import OpenSession, SessionClosed, Source, StopSession
from becalm_server import ws_ingest
from becalm_server.access.audit import verify
from becalm_server.archive.access_store import Steps, open_owners_store


async def test_a_session_is_erased_by_its_person_alone(
    server: Any, http: httpx.AsyncClient, ann: dict[str, Any], sensors: Any, fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws_ingest, "FORGET_AFTER_S", 0.1)
    url, kept = server.settings.database_url, await recorded(server, ann, sensors)
    running, path = type(sensors)(), "/v1/sessions/{}"
    clinician = await paired(server, http, role="clinician")
    await http.post(f"{ann['path']}/grants", json={"clinician_id": clinician["account_id"]})
    await http.post(f"{ann['path']}/consents", json={"purpose": "clinician_access", "text_version": "1"})
    async with (
        server.http(clinician["token"]) as doctor,
        server.http(ann["token"]) as me,
        server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=ann["agent"]) as connection,
    ):
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-of-ann")
        opened = await agent.open(running.streams)
        await agent.send(*running.second(0))
        await agent.wait_acks(running.last)
        assert (await doctor.delete(path.format(opened.session_id))).status_code == 403
        gone = await me.delete(path.format(opened.session_id))
        assert gone.json() == {"session_id": opened.session_id}
        await agent.wait(StopSession)
        await agent.send(*running.second(1))  # what was under way
        await agent.close_session(opened.session_id, running.last)  # and it may forget: its spool is empty
        assert (await me.get(path.format(opened.session_id))).status_code == 404
        assert (await me.delete(path.format(opened.session_id))).status_code == 404
        assert (await me.get(path.format(kept))).status_code == 200  # no other one goes with it
        told = (await http.get(f"{ann['path']}/audit")).json()["items"]
    assert [one["subject"] for one in told if one["action"] == "erase"] == [f"session {opened.session_id}"]
    rows = await fetch(url, b"select session_id from session")
    assert [row["session_id"] for row in rows] == [kept]
    streams = await fetch(url, b"select distinct stream_id from raw_event")
    assert not {info.stream_id for info in running.streams} & {row["stream_id"] for row in streams}


SESSION = "insert into session (session_id, person_id, source, baseline_s) values (%s, %s, 'live', 60)"


@pytest.mark.parametrize("moment", ["empty_accounts", "delete_session", "insert_person", "delete_person"])
async def test_a_session_that_begins_during_an_erasure_goes_too_or_does_not_begin(
    server: Any, http: httpx.AsyncClient, fetch: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    url, me = server.settings.database_url, (await http.get("/v1/access/me")).json()["person_id"]
    began: list[asyncio.Task[None]] = []

    async def begin(session_id: str) -> None:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute(SESSION, (session_id, me))

    statements_rows = Steps.rows

    async def rows(self: Steps, statement: str, **parameters: object) -> Any:
        if statement == moment and not began:
            began.append(asyncio.ensure_future(begin("b" * 32)))
            await asyncio.wait(began, timeout=0.5)  # with a lock on its person it waits longer
        return await statements_rows(self, statement, **parameters)

    await begin("a" * 32)
    monkeypatch.setattr(Steps, "rows", rows)
    answer = await http.delete(f"/v1/people/{me}")
    (outcome,) = await asyncio.gather(*began, return_exceptions=True)
    is_refused = isinstance(outcome, psycopg.errors.ForeignKeyViolation)
    assert is_refused is (moment in {"insert_person", "delete_person"})
    assert (answer.status_code, answer.json().get("n_sessions")) == (200, 1 if is_refused else 2)
    assert await fetch(url, b"select from session") == []
    told_to_forget = await fetch(url, b"select session_sha256 from erased_session")
    assert len(told_to_forget) == (1 if is_refused else 2)


async def test_an_erasure_reaches_the_days_that_are_kept_counted(
    any_database_url: str, start_server: Any, fetch: Any
) -> None:
    url = any_database_url
    async with start_server(url) as server, server.http() as http:
        me = (await http.get("/v1/access/me")).json()["person_id"]
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            for session_id in ("a" * 32, "b" * 32):
                await connection.execute(SESSION, (session_id, me))
                await connection.execute(
                    "insert into metrics (session_id, pipeline_version, t_ns, time, emitted_ns, arousal)"
                    " select %s, '3', n, now() - interval '20 days' + n * interval '1 hour', 0, 0.5"
                    " from generate_series(1, 480) n",
                    (session_id,),
                )
            has_timescale = await fetch(url, b"select from pg_extension where extname = 'timescaledb'")
            if has_timescale:
                await connection.execute("call refresh_continuous_aggregate('metrics_day', null, now()::date)")
                await connection.execute("select compress_chunk(c) from show_chunks('metrics') as c limit 2")
        days = b"select day from metrics_day"
        assert len(await fetch(url, days)) > 30
        assert (await http.delete(f"/v1/people/{me}")).status_code == 200
        assert await fetch(url, days) == []
        assert await fetch(url, b"select from metrics") == []


async def test_erasure_in_a_live_session_leaves_only_an_audit_entry(
    server: Any, http: httpx.AsyncClient, ann: dict[str, Any], sensors: Any, fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws_ingest, "FORGET_AFTER_S", 0.1)
    url = server.settings.database_url
    async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=ann["agent"]) as connection:
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-of-ann")
        opened = await agent.open(sensors.streams)
        for n in range(3):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        await agent.send(*sensors.second(3))  # not yet acknowledged, perhaps not even taken
        answer = await http.delete(f"/v1/people/{ann['person_id']}")
        assert answer.json() == {"person_id": ann["person_id"], "n_sessions": 1}
        await agent.wait(StopSession)
        assert await agent.closed() == CloseCode.AUTH
    async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=ann["agent"]) as connection:
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-of-ann")  # it comes back with what it spooled, and is told to drop it
        again = OpenSession(
            session_id=opened.session_id, started_unix_ns=1_700_000_000 * 10**9, source=Source.LIVE,
            streams=sensors.streams,
        )  # fmt: skip
        await agent.send(again)
        assert (await agent.wait(SessionClosed)).session_id == opened.session_id
    assert (await http.get(f"/v1/sessions/{opened.session_id}")).status_code == 404
    labelled = b"select label from access_device where not is_local and label <> ''"
    assert await fetch(url, labelled) == []
    async with server.http(ann["token"]) as me:
        assert (await me.get("/v1/access/me")).status_code == 401
    tables = await fetch(url, b"select tablename as table_name from pg_tables where schemaname = 'public'")
    left = {}
    for name in (row["table_name"] for row in tables):
        rows = await fetch(url, f"select to_jsonb({name}) as row from {name}".encode())
        text = json.dumps([row["row"] for row in rows], default=str)
        if ann["person_id"] in text or opened.session_id in text or sensors.ecg.stream_id in text:
            left[name] = text
    assert set(left) == {"audit_entry"}
    assert sensors.ecg.stream_id not in left["audit_entry"]
    async with open_owners_store(url) as store:
        assert (await verify(store, data_dir=server.settings.data_dir))[1] == []
    assert (await http.post("/v1/people", json={})).status_code == 201  # and the server goes on
