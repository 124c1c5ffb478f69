"""A stored session once more through a pipeline: what it concludes, what falls due beside it, and how that is kept."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.errors import StorageError
from becalm_protocol.events import Pacer, Phase, PhaseChange
from becalm_protocol.handshake import Waveform
from becalm_server.archive.derived_rows import Conclusion
from becalm_server.archive.records import breath_wish
from becalm_server.archive.snapshot import Snapshot
from becalm_server.archive.statements import SQL
from becalm_server.lane_messages import Settled
from becalm_server.lane_worker import MakePipeline, guarded
from becalm_server.recent_beats import RecentBeats, Window

log = logging.getLogger(__name__)

Tables = Mapping[str, Mapping[str, Sequence[Any]]]
OnWindow = Callable[[Window, int], None]
"""Takes a window of the slow lane and the session time at which it fell due."""


def conclusions(
    snapshot: Snapshot, *, make_pipeline: MakePipeline, on_window: OnWindow | None = None
) -> Iterator[Conclusion]:
    """Give what a pipeline concludes from the raw events of a session, as it would have in one uninterrupted run."""
    pipeline, recent, newest_ns = make_pipeline(snapshot.streams), RecentBeats(), 0
    for row in snapshot.rows("select_phases"):
        yield from _kept(pipeline.feed(_phase(row)))
    for row in snapshot.rows("select_wishes", after_idx=-1):
        yield from _kept(pipeline.feed(breath_wish(row)))  # kept until its time has come, as in the session itself
    told: str | None = None
    for _, event in snapshot.raw_events():
        items, trouble = guarded(lambda event=event: pipeline.feed(event))  # type: ignore[misc]
        if trouble != told and trouble is not None:
            log.error("the pipeline failed on an event with a %s; it goes on with the next", trouble)
        told = trouble
        yield from _kept(items)
        if on_window is None:
            continue
        for item in items:
            recent.feed(item)
        newest_ns = max(newest_ns, event.received_ns)
        for window in recent.due(newest_ns):
            on_window(window, newest_ns)
    yield from _kept(guarded(pipeline.finish)[0])


def keep_derived(connection: psycopg.Connection[Any], session_id: str, tables: Tables) -> None:
    """Keep derived values in place of those that this pipeline left before; the trend is to be kept anew after it."""
    with connection.transaction():
        if not connection.execute(SQL["hold_sessions"], {"session_ids": [session_id]}).fetchall():
            raise StorageError(f"session {session_id}: expected it in the database, it was erased meanwhile")
        connection.execute(SQL["forget_derived"], {"session_id": session_id, "pipeline_version": PIPELINE_VERSION})
        for statement, columns in tables.items():
            connection.execute(SQL[statement], columns)


def _kept(items: Iterable[Settled]) -> Iterator[Conclusion]:
    return (item for item in items if not isinstance(item, Waveform))


def _phase(row: Mapping[str, Any]) -> PhaseChange:
    pacer = None
    if row["pacer_started_ns"] is not None:
        pacer = Pacer(started_ns=row["pacer_started_ns"], inhale_s=row["inhale_s"], exhale_s=row["exhale_s"])
    return PhaseChange(t_ns=row["t_ns"], phase=Phase(row["phase"]), pacer=pacer)
