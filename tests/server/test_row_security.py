"""The database itself shows a request only the people it may see, and nothing where nobody said for whom."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.server.conftest import admin_url_of, drop_database

from becalm_protocol.errors import ConfigError
from becalm_protocol.forms import SUBPROTOCOL_2_MSGPACK
from becalm_protocol.handshake import Source
from becalm_server.archive import entrances
from becalm_server.archive.entrances import open_entrances
from becalm_server.archive.migrate import migrate
from becalm_server.archive.packer import pack_session
from becalm_server.archive.pools import open_whoever_pool
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.roles import Role, role_names
from becalm_server.archive.row_security import (
    FOR_WHOM,
    SET_FOR_WHOM,
    THE_SERVER,
    ForWhom,
    TheServer,
    by_the_server,
)
from becalm_server.archive.store import open_archive
from becalm_server.archive.table_facts import tables

LARGE = ("raw_event", "raw_packed", "metrics")
PEOPLE = {"ann": "a" * 32, "ben": "b" * 32}


@pytest.fixture
def database_url(own_roles_url: str) -> str:
    """Roles are what is tried here."""
    return own_roles_url


@pytest.fixture
def two_people(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for person_id, session_id in PEOPLE.items():
            connection.execute("insert into person (person_id) values (%s)", (person_id,))
            connection.execute(
                "insert into session (session_id, person_id, source, baseline_s) values (%s, %s, 'live', 60)",
                (session_id, person_id),
            )
            connection.execute(
                "insert into stream (stream_id, session_id, position, kind, unit, unit_per_count, clock, device)"
                " values (%s, %s, 0, 'ecg', 'uV', 1, 'arrival', 'strap')",
                (f"{person_id}-stream", session_id),
            )
            connection.execute(
                "insert into raw_event (stream_id, seq, time, arrival_idx, form, received_ns, n_samples, body)"
                " values (%s, 1, now(), 0, 'i2', 1, 1, '\\x00')",
                (f"{person_id}-stream",),
            )
            connection.execute(
                "insert into annotation (annotation_id, session_id, kind, text) values (%s, %s, 'note', 'calm')",
                (f"{person_id}-note", session_id),
            )
            connection.execute(
                "insert into device (device_id, person_id, agent_id, name, kinds)"
                " values (%s, %s, 'one', 'strap', '{}')",
                (f"{person_id}-device", person_id),
            )
            connection.execute(
                "insert into beat (session_id, pipeline_version, source, beat_idx, t_ns, emitted_ns, flag)"
                " values (%s, '1', 'ecg', 0, 1, 1, 'ok')",
                (session_id,),
            )
    return database_url


def entered(url: str, role: str, query: str, *, people: str | None = None, person: str = "", account: str = "") -> Any:
    """Rows of a query, as one of the server's roles; `people` None: nobody said for whom."""
    with psycopg.connect(getattr(open_entrances(url), role)) as connection:
        if people is not None:
            for_whom = ForWhom(people=frozenset(people.split(",")), person_id=person, account_id=account)
            connection.execute(SET_FOR_WHOM, for_whom.settings())
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def role_of(url: str, role: str) -> str:
    """What a role is called in this database."""
    with psycopg.connect(url) as connection:
        return role_names(connection)[role]


def count(url: str, people: str | None, table: str, **more: str) -> int:
    return int(entered(url, "caller", f"select count(*) from {table}", people=people, **more)[0][0])


@pytest.mark.parametrize("table", ["session", "stream", "beat", "raw_event", "annotation", "device", "person"])
def test_each_table_shows_who_may_be_seen_and_else_nothing(two_people: str, table: str) -> None:
    assert {whom: count(two_people, whom, table) for whom in (None, "", "ann", "ann,ben", "*")} == {
        None: 0, "": 0, "ann": 1, "ann,ben": 2, "*": 0,
    }  # fmt: skip


