"""Rows about people, accounts and devices, on connections of their own: busy readers of recordings lock nobody out.

Two stores over the same statements: the gate's, for what is asked before it is known who calls, and that of whoever
is at work, which sees what row security shows them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from becalm_protocol.errors import StorageError
from becalm_server.archive.entrances import Entrances
from becalm_server.archive.pools import WAIT_LIMIT_S, WhoeverPool, answered, in_words, make_pool, open_whoever_pool
from becalm_server.archive.statements import load_statements

Row = dict[str, Any]
_SQL = load_statements(Path(__file__).with_name("access_queries.sql"))
MAX_CONNECTIONS = 2


class RefusedError(StorageError):
    """The database is there, and takes no such value: trying again is no use."""


class TakenError(StorageError):
    """Somebody else has that already, perhaps since a moment ago."""


class AccessStore:
    """Open with open_access_stores(). Every method raises StorageError where the database cannot answer."""

    def __init__(self, pool: AsyncConnectionPool[Any] | WhoeverPool) -> None:
        self._pool = pool

    async def rows(self, statement: str, **parameters: object) -> list[Row]:
        """Return the rows of a statement of access_queries.sql."""
        with in_words():  # one row or a few: a database that needs longer hangs, and the gate must say so
            return await answered(self._rows(statement, parameters), within_s=WAIT_LIMIT_S)

    async def one(self, statement: str, **parameters: object) -> Row | None:
        """Return the first row."""
        rows = await self.rows(statement, **parameters)
        return rows[0] if rows else None

    @asynccontextmanager
    async def together(self) -> AsyncIterator["Steps"]:
        """Give statements that are committed together or not at all."""
        async with self._connected() as connection, connection.transaction():
            yield Steps(connection)

    async def _rows(self, statement: str, parameters: dict[str, object]) -> list[Row]:
        async with self._connected() as connection:
            return await Steps(connection).rows(statement, **parameters)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        with in_words():
            try:
                async with self._pool.connection() as connection:
                    yield connection
            except psycopg.errors.UniqueViolation as exc:
                raise TakenError("database: it has such a row already. Try again, or choose another name") from exc
            except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as exc:
                raise RefusedError(f"database: {type(exc).__name__}. It takes no such value") from exc


class Steps:
    """Statements of one transaction."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def rows(self, statement: str, **parameters: object) -> list[Row]:
        """Return the rows of a statement."""
        cursor = await self._connection.execute(_SQL[statement], parameters)
        return await cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def open_owners_store(url: str) -> AsyncIterator[AccessStore]:
    """Give the store of the tables' owner: for the operator's commands beside the server."""
    async with make_pool(url, max_size=MAX_CONNECTIONS) as pool:
        yield AccessStore(pool)


@asynccontextmanager
async def open_access_stores(entrances: Entrances) -> AsyncIterator[tuple[AccessStore, AccessStore]]:
    """Give the gate's store of a migrated database, and that of whoever is at work."""
    async with (
        make_pool(entrances.gate, max_size=MAX_CONNECTIONS) as gate,
        open_whoever_pool(entrances, max_size=MAX_CONNECTIONS) as whoever,
    ):
        yield AccessStore(gate), AccessStore(whoever)
