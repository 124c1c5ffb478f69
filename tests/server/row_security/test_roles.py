"""The roles that are entered for a request: made, kept apart and put back at every start, or the start is refused."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.server.conftest import admin_url_of, drop_database
from tests.server.row_security.conftest import count, entered, role_of

from becalm_protocol.errors import ConfigError
from becalm_protocol.handshake import Source
from becalm_server.archive import entrances
from becalm_server.archive.entrances import open_entrances
from becalm_server.archive.migrate import migrate
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.roles import Role, role_names
from becalm_server.archive.row_security import (
    by_the_server,
)
from becalm_server.archive.store import open_archive
from becalm_server.archive.table_facts import tables


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
