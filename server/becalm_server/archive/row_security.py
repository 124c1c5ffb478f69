"""What callers' reads may see is judged by the database once more: a role of its own, row security.

The gate sets `SEEN` for every request behind it; the archive then reads as a role that owns nothing, which sees nothing
unless it is told whom. Row security holds on every table with a session and on the sensors'; the large ones, which
TimescaleDB packs into columns, are seen through barrier views only. Where `SEEN` is not set the server itself reads, as
the owner: background tasks do, and the open routes, which tell nothing about anybody. Statements that change something,
and the tables of access (people, accounts, grants, consents, the audit log), are the gate's to judge alone.
"""

import hashlib
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path

import psycopg

from becalm_server.archive.statements import load_statements

READER = "becalm_reader"
EVERYBODY = "*"
SEEN: ContextVar[str | None] = ContextVar("becalm_seen_people", default=None)
"""Whom the request at hand may see: EVERYBODY, or identifiers with commas between; None: the server itself reads."""
READER_OPTIONS = f"-c role={READER} -c search_path=seen,public"
_FILE = Path(__file__).with_name("row_security.sql")
_SQL = load_statements(_FILE)
_TABLES = """select table_name, column_name from information_schema.columns
where table_schema = 'public' order by table_name, column_name"""


def see(people: Iterable[str] | None) -> None:
    """Have everything that is read in this context be about these people; None: about everybody."""
    SEEN.set(EVERYBODY if people is None else ",".join(sorted(people)))


def protect(connection: psycopg.Connection) -> str | None:
    """Bring role, policies and views up to date with the tables; return why that cannot be, in a sentence, or None."""
    fingerprint = hashlib.sha256(_FILE.read_bytes() + repr(connection.execute(_TABLES).fetchall()).encode()).hexdigest()
    kept = connection.execute("select obj_description(to_regnamespace('seen'))").fetchone()
    try:
        with connection.transaction():
            connection.execute(_SQL["make_reader"])
    except psycopg.errors.InsufficientPrivilege:
        return (
            f"off: the database's user may not make roles. Let it, or make the role {READER} and grant it to that user"
        )
    if kept is None or kept[0] != fingerprint:
        with connection.transaction():
            connection.execute(_SQL["protect_tables"])
            connection.execute(_SQL["protect_large_tables"])
            connection.execute(f"comment on schema seen is '{fingerprint}'".encode())
    return None


def lift(connection: psycopg.Connection) -> None:
    """Take the views away while the tables below them change; protect() makes them again."""
    connection.execute("drop schema if exists seen cascade")
