"""For whom a statement is done: the database judges once more what the gate let pass, row by row.

The gate sets `FOR_WHOM` for every request behind it. A request for some people enters the database as `becalm_caller`,
which sees and changes their rows alone, and nothing where nobody said for whom. The server's own work, and whoever may
see everybody, enter as `becalm_server`: it has to say so, with `by_the_server()`. `row_security.sql` is the whole
policy, table by table; callers see the large tables, which TimescaleDB packs into columns, through barrier views.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from contextvars import Context, ContextVar
from pathlib import Path

import psycopg

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value
from becalm_server.archive.statements import load_statements

_FILE = Path(__file__).with_name("row_security.sql")
_SQL = load_statements(_FILE)
_TABLES = """select table_name, column_name from information_schema.columns
where table_schema = 'public' order by table_name, column_name"""
SET_FOR_WHOM = """select set_config('becalm.people', %(people)s, true), set_config('becalm.person', %(person)s, true),
set_config('becalm.account', %(account)s, true)"""
"""Holds until the end of the transaction: whoever has the connection next sees nothing by it."""


@value
class ForWhom:
    """Whose rows a request may see."""

    people: frozenset[str] = frozenset()
    """Whose recordings."""
    person_id: str | None = None
    """Whose consents, grants and accounts."""
    account_id: str | None = None
    """Whose devices and logins."""

    def settings(self) -> dict[str, str]:
        """Return the parameters of SET_FOR_WHOM."""
        return {
            "people": ",".join(sorted(self.people)),
            "person": self.person_id or "",
            "account": self.account_id or "",
        }


class TheServer:
    """In place of ForWhom: the server's own work, or that of somebody who sees everybody."""


NOBODY = ForWhom()
THE_SERVER = TheServer()
FOR_WHOM: ContextVar[ForWhom | TheServer] = ContextVar("becalm_for_whom", default=NOBODY)


@contextlib.contextmanager
def by_the_server() -> Iterator[None]:
    """Let what is done inside the block be the server's own work, whoever asked for it."""
    token = FOR_WHOM.set(THE_SERVER)
    try:
        yield
    finally:
        FOR_WHOM.reset(token)


def servers_context() -> Context:
    """Return a fresh context of the server's own, for tasks that outlive whoever began them."""
    context = Context()
    context.run(FOR_WHOM.set, THE_SERVER)
    return context


def protect(connection: psycopg.Connection) -> None:
    """Bring roles, policies and views up to date with the tables. Raises ConfigError where roles cannot be had."""
    fingerprint = hashlib.sha256(_FILE.read_bytes() + repr(connection.execute(_TABLES).fetchall()).encode()).hexdigest()
    kept = connection.execute("select obj_description(to_regnamespace('seen'))").fetchone()
    try:
        with connection.transaction():
            connection.execute(_SQL["make_roles"])
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ConfigError(
            "expected a database user that may make roles, got one that may not. Let it (alter role ... createrole), "
            "or have an administrator run: create role becalm_caller; create role becalm_gate; "
            "create role becalm_server; grant becalm_caller, becalm_gate, becalm_server to that user",
            setting="database_url",
        ) from exc
    if kept is None or kept[0] != fingerprint:
        with connection.transaction():
            connection.execute(_SQL["protect_tables"])
            connection.execute(_SQL["protect_large_tables"])
            connection.execute(f"comment on schema seen is '{fingerprint}'".encode())
        with contextlib.suppress(psycopg.Error), connection.transaction():  # other databases here may still need it
            connection.execute(_SQL["retire_reader"])


def lift(connection: psycopg.Connection) -> None:
    """Take the views away while the tables below them change; protect() makes them again."""
    connection.execute("drop schema if exists seen cascade")
