"""Connections: pools for requests, few and patient, and single ones for jobs; each statement with an end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from becalm_protocol.errors import StorageError
from becalm_server.archive.entrances import CONNECT_LIMIT_S, Entrances, with_options
from becalm_server.archive.row_security import FOR_WHOM, SET_FOR_WHOM, TheServer

# Reading is short; beyond these a request waits, and after the wait it is told so.
MAX_READERS = 4
WAIT_LIMIT_S = 3.0
# A pool that cannot connect pauses twice as long after each try, for minutes in the end. It gives up before that: the
# next request begins anew, and finds a database that is back.
RECONNECT_S = 2.0
QUERY_LIMIT_MS = 20_000
# A job's statements take some tens of milliseconds, the longest over a whole session a few seconds.
JOB_QUERY_LIMIT_MS = 60_000

T = TypeVar("T")


class AwayError(StorageError):
    """The database cannot be reached, or is too busy or too full to answer; any other StorageError is its answer."""


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what a connection says into a StorageError with a sentence."""
    try:
        yield
    except (PoolTimeout, TimeoutError) as exc:
        raise AwayError(f"database: no answer within {WAIT_LIMIT_S:.0f} s. It may be restarting; try again") from exc
    except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as exc:
        raise AwayError(f"database: {type(exc).__name__}. It may be restarting; try again") from exc
    except psycopg.Error as exc:
        raise StorageError(f"database: {type(exc).__name__}. It may be restarting; try again") from exc


async def answered(question: Coroutine[Any, Any, T], *, within_s: float) -> T:
    """Return an answer of the database. Raises TimeoutError, also where it is too silent to hear that nobody waits."""
    task = asyncio.create_task(question)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    try:
        await asyncio.wait({task}, timeout=within_s)
        if task.done():
            return task.result()
    finally:
        task.cancel()
    raise TimeoutError


class WhoeverPool:
    """Connections that see what whoever is at work may see: nothing, unless somebody said for whom."""

    def __init__(self, *, servers: AsyncConnectionPool[Any], callers: AsyncConnectionPool[Any]) -> None:
        self._servers = servers
        self._callers = callers

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Give one; a caller's is in a transaction, which knows for whom it is."""
        for_whom = FOR_WHOM.get()
        if isinstance(for_whom, TheServer):
            async with self._servers.connection() as connection:
                yield connection
            return
        async with self._callers.connection() as connection, connection.transaction():
            await connection.execute(SET_FOR_WHOM, for_whom.settings())
            yield connection

    async def rows(self, statement: bytes, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        """Return the rows of one statement; for whom it is goes there with it, and costs no way of its own."""
        for_whom = FOR_WHOM.get()
        if isinstance(for_whom, TheServer):
            async with self._servers.connection() as connection:
                cursor = await connection.execute(statement, parameters, binary=True)
                return await cursor.fetchall() if cursor.description else []
        async with self._callers.connection() as connection:
            async with connection.pipeline():  # one transaction to the database, as it comes in one piece
                await connection.execute(SET_FOR_WHOM, for_whom.settings())
                cursor = await connection.execute(statement, parameters, binary=True)
            return await cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def open_whoever_pool(entrances: Entrances, *, max_size: int = MAX_READERS) -> AsyncIterator[WhoeverPool]:
    """Give the pool of a migrated database."""
    async with (
        make_pool(entrances.server, max_size=max_size) as servers,
        make_pool(entrances.caller, max_size=max_size) as callers,
    ):
        yield WhoeverPool(servers=servers, callers=callers)


def make_pool(url: str, *, max_size: int = MAX_READERS) -> AsyncConnectionPool[Any]:
    """Return a closed pool."""
    return AsyncConnectionPool(
        url,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "connect_timeout": CONNECT_LIMIT_S,
            "options": with_options(url, f"-c timezone=UTC -c statement_timeout={QUERY_LIMIT_MS}"),
        },
        min_size=1,
        max_size=max_size,
        timeout=WAIT_LIMIT_S,
        reconnect_timeout=RECONNECT_S,
        configure=_configure,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )


def job_connection(url: str, *, options: str = "") -> psycopg.Connection[dict[str, Any]]:
    """Return a connection of a job in another process, whose every statement commits by itself."""
    return psycopg.connect(
        url,
        autocommit=True,
        row_factory=dict_row,
        connect_timeout=CONNECT_LIMIT_S,
        options=with_options(url, f"-c timezone=UTC -c statement_timeout={JOB_QUERY_LIMIT_MS} {options}"),
    )


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    set_json_loads(msgspec.json.decode, connection)  # documents of 500 trends are 2 MB: in half the time
