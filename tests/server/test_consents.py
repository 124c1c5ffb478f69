"""What people agree to holds at once; what is kept of them can be had, and can be erased, also in a live session."""

import asyncio
import io
import json
import zipfile
from typing import Any

import httpx
import psycopg
import pytest

from becalm_protocol.errors import CloseCode
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK
from becalm_protocol.handshake import AgentHello, OpenSession, SessionClosed, Source, StopSession
from becalm_server import ws_ingest
from becalm_server.access.audit import verify
from becalm_server.access.person_export import MAX_AT_ONCE
from becalm_server.access.tokens import digest
from becalm_server.archive.access_store import Steps, open_owners_store


async def paired(server: Any, http: httpx.AsyncClient, **wish: str) -> dict[str, Any]:
    made = (await http.post("/v1/access/invitations", json=wish)).json()
    async with server.stranger() as fresh:
        told: dict[str, Any] = (await fresh.post("/v1/access/pair", json={"code": made["code"]})).json()
    return told


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def ann(server: Any, http: httpx.AsyncClient) -> dict[str, Any]:
    """A participant and an agent beside her."""
    told = await paired(server, http, role="participant")
    agent = await paired(server, http, role="agent", person_id=told["person_id"])
    return {**told, "path": f"/v1/people/{told['person_id']}", "agent": bearer(agent["token"])}


async def recorded(server: Any, ann: dict[str, Any], sensors: Any) -> str:
    async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=ann["agent"]) as connection:
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-of-ann")
        opened = await agent.open(sensors.streams)
        for n in range(3):
            await agent.send(*sensors.second(n))
        await agent.close_session(opened.session_id, sensors.last)
        return str(opened.session_id)


async def test_a_clinician_needs_grant_and_consent_and_loses_both_at_once(
    server: Any, http: httpx.AsyncClient, ann: dict[str, Any], sensors: Any
) -> None:
    session_id = await recorded(server, ann, sensors)
    clinician = await paired(server, http, role="clinician")
    async with server.http(ann["token"]) as me, server.http(clinician["token"]) as doctor:

        async def seen() -> int:
            answer: httpx.Response = await doctor.get(f"/v1/sessions/{session_id}")
            return answer.status_code

        assert await seen() == 404
        made = await me.post(f"{ann['path']}/grants", json={"clinician_id": clinician["account_id"]})
        assert (made.json()["in_force"], await seen()) == (False, 404)
        wish = {"purpose": "clinician_access", "text_version": "2026-11"}
        assert (await me.post(f"{ann['path']}/consents", json=wish)).json()["text_version"] == "2026-11"
        assert (await me.get(f"{ann['path']}/grants")).json()["items"][0]["in_force"]
        assert await seen() == 200
        export = f"/v1/sessions/{session_id}/export?format=csv"
        assert (await doctor.get(export)).status_code == 403
        await me.post(f"{ann['path']}/consents", json={"purpose": "export", "text_version": "1"})
        assert (await doctor.get(export)).status_code == 200
        async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=bearer(clinician["token"])) as live:
            client = server.client_peer(live, SUBPROTOCOL_2_JSON)
            await client.hello()
            assert (await me.delete(f"{ann['path']}/consents/clinician_access")).status_code == 200
            assert await client.closed() == CloseCode.AUTH
        assert await seen() == 404
        kept = (await me.get(f"{ann['path']}/consents")).json()["items"]
        assert [(one["purpose"], one["withdrawn_at"] is None) for one in kept] == [
            ("clinician_access", False),
            ("export", True),
        ]


@pytest.mark.parametrize("until_at", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"])
async def test_no_grant_lasts_until_a_time_that_cannot_be_told(
    server: Any, http: httpx.AsyncClient, ann: dict[str, Any], until_at: str
) -> None:
    clinician = await paired(server, http, role="clinician")
    wish = {"clinician_id": clinician["account_id"], "until_at": until_at}
    assert (await http.post(f"{ann['path']}/grants", json=wish)).status_code == 422
    over = await http.post(f"{ann['path']}/grants", json=wish | {"until_at": "2001-01-01T00:00:00Z"})
    assert (over.status_code, over.json()["in_force"]) == (201, False)
    assert (await http.get(f"{ann['path']}/grants")).status_code == 200


@pytest.mark.parametrize("was_asked", [True, False])
async def test_without_consent_to_storage_nothing_new_is_kept(
    server: Any, ann: dict[str, Any], was_asked: bool
) -> None:
    async with server.http(ann["token"]) as me:
        if was_asked:
            await me.post(f"{ann['path']}/consents", json={"purpose": "storage", "text_version": "1"})
        async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=ann["agent"]) as connection:
            agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
            await agent.hello("agent-of-ann")
            await me.delete(f"{ann['path']}/consents/storage")
            assert await agent.closed() == CloseCode.AUTH
        async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=ann["agent"]) as connection:
            agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
            await agent.send(AgentHello(versions=(2,), agent_id="agent-of-ann"))
            assert await agent.closed() == CloseCode.SCOPE


