"""What must be true of the record after any fault, read from the database alone."""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import psycopg
from chaos_agent import read_counts

from becalm_protocol.events import Gap, GapReason, Pacer, Phase, PhaseChange, RawEvent, SampleBlock, SignalKind
from becalm_protocol.handshake import Source, Waveform
from becalm_protocol.units import ns_from_s
from becalm_server.archive.derived_rows import to_tables
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.store import open_own_archive
from becalm_signal.pipeline import Pipeline

TABLES = {
    "insert_beats": "beat",
    "insert_breaths": "breath",
    "insert_responses": "skin_response",
    "insert_quality": "signal_quality",
    "insert_metrics": "metrics",
    "insert_slow_metrics": "slow_metrics",
}
Row = dict[str, Any]
Stream = list[tuple[int, RawEvent]]


async def judge(folder: Path, *, recording: Path, n_agent_kills: int) -> dict[str, Any]:
    """Open the stopped server's database and hold its only session against the recording."""
    database = EmbeddedPostgres(folder / "server" / "server" / "postgres")
    url = database.start()
    try:
        session, streams, raw = await _read_raw(url)
        verdict = judge_raw(streams, raw, recording=recording, n_agent_kills=n_agent_kills)
        derived = await derive_again(url, session)
        stored = await asyncio.to_thread(_read_derived, url, session, derived)
    finally:
        database.stop()
    verdict["derived"] = {name: len(rows) for name, rows in stored.items()}
    wrong = [f"{TABLES[name]}: {len(stored[name])} rows" for name in derived if derived[name] != stored[name]]
    verdict["problems"] += [f"derived again it differs in {one}" for one in wrong]
    return verdict


def judge_raw(
    streams: Mapping[str, Row], raw: Mapping[str, Stream], *, recording: Path, n_agent_kills: int
) -> dict[str, Any]:
    """Sequences 1..ack each once, samples as recorded, and holes only where an agent was killed."""
    counts = read_counts(recording)
    problems: list[str] = []
    n_samples = n_gaps = 0
    for stream_id, row in streams.items():
        kind, events = SignalKind(row["kind"]), raw.get(stream_id, [])
        if [seq for seq, _ in events] != list(range(1, row["acked_seq"] + 1)):
            problems.append(f"{kind}: sequences are not 1..{row['acked_seq']}, each once")
        if not _is_as_recorded([event for _, event in events], counts[kind]):
            problems.append(f"{kind}: samples are not those of the recording")
        found = _gaps([event for _, event in events])
        n_samples += sum(len(event.counts) for _, event in events if isinstance(event, SampleBlock))
        n_gaps += found
        if found != n_agent_kills:
            problems.append(f"{kind}: expected {n_agent_kills} gaps of a restarted agent, got {found}")
        if problem := _hole_without_gap([event for _, event in events]):
            problems.append(f"{kind}: {problem}")
    n_events = sum(len(events) for events in raw.values())
    return {"events": n_events, "samples": n_samples, "gaps": n_gaps, "problems": problems}


def _is_as_recorded(events: Sequence[RawEvent], counts: Sequence[int]) -> bool:
    blocks = [event for event in events if isinstance(event, SampleBlock)]
    return all(
        block.counts == tuple(counts[block.first_sample_idx : block.first_sample_idx + len(block.counts)])
        for block in blocks
    )


def _gaps(events: Sequence[RawEvent]) -> int:
    return sum(isinstance(event, Gap) and event.reason is GapReason.AGENT_RESTART for event in events)


def _hole_without_gap(events: Sequence[RawEvent]) -> str | None:
    """Samples may be missing where the agent was dead and says so, and nowhere else."""
    shown = [event for event in events if isinstance(event, SampleBlock | Gap)]
    for earlier, later in itertools.pairwise(shown):
        if not (isinstance(earlier, SampleBlock) and isinstance(later, SampleBlock)):
            continue
        expected = earlier.first_sample_idx + len(earlier.counts)
        if later.first_sample_idx != expected:
            return f"sample {expected} is missing without a gap"
    return None


async def derive_again(url: str, session: Row) -> dict[str, list[Row]]:
    """Run the pipeline over the archived raw events, uninterrupted; return its rows by statement."""
    async with open_own_archive(url) as archive:
        streams = [stream.info for stream in await archive.streams(session["session_id"])]
        pages = [page async for page in archive.raw_events(session["session_id"])]
    pipeline = Pipeline(streams)
    conclusions = [item for change in _schedule(session) for item in (change, *pipeline.feed(change))]
    for page in pages:
        for _, _, event in page:
            conclusions += pipeline.feed(event)
    conclusions += pipeline.finish()
    kept = [(session["session_id"], item) for item in conclusions if not isinstance(item, Waveform)]
    tables = {name: table for name, table in to_tables(kept).items() if name in TABLES}
    return {name: _sorted(_rows(table)) for name, table in tables.items()}


def _schedule(session: Row) -> list[PhaseChange]:
    """Return the phases as the server tells the pipeline at the opening."""
    changes = [PhaseChange(t_ns=0, phase=Phase.BASELINE)]
    if session["source"] == Source.LIVE:
        started_ns = ns_from_s(session["baseline_s"])
        pacer = Pacer(started_ns=started_ns, inhale_s=session["inhale_s"], exhale_s=session["exhale_s"])
        changes.append(PhaseChange(t_ns=started_ns, phase=Phase.PRACTICE, pacer=pacer))
    return changes


async def _read_raw(url: str) -> tuple[Row, dict[str, Row], dict[str, Stream]]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        (session,) = connection.execute("select * from session").fetchall()
        streams = {row["stream_id"]: row for row in connection.execute("select * from stream")}
    raw: dict[str, Stream] = {}
    async with open_own_archive(url) as archive:
        async for page in archive.raw_events(session["session_id"]):
            for seq, _, event in page:
                raw.setdefault(event.stream_id, []).append((seq, event))
    return session, streams, {stream_id: sorted(events, key=itemgetter(0)) for stream_id, events in raw.items()}


def _read_derived(url: str, session: Row, derived: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    stored = {}
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        for name in derived:
            names = list(derived[name][0])
            query = f"select {', '.join(names)} from {TABLES[name]} where session_id = %s"
            stored[name] = _sorted(connection.execute(query.encode(), (session["session_id"],)).fetchall())
    return stored


def _rows(table: Mapping[str, Sequence[Any]]) -> list[Row]:
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """Return rows in an order of their own, with JSON as what it says."""
    plain = [{name: _plain(content) for name, content in row.items()} for row in rows]
    return sorted(plain, key=lambda row: json.dumps(row, sort_keys=True))


def _plain(content: Any) -> Any:
    return json.loads(content) if isinstance(content, str) and content.startswith("{") else content
