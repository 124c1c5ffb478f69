"""One session as it stood at one moment, read row by row: for whatever reads a whole recording beside the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import psycopg
from psycopg.rows import dict_row

from becalm_protocol.errors import StorageError
from becalm_protocol.events import RawEvent, StreamInfo
from becalm_protocol.limits import MAX_SESSION_NS
from becalm_server.archive.arrival_order import ArrivalOrder
from becalm_server.archive.entrances import CONNECT_LIMIT_S, with_options
from becalm_server.archive.raw_rows import to_event
from becalm_server.archive.records import SessionRecord, session_record, stream_record
from becalm_server.archive.row_security import SET_FOR_WHOM, ForWhom
from becalm_server.archive.statements import SQL
from becalm_server.archive.versions import in_order, newest_version

# So many rows are in memory at once.
PAGE_ROWS = 500


class Snapshot:
    """Open with open_snapshot(). Every statement sees the same moment, however long the reading takes."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]], session_id: str) -> None:
        self._connection = connection
        self._parameters: dict[str, Any] = {
            "session_id": session_id,
            "stream_id": None,
            "since_ns": -MAX_SESSION_NS - 1,
            "limit": None,
        }
        session = next(self.rows("select_session"), None)
        if session is None:
            raise StorageError(f"session {session_id!r:.70}: expected it in the database, found nothing")
        self.record: SessionRecord = session_record(session)
        self.streams: tuple[StreamInfo, ...] = tuple(stream_record(row).info for row in self.rows("select_streams"))
        self.versions = in_order(row["pipeline_version"] for row in self.rows("session_versions"))
        """The pipelines that left derived values, the oldest first."""
        self.pipeline_version = newest_version(self.versions)
        """Whose derived values are given: today's pipeline, or the last one that ran."""
        self._window_version = newest_version(row["pipeline_version"] for row in self.rows("window_versions"))
        self._parameters["pipeline_version"] = self.pipeline_version

    def rows(self, statement: str, **changes: object) -> Iterator[dict[str, Any]]:
        """Give the rows of a statement about the session, all of them, a page at a time in memory."""
        if statement == "select_windows":
            changes = {"pipeline_version": self._window_version} | changes
        with self._connection.cursor(name=statement) as cursor:
            cursor.itersize = PAGE_ROWS
            cursor.execute(SQL[statement], self._parameters | changes)
            yield from cursor

    def columns(self, statement: str) -> dict[str, str]:
        """Return {column: name of its PostgreSQL type} of a statement, whether it has rows or not."""
        with self._connection.cursor() as cursor:
            cursor.execute(SQL[statement], self._parameters | {"limit": 0})
            types = self._connection.adapters.types
            found = {}
            for one in cursor.description or ():
                known = types.get(one.type_code)
                found[one.name] = "text" if known is None else known.name
            return found

    def raw_events(self) -> Iterator[tuple[int, RawEvent]]:
        """Give (seq, event) in the order they were accepted."""
        order = ArrivalOrder()
        for row in chain.from_iterable(order.feed([found]) for found in self.rows("select_raw")):
            yield row.seq, to_event(row)
        for row in order.finish():
            yield row.seq, to_event(row)


@contextmanager
def open_snapshot(url: str, session_id: str, *, for_whom: ForWhom | None = None) -> Iterator[Snapshot]:
    """Give a session as it stands now; `for_whom` is told to an entrance of callers.

    Raises StorageError where it is not there or the database cannot answer.
    """
    options = "-c timezone=UTC -c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on"
    try:
        with psycopg.connect(
            url, row_factory=dict_row, options=with_options(url, options), connect_timeout=CONNECT_LIMIT_S
        ) as connection:
            if for_whom is not None:
                connection.execute(SET_FOR_WHOM, for_whom.settings())
            yield Snapshot(connection, session_id)
    except psycopg.Error as exc:
        raise StorageError(f"database: {type(exc).__name__}. It may be restarting; try again") from exc
