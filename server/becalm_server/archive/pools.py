"""Pools of connections: few, patient for a moment, each statement with an end."""

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


def make_pool(url: str, *, options: str = "", max_size: int = MAX_READERS) -> AsyncConnectionPool[Any]:
    """Return a closed pool; `options` are PostgreSQL's, for each connection."""
    return AsyncConnectionPool(
        url,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "connect_timeout": 5,
            "options": f"-c timezone=UTC -c statement_timeout={QUERY_LIMIT_MS} {options}",
        },
        min_size=1,
        max_size=max_size,
        timeout=WAIT_LIMIT_S,
        configure=_configure,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    set_json_loads(msgspec.json.decode, connection)  # documents of 500 trends are 2 MB: in half the time
