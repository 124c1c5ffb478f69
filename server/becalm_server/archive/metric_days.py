"""The days of `metrics_day` that TimescaleDB keeps counted, told to count anew what changed; else nothing to do."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from becalm_server.archive.pools import in_words, job_connection
from becalm_server.archive.statements import SQL

Days = dict[str, Any]
"""From `first_day` to before `end_day`."""


def metric_days(connection: psycopg.Connection[Any], session_ids: Sequence[str]) -> Days | None:
    """Return the days before today that sessions touched; None where nothing is kept counted of them."""
    with connection.cursor(row_factory=dict_row) as cursor:
        if cursor.execute(SQL["has_timescale"]).fetchone() is None:
            return None
        days = cursor.execute(SQL["session_days"], {"session_ids": list(session_ids)}).fetchone()
    return days if days and days["first_day"] and days["first_day"] < days["end_day"] else None


def count_days_anew(connection: psycopg.Connection[Any], days: Days | None) -> None:
    """Count days anew, as their rows are now; `connection` commits by itself."""
    if days is not None:
        connection.execute(SQL["refresh_days"], days)


def metric_days_at(url: str, session_ids: Sequence[str]) -> Days | None:
    """As metric_days(), on a connection of its own. Raises StorageError."""
    with in_words(), job_connection(url) as connection:
        return metric_days(connection, session_ids)


def count_days_anew_at(url: str, days: Days | None) -> None:
    """As count_days_anew(), on a connection of its own. Raises StorageError."""
    if days is not None:
        with in_words(), job_connection(url) as connection:
            count_days_anew(connection, days)
