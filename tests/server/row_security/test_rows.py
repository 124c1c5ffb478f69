"""The database itself shows a request only the people it may see, and nothing where nobody said for whom."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.server.row_security.conftest import PEOPLE, count, entered, role_of

from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK
from becalm_server.archive.entrances import open_entrances
from becalm_server.archive.packer import pack_session
from becalm_server.archive.pools import open_whoever_pool
from becalm_server.archive.row_security import (
    FOR_WHOM,
    THE_SERVER,
    ForWhom,
    TheServer,
    by_the_server,
)
from becalm_server.archive.store import open_archive

LARGE = ("raw_event", "raw_packed", "metrics")


@pytest.mark.parametrize("table", ["session", "stream", "beat", "raw_event", "annotation", "device", "person"])
def test_each_table_shows_who_may_be_seen_and_else_nothing(two_people: str, table: str) -> None:
    assert {whom: count(two_people, whom, table) for whom in (None, "", "ann", "ann,ben", "*")} == {
        None: 0, "": 0, "ann": 1, "ann,ben": 2, "*": 0,
    }  # fmt: skip


@pytest.mark.parametrize("table", LARGE)
def test_large_tables_are_closed_behind_their_views(two_people: str, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        entered(two_people, "caller", f"select * from public.{table}", people="ann,ben")


def test_the_caller_writes_its_own_rows_alone(two_people: str) -> None:
    started = "insert into session (session_id, person_id, source, baseline_s) values ('c', '{}', 'live', 60)"
    noted = "insert into annotation (annotation_id, session_id, kind, text) values ('n', '{}', 'note', 'calm')"
    for statement in (started.format("ben"), noted.format(PEOPLE["ben"])):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            entered(two_people, "caller", statement, people="ann")
    for statement in (started.format("ann"), noted.format(PEOPLE["ann"])):
        entered(two_people, "caller", statement, people="ann")
    for refused in ("delete from session", "update stream set kind = 'rr'", "update person set person_id = 'x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            entered(two_people, "caller", refused, people="ann")


ACCESS = {
    "account": 2, "access_device": 2, "invitation": 2, "login_family": 2, "access_grant": 1, "consent": 1,
    "audit_entry": 2,
}  # fmt: skip
"""How many rows Ann sees: her own account's and her agent's; entries about her and about everybody."""


@pytest.mark.parametrize("table", ACCESS)
def test_tables_of_access_show_a_person_its_own(two_people: str, table: str) -> None:
    with psycopg.connect(two_people, autocommit=True) as connection:
        connection.execute(ACCESS_ROWS)
    counted = f"(select 1 from {table}) as one"
    assert count(two_people, None, counted) == 0
    assert count(two_people, "ann", counted, person="ann", account="ann-account") == ACCESS[table]
    of_others = count(two_people, "ann", counted, person="nobody", account="doctor")
    assert of_others == {"account": 1, "access_device": 1, "audit_entry": 1}.get(table, 0)


@pytest.mark.parametrize(
    "statement", ["select code_sha256 from invitation", "table refresh_token", "table erased_session"]
)
def test_no_caller_reads_secrets(two_people: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        entered(two_people, "caller", statement, people="ann", person="ann")


@pytest.mark.parametrize("table", ["raw_event", "beat", "report", "annotation", "live_state", "device"])
def test_the_gate_reads_no_recording(two_people: str, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        entered(two_people, "gate", f"select * from {table}")
    assert len(entered(two_people, "gate", "select session_id, person_id from session")) == 2


def test_every_table_is_under_row_security_or_closed_to_callers(two_people: str) -> None:
    with psycopg.connect(two_people) as connection:
        found = connection.execute(
            "select relname, relrowsecurity and relforcerowsecurity,"
            " has_any_column_privilege(%s, oid, 'select')"
            " from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
            (role_of(two_people, "caller"),),
        ).fetchall()
    assert len(found) > 25
    assert {name for name, is_forced, _ in found if not is_forced} == {*LARGE, "schema_migration"}
    assert [name for name, is_forced, is_open in found if is_open and not is_forced] == []


async def test_the_archive_shows_nothing_unless_somebody_said_for_whom(two_people: str) -> None:
    async with open_archive(two_people) as archive:

        async def found(for_whom: ForWhom | TheServer | None) -> list[str]:
            if for_whom is not None:
                FOR_WHOM.set(for_whom)
            return sorted(record.session_id[0] for record in await archive.session_page(**WISH))

        ann = ForWhom(people=frozenset({"ann"}))
        for _ in range(3):  # the same connections again: none goes on with what it showed before
            assert await in_own_context(found, None) == []
            assert await in_own_context(found, THE_SERVER) == ["a", "b"]
            assert await in_own_context(found, ann) == ["a"]
            assert await in_own_context(found, ForWhom()) == []
        with by_the_server():
            assert await found(None) == ["a", "b"]
        assert await found(None) == []


async def test_a_connection_forgets_for_whom_it_was(two_people: str) -> None:
    async with open_whoever_pool(open_entrances(two_people), max_size=1) as pool:
        query = b"select session_id, current_setting('becalm.people', true) as people from session"
        ann = ForWhom(people=frozenset({"ann"}))

        async def found(for_whom: ForWhom) -> list[Any]:
            FOR_WHOM.set(for_whom)
            rows = await pool.rows(query, {})
            async with pool.connection() as connection:
                assert await (await connection.execute(query)).fetchall() == rows
            return [(row["session_id"][0], row["people"]) for row in rows]

        assert await in_own_context(found, ann) == [("a", "ann")]
        async with pool._callers.connection() as connection:  # past the one way that tells it
            assert await (await connection.execute(query)).fetchall() == []
        assert await in_own_context(found, ForWhom()) == []


ACCESS_ROWS = b"""
insert into account (account_id, role, person_id) values
    ('ann-account', 'participant', 'ann'), ('ann-agent', 'agent', 'ann'), ('ben-account', 'participant', 'ben'),
    ('doctor', 'clinician', null);
