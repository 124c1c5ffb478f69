"""The end of a session: everything settled, everything committed, or a sentence that says why not."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from becalm_protocol.errors import CloseCode, StorageError, WireError
from becalm_protocol.handshake import CloseSession, Reset, SessionPhase
from becalm_server.archive.doubts import Doubt
from becalm_server.archive.row_security import servers_context
from becalm_server.archive.store import Archive
from becalm_server.session import Session

log = logging.getLogger(__name__)

# Commits take milliseconds; whoever asks for the end of a session is told when they do not come.
COMMIT_LIMIT_S = 5.0
# A pipeline that hears a long session once more takes a minute; one that cannot be had at all must not keep it open.
PIPELINE_LIMIT_S = 60.0
_AGAIN = "Nothing is lost: connect, open it again, then bring the rest"
ENDED_MEANWHILE = f"data: expected events of a session under way, got some of one that was ended meanwhile. {_AGAIN}"


async def end_once(session: Session, *, end: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
    """End a session once, however many ask for it, and whoever of them stays to hear of it."""
    if session.phase is SessionPhase.ENDED:
        return
    if session.ending is None or session.ending.done():  # an end that failed is tried again
        # Not in the context of a request, whose database role sees what its caller sees.
        loop = asyncio.get_running_loop()
        session.ending = loop.create_task(end(session), name="end of a session", context=servers_context())
    await asyncio.shield(session.ending)


def missing_of(session: Session, *, closed: CloseSession) -> list[Reset]:
    """Return from where on the agent has to send again, so that all up to its last events is there."""
    return [
        Reset(stream_id=last.stream_id, seq=tail.taken_seq)
        for last in closed.last
        if (tail := session.streams.get(last.stream_id)) and tail.taken_seq < last.seq
    ]


async def bring_to_end(session: Session) -> None:
    """Return once the pipeline's tail is settled and all is committed. Raises StorageError."""
    try:
        async with asyncio.timeout(PIPELINE_LIMIT_S):
            await session.flush()
    except TimeoutError:
        log.warning("a session ended before its pipeline had caught up; the record is whole")
        session.finished = True  # what it settles from here on is too late for a state of it to be kept
        session.doubt(Doubt.CUT)
    if session.seat.is_given_up:
        session.doubt(Doubt.GIVEN_UP)
    await _soon(session.wait_committed())


async def check_whole(closed: CloseSession, *, archive: Archive) -> None:
    """Return where all of a session that has ended is committed. Raises StorageError, or WireError: open it again."""
    if await archive.session(closed.session_id) is None:
        return  # erased: the agent may forget it
    await _soon(archive.writer.wait_drained())
    committed = {stream.info.stream_id: stream.acked_seq for stream in await archive.streams(closed.session_id)}
    if any(committed.get(last.stream_id, 0) < last.seq for last in closed.last):
        raise WireError(
            f"close_session: expected an end after the last events, got one before them. {_AGAIN}",
            close_code=CloseCode.RESTART,
        )


async def _soon(commit: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(COMMIT_LIMIT_S):
            await commit
    except TimeoutError as exc:
        raise StorageError("database: no commit for a while. Everything is kept; stop again when it is back") from exc
