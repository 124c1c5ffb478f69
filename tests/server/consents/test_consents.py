"""What people agree to holds at once; everything that is kept about a person can be had in one file."""

import asyncio
import io
import json
import zipfile
from typing import Any

import httpx
import psycopg
import pytest
from tests.server.access.conftest import bearer, paired
from tests.server.consents.conftest import recorded

from becalm_protocol.errors import CloseCode
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK
from becalm_protocol.handshake import AgentHello
from becalm_server.access.person_export import MAX_AT_ONCE
from becalm_server.access.tokens import digest


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
