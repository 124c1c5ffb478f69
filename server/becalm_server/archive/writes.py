"""What is committed together or not at all, and how it gets there; what the database refuses is narrowed down."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from becalm_protocol.events import value
from becalm_protocol.wishes import BreathWish
from becalm_server.archive.derived_rows import Conclusion, columns, to_tables
from becalm_server.archive.doubts import Doubt
from becalm_server.archive.lane_rows import state_row, wish_row
from becalm_server.archive.raw_rows import RawRow
from becalm_server.archive.statements import SQL
from becalm_server.lane_messages import LiveState

# A statement of ours takes milliseconds; a database that is silent this long is taken for gone.
STATEMENT_LIMIT_S = 30
# A batch of which every row is refused takes some seconds, part by part.
PARTS_LIMIT_S = 10 * STATEMENT_LIMIT_S
REFUSALS = (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.ProgramLimitExceeded, ValueError, OverflowError)
"""Whatever else goes wrong has to do with the database, not with the rows: it passes, and the same rows are taken."""


@value
class StreamMark:
    """How far a stream has come with this write."""

    stream_id: str
    seq: int
    n_duplicates: int
    """Repeated events of this stream so far, for the record."""
    first_ns: int | None = None
    last_ns: int | None = None
    """Session time of the earliest and the latest arrival since the server took the stream up; None without any."""
    last_idx: int | None = None
    """The largest number of a step so far."""


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
    doubt: Doubt | None = None
    """Why the session is to be derived again after its end."""
    queued_ns: int
    done: asyncio.Future[None] | None = None
    """Resolved once committed, for whoever waits."""


@value
class Refusal:
    """One row that the database will never take."""

    is_raw: bool
    reason: str
    """The name of the error; its text may show what the row holds."""


def newest_marks(batch: Sequence[Write]) -> dict[str, StreamMark]:
    """Return the last mark of each stream."""
    return {mark.stream_id: mark for write in batch for mark in write.marks}


async def commit(connection: psycopg.AsyncConnection[Any], batch: Sequence[Write]) -> list[Refusal]:
    """Commit all that the database takes; return what it refuses. Raises psycopg.Error where nothing is committed."""
    try:
        await _put(connection, batch)
    except REFUSALS:
        async with asyncio.timeout(PARTS_LIMIT_S), connection.transaction():
            return await _put_parts(connection, batch)
    return []


async def _put_parts(connection: psycopg.AsyncConnection[Any], batch: Sequence[Write]) -> list[Refusal]:
    """Put what was refused in ever smaller parts, each at a savepoint, so that only what is at fault stays out."""
    refusals = []
    for part in _parts(batch):
        try:
            await _put(connection, part)
        except REFUSALS as exc:
            if len(part) > 1 or len(_parts(part)) > 1:
                refusals += await _put_parts(connection, part)
            else:
                refusals.append(Refusal(is_raw=part[0].raw is not None, reason=type(exc).__name__))
    return refusals


def _parts(batch: Sequence[Write]) -> list[Sequence[Write]]:
    """Return the halves of a batch; of a single write its rows, one a write."""
    if len(batch) > 1:
        return [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
    (write,) = batch
    bare = replace(write, raw=None, marks=(), conclusions=(), wish=None, state=None, doubt=None)
    rows: list[dict[str, Any]] = [{"raw": write.raw}] if write.raw is not None else []
    rows += [{"marks": (mark,)} for mark in write.marks]
    rows += [{"conclusions": (conclusion,)} for conclusion in write.conclusions]
    rows += [{name: row} for name in ("wish", "state", "doubt") if (row := getattr(write, name)) is not None]
    return [[replace(bare, **row)] for row in rows]


async def _put(connection: psycopg.AsyncConnection[Any], batch: Sequence[Write]) -> None:
    """Put a batch, all of it or nothing; of sessions that were erased meanwhile nothing is taken."""
    full = [write for write in batch if any(getattr(write, name) for name in _CONTENT)]
    if not full:
        return
    async with asyncio.timeout(STATEMENT_LIMIT_S), connection.transaction():
        sessions = sorted({write.session_id for write in full})
        found = await connection.execute(SQL["hold_sessions"], {"session_ids": sessions})
        known = {session_id for (session_id,) in await found.fetchall()}
        for name, parameters in _statements([write for write in full if write.session_id in known]).items():
            await connection.execute(SQL[name], parameters)


def _statements(batch: Sequence[Write]) -> dict[str, dict[str, list[Any]]]:
    """Return {statement name: {column: values}}."""
    raw = [write.raw for write in batch if write.raw is not None]
    statements = to_tables((write.session_id, conclusion) for write in batch for conclusion in write.conclusions)
    statements |= _lane_statements(batch)
    if raw:
        statements["insert_raw"] = columns([{name: getattr(row, name) for name in _RAW_COLUMNS} for row in raw])
    marks = newest_marks(batch).values()
    if marks:
        statements["update_acks"] = columns([{name: getattr(mark, name) for name in _MARK_COLUMNS} for mark in marks])
    return statements


def _lane_statements(batch: Sequence[Write]) -> dict[str, dict[str, list[Any]]]:
    """Return what keeps wishes, the newest state of each session and the newest doubt."""
    wishes = [
        {"session_id": write.session_id, "arrival_idx": write.wish[0], **wish_row(write.wish[1])}
        for write in batch
        if write.wish is not None
    ]
    states = {write.session_id: write.state for write in batch if write.state is not None}
    doubts = {write.session_id: write.doubt.value for write in batch if write.doubt is not None}
    rows = {
        "insert_wishes": wishes,
        "upsert_live_states": [state_row(*item) for item in states.items()],
        "doubt_sessions": [{"session_id": session_id, "reason": reason} for session_id, reason in doubts.items()],
    }
    return {statement: columns(found) for statement, found in rows.items() if found}


_CONTENT = ("raw", "marks", "conclusions", "wish", "state", "doubt")
_MARK_COLUMNS = tuple(StreamMark.__slots__)  # type: ignore[attr-defined]  # made by the decorator
_RAW_COLUMNS = tuple(RawRow.__slots__)  # type: ignore[attr-defined]
