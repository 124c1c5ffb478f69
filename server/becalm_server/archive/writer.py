"""The only writer of raw and derived rows: a bounded queue, group commits, acknowledgements after the commit."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import psycopg

from becalm_protocol.errors import StorageError, UsageError
from becalm_protocol.events import value
from becalm_protocol.wishes import BreathWish
from becalm_server.archive.derived_rows import Conclusion, columns, to_tables
from becalm_server.archive.lane_rows import state_row, wish_row
from becalm_server.archive.raw_rows import RawRow
from becalm_server.archive.statements import SQL
from becalm_server.lane_messages import LiveState
from becalm_server.latency import Latency

log = logging.getLogger(__name__)

# Agents may have 256 un-acknowledged events in each of 64 streams: all that one agent may owe us.
MAX_QUEUED = 16_384
# One transaction of this size takes about 50 ms; larger ones would delay the acknowledgements behind them.
MAX_BATCH = 2_000
# Frames of one moment arrive within a few milliseconds; one commit for them all costs a third of the processor time.
LINGER_S = 0.008
BACKOFF_S = (0.1, 3.0)
CONNECT_LIMIT_S = 5
# A statement of ours takes milliseconds; a database that is silent this long is taken for gone.
STATEMENT_LIMIT_S = 30
N_CLAIMS = 10
CLAIM_PAUSE_S = 0.2
SINGLE_WRITER_LOCK = 0x6265_6362


@value
class StreamMark:
    """How far a stream has come with this write."""

    stream_id: str
    seq: int
    n_duplicates: int
    """Repeated events of this stream so far, for the record."""


@value
class Write:
    """What is committed together or not at all; nothing is committed before what was put before it."""

    session_id: str
    raw: RawRow | None = None
    marks: tuple[StreamMark, ...] = ()
    conclusions: tuple[Conclusion, ...] = ()
    wish: tuple[int, BreathWish] | None = None
    """With its arrival_idx."""
    state: LiveState | None = None
    """Where the pipeline is after all conclusions so far."""
    queued_ns: int
    done: asyncio.Future[None] | None = None
    """Resolved once committed, for whoever waits."""


class ArchiveWriter:
    """Commits what it is given, in order, for as long as it takes. Policy of a full queue: Block (`wait_room`)."""

    def __init__(self, url: str) -> None:
        self.on_committed: Callable[[dict[str, int]], None] = lambda _acks: None
        """Hears {stream_id: seq} after every commit."""
        self._url = url
        self._queue: deque[Write] = deque()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._peak = 0
        self._n_commits = 0
        self.trouble: str | None = None
        """Why nothing is committed at the moment; None while all is well."""
        self.commit_latency = Latency()
        """From put_nowait to committed."""

    def put_nowait(self, write: Write) -> None:
        """Queue a write. Raises UsageError where the caller did not wait for room."""
        if len(self._queue) >= 2 * MAX_QUEUED:
            raise UsageError(f"archive: expected callers to wait for room, got {len(self._queue)} queued writes")
        self._queue.append(write)
        self._peak = max(self._peak, len(self._queue))
        if len(self._queue) >= MAX_QUEUED:
            self._room.clear()
        self._work.set()

    async def wait_room(self) -> None:
        """Return once the queue takes more."""
        await self._room.wait()

    async def wait_drained(self) -> None:
        """Return once everything queued so far is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put_nowait(Write(session_id="", queued_ns=time.monotonic_ns(), done=done))
        await done

    def statistics(self) -> dict[str, int]:
        """Depth and peak of the queue; transactions so far."""
        return {"depth": len(self._queue), "peak": self._peak, "commits": self._n_commits}

    async def open(self) -> None:
        """Connect and claim the database. Raises StorageError where another server writes to it."""
        for attempt in range(N_CLAIMS):
            try:
                self._connection = await self._connect()
            except (psycopg.Error, OSError) as exc:
                raise StorageError(f"database: expected to connect, got: {exc}") from exc
            except StorageError:  # a server that was killed a moment ago holds the claim until its socket is closed
                if attempt + 1 == N_CLAIMS:
                    raise
                await asyncio.sleep(CLAIM_PAUSE_S)
            else:
                return

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._work.wait()
            await asyncio.sleep(LINGER_S)
            batch = [self._queue[n] for n in range(min(len(self._queue), MAX_BATCH))]
            await self._commit_surely(batch)
            self._forget(batch)
            self._report(batch)

    async def close(self) -> None:
        """Give the claim back."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _commit_surely(self, batch: list[Write]) -> None:
        """Commit, again and again: rows that are already there are skipped, so an unknown outcome is harmless."""
        pause_s, longest_s = BACKOFF_S
        while True:
            try:
                if self._connection is None:
                    self._connection = await self._connect()
                async with asyncio.timeout(STATEMENT_LIMIT_S):
                    await _commit(self._connection, batch)
            except (psycopg.Error, OSError, TimeoutError, StorageError) as exc:
                if self.trouble is None:
                    log.warning("the database is away (%s); keeping everything and trying again", type(exc).__name__)
                self.trouble = f"{_reason(exc)}; nothing is lost, acknowledgements wait"
                if self._connection is not None:
                    await self._connection.close()
                    self._connection = None
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)
                pause_s = min(2 * pause_s, longest_s)
            else:
                if self.trouble is not None:
                    log.warning("the database is back")
                self.trouble = None
                self._n_commits += 1
                return

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_LIMIT_S, options="-c timezone=UTC"
        )
        cursor = await connection.execute(SQL["claim_archive"], {"key": SINGLE_WRITER_LOCK})
        row = await cursor.fetchone()
        if row is None or not row[0]:
            await connection.close()
            raise StorageError(
                "database: another becalm server writes to it. Stop that one, or choose another database"
            )
        return connection

    def _forget(self, batch: list[Write]) -> None:
        for _ in batch:
            self._queue.popleft()
        if not self._queue:
            self._work.clear()
        if len(self._queue) < MAX_QUEUED:
            self._room.set()

    def _report(self, batch: list[Write]) -> None:
        now_ns = time.monotonic_ns()
        for write in batch:
            if write.raw is not None:
                self.commit_latency.add(now_ns - write.queued_ns)
            if write.done is not None and not write.done.done():
                write.done.set_result(None)
        marks = _newest(batch)
        if marks:
            self.on_committed({stream_id: mark.seq for stream_id, mark in marks.items()})


def _reason(exc: Exception) -> str:
    if isinstance(exc, psycopg.errors.DiskFull):
        return "the database's disk is full: free some space"
    return f"the database is away since a {type(exc).__name__}"


def _newest(batch: list[Write]) -> dict[str, StreamMark]:
    """Return the last mark of each stream."""
    return {mark.stream_id: mark for write in batch for mark in write.marks}


async def _commit(connection: psycopg.AsyncConnection[Any], batch: list[Write]) -> None:
    raw = [write.raw for write in batch if write.raw is not None]
    conclusions = [(write.session_id, conclusion) for write in batch for conclusion in write.conclusions]
    statements = to_tables(conclusions)
    statements |= _lane_statements(batch)
    if raw:
        statements["insert_raw"] = columns([{name: getattr(row, name) for name in _RAW_COLUMNS} for row in raw])
    marks = _newest(batch).values()
    if marks:
        statements["update_acks"] = columns([{name: getattr(mark, name) for name in _MARK_COLUMNS} for mark in marks])
    if not statements:
        return
    async with connection.transaction():
        for name, parameters in statements.items():
            await connection.execute(SQL[name], parameters)


def _lane_statements(batch: list[Write]) -> dict[str, dict[str, list[Any]]]:
    """Return what keeps wishes and the newest state of each session."""
    wishes = [
        {"session_id": write.session_id, "arrival_idx": write.wish[0], **wish_row(write.wish[1])}
        for write in batch
        if write.wish is not None
    ]
    states = {write.session_id: write.state for write in batch if write.state is not None}
    rows = {"insert_wishes": wishes, "upsert_live_states": [state_row(*item) for item in states.items()]}
    return {statement: columns(found) for statement, found in rows.items() if found}


_MARK_COLUMNS = ("stream_id", "seq", "n_duplicates")
_RAW_COLUMNS = tuple(RawRow.__slots__)  # type: ignore[attr-defined]  # made by the decorator
