"""The only writer of raw and derived rows: a bounded queue, group commits, acknowledgements after the commit."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from becalm_protocol.errors import StorageError, UsageError
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.entrances import CONNECT_LIMIT_S, with_options
from becalm_server.archive.statements import SQL
from becalm_server.archive.writes import Refusal, Write, commit, newest_marks
from becalm_server.latency import Latency

log = logging.getLogger(__name__)

# A quarter of an hour of a session of three sensors, ten seconds of a hundred; some 50 to 100 MB.
MAX_QUEUED = 65_536
# While the database is away agents are asked for more up to here: what is under way then still finds room.
MAX_HELD = MAX_QUEUED // 2
# Commits take milliseconds, now and then a second.
BEHIND_NS = 2 * NS_PER_S
# One transaction of this size takes about 50 ms; larger ones would delay the acknowledgements behind them.
MAX_BATCH = 2_000
# Frames of one moment arrive within a few milliseconds; one commit for them all costs a third of the processor time.
LINGER_S = 0.008
BACKOFF_S = (0.1, 3.0)
N_CLAIMS = 10
CLAIM_PAUSE_S = 0.2
SINGLE_WRITER_LOCK = 0x6265_6362


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
        self._n_refused_raw = 0
        self._n_refused_derived = 0
        self.trouble: str | None = None
        """Why nothing is committed at the moment; None while all is well."""
        self.commit_latency = Latency()
        """From put_nowait to committed."""

    @property
    def is_behind(self) -> bool:
        """Whether what comes now waits longer than a commit takes: the database is away, or silent."""
        waits_since_ns = self._queue[0].queued_ns if self._queue else time.monotonic_ns()
        return self.trouble is not None or time.monotonic_ns() - waits_since_ns > BEHIND_NS

    @property
    def holds_more(self) -> bool:
        """Whether there is room for what cannot be committed at the moment."""
        return len(self._queue) < MAX_HELD

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
        """Depth and peak of the queue; transactions, and rows that the database refused for good, so far."""
        return {
            "depth": len(self._queue),
            "peak": self._peak,
            "commits": self._n_commits,
            "refused_raw": self._n_refused_raw,
            "refused_derived": self._n_refused_derived,
        }

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
                refusals = await commit(self._connection, batch)
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
                self._count(refusals)
                return

    def _count(self, refusals: Sequence[Refusal]) -> None:
        if not refusals:
            return
        n_raw = sum(one.is_raw for one in refusals)
        self._n_refused_raw += n_raw
        self._n_refused_derived += len(refusals) - n_raw
        log.error(
            "the database refused %d raw and %d other rows for good (%s); they are left out, all others are kept",
            n_raw,
            len(refusals) - n_raw,
            ", ".join(sorted({one.reason for one in refusals})),
        )

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_LIMIT_S,
            options=with_options(self._url, "-c timezone=UTC"),
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
        marks = newest_marks(batch)
        if marks:
            self.on_committed({stream_id: mark.seq for stream_id, mark in marks.items()})


def _reason(exc: Exception) -> str:
    if isinstance(exc, psycopg.errors.DiskFull):
        return "the database's disk is full: free some space"
    return f"the database is away ({type(exc).__name__})"
