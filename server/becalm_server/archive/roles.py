"""The three roles that a database is entered as beside its owner; each database has its own.

Roles belong to the whole cluster. Shared by two databases, whoever owns one could enter the other.
"""

from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg

from becalm_protocol.errors import ConfigError
from becalm_server.archive.statements import load_statements

_MISSING = load_statements(Path(__file__).with_name("row_security.sql"))["missing_roles"]


class Role(StrEnum):
    """What is not the owner."""

    SERVER = "server"
    GATE = "gate"
    CALLER = "caller"


def role_names(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Return what the roles of this database are called; a copy of it, or one restored from it, has others."""
    with connection.cursor(row_factory=psycopg.rows.scalar_row) as cursor:
        oid = cursor.execute("select oid from pg_database where datname = current_database()").fetchone()
    return {role.value: f"becalm_{role}_{oid}" for role in Role}


def make_roles(connection: psycopg.Connection[Any]) -> None:
    """Make the roles that are not there. Raises ConfigError with what an administrator would have to do."""
    names = list(role_names(connection).values())
    missing = [statement for (statement,) in connection.execute(_MISSING, {"names": names}).fetchall()]
    try:
        with connection.transaction():
            for statement in missing:
                connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ConfigError(
            f"expected a database user that may make roles and become them ({', '.join(names)}), got one that may not. "
            f"Have an administrator run: {'; '.join(missing)}",
            setting="database_url",
        ) from exc
