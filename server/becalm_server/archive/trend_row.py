"""The row of a finished session that trends over sessions are read from."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from becalm_server.archive.metric_days import count_days_anew, metric_days
from becalm_server.archive.pools import job_connection
from becalm_server.archive.statements import SQL
from becalm_server.archive.versions import newest_version


def keep_trend_at(url: str, session_id: str) -> None:
    """As keep_trend(), on a connection of its own: a job for another process."""
    with job_connection(url) as connection:
        keep_trend(connection, session_id)


def keep_trend(connection: psycopg.Connection[Any], session_id: str) -> None:
    """Keep what a finished session was like, by its newest derived values; `connection` commits by itself."""
    named = {"session_id": session_id}
    count_days_anew(connection, metric_days(connection, [session_id]))
    with connection.cursor(row_factory=dict_row) as cursor:
        versions = [row["pipeline_version"] for row in cursor.execute(SQL["session_versions"], named).fetchall()]
        cursor.execute(SQL["keep_trend"], named | {"pipeline_version": newest_version(versions)})
