"""A stored session once more through today's pipeline, kept beside what an earlier one made of it; the difference."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from becalm_protocol.derived import PIPELINE_VERSION, Metrics, SlowMetrics
from becalm_protocol.errors import StorageError
from becalm_protocol.events import value
from becalm_server.archive.derivation import Tables, conclusions, keep_derived
from becalm_server.archive.derived_rows import to_tables
from becalm_server.archive.differences import EventDifference, IndexDifference, compare_events, compare_index
from becalm_server.archive.snapshot import Snapshot, open_snapshot
from becalm_server.archive.statements import SQL
from becalm_server.archive.trend_row import keep_trend
from becalm_signal.pipeline import Pipeline

# One heart or breath is found anew at about the same place: half a QRS and its latency; an eighth of a slow breath.
BEAT_TOLERANCE_NS = 50_000_000
BREATH_TOLERANCE_NS = 500_000_000
RESPONSE_TOLERANCE_NS = 500_000_000


@value
class Rederived:
    """What today's pipeline makes of a session, against what is stored."""

    session_id: str
    pipeline_version: str
    version_before: str | None
    """The last other one that left values; today's where it ran alone; None where none did."""
    indices: dict[str, IndexDifference]
    beats: EventDifference
    breaths: EventDifference
    responses: EventDifference
    kept: bool
    """Whether the values are stored now, under today's version."""


def rederive(url: str, session_id: str, *, dry_run: bool) -> Rederived:
    """Derive a finished session anew; keep it beside what others made unless `dry_run`. Raises StorageError."""
    with open_snapshot(url, session_id) as snapshot:
        if snapshot.record.ended_at is None:
            raise StorageError(f"session {session_id}: expected a finished one, it is under way. Stop it first")
        now = to_tables((session_id, item) for item in conclusions(snapshot, make_pipeline=Pipeline))
        others = [version for version in snapshot.versions if version != PIPELINE_VERSION]
        version = (others or [one for one in snapshot.versions])[-1:]
        found = _compared(snapshot, now, version=version[0] if version else None, kept=not dry_run)
    if not dry_run:
        _keep(url, session_id, now)
    return found


def finished_sessions(url: str) -> list[str]:
    """Return all that can be derived anew, the oldest first."""
    try:
        with psycopg.connect(url) as connection:
            return [row[0] for row in connection.execute(SQL["select_finished"]).fetchall()]
    except psycopg.Error as exc:
        raise StorageError(f"database: {type(exc).__name__}. It may be restarting; try again") from exc


def _keep(url: str, session_id: str, now: Tables) -> None:
    try:
        with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
            keep_derived(connection, session_id, now)
            keep_trend(connection, session_id)
    except psycopg.Error as exc:
        raise StorageError(f"database: {type(exc).__name__}; session {session_id} is as it was") from exc


def _compared(snapshot: Snapshot, now: Tables, *, version: str | None, kept: bool) -> Rederived:
    def stored(statement: str) -> list[dict[str, Any]]:
        return list(snapshot.rows(statement, pipeline_version=version))

    quick, slow = stored("select_metrics"), stored("select_slow_metrics")
    quick_now, slow_now = _rows(now, "insert_metrics"), _rows(now, "insert_slow_metrics")
    indices = {
        name: compare_index({row["t_ns"]: row[name] for row in quick}, {row["t_ns"]: row[name] for row in quick_now})
        for name in Metrics.index_names()
    }
    slow_before = {row["t_ns"]: row["indices"] for row in slow}
    slow_after = {row["t_ns"]: json.loads(row["indices"]) for row in slow_now}
    indices |= {
        name: compare_index(
            {t_ns: told[name].get("value") for t_ns, told in slow_before.items() if name in told},
            {t_ns: told[name].get("value") for t_ns, told in slow_after.items()},
        )
        for name in SlowMetrics.index_names()
    }
    breaths, breaths_now = stored("select_breaths"), _rows(now, "insert_breaths")
    return Rederived(
        session_id=snapshot.record.session_id,
        pipeline_version=PIPELINE_VERSION,
        version_before=version,
        indices=indices,
        beats=_beats(stored("select_beats"), _rows(now, "insert_beats")),
        breaths=compare_events(
            _times(row for row in breaths if row["kind"] == "breath"),
            _times(row for row in breaths_now if row["kind"] == "breath"),
            tolerance_ns=BREATH_TOLERANCE_NS,
        ),
        responses=compare_events(
            _times(stored("select_responses"), "onset_ns"),
            _times(_rows(now, "insert_responses"), "onset_ns"),
            tolerance_ns=RESPONSE_TOLERANCE_NS,
        ),
        kept=kept,
    )


def _beats(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> EventDifference:
    """Compare the beats of each source with its own."""
    found = [
        compare_events(
            _times(row for row in before if row["source"] == source),
            _times(row for row in now if row["source"] == source),
            tolerance_ns=BEAT_TOLERANCE_NS,
        )
        for source in {row["source"] for row in (*before, *now)}
    ]
    return EventDifference(
        n_before=sum(one.n_before for one in found),
        n_now=sum(one.n_now for one in found),
        n_added=sum(one.n_added for one in found),
        n_lost=sum(one.n_lost for one in found),
    )


def _times(rows: Iterable[Mapping[str, Any]], name: str = "t_ns") -> list[int]:
    return sorted(row[name] for row in rows)


def _rows(tables: Tables, statement: str) -> list[dict[str, Any]]:
    """Return columns as rows again."""
    columns = tables.get(statement, {})
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
