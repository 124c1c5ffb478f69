"""For whom a statement is done: the database judges once more what the gate let pass, row by row.

The gate sets `FOR_WHOM` for every request behind it. A request for some people enters the database as the caller,
which sees and changes their rows alone, and nothing where nobody said for whom. The server's own work, and whoever may
see everybody, enter as the server: it has to say so, with `by_the_server()`. `row_security.sql` is the whole
policy, table by table; callers see the large tables, which TimescaleDB packs into columns, through barrier views.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from contextvars import Context, ContextVar
from pathlib import Path

import psycopg

from becalm_protocol.events import value
from becalm_server.archive.roles import role_names
from becalm_server.archive.statements import load_statements

_FILE = Path(__file__).with_name("row_security.sql")
_SQL = load_statements(_FILE)
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
    """Bring policies, grants and views up to date with the tables, and back to what they were; the roles are there."""
    if _kept(connection) == _fingerprint(connection):
        return
    words = role_names(connection) | {"visible": _SQL["visible"].decode()}
    with connection.transaction():
        for name in ("protect_tables", "protect_large_tables", "retire_roles"):
            connection.execute(_SQL[name].decode().format_map(words).encode())
        connection.execute(f"comment on schema seen is '{_fingerprint(connection)}'".encode())


def lift(connection: psycopg.Connection) -> None:
    """Take the views away while the tables below them change; protect() makes them again."""
    connection.execute("drop schema if exists seen cascade")


def _kept(connection: psycopg.Connection) -> str | None:
    row = connection.execute("select obj_description(to_regnamespace('seen'))").fetchone()
    return row[0] if row else None


def _fingerprint(connection: psycopg.Connection) -> str:
    """Tell one state of the protection from every other: whoever took a grant away since finds it there again."""
    state = (sorted(role_names(connection).values()), connection.execute(_SQL["state"]).fetchone())
    return hashlib.sha256(_FILE.read_bytes() + repr(state).encode()).hexdigest()
