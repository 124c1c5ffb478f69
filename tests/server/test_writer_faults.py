"""A database that goes away in every way it can: what was acknowledged stays, all is there once, trouble is told."""

import asyncio
import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from becalm_protocol.handshake import Source
from becalm_server.archive import writer as writer_module
from becalm_server.archive import writes as writes_module
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.writes import StreamMark, Write

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[EmbeddedPostgres]:
    """One to mistreat; it keeps its promises about power cuts."""
    folder = Path(tempfile.mkdtemp(prefix="becalm-test-"))
    folder.chmod(0o711)
    database = EmbeddedPostgres(folder / "postgres", durable=True)
    database.start()
    yield database
    database.stop()
    shutil.rmtree(folder)


class Told(logging.Handler):
    """What the writer says of its database, as events to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.away, self.back = asyncio.Event(), asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        (self.back if record.getMessage() == "the database is back" else self.away).set()


class Feed:
    """A session whose seconds go into the archive, and what was acknowledged of them."""

    def __init__(self, archive: Archive, sensors: Any, *, session_id: str) -> None:
        self.archive = archive
        self.acked: dict[str, int] = {}
        self.told = Told()
        self._sensors = sensors
        self._session_id = session_id
        self._n = 0
        archive.writer.on_committed = self.acked.update

    async def begin(self) -> None:
        record = SessionRecord(session_id=self._session_id, source=Source.LIVE, baseline_s=60.0, started_unix_ns=10**18)
        await self.archive.add_session(record)
        await self.archive.begin_session(record, streams=self._sensors.streams)

    def send(self, n_seconds: int) -> None:
        for _ in range(n_seconds):
            for data in self._sensors.second(self._n):
                row = to_row(data.event, seq=data.seq, arrival_idx=data.seq)
                mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
                now_ns = time.monotonic_ns()
                self.archive.writer.put_nowait(
                    Write(session_id=self._session_id, raw=row, marks=(mark,), queued_ns=now_ns)
                )
            self._n += 1

    async def drained(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await self.archive.writer.wait_drained()

    async def trouble(self) -> str:
        async with asyncio.timeout(LIMIT_S):
            await self.told.away.wait()
        assert self.archive.writer.trouble is not None
        return self.archive.writer.trouble

    def check(self, url: str) -> None:
        """Every event is there once, all of them acknowledged."""
        assert self.acked == self._sensors.last
        assert self.archive.writer.trouble is None
        with psycopg.connect(url) as connection:
            found = connection.execute(
                "select stream_id, count(*), count(distinct seq), max(seq) from raw_event"
                " where stream_id = any(%s) group by 1",
                (list(self.acked),),
            ).fetchall()
        assert sorted(found) == sorted((stream_id, n, n, n) for stream_id, n in self._sensors.last.items())


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits made for people who wait, shortened."""
    monkeypatch.setattr(writer_module, "BACKOFF_S", (0.02, 0.1))
    monkeypatch.setattr(writer_module, "CONNECT_LIMIT_S", 2)
    monkeypatch.setattr(writes_module, "STATEMENT_LIMIT_S", 0.5)


@asynccontextmanager
async def feeding(url: str, sensors: Any, *, session_id: str) -> AsyncIterator[Feed]:
    log = logging.getLogger("becalm_server.archive.writer")
    async with open_own_archive(url) as archive, asyncio.TaskGroup() as group:
        feed = Feed(archive, sensors, session_id=session_id)
        log.addHandler(feed.told)
        writing = group.create_task(archive.writer.run())
        try:
            await feed.begin()
            feed.send(3)
            await feed.drained()
            yield feed
        finally:
            log.removeHandler(feed.told)
            writing.cancel()


def serving_processes(cluster: EmbeddedPostgres) -> list[int]:
    """The processes that serve clients: the writer's among them."""
    with psycopg.connect(cluster.url) as connection:
        serving = connection.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
    return [pid for (pid,) in serving]


