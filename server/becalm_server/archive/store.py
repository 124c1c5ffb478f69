"""The archive as the server sees it: sessions and streams, the writer, and everything that is read back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psycopg

from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.errors import StorageError
from becalm_protocol.events import RawEvent, StreamInfo
from becalm_server.archive.arrival_order import ArrivalOrder
from becalm_server.archive.entrances import Entrances, open_entrances
from becalm_server.archive.migrate import migrate
from becalm_server.archive.overview import Overview, Window
from becalm_server.archive.pools import WAIT_LIMIT_S, WhoeverPool, answered, in_words, open_whoever_pool
from becalm_server.archive.raw_rows import RawRow, to_event
from becalm_server.archive.records import (
    SampleStream,
    SessionRecord,
    StreamRecord,
    sample_stream,
    session_record,
    stream_record,
)
from becalm_server.archive.row_security import by_the_server
from becalm_server.archive.samples import Samples, cut
from becalm_server.archive.statements import SQL
from becalm_server.archive.versions import newest_version, versions_statement
from becalm_server.archive.writer import ArchiveWriter

Rows = list[dict[str, Any]]
RAW_PAGE_ROWS = 500


class Archive:
    """Open with open_archive(). Every method raises StorageError where the database cannot answer."""

    def __init__(
        self,
        *,
        pool: WhoeverPool,
        entrances: Entrances,
        writer: ArchiveWriter,
        timescale: str,
    ) -> None:
        self._pool = pool
        self.entrances = entrances
        self.writer = writer
        self.timescale = timescale
        self.on_ended: Callable[[], None] = lambda: None
        """Hears when a session has ended."""

    async def add_session(self, record: SessionRecord) -> SessionRecord:
        """Keep a new session; answers as it then stands in the archive."""
        return session_record((await self.rows("insert_session", **_session_columns(record)))[0])

    async def begin_session(self, record: SessionRecord, *, streams: Sequence[StreamInfo]) -> SessionRecord:
        """Keep that an agent opened a session, and its streams; answers as it then stands in the archive."""
        async with self._entered() as connection, connection.transaction():
            cursor = await connection.execute(SQL["begin_session"], _session_columns(record))
            row = await cursor.fetchone()
            if row is None:
                raise StorageError(f"session {record.session_id}: expected it in the database, found nothing")
            for position, info in enumerate(streams):
                await connection.execute(SQL["insert_stream"], _stream_columns(record.session_id, position, info))
        return session_record(row)

    async def end_session(self, session_id: str, *, duration_ns: int) -> SessionRecord | None:
        """Keep that nothing more will come."""
        row = await self.one("end_session", session_id=session_id, duration_ns=duration_ns)
        self.on_ended()
        return session_record(row) if row else None

    async def session(self, session_id: str) -> SessionRecord | None:
        """Return one session."""
        row = await self.one("select_session", session_id=session_id)
        return session_record(row) if row else None

    async def session_page(self, **wish: object) -> list[SessionRecord]:
        """Return sessions that match, newest first; `wish` has the parameters of select_session_page."""
        return [session_record(row) for row in await self.rows("select_session_page", **wish)]

    async def unfinished_sessions(self, *, max_age_s: float) -> list[SessionRecord]:
        """Return the sessions of late that have not ended, the oldest first."""
        return [session_record(row) for row in await self.rows("select_unfinished", max_age_s=max_age_s)]

    async def abandoned_sessions(self, *, silent_s: float) -> list[SessionRecord]:
        """Return the sessions that have not ended, and of which nothing came for so long."""
        return [session_record(row) for row in await self.rows("select_abandoned", silent_s=silent_s)]

    async def streams(self, session_id: str) -> list[StreamRecord]:
        """Return the streams of a session."""
        return [stream_record(row) for row in await self.rows("select_streams", session_id=session_id)]

    async def owners(self, stream_ids: Sequence[str]) -> dict[str, str]:
        """Return {stream_id: session_id} of those that are known."""
        rows = await self.rows("select_stream_owner", stream_ids=list(stream_ids))
        return {row["stream_id"]: row["session_id"] for row in rows}

    async def raw_rows(self, session_id: str) -> AsyncIterator[Sequence[RawRow]]:
        """Give the rows of a session's raw events, packed or not, in the order they were accepted, in pages."""
        order = ArrivalOrder()
        async with (
            self._entered() as connection,
            connection.transaction(),
            connection.cursor(name="raw_events", binary=True) as cursor,
        ):
            await cursor.execute(SQL["select_raw"], {"session_id": session_id, "stream_id": None})
            while found := await cursor.fetchmany(RAW_PAGE_ROWS):
                for page in _pages(order.feed(found)):
                    yield page
        for page in _pages(order.finish()):
            yield page

    async def raw_events(self, session_id: str) -> AsyncIterator[list[tuple[int, int, RawEvent]]]:
        """Give the (seq, arrival_idx, event) of a session in the order they were accepted, in pages."""
        async for rows in self.raw_rows(session_id):
            yield [(row.seq, row.arrival_idx, to_event(row)) for row in rows]

    async def page(self, statement: str, *, session_id: str, since_ns: int, limit: int) -> tuple[Rows, int | None]:
        """Return at most `limit` rows after `since_ns`, and where the next page begins, if there is one."""
        wish = {"session_id": session_id, "since_ns": since_ns, "limit": limit + 1}
        rows = await self.rows(statement, **wish, pipeline_version=PIPELINE_VERSION)
        if not rows:
            version = await self._shown_version(session_id, statement)
            rows = await self.rows(statement, **wish, pipeline_version=version) if version != PIPELINE_VERSION else []
        if len(rows) <= limit:
            return rows, None
        beyond_ns = rows[-1]["t_ns"]  # rows of one moment stay on one page, so that none is skipped
        kept = [row for row in rows if row["t_ns"] < beyond_ns] or rows
        return kept, kept[-1]["t_ns"]

    async def derived_rows(self, statement: str, *, session_id: str) -> Rows:
        """Return the rows of a statement about one session."""
        version = await self._shown_version(session_id, statement)
        return await self.rows(statement, session_id=session_id, pipeline_version=version)

    async def _shown_version(self, session_id: str, statement: str) -> str:
        found = await self.rows(versions_statement(statement), session_id=session_id)
        return newest_version(row["pipeline_version"] for row in found)

    async def trends(
        self, people: Collection[str] | None = None, *, since: datetime | None = None, limit: int = 500
    ) -> Rows:
        """Return what finished sessions were like, newest first; of these people, or of all (None)."""
        wanted = None if people is None else list(people)
        return await self.rows(
            "select_trends", people=wanted, since=since, limit=limit, pipeline_version=PIPELINE_VERSION
        )

    async def sample_stream(self, session_id: str, stream_id: str) -> SampleStream | None:
        """Return a stream of a session that has samples."""
        row = await self.one("select_sample_stream", session_id=session_id, stream_id=stream_id)
        return sample_stream(row) if row else None

    async def overview(self, stream: SampleStream, *, start_ns: int, end_ns: int, n_buckets: int) -> Overview:
        """Return first, smallest, largest and last sample of equal parts of a window."""
        window = Window(stream, start_ns=start_ns, end_ns=end_ns, n_buckets=n_buckets)
        for borders, wish in window.wishes():
            rows = await self.rows("select_window", **wish)
            await asyncio.to_thread(window.add, borders, rows)
        return window.overview()

    async def samples(self, stream: SampleStream, *, start_ns: int, end_ns: int) -> Samples:
        """Return all samples of a window, for short ones."""
        ((borders, wish),) = Window(stream, start_ns=start_ns, end_ns=end_ns, n_buckets=1).wishes()
        rows = await self.rows("select_window", **wish)
        return await asyncio.to_thread(cut, rows, stream, borders=borders)

    async def reportless(self, *, limit: int) -> list[str]:
        """Return ended sessions that have no report."""
        return [row["session_id"] for row in await self.rows("select_reportless", limit=limit)]

    async def put_report(self, session_id: str, *, body: str) -> None:
        """Keep the report of a session, in place of an earlier one."""
        await self.rows("upsert_report", session_id=session_id, pipeline_version=PIPELINE_VERSION, body=body)

    async def server_version(self) -> str:
        """Return the version of the database."""
        with in_words():
            (row,) = await answered(self._pool.rows(SQL["server_version"], {}), within_s=WAIT_LIMIT_S)
        return str(row["server_version"])

    async def one(self, statement: str, **parameters: object) -> dict[str, Any] | None:
        """Return the first row of a statement."""
        rows = await self.rows(statement, **parameters)
        return rows[0] if rows else None

    async def rows(self, statement: str, **parameters: object) -> Rows:
        """Return the rows of a statement."""
        with in_words():
            return await self._pool.rows(SQL[statement], parameters)

    @asynccontextmanager
    async def _entered(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        with in_words():
            async with self._pool.connection() as connection:
                yield connection


@asynccontextmanager
async def open_archive(url: str) -> AsyncIterator[Archive]:
    """Bring the schema up to date and give the archive; the caller runs `archive.writer.run()`."""
    migrated = await asyncio.to_thread(migrate, url)
    entrances = await asyncio.to_thread(open_entrances, url)
    writer = ArchiveWriter(entrances.server)
    await writer.open()
    try:
        async with open_whoever_pool(entrances) as pool:
            yield Archive(pool=pool, entrances=entrances, writer=writer, timescale=migrated.timescale)
    finally:
        await writer.close()


@asynccontextmanager
async def open_own_archive(url: str) -> AsyncIterator[Archive]:
    """As open_archive(), for a program that has no callers: what it does inside is the server's own work."""
    with by_the_server():
        async with open_archive(url) as archive:
            yield archive


def _pages(rows: Sequence[RawRow]) -> Iterator[Sequence[RawRow]]:
    for first in range(0, len(rows), RAW_PAGE_ROWS):
        yield rows[first : first + RAW_PAGE_ROWS]


def _session_columns(record: SessionRecord) -> dict[str, Any]:
    return {
        "session_id": record.session_id,
        "agent_id": record.agent_id,
        "person_id": record.person_id,
        "source": record.source.value,
        "baseline_s": record.baseline_s,
        "inhale_s": record.inhale_s,
        "exhale_s": record.exhale_s,
        "started_unix_ns": record.started_unix_ns,
    }


def _stream_columns(session_id: str, position: int, info: StreamInfo) -> dict[str, Any]:
    return {
        "stream_id": info.stream_id,
        "session_id": session_id,
        "position": position,
        "kind": info.kind.value,
        "unit": info.unit,
        "unit_per_count": info.unit_per_count,
        "sample_rate_hz": info.sample_rate_hz,
        "clock": info.clock.value,
        "device": info.device,
    }
