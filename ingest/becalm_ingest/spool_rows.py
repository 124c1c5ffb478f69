"""The statements of the spool: one function each, all in one transaction or none."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from becalm_ingest.spool_stream import NO_OVERFLOW, Overflow, SpooledSession, SpooledStream
from becalm_protocol.codec import decode_json, encode_json
from becalm_protocol.events import StreamInfo
from becalm_protocol.handshake import OpenSession, Source

# One read feeds one turn of the sender; more would hold up the events that arrive meanwhile.
MAX_ROWS_PER_READ = 64

EventRow = tuple[int, int, int, bytes]
"""stream_no, seq, received_ns, body"""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit at the end, roll back on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def durable(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit for good, with all that was committed before: what is sent from now on rests on it."""
    connection.execute("PRAGMA synchronous=FULL")
    try:
        with transaction(connection):
            yield
    finally:
        connection.execute("PRAGMA synchronous=NORMAL")


def load_sessions(connection: sqlite3.Connection) -> dict[str, SpooledSession]:
    """Return what earlier processes left, oldest first."""
    sessions = {}
    for session_id, started_unix_ns, started_monotonic_ns, source, finished in connection.execute(
        "SELECT session_id, started_unix_ns, started_monotonic_ns, source, finished FROM session ORDER BY rowid"
    ):
        sessions[session_id] = SpooledSession(
            session_id=session_id,
            started_unix_ns=started_unix_ns,
            started_monotonic_ns=started_monotonic_ns,
            source=Source(source),
            finished=bool(finished),
        )
    for stream in _load_streams(connection):
        sessions[stream.session_id].streams[stream.info.stream_id] = stream
    return sessions


def _load_streams(connection: sqlite3.Connection) -> list[SpooledStream]:
    streams = []
    for stream_no, session_id, info, acked_seq, acked_ns, overflow, found_seq in connection.execute(
        "SELECT stream_no, session_id, info, acked_seq, acked_ns, overflow, found.seq"
        " FROM stream LEFT JOIN found USING (stream_no) ORDER BY stream_no"
    ):
        last_seq, newest_ns = connection.execute(
            "SELECT seq, received_ns FROM event WHERE stream_no = ? ORDER BY seq DESC LIMIT 1", (stream_no,)
        ).fetchone() or (acked_seq, acked_ns)
        streams.append(
            SpooledStream(
                stream_no=stream_no,
                session_id=session_id,
                info=_decode_info(info),
                acked_seq=acked_seq,
                acked_ns=acked_ns,
                last_seq=max(last_seq, acked_seq),
                newest_ns=newest_ns,
                found_seq=max(last_seq, acked_seq) if found_seq is None else found_seq,
                overflow=Overflow.unpack(overflow),
            )
        )
    return streams


def _encode_info(info: StreamInfo) -> str:
    """Keep a stream as an opening of its own: the codec knows messages."""
    return encode_json(OpenSession(session_id="spool", started_unix_ns=0, source=Source.LIVE, streams=(info,)))


def _decode_info(text: str) -> StreamInfo:
    return decode_json(text, OpenSession).streams[0]


def insert_session(connection: sqlite3.Connection, session: SpooledSession) -> None:
    """Add a session."""
    with transaction(connection):
        connection.execute(
            "INSERT INTO session (session_id, started_unix_ns, started_monotonic_ns, source, finished)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                session.session_id,
                session.started_unix_ns,
                session.started_monotonic_ns,
                session.source.value,
                session.finished,
            ),
        )


def insert_stream(connection: sqlite3.Connection, stream: SpooledStream) -> None:
    """Add a stream of a session."""
    with transaction(connection):
        connection.execute(
            "INSERT INTO stream (stream_no, session_id, info, acked_seq, acked_ns, overflow) VALUES (?, ?, ?, ?, ?, ?)",
            (
                stream.stream_no,
                stream.session_id,
                _encode_info(stream.info),
                stream.acked_seq,
                stream.acked_ns,
                stream.overflow.pack() if stream.overflow else NO_OVERFLOW,
            ),
        )
        _keep_found(connection, stream)


