"""The SQLite file under the spool: schema, pragmas, and setting a broken file aside.

WAL with synchronous=NORMAL: a killed process loses nothing, because the operating system holds what was committed, and
the sample path pays 0.014 ms a commit (p99 0.025), where FULL takes 0.09 on a fast disk and milliseconds on a slow one.
After a power cut the newest commits may be gone, but never the file; the server then knows more of a stream than the
spool does, and `Spool.resume` numbers on from there.
"""

import os
import sqlite3
import time
from pathlib import Path

from becalm_protocol.errors import StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    session_id TEXT PRIMARY KEY,
    started_unix_ns INTEGER NOT NULL,
    started_monotonic_ns INTEGER NOT NULL,
    source TEXT NOT NULL,
    finished INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS stream (
    stream_no INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    info TEXT NOT NULL,                 -- OpenSession with this one stream, JSON
    acked_seq INTEGER NOT NULL,
    acked_ns INTEGER NOT NULL,
    overflow BLOB NOT NULL              -- three int64, written in place: needs no room when there is none
);
CREATE TABLE IF NOT EXISTS found (
    stream_no INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL                -- the newest event there was at the first start since the server was asked
);
CREATE TABLE IF NOT EXISTS event (
    stream_no INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    body BLOB NOT NULL,                 -- the event, MessagePack
    PRIMARY KEY (stream_no, seq)
) WITHOUT ROWID;
"""
_BUSY_TIMEOUT_MS = 2_000


def connect(path: Path, *, quota_bytes: int) -> sqlite3.Connection:
    """Open the file and check it. Raises sqlite3.DatabaseError where it is broken."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        # Checkpoints wait for the disk, so they run in a thread of their own, never at a commit.
        connection.execute("PRAGMA wal_autocheckpoint=0")
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA max_page_count={max(16, quota_bytes // page_bytes)}")
        connection.executescript(_SCHEMA)
        problems = connection.execute("PRAGMA quick_check(1)").fetchall()
        if problems != [("ok",)]:
            raise sqlite3.DatabaseError(f"quick_check: {problems[0][0]}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_or_set_aside(path: Path, *, quota_bytes: int) -> tuple[sqlite3.Connection, str | None]:
    """Open the file, or a new one in its place with a sentence saying where the broken one went.

    Raises StorageError where the folder cannot be written.
    """
    problem = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(2):
            try:
                return connect(path, quota_bytes=quota_bytes), problem
            except sqlite3.DatabaseError as exc:
                if not is_broken(exc):
                    raise
                problem = set_aside(path)
    except (OSError, sqlite3.Error) as exc:
        raise StorageError(
            f"spool: expected to read and write {path}, got '{exc}'; free some disk or choose another data folder"
        ) from exc
    raise StorageError(f"spool: expected a usable file at {path}, got a broken one twice; remove it")


def set_aside(path: Path) -> str:
    """Move a broken file out of the way and return the sentence that says so."""
    kept = path.with_name(f"{path.stem}.broken-{time.time_ns()}{path.suffix}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            os.replace(part, kept.with_name(kept.name + suffix))
    return f"The spool file was broken; it is kept as {kept.name} and a new one is in use"


def is_broken(exc: sqlite3.Error) -> bool:
    """Tell a broken file from a full or busy disk."""
    code: int = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return (code & 0xFF) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def free_pages(connection: sqlite3.Connection) -> int:
    """Pages left under the quota."""
    (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    (n_max,) = connection.execute("PRAGMA max_page_count").fetchone()
    (n_free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(n_max - n_pages + n_free)


def checkpoint(path: Path) -> None:
    """Move the write-ahead log into the file without holding anybody up. Call it in a thread."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error:
        pass  # the next commit meets the same trouble and reports it
    finally:
        connection.close()
