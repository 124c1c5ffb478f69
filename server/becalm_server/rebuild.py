"""What a session has behind it: its place after a restart, and its way back into a process of pipelines.

A session takes a seat where it left off, by its last state and the raw events since: at an opening, when a sensor
joins, after a restart of the server and after the death of a process.
"""

import time
from collections import deque
from collections.abc import Sequence

from becalm_protocol.events import StreamInfo
from becalm_protocol.wishes import BreathWish
from becalm_server.archive.lane_store import live_state, position, raw_rows_after, wishes
from becalm_server.archive.store import Archive
from becalm_server.archive.writes import Write
from becalm_server.lane import Lane
from becalm_server.lane_messages import LiveState, Row, Wish
from becalm_server.lanes import Lanes
from becalm_server.session import Session
from becalm_server.stream_tail import StreamTail
from becalm_server.worker_process import WorkerGoneError


async def place_session(session: Session, *, streams: Sequence[StreamInfo], archive: Archive) -> None:
    """Give a session the positions that its archive says it has; `streams` may be new ones. It has no seat then."""
    session.seat.stand()
    await archive.writer.wait_drained()
    session_id = session.record.session_id
    session.record = await archive.begin_session(session.record, streams=streams)
    known = await archive.streams(session_id)
    repeats = {stream_id: tail.n_duplicates for stream_id, tail in session.streams.items()}
    tails = [
        StreamTail(
            stream.info,
            acked_seq=stream.acked_seq,
            n_duplicates=max(stream.n_duplicates, repeats.get(stream.info.stream_id, 0)),
        )
        for stream in known
    ]
    if not session.streams:
        session.arrival_idx, session.newest_ns = await _position(archive, session)
        session.published_idx = session.arrival_idx - 1  # nobody is there yet who could miss what followed from it
    archive.writer.put_nowait(
        Write(session_id=session_id, conclusions=session.schedule(), queued_ns=time.monotonic_ns())
    )
    session.install(tails)
    session.advance(session.newest_ns)


async def seat_session(session: Session, *, archive: Archive, lanes: Lanes) -> None:
    """Give a session a seat that has heard everything so far; what comes meanwhile waits. Raises StorageError."""
    seat, session_id = session.seat, session.record.session_id
    streams = [tail.info for tail in session.streams.values()]
    while not seat.is_given_up:
        seat.stand()
        before_idx = session.arrival_idx
        await archive.writer.wait_drained()
        lane, handle = lanes.emptiest(), 0
        try:
            state = None if seat.is_last_try else await live_state(archive, session_id)
            handle, resumed = await lane.open(seat, streams=streams, schedule=session.schedule(), state=state)
            past = _Past(archive, session, since=state if resumed else None, before_idx=before_idx)
            await past.replay(lane, handle)
            if await seat.sit(lane, handle):
                return
        except WorkerGoneError:
            continue
        except BaseException:
            lane.leave(handle)
            raise


class _Past:
    """The steps of a session after a state, before those that wait at its seat."""

    def __init__(self, archive: Archive, session: Session, *, since: LiveState | None, before_idx: int) -> None:
        self._archive = archive
        self._session = session
        self._since = since
        self._before_idx = before_idx

    async def replay(self, lane: Lane, handle: int) -> None:
        """Have the process hear them, in order."""
        session_id = self._session.record.session_id
        after_idx = self._since.arrival_idx if self._since else -1
        wished = deque(await wishes(self._archive, session_id, after_idx=after_idx))
        heard = self._since.seqs if self._since else {}
        async for rows in raw_rows_after(self._archive, session_id, heard=heard):
            for row in rows:
                while wished and wished[0][0] < row.arrival_idx:
                    self._wish(lane, handle, *wished.popleft())
                if row.arrival_idx < self._before_idx:
                    lane.put_nowait(Row(handle, row.arrival_idx, row.received_ns, row))
                    await lane.wait_heard(handle)
            await self._archive.writer.wait_room()
        for arrival_idx, wish in wished:
            self._wish(lane, handle, arrival_idx, wish)

    def _wish(self, lane: Lane, handle: int, arrival_idx: int, wish: BreathWish) -> None:
        if arrival_idx < self._before_idx:
            lane.put_nowait(Wish(handle, arrival_idx, wish))


async def _position(archive: Archive, session: Session) -> tuple[int, int]:
    """Return the number of a session's next step, and the newest time of its events."""
    session_id = session.record.session_id
    if not session.late:
        return await position(archive, session_id)
    next_idx, newest_ns = 0, 0
    async for rows in archive.raw_rows(session_id):
        next_idx = max(next_idx, *(row.arrival_idx + 1 for row in rows))
        newest_ns = max(newest_ns, *(row.received_ns for row in rows))
    wished = [arrival_idx + 1 for arrival_idx, _ in await wishes(archive, session_id, after_idx=-1)]
    return max(next_idx, *wished, 0), newest_ns