def insert_found(connection: sqlite3.Connection, streams: Iterable[SpooledStream]) -> None:
    """Keep what was found at a start until the server has said where it stands, however many starts that takes."""
    with transaction(connection):
        for stream in streams:
            _keep_found(connection, stream)


def _keep_found(connection: sqlite3.Connection, stream: SpooledStream) -> None:
    if stream.found_seq is not None:
        connection.execute("INSERT OR IGNORE INTO found VALUES (?, ?)", (stream.stream_no, stream.found_seq))


def delete_found(connection: sqlite3.Connection, stream_no: int) -> None:
    """The server has said where it stands in a stream."""
    with durable(connection):
        connection.execute("DELETE FROM found WHERE stream_no = ?", (stream_no,))


def update_finished(connection: sqlite3.Connection, session: SpooledSession) -> None:
    """Keep that nothing more will be appended to a session."""
    with transaction(connection):
        connection.execute("UPDATE session SET finished = 1 WHERE session_id = ?", (session.session_id,))


def update_overflow(connection: sqlite3.Connection, stream: SpooledStream) -> None:
    """Keep what found no room, in place."""
    packed = stream.overflow.pack() if stream.overflow else NO_OVERFLOW
    with transaction(connection):
        connection.execute("UPDATE stream SET overflow = ? WHERE stream_no = ?", (packed, stream.stream_no))


def delete_session(connection: sqlite3.Connection, session: SpooledSession) -> None:
    """Remove a session with its streams and whatever is left of their events."""
    numbers = [(stream.stream_no,) for stream in session.streams.values()]
    with transaction(connection):
        connection.executemany("DELETE FROM event WHERE stream_no = ?", numbers)
        connection.executemany("DELETE FROM found WHERE stream_no = ?", numbers)
        connection.executemany("DELETE FROM stream WHERE stream_no = ?", numbers)
        connection.execute("DELETE FROM session WHERE session_id = ?", (session.session_id,))


def insert_events(connection: sqlite3.Connection, rows: list[EventRow]) -> None:
    """Add events."""
    with transaction(connection):
        connection.executemany("INSERT INTO event (stream_no, seq, received_ns, body) VALUES (?, ?, ?, ?)", rows)


def select_events(
    connection: sqlite3.Connection, stream_no: int, *, after_seq: int, upto_seq: int
) -> list[tuple[int, bytes]]:
    """Return events as (seq, body), at most MAX_ROWS_PER_READ."""
    return connection.execute(
        "SELECT seq, body FROM event WHERE stream_no = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        (stream_no, after_seq, upto_seq, MAX_ROWS_PER_READ),
    ).fetchall()


def delete_acked(connection: sqlite3.Connection, stream: SpooledStream) -> None:
    """Remove what the server has, and keep how far that goes."""
    key = (stream.stream_no, stream.acked_seq)
    with transaction(connection):
        acked = connection.execute("SELECT received_ns FROM event WHERE stream_no = ? AND seq = ?", key).fetchone()
        stream.acked_ns = acked[0] if acked else stream.acked_ns
        connection.execute("DELETE FROM event WHERE stream_no = ? AND seq <= ?", key)
        connection.execute(
            "UPDATE stream SET acked_seq = ?, acked_ns = ? WHERE stream_no = ?",
            (stream.acked_seq, stream.acked_ns, stream.stream_no),
        )


def shift_events(connection: sqlite3.Connection, stream_no: int, *, after_seq: int, shift: int) -> None:
    """Renumber the events after one number, by where the server stands."""
    with durable(connection):  # by way of negative numbers, so that no two meet
        connection.execute(
            "UPDATE event SET seq = -(seq + ?) WHERE stream_no = ? AND seq > ?", (shift, stream_no, after_seq)
        )
        connection.execute("UPDATE event SET seq = -seq WHERE stream_no = ? AND seq < 0", (stream_no,))
        connection.execute("DELETE FROM found WHERE stream_no = ?", (stream_no,))
