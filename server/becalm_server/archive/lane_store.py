"""What the archive gives back so that a pipeline goes on where it was: its last state, and the steps since."""

from collections.abc import AsyncIterator, Mapping

from becalm_protocol.wishes import BreathWish
from becalm_server.archive.raw_rows import RawRow
from becalm_server.archive.records import breath_wish
from becalm_server.archive.store import Archive
from becalm_server.lane_messages import LiveState

# Ten seconds of a session are a tenth of it.
PAGE_ROWS = 2_000


async def live_state(archive: Archive, session_id: str) -> LiveState | None:
    """Return where the pipeline of a session was."""
    row = await archive.one("select_live_state", session_id=session_id)
    return LiveState(**row) if row else None


async def wishes(archive: Archive, session_id: str, *, after_idx: int) -> list[tuple[int, BreathWish]]:
    """Return the (arrival_idx, wish) of a session after a step."""
    rows = await archive.rows("select_wishes", session_id=session_id, after_idx=after_idx)
    return [(row["arrival_idx"], breath_wish(row)) for row in rows]


async def raw_rows_after(archive: Archive, session_id: str, *, heard: Mapping[str, int]) -> AsyncIterator[list[RawRow]]:
    """Give the rows of a session under way after {stream_id: seq}, in the order they were accepted, in pages.

    No connection is held between two pages: whoever reads may be slow.
    """
    seqs, reach = dict(heard), await archive.one("select_reach", session_id=session_id)
    between = {name: reach[name] if reach else None for name in ("first_time", "last_time")}
    while found := await archive.rows(
        "select_raw_after",
        session_id=session_id,
        stream_ids=list(seqs),
        seqs=list(seqs.values()),
        limit=PAGE_ROWS,
        **between,
    ):
        page = [RawRow(**row) for row in found]
        yield page
        seqs |= {row.stream_id: row.seq for row in page}


async def position(archive: Archive, session_id: str) -> tuple[int, int]:
    """Return the number of a session's next step, and the newest time of its events."""
    reach = await archive.one("select_reach", session_id=session_id) or {}
    last_idx, newest_ns = reach.get("last_idx"), reach.get("newest_ns")
    return 0 if last_idx is None else last_idx + 1, max(newest_ns or 0, 0)