insert into access_device (device_id, account_id, token_sha256, label)
select account_id, account_id, account_id::bytea, '' from account;
insert into invitation (code_sha256, account_id, expires_at)
select account_id::bytea, account_id, now() from account where account_id <> 'doctor';
insert into login_family (family_id, account_id)
select account_id, account_id from account where account_id <> 'doctor';
insert into access_grant (grant_id, person_id, clinician_id, granted_by)
select person_id, person_id, 'doctor', '' from person;
insert into consent (consent_id, person_id, purpose, text_version, given_by)
select person_id, person_id, 'export', '1', '' from person;
insert into audit_entry (seq, at, action, person_id, subject, outcome, previous_sha256, sha256) values
    (1, now(), 'read', 'ann', '', 'done', '', ''), (2, now(), 'read', 'ben', '', 'done', '', ''),
    (3, now(), 'read', 'everybody', '', 'done', '', '')
"""


WISH = dict.fromkeys(("people", "before", "since", "source", "ended", "after_created_at", "after_session_id"), None) | {
    "limit": 10
}


async def in_own_context(function: Callable[..., Any], for_whom: Any) -> Any:
    return await asyncio.get_running_loop().create_task(function(for_whom), context=contextvars.copy_context())


async def test_a_person_reads_of_its_session_what_the_operator_reads(
    any_database_url: str, start_server: Any, sensors: Any
) -> None:
    """Every answer about a session, by views and policies or without them, packed or not: the same bytes."""
    async with start_server(any_database_url) as server, server.http() as operator:
        made = (await operator.post("/v1/access/invitations", json={"role": "participant"})).json()
        ann = (await operator.post("/v1/access/pair", json={"code": made["code"]})).json()
        bearer = {"Authorization": f"Bearer {ann['token']}"}
        async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer) as connection:
            agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
            await agent.hello()
            session_id = (await agent.open(sensors.streams)).session_id
            for n in range(4):
                await agent.send(*sensors.second(n))
            await agent.close_session(session_id, sensors.last)
        document = (await operator.get("/openapi.json")).json()
        paths = [path for path, methods in document["paths"].items() if "get" in methods and "{session_id}" in path]
        paths.remove("/v1/sessions/{session_id}/report")  # it is made meanwhile, and so is the row of trends
        ids = {"{session_id}": session_id, "{stream_id}": sensors.ecg.stream_id, "{signal}": "ecg"}
        asked = [*(filled(path, ids) for path in paths), "/v1/sessions"]
        asked = [f"{path}?format=csv" if path.endswith("/export") else path for path in asked]
        async with server.http(ann["token"]) as me:
            for is_packed in (False, True):
                if is_packed:
                    await asyncio.to_thread(pack_session, any_database_url, session_id)
                answers = [[(await caller.get(path)) for caller in (me, operator)] for path in asked]
                assert [mine.content == all_of.content for mine, all_of in answers] == [True] * len(asked)
                assert sum(mine.status_code == 200 and len(mine.content) > 60 for mine, _ in answers) > 8
                assert all(mine.status_code == all_of.status_code for mine, all_of in answers)


def filled(path: str, ids: dict[str, str]) -> str:
    for name, identifier in ids.items():
        path = path.replace(name, identifier)
    return path