async def test_everything_about_a_person_is_one_file(server: Any, ann: dict[str, Any], sensors: Any) -> None:
    session_id = await recorded(server, ann, sensors)
    async with server.http(ann["token"]) as me:
        await me.post(f"/v1/sessions/{session_id}/notes", json={"text": "a calm one"})
        await me.post(f"{ann['path']}/consents", json={"purpose": "storage", "text_version": "1"})
        login = {"login": "ann", "password": "a long enough one"}
        assert (await me.post("/v1/access/me/password", json=login)).status_code == 204
        secrets = list((await me.post("/v1/access/login", json=login)).json().values())
        await seen_sensor(server.settings.database_url, ann["person_id"])
        answer = await me.get(f"{ann['path']}/export")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as whole:
        assert whole.testzip() is None
        assert [one["person_id"] for one in json.loads(whole.read("person.json"))] == [ann["person_id"]]
        assert "a calm one" in whole.read(f"sessions/{session_id}/annotation.json").decode()
        told_of = {entry["person_id"] for entry in json.loads(whole.read("audit_entry.json"))}
        assert ann["person_id"] in told_of <= {ann["person_id"], "everybody", None}
        assert [one["name"] for one in json.loads(whole.read("device.json"))] == ["strap of Ann"]
        assert {one["login"] for one in json.loads(whole.read("account.json"))} == {"ann", None}
        for name, n_rows in (("access_device", 2), ("login_family", 1), ("invitation", 1), ("consent", 1)):
            assert len(json.loads(whole.read(f"{name}.json"))) == n_rows, name
        with zipfile.ZipFile(io.BytesIO(whole.read(f"sessions/{session_id}/recording.zip"))) as recording:
            assert any(name.endswith(".csv") for name in recording.namelist())
        told = b"".join(whole.read(name) for name in whole.namelist())
    for secret in (ann["token"], "argon2", *(one for one in secrets if isinstance(one, str) and len(one) > 40)):
        assert secret.encode() not in told
        assert digest(secret).hex().encode() not in told


async def seen_sensor(url: str, person_id: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(
            "insert into device (device_id, person_id, agent_id, name, kinds)"
            " values ('d', %s, 'a', 'strap of Ann', '{}')",
            (person_id,),
        )


async def test_no_table_about_a_person_is_left_out_of_the_file(
    start_server: Any, database_url: str, sensors: Any, fetch: Any
) -> None:
    """The database lists them, so that one that a later becalm adds cannot be forgotten."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("create table later (session_id text references session on delete cascade, n int)")
    about = b"""select distinct table_name as name from information_schema.columns
    join information_schema.tables using (table_schema, table_name)
    where table_schema = 'public' and table_type = 'BASE TABLE'
        and column_name in ('person_id', 'account_id', 'clinician_id', 'session_id', 'family_id', 'device_id')"""
    wanted = {row["name"] for row in await fetch(database_url, about)}
    async with start_server(database_url) as server, server.http() as http:
        me = await paired(server, http, role="participant")
        agent = await paired(server, http, role="agent", person_id=me["person_id"])
        session_id = await recorded(server, {"agent": bearer(agent["token"])}, sensors)
        async with server.http(me["token"]) as own:
            answer = await own.get(f"/v1/people/{me['person_id']}/export")
        of_operator = await http.get(f"/v1/people/{me['person_id']}/export")
    with (
        zipfile.ZipFile(io.BytesIO(answer.content)) as whole,
        zipfile.ZipFile(io.BytesIO(of_operator.content)) as other,
    ):
        names = {name.rpartition("/")[2].removesuffix(".json") for name in whole.namelist()}
        assert whole.namelist() == other.namelist()
        assert whole.read("device.json") == other.read("device.json")
        assert f"sessions/{session_id}/later.json" in whole.namelist()
    # Samples and indices are in recording.zip; a pipeline's state and digests of secrets are the server's own.
    assert wanted - names == {"metrics", "live_state", "refresh_token"}
    assert len(wanted) > 20


async def test_everything_about_a_few_people_at_once_and_no_more(server: Any, http: httpx.AsyncClient) -> None:
    person_id = (await http.get("/v1/people")).json()["items"][0]["person_id"]
    several = [http.get(f"/v1/people/{person_id}/export") for _ in range(MAX_AT_ONCE + 1)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*several))
    assert statuses == [200] * MAX_AT_ONCE + [503]
    assert (await http.get(f"/v1/people/{person_id}/export")).status_code == 200


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
