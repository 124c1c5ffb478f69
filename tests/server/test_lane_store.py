"""What a restarted server reads of a session: all of it that is needed, and nothing of other weeks."""

import time
from typing import Any

import psycopg
from tests.server.test_upkeep import opened

from becalm_protocol.events import RrBlock
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.lane_store import position, raw_rows_after
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.statements import SQL
from becalm_server.archive.store import Archive
from becalm_server.archive.writes import Write
from becalm_server.stream_tail import StreamTail

NOW_UNIX_NS = 1_763_855_970 * NS_PER_S
MONTH_NS = 28 * 86_400 * NS_PER_S
N_SESSIONS = 6
RECEIVED_NS = (3 * NS_PER_S, -2 * NS_PER_S, 9 * NS_PER_S, 8 * NS_PER_S)
"""Nobody says that arrivals rise, or that they come after the start."""


async def keep_months(archive: Archive, make_sensors: Any) -> dict[str, str]:
    """Sessions of which each is four weeks younger than the one before: {session_id: stream_id}."""
    found = {}
    for n in range(N_SESSIONS):
        info, session_id = make_sensors().rr, str(n) * 32
        record = SessionRecord(
            session_id=session_id, source=Source.LIVE, baseline_s=60.0, started_unix_ns=NOW_UNIX_NS - n * MONTH_NS
        )
        await archive.add_session(record)
        await archive.begin_session(record, streams=[info])
        tail = StreamTail(info, acked_seq=0, n_duplicates=0)
        for seq, received_ns in enumerate(RECEIVED_NS, start=1):
            block = RrBlock(stream_id=info.stream_id, received_ns=received_ns, rr_1024=(900 + seq,))
            tail.take(to_row(block, seq=seq, arrival_idx=10 * seq))
            raw, queued_ns = to_row(block, seq=seq, arrival_idx=10 * seq), time.monotonic_ns()
            archive.writer.put_nowait(Write(session_id=session_id, raw=raw, marks=(tail.mark(),), queued_ns=queued_ns))
        found[session_id] = info.stream_id
    await archive.writer.wait_drained()
    return found


async def test_everything_after_a_position_is_read(any_database_url: str, make_sensors: Any) -> None:
    async with opened(any_database_url) as archive:
        for session_id, stream_id in (await keep_months(archive, make_sensors)).items():
            assert await position(archive, session_id) == (41, 9 * NS_PER_S)
            for heard, expected in (({}, [1, 2, 3, 4]), ({stream_id: 2}, [3, 4]), ({stream_id: 4}, [])):
                pages = [page async for page in raw_rows_after(archive, session_id, heard=heard)]
                assert [row.seq for page in pages for row in page] == expected
        unknown = [page async for page in raw_rows_after(archive, "9" * 32, heard={})]
        assert unknown == []
        assert await position(archive, "9" * 32) == (0, 0)


async def test_other_weeks_are_not_looked_at(timescale_url: str, make_sensors: Any, fetch: Any) -> None:
    async with opened(timescale_url) as archive:
        streams = await keep_months(archive, make_sensors)
        chunks = await fetch(timescale_url, b"select show_chunks('raw_event')::text as name")
        assert len(chunks) >= N_SESSIONS
        for session_id, stream_id in streams.items():
            reach = await archive.one("select_reach", session_id=session_id)
            assert reach is not None
            wish = {"session_id": session_id, "stream_ids": [stream_id], "seqs": [0], "limit": 2_000}
            wish |= {name: reach[name] for name in ("first_time", "last_time")}
            plan = await explained(timescale_url, "select_raw_after", wish)
            looked_at = {words.split(".")[-1] for words in plan.split() if words.endswith("_chunk")}
            assert 1 <= len(looked_at) <= 2, plan  # of six: its own week, and the one beside it


async def explained(url: str, statement: str, wish: dict[str, Any]) -> str:
    query = b"explain (analyze, costs off, timing off, summary off) " + SQL[statement]
    async with await psycopg.AsyncConnection.connect(url) as connection:
        rows = await (await connection.execute(query, wish)).fetchall()
    return "\n".join(line for (line,) in rows if "never executed" not in line)