@pytest.mark.parametrize("table", LARGE)
def test_large_tables_are_closed_behind_their_views(two_people: str, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        entered(two_people, "caller", f"select * from public.{table}", people="ann,ben")


@pytest.mark.parametrize("role", ["caller", "gate", "server"])
def test_no_entrance_but_the_owners_leads_to_more(any_database_url: str, role: str) -> None:
    """It owns nothing, makes nothing, and cannot become what it is not."""
    migrate(any_database_url)
    told = entered(
        any_database_url, role, "select session_user, rolsuper, rolbypassrls, rolcreaterole from pg_roles"
        " where rolname = current_user"
    )  # fmt: skip
    assert told == [(role_of(any_database_url, role), False, False, False)]
    owned = "select relname from pg_class join pg_roles on pg_roles.oid = relowner where rolname = current_user"
    assert entered(any_database_url, role, owned) == []
    others = [f"set role {role_of(any_database_url, other)}" for other in ("caller", "gate", "server") if other != role]
    for statement in (*others, "set role becalm", "set session authorization becalm", "drop table beat",
                      "alter table session disable row level security", "create table public.mine (n int)",
                      "update audit_entry set outcome = 'x'", "truncate session"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            entered(any_database_url, role, statement)


def test_the_owner_becomes_a_role_where_it_cannot_log_in(two_people: str, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = role_of(two_people, "caller")
    monkeypatch.setattr(entrances, "_secret", lambda _url, _name: None)  # as with an address without a password
    with psycopg.connect(two_people, autocommit=True) as connection:
        connection.execute(f"alter role {caller} nologin".encode())
    try:
        assert f"role={caller}" in open_entrances(two_people).caller
        assert {whom: count(two_people, whom, "session") for whom in (None, "ann")} == {None: 0, "ann": 1}
    finally:
        monkeypatch.undo()
        assert "user=becalm_caller_" in open_entrances(two_people).caller


def test_a_changed_password_of_the_owner_changes_the_entrances(
    two_people: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(entrances, "_secret", lambda _url, _name: "of the new password")
        assert "password='of the new password'" in open_entrances(two_people).caller
        assert count(two_people, "ann", "session") == 1
    assert "user=becalm_caller_" in open_entrances(two_people).caller
    assert count(two_people, "ann", "session") == 1


def test_another_owners_server_on_the_same_cluster_locks_nobody_out(two_people: str) -> None:
    first = open_entrances(two_people)
    with psycopg.connect(two_people, autocommit=True) as connection:
        connection.execute("create role boss superuser login password 'b'")
    try:
        parts = urlsplit(two_people)
        theirs = urlunsplit(parts._replace(netloc=f"boss:b@{parts.netloc.rpartition('@')[2]}"))
        assert "role=becalm_caller_" in open_entrances(theirs).caller
        assert count(theirs, "ann", "session") == 1
        with psycopg.connect(first.caller) as connection:
            assert connection.execute("select session_user").fetchone() == (role_of(two_people, "caller"),)
    finally:
        with psycopg.connect(two_people, autocommit=True) as connection:
            connection.execute("drop role boss")


def test_a_role_that_may_more_than_it_should_keeps_the_server_from_starting(two_people: str) -> None:
    gate = role_of(two_people, "gate")
    with psycopg.connect(two_people, autocommit=True) as connection:
        connection.execute(f"alter role {gate} bypassrls".encode())
        try:
            with pytest.raises(ConfigError, match=f"{gate} that owns nothing and is no superuser"):
                open_entrances(two_people)
        finally:
            connection.execute(f"alter role {gate} nobypassrls".encode())


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


async def test_whose_user_may_make_no_roles_is_given_them_or_refused(modest_url: str, cluster: Any) -> None:
    """An administrator's words from the refusal are enough; then the owner logs in and becomes the role."""
    with pytest.raises(ConfigError, match=r"database_url: expected a database user that may make roles") as refused:
        migrate(modest_url)
    with psycopg.connect(modest_url) as modest:
        assert tables(modest) == []  # without roles nothing is begun
    words = str(refused.value).partition("administrator run: ")[2]
    with psycopg.connect(cluster.url, autocommit=True) as admin:
        admin.execute(words.encode())
    async with open_archive(modest_url) as archive:
        assert "role=becalm_caller_" in archive.entrances.caller
        record = SessionRecord(session_id="one", source=Source.LIVE, baseline_s=1.0)
        assert await archive.session("one") is None
        with by_the_server():
            await archive.add_session(record)
            assert await archive.session("one") is not None
        assert await archive.session("one") is None


def test_a_user_who_makes_roles_is_refused_with_what_is_missing_alone(operators: list[str], cluster: Any) -> None:
    """It may make roles, and yet not become the one that somebody else made."""
    url = operators[0]
    with psycopg.connect(cluster.url, autocommit=True) as admin:
        admin.execute(f"create role {role_of(url, 'caller')}".encode())
        with pytest.raises(ConfigError, match="may make roles and become them") as refused:
            migrate(url)
        words = str(refused.value).partition("administrator run: ")[2]
        assert f"create role {role_of(url, 'caller')}" not in words
        assert f"grant {role_of(url, 'caller')} to an_operator" in words
        admin.execute(words.encode())
    migrate(url)
    assert f"role={role_of(url, 'caller')}" in open_entrances(url).caller


@pytest.mark.parametrize("old", ["becalm_reader", "becalm_caller", "becalm_server"])
def test_a_role_that_all_databases_shared_is_gone_after_an_upgrade(two_people: str, old: str) -> None:
    with psycopg.connect(two_people, autocommit=True) as connection:
        connection.execute(f"create role {old} nologin".encode())
        connection.execute(f"grant select on session, seen.metrics, raw_event to {old}".encode())
        connection.execute(f"grant usage on schema seen to {old}".encode())
        connection.execute(f"create policy reader on session for select to {old} using (true)".encode())
        connection.execute("comment on schema seen is 'of before'")
    migrate(two_people)
    with psycopg.connect(two_people) as connection:
        assert connection.execute("select from pg_roles where rolname = %s", (old,)).fetchone() is None
    assert count(two_people, "ann", "session") == 1


def test_a_role_that_another_database_still_shares_loses_this_one(two_people: str, template: str, cluster: Any) -> None:
    grant = b"grant select, delete on session, raw_event to becalm_server"
    with (
        psycopg.connect(two_people, autocommit=True) as connection,
        psycopg.connect(cluster.url, autocommit=True) as other,
    ):
        connection.execute("create role becalm_server nologin")
        connection.execute(grant)
        other.execute(grant)
        try:
            connection.execute("comment on schema seen is 'of before'")
            migrate(two_people)
            rights = "select has_table_privilege('becalm_server', %s, 'select, delete')"
            for table in ("session", "raw_event"):
                assert connection.execute(rights, (table,)).fetchone() == (False,)
                assert other.execute(rights, (table,)).fetchone() == (True,)
        finally:
            other.execute("drop owned by becalm_server")
            other.execute("drop role becalm_server")


def test_the_server_of_one_database_enters_no_other(operators: list[str], cluster: Any) -> None:
    """Two owners on one cluster, who may both make roles."""
    first, second = operators
    with psycopg.connect(cluster.url, autocommit=True) as admin:
        admin.execute("create role neighbour login createrole password 'n'")
        admin.execute(f"alter database {urlsplit(second).path[1:]} owner to neighbour".encode())
    try:
        host = urlsplit(second).netloc.rpartition("@")[2]
        second = urlunsplit(urlsplit(second)._replace(netloc=f"neighbour:n@{host}"))
        for url in (first, second):
            migrate(url)
        theirs = open_entrances(second)
        for role in Role:
            at_the_first = make_conninfo(getattr(theirs, role), dbname=urlsplit(first).path[1:])
            with psycopg.connect(at_the_first) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("select count(*) from public.session")
            becoming = make_conninfo(
                theirs.owner, dbname=urlsplit(first).path[1:], options=f"-c role={role_of(first, role)}"
            )
            with pytest.raises(psycopg.OperationalError, match="permission denied to set role"):
                psycopg.connect(becoming)
    finally:
        drop_database(admin_url_of(cluster), urlsplit(second).path[1:])
        with psycopg.connect(cluster.url, autocommit=True) as admin:
            admin.execute("drop role neighbour")


@pytest.mark.parametrize(
    "lost",
    [
        "revoke all on session from {caller}",
        "revoke update (label) on person from {caller}",
        "revoke usage on schema seen from {caller}",
        "revoke all on seen.metrics from {caller}",
        "drop policy caller on session",
        "alter table session no force row level security",
        "drop owned by {caller}, {gate}, {server}; drop role {caller}, {gate}, {server}",
    ],
)
def test_what_was_taken_away_is_there_again_after_the_next_start(two_people: str, lost: str) -> None:
    with psycopg.connect(two_people, autocommit=True) as connection:
        before = connection.execute(PROTECTION).fetchall()
        connection.execute(lost.format_map(role_names(connection)).encode())
        assert connection.execute(PROTECTION).fetchall() != before
        migrate(two_people)
        assert connection.execute(PROTECTION).fetchall() == before
    assert count(two_people, "ann", "session") == 1


def test_a_copied_database_is_open_to_no_role_of_the_first(database_url: str, cluster: Any) -> None:
    """Every test's database is a copy."""
    with psycopg.connect(cluster.url) as first, psycopg.connect(database_url) as copy:
        for name in role_names(first).values():
            rights = "select bool_or(has_any_column_privilege(%s, oid, 'select')) from pg_class where relkind = 'r'"
            rights += " and relnamespace = 'public'::regnamespace"
            assert copy.execute(rights, (name,)).fetchone() == (False,)
            assert first.execute(rights, (name,)).fetchone() == (True,)


PROTECTION = """
select nspname || relname, relacl::text, relforcerowsecurity, nspacl::text,
    (select array_agg(attacl::text order by attnum) from pg_attribute
        where attrelid = pg_class.oid and attacl is not null),
    (select array_agg(polname order by polname) from pg_policy where polrelid = pg_class.oid)
from pg_class join pg_namespace on pg_namespace.oid = relnamespace where nspname in ('public', 'seen') order by 1
"""

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
