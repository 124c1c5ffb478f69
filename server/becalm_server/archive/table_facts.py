"""The tables of the archive as the database itself lists them: what a later becalm adds is among them."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from becalm_protocol.errors import StorageError
from becalm_protocol.events import value
from becalm_server.archive.statements import SQL

MIGRATIONS_TABLE = "schema_migration"
"""Says how the schema was made; the one table whose rows are not data."""


@value
class TableFacts:
    """One table."""

    name: str
    """As SQL writes it."""
    columns: tuple[str, ...]
    key: tuple[str, ...]
    texts: frozenset[str]
    """Columns whose order is a matter of language."""
    parents: tuple[str, ...]
    """Tables whose rows must be there first."""

    def select(self, *, without: Sequence[str] = ()) -> sql.Composed:
        """Return a query for all rows in an order that only they decide, whatever the database's language."""
        columns = [name for name in self.columns if name not in without]
        return sql.SQL("select {} from {} order by {}").format(
            _listed(columns),
            sql.SQL(self.name),
            sql.SQL(", ").join(map(self._ordered, self.key or columns)),
        )

    def _ordered(self, name: str) -> sql.Composed:
        return sql.SQL('{} collate "C"' if name in self.texts else "{}").format(sql.Identifier(name))

    def copy_out(self, *, form: str, without: Sequence[str] = ()) -> sql.Composed:
        """Return the statement that gives all rows."""
        return sql.SQL("copy ({}) to stdout (format {})").format(self.select(without=without), sql.SQL(form))

    def copy_in(self) -> sql.Composed:
        """Return the statement that takes rows as copy_out gave them."""
        return sql.SQL("copy {} ({}) from stdin (format binary)").format(sql.SQL(self.name), _listed(self.columns))


def tables(connection: psycopg.Connection[Any]) -> list[TableFacts]:
    """Return the tables of the archive, each after those that it points to."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL["backup_tables"]).fetchall()
    known = {row["name"] for row in rows}
    waiting = [
        TableFacts(
            name=row["name"],
            columns=tuple(row["columns"]),
            key=tuple(row["key"]),
            texts=frozenset(row["texts"]),
            parents=tuple(name for name in row["parents"] if name in known),
        )
        for row in rows
        if row["name"] != MIGRATIONS_TABLE
    ]
    ordered: list[TableFacts] = []
    while waiting:
        there = {one.name for one in ordered}
        free = [one for one in waiting if there.issuperset(one.parents)]
        if not free:
            names = ", ".join(one.name for one in waiting)
            raise StorageError(
                f"database: expected tables that can be filled one after another, got a circle of {names}"
            )
        ordered += free
        waiting = [one for one in waiting if one not in free]
    return ordered


def _listed(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