async def test_immediate_restarts_lose_and_double_nothing(own_cluster: EmbeddedPostgres, sensors: Any) -> None:
    async with feeding(own_cluster.url, sensors, session_id="restart") as feed, asyncio.TaskGroup() as group:
        supervising = group.create_task(own_cluster.supervise())
        for _ in range(2):
            feed.send(5)
            await feed.drained()
            pid = own_cluster.pid
            assert pid is not None
            os.kill(pid, signal.SIGQUIT)  # as good as a power cut: no checkpoint, recovery from the log
            feed.told.away.clear()
            feed.send(5)
            await feed.trouble()
        await feed.drained()
        supervising.cancel()
        feed.check(own_cluster.url)
    assert own_cluster.n_restarts >= 2


async def test_a_stopped_database_is_waited_for(own_cluster: EmbeddedPostgres, sensors: Any) -> None:
    async with feeding(own_cluster.url, sensors, session_id="stopped") as feed:
        pids = serving_processes(own_cluster)
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            feed.send(5)
            assert "(TimeoutError); nothing is lost" in await feed.trouble()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await feed.drained()
        feed.check(own_cluster.url)


def seize(url: str, crowd: list[psycopg.Connection[Any]]) -> None:
    """Take every connection that there is."""
    while True:
        try:
            crowd.append(psycopg.connect(url))
        except psycopg.OperationalError as exc:
            if "too many clients" in str(exc):
                return
            raise


async def test_a_crowded_database_is_waited_for(own_cluster: EmbeddedPostgres, sensors: Any) -> None:
    crowd: list[psycopg.Connection[Any]] = []
    async with feeding(own_cluster.url, sensors, session_id="crowded") as feed:
        with psycopg.connect(own_cluster.url, autocommit=True) as boss:
            try:
                seize(own_cluster.url, crowd)
                n_seized = len(crowd)
                boss.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and objid = %s",
                    (writer_module.SINGLE_WRITER_LOCK,),
                )
                while len(crowd) == n_seized:  # nothing is awaited here: the writer cannot be quicker
                    seize(own_cluster.url, crowd)
                feed.send(5)
                assert "nothing is lost" in await feed.trouble()
            finally:
                for one in crowd:
                    one.close()
        await feed.drained()
        feed.check(own_cluster.url)


async def test_a_database_that_only_reads_is_waited_for(own_cluster: EmbeddedPostgres, sensors: Any) -> None:
    async with feeding(own_cluster.url, sensors, session_id="read only") as feed:
        with psycopg.connect(own_cluster.url, autocommit=True) as boss:
            try:
                boss.execute("alter database becalm set default_transaction_read_only = on")
                boss.execute("alter system set default_transaction_read_only = on")
                boss.execute("select pg_reload_conf()")
                feed.send(5)
                assert "ReadOnlySqlTransaction" in await feed.trouble()
            finally:
                boss.execute("set default_transaction_read_only = off")
                boss.execute("alter database becalm reset default_transaction_read_only")
                boss.execute("alter system reset default_transaction_read_only")
                boss.execute("select pg_reload_conf()")
        await feed.drained()
        feed.check(own_cluster.url)


async def test_a_full_disk_is_named_and_waited_for(own_cluster: EmbeddedPostgres, sensors: Any) -> None:
    full = """
        create function full_disk() returns trigger language plpgsql as $$
            begin raise 'could not extend file' using errcode = 'disk_full'; end $$;
        create trigger full_disk before insert on raw_event execute function full_disk();
    """
    async with feeding(own_cluster.url, sensors, session_id="full") as feed:
        with psycopg.connect(own_cluster.url, autocommit=True) as boss:
            try:
                boss.execute(full.encode())
                feed.send(5)
                assert "disk is full: free some space" in await feed.trouble()
            finally:
                boss.execute("drop function full_disk cascade")
        await feed.drained()
        feed.check(own_cluster.url)
