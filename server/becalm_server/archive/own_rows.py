"""Every row about somebody, table by table as the database lists them: what a later becalm adds is among them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from becalm_server.archive.entrances import CONNECT_LIMIT_S, with_options
from becalm_server.archive.pools import in_words
from becalm_server.archive.row_security import SET_FOR_WHOM, ForWhom
from becalm_server.archive.statements import SQL

PAGE_ROWS = 1_000
# A page of it at a time; a table of a session has some ten thousand rows.
STATEMENT_LIMIT_MS = 60_000
_MOMENT = "-c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on"


class OwnRows:
    """Open with open_own_rows(). Every page is of the same moment."""

    def __init__(self, connection: psycopg.AsyncConnection[dict[str, Any]], tables: Mapping[str, list[str]]) -> None:
        self._connection = connection
        self._columns = tables

    @property
    def tables(self) -> list[str]:
        """Tables with rows about people; without those of single sessions."""
        return [name for name in self._columns if name not in self.session_tables]

    @property
    def session_tables(self) -> list[str]:
        """Tables with rows about a session."""
        return [name for name, columns in self._columns.items() if "session_id" in columns and name != "session"]

    async def pages(self, table: str, *, session_id: str | None = None) -> AsyncIterator[list[dict[str, Any]]]:
        """Give the rows of a table, or those of a session in it, a thousand at a time. Raises StorageError."""
        query = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, self._columns[table])), sql.Identifier("public", table)
        )
        if session_id is not None:
            query += sql.SQL(" where session_id = {}").format(session_id)
        with in_words():
            async with self._connection.cursor(name="own_rows") as cursor:
                await cursor.execute(query)
                while page := await cursor.fetchmany(PAGE_ROWS):
                    yield page


@asynccontextmanager
async def open_own_rows(entrance: str, for_whom: ForWhom) -> AsyncIterator[OwnRows]:
    """Give what is kept about somebody, as it stands now, by an entrance of callers. Raises StorageError."""
    options = with_options(entrance, f"-c timezone=UTC -c statement_timeout={STATEMENT_LIMIT_MS} {_MOMENT}")
    with in_words():
        connection = await psycopg.AsyncConnection.connect(
            entrance, row_factory=dict_row, connect_timeout=CONNECT_LIMIT_S, options=options
        )
    async with connection:
        with in_words():
            await connection.execute(SET_FOR_WHOM, for_whom.settings())
            cursor = await connection.execute(SQL["select_own_tables"])
            tables = {row["table_name"]: row["columns"] for row in await cursor.fetchall()}
        yield OwnRows(connection, tables)
