"""Connections: pools for requests, few and patient, and single ones for jobs; each statement with an end."""

from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool

# Reading is short; beyond these a request waits, and after the wait it is told so.
MAX_READERS = 4
WAIT_LIMIT_S = 3.0
QUERY_LIMIT_MS = 20_000
# A job's statements take some tens of milliseconds, the longest over a whole session a few seconds.
JOB_QUERY_LIMIT_MS = 60_000
CONNECT_LIMIT_S = 5


def make_pool(url: str, *, options: str = "", max_size: int = MAX_READERS) -> AsyncConnectionPool[Any]:
    """Return a closed pool; `options` are PostgreSQL's, for each connection."""
    return AsyncConnectionPool(
        url,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "connect_timeout": CONNECT_LIMIT_S,
            "options": f"-c timezone=UTC -c statement_timeout={QUERY_LIMIT_MS} {options}",
        },
        min_size=1,
        max_size=max_size,
        timeout=WAIT_LIMIT_S,
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
        options=f"-c timezone=UTC -c statement_timeout={JOB_QUERY_LIMIT_MS} {options}",
    )


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    set_json_loads(msgspec.json.decode, connection)  # documents of 500 trends are 2 MB: in half the time
