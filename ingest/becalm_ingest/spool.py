"""The spool: every event is on disk before it is sent, and stays until the server has acknowledged it.

Each stream's events carry 1, 2, 3 ... without a hole, for ever: what could not be kept (a restart, a full disk) is a
Gap with a number of its own. Appending is synchronous and never waits; `flush` commits what has come since.
"""

import asyncio
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from becalm_ingest import spool_file, spool_rows
from becalm_ingest.spool_stream import Overflow, SpooledSession, SpooledStream
from becalm_protocol.codec import encode_msgpack
from becalm_protocol.errors import StorageError, UsageError, WireError
from becalm_protocol.events import Gap, GapReason, RawEvent, StreamInfo

T = TypeVar("T")

# 200 MB hold a day of every signal; the quota keeps a forgotten agent from filling a disk.
DEFAULT_QUOTA_BYTES = 500_000_000
# Once full, this much must be free before events are taken again, or one Gap would become many.
_RESUME_SHARE = 0.1
_PAGE_BYTES = 4096
_CHECKPOINT_PERIOD_S = 2.0
# Policy when the writer cannot follow: the newest events are refused and told as a Gap. 20,000 are minutes of data.
_MAX_BATCH = 20_000


class Spool:
    """Append, read in order, acknowledge. One owner, one thread (its checkpoints apart)."""

    def __init__(self, path: Path, *, quota_bytes: int = DEFAULT_QUOTA_BYTES) -> None:
        self._path = path
        self._quota_bytes = quota_bytes
        self._connection, self.alarm = spool_file.open_or_set_aside(path, quota_bytes=quota_bytes)
        self._reserve_pages = max(8, int(_RESUME_SHARE * quota_bytes / _PAGE_BYTES))
        self.generation = 0
        """Grows when the file had to be replaced: the server must then be asked where each stream stands."""
        self.on_commit: Callable[[], None] = lambda: None
        """Called after each commit that changed what is to be sent."""
        self.n_refused = 0
        """Events that found no room."""
        self.sessions: dict[str, SpooledSession] = self._load()
        self._streams = {key: stream for session in self.sessions.values() for key, stream in session.streams.items()}
        self._attempt(lambda: spool_rows.insert_found(self._connection, self._streams.values()))
        self._batch: list[RawEvent] = []
        self._dirty = asyncio.Event()
        self._full = any(stream.overflow for stream in self._streams.values())

    # ------------------------------------------------------------------------------------------------- sessions
    def begin(self, session: SpooledSession) -> None:
        """Register a session without streams."""
        self.sessions[session.session_id] = session
        self._attempt(lambda: spool_rows.insert_session(self._connection, session))

    def add_stream(self, session_id: str, info: StreamInfo) -> None:
        """Register a stream of a session."""
        stream_no = 1 + max((stream.stream_no for stream in self._streams.values()), default=0)
        stream = SpooledStream(stream_no=stream_no, session_id=session_id, info=info)
        self.sessions[session_id].streams[info.stream_id] = stream
        self._streams[info.stream_id] = stream
        self._attempt(lambda: spool_rows.insert_stream(self._connection, stream))
        self.on_commit()

    def mark_restart(self, stream_id: str, *, now_ns: int) -> None:
        """Append the Gap between what an earlier process appended to a stream and now."""
        newest_ns = self._streams[stream_id].newest_ns
        gap = Gap(
            stream_id=stream_id,
            received_ns=max(now_ns, newest_ns),
            start_ns=newest_ns,
            end_ns=max(now_ns, newest_ns),
            reason=GapReason.AGENT_RESTART,
        )
        self.put_nowait(gap)

    def finish(self, session_id: str) -> None:
        """Note that nothing more will be appended to a session."""
        self.flush()
        session = self.sessions[session_id]
        session.finished = True
        self._attempt(lambda: spool_rows.update_finished(self._connection, session))
        self.on_commit()

    def forget(self, session_id: str) -> None:
        """Drop a session that the server has closed."""
        session = self.sessions.pop(session_id, None)
        if session is None:
            return
        for stream_id in session.streams:
            del self._streams[stream_id]
        self._attempt(lambda: spool_rows.delete_session(self._connection, session))
        self.on_commit()

    @property
    def n_unacked(self) -> int:
        """Events on disk, or on their way there, that the server has not acknowledged."""
        return len(self._batch) + sum(session.n_unacked for session in self.sessions.values())

    def n_unacked_of(self, session_id: str) -> int:
        """The same, of one session alone."""
        return len(self._batch) + (self.sessions[session_id].n_unacked if session_id in self.sessions else 0)

    # --------------------------------------------------------------------------------------------------- events
    def put_nowait(self, event: RawEvent) -> None:
        """Append an event to its stream; it is on disk after the next `flush`."""
        stream = self._streams.get(event.stream_id)
        if stream is None or self.sessions[stream.session_id].finished:
            raise UsageError(f"spool: expected an event of an open session, got stream {event.stream_id}")
        if len(self._batch) >= _MAX_BATCH:
            self._refuse([event])
            return
        self._batch.append(event)
        self._dirty.set()

    def flush(self) -> None:
        """Commit what was appended. Never raises for a full or broken disk: it becomes a Gap and an alarm."""
        batch, self._batch = self._batch, []
        self._dirty.clear()
        if not batch and not self._full:
            return
        if self._full and not self._has_room():
            self._refuse(batch)
            return
        before = [(stream, stream.last_seq, stream.newest_ns) for stream in self._streams.values()]
        try:
            spool_rows.insert_events(self._connection, self._number(batch))
        except sqlite3.Error as exc:
            for stream, last_seq, newest_ns in before:
                stream.last_seq, stream.newest_ns = last_seq, newest_ns
            self._refuse(batch)
            self._mend(exc)
            return
        if self._full:
            self._clear_overflow()
        self.on_commit()

    def pending(self, stream_id: str, *, after_seq: int, upto_seq: int) -> list[tuple[int, bytes]]:
        """Return the next events after a number, up to another, as (seq, MessagePack of the event)."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.last_seq <= after_seq:
            return []
        select = partial(spool_rows.select_events, self._connection, stream.stream_no)
        return self._attempt(partial(select, after_seq=after_seq, upto_seq=upto_seq)) or []

    def ack(self, stream_id: str, seq: int) -> bool:
        """Drop everything up to `seq`. Returns whether that was progress; raises ValueError beyond what exists."""
        stream = self._streams.get(stream_id)
        if stream is None or seq <= stream.acked_seq:
            return False
        if seq > stream.last_seq:
            raise ValueError(f"acknowledgement: expected at most {stream.last_seq}, got {seq}")
        stream.acked_seq = seq
        self._attempt(lambda: spool_rows.delete_acked(self._connection, stream))
        if self._full:
            self.flush()
        return True

    def resume(self, stream_id: str, *, acked_seq: int) -> None:
        """Take over where the server stands in a stream, as told when a session is opened or resumed.

        Raises ValueError where the server claims more than was ever sent.
        """
        stream = self._streams[stream_id]
        self.flush()
        found_seq, stream.found_seq = stream.found_seq, None
        if found_seq is not None and acked_seq > found_seq:
            # The newest commits of the process before went with a power cut, after they had been sent.
            self._shift(stream, after_seq=found_seq, shift=acked_seq - found_seq)
        elif acked_seq < stream.acked_seq:
            self._rewind(stream, acked_seq=acked_seq)
        elif found_seq is not None:
            self._attempt(partial(spool_rows.delete_found, self._connection, stream.stream_no))
        self.ack(stream_id, acked_seq)

    # --------------------------------------------------------------------------------------------------- upkeep
    async def run(self) -> None:
        """Commit whatever is appended, at once; move the log into the file from time to time."""
        loop = asyncio.get_running_loop()
        checkpointed_s = loop.time()
        while True:
            await self._dirty.wait()
            self.flush()
            if loop.time() - checkpointed_s > _CHECKPOINT_PERIOD_S:
                await asyncio.to_thread(spool_file.checkpoint, self._path)
                checkpointed_s = loop.time()

    def close(self) -> None:
        """Commit, keep the extent of what found no room, and close the file."""
        self.flush()
        self._keep_overflow()
        self._connection.close()

    def _number(self, batch: list[RawEvent]) -> list[spool_rows.EventRow]:
        events: list[RawEvent] = []
        if self._full:
            events = [stream.overflow.gap(key) for key, stream in self._streams.items() if stream.overflow]
        rows = []
        for event in [*events, *batch]:
            stream = self._streams[event.stream_id]
            stream.last_seq += 1
            stream.newest_ns = max(stream.newest_ns, event.received_ns)
            rows.append((stream.stream_no, stream.last_seq, event.received_ns, encode_msgpack(event)))
        return rows

    def _refuse(self, events: list[RawEvent]) -> None:
        was_full, self._full = self._full, True
        for event in events:
            stream = self._streams[event.stream_id]
            if stream.overflow is None:
                stream.overflow = Overflow(start_ns=stream.newest_ns, end_ns=event.received_ns, n_events=0)
            stream.overflow.n_events += 1
            stream.overflow.end_ns = max(stream.overflow.end_ns, event.received_ns)
        self.n_refused += len(events)
        self.alarm = "The spool or its disk is full: new samples are not kept. Free some disk or reconnect the server"
        if not was_full:
            self._keep_overflow()

    def _has_room(self) -> bool:
        return (self._attempt(lambda: spool_file.free_pages(self._connection)) or 0) > self._reserve_pages

    def _clear_overflow(self) -> None:
        self._full, self.alarm = False, None
        for stream in self._streams.values():
            if stream.overflow:
                stream.overflow = None
                self._attempt(partial(spool_rows.update_overflow, self._connection, stream))

    def _keep_overflow(self) -> None:
        for stream in self._streams.values():
            if stream.overflow:
                self._attempt(partial(spool_rows.update_overflow, self._connection, stream))

    def _shift(self, stream: SpooledStream, *, after_seq: int, shift: int) -> None:
        stream.last_seq += shift
        self._attempt(
            partial(spool_rows.shift_events, self._connection, stream.stream_no, after_seq=after_seq, shift=shift)
        )

    def _rewind(self, stream: SpooledStream, *, acked_seq: int) -> None:
        """Put one Gap where the server lost what it had acknowledged, and number on from there."""
        next_seq = acked_seq + 1
        self._shift(stream, after_seq=stream.acked_seq, shift=next_seq - stream.acked_seq)
        stream.acked_seq = acked_seq
        key, t_ns = stream.info.stream_id, stream.acked_ns  # it stands before what came later
        gap = Gap(stream_id=key, received_ns=t_ns, start_ns=t_ns, end_ns=t_ns, reason=GapReason.LINK_LOST)
        rows = [(stream.stream_no, next_seq, t_ns, encode_msgpack(gap))]
        self._attempt(lambda: spool_rows.insert_events(self._connection, rows))

    # ---------------------------------------------------------------------------------------------- broken file
    def _load(self) -> dict[str, SpooledSession]:
        try:
            return spool_rows.load_sessions(self._connection)
        except (sqlite3.Error, WireError, KeyError, struct.error) as exc:
            if isinstance(exc, sqlite3.Error) and not spool_file.is_broken(exc):
                raise StorageError(f"spool: expected to read {self._path}, got '{exc}'; free some disk") from exc
            self._connection.close()
            problem = spool_file.set_aside(self._path)
            self._connection, _ = spool_file.open_or_set_aside(self._path, quota_bytes=self._quota_bytes)
            self.alarm = problem
            return {}

    def _attempt(self, statement: Callable[[], T]) -> T | None:
        """Run a statement; on trouble mend the file, or raise the alarm, and return None."""
        try:
            return statement()
        except sqlite3.Error as exc:
            self._mend(exc)
            return None

    def _mend(self, exc: sqlite3.Error) -> None:
        if not spool_file.is_broken(exc):
            self.alarm = f"The spool cannot be written ({exc}). Free some disk"
            return
        self._connection.close()
        spool_file.set_aside(self._path)
        self._connection, _ = spool_file.open_or_set_aside(self._path, quota_bytes=self._quota_bytes)
        self.generation += 1
        for session in self.sessions.values():
            self._attempt(partial(spool_rows.insert_session, self._connection, session))
            for stream in session.streams.values():
                self._note_lost(stream)
                self._attempt(partial(spool_rows.insert_stream, self._connection, stream))
        self.alarm = "The spool file broke; what was not sent yet is lost and told as a gap. A new file is in use"

    def _note_lost(self, stream: SpooledStream) -> None:
        n_lost = stream.last_seq - stream.acked_seq
        stream.last_seq = stream.found_seq = stream.acked_seq
        if n_lost:
            refused = stream.overflow or Overflow(start_ns=0, end_ns=stream.newest_ns, n_events=0)
            stream.overflow = replace(refused, start_ns=stream.acked_ns, n_events=n_lost + refused.n_events)
            self._full = True
