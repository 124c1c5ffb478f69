"""Sessions that were interrupted, cut or given up, derived again after their end: a job of the upkeep's process.

What their raw events give in one run takes the place of what came live, and windows of NeuroKit2 that are missing are
made. A window is kept as soon as it is there, so a job that was ended goes on from it.
"""

from collections.abc import Callable
from typing import Any

import psycopg

from becalm_protocol.derived import PIPELINE_VERSION, HrvWindow
from becalm_protocol.errors import StorageError
from becalm_server.archive.derivation import conclusions, keep_derived
from becalm_server.archive.derived_rows import to_tables
from becalm_server.archive.pools import job_connection
from becalm_server.archive.snapshot import Snapshot, open_snapshot
from becalm_server.archive.statements import SQL
from becalm_server.lane_worker import MakePipeline
from becalm_server.recent_beats import Window
from becalm_server.worker_main import resolve
from becalm_signal.neurokit_lane import WindowReport

WindowFunction = Callable[..., WindowReport]


def derive_again(url: str, session_id: str, *, pipeline: str, window_report: WindowFunction) -> bool:
    """Derive a session by `pipeline` ("module:name"); return whether there was anything to do. Raises StorageError."""
    named = {"session_id": session_id, "pipeline_version": PIPELINE_VERSION}
    try:
        with job_connection(url) as connection:
            asked = connection.execute(SQL["count_try"], named).fetchone()
            if asked is None:
                return False
            try:
                # Opened after the asking was read: what is not in it is asked for anew.
                with open_snapshot(url, session_id) as snapshot:
                    _derive(snapshot, connection, make_pipeline=resolve(pipeline), window_report=window_report)
            except (StorageError, psycopg.Error):
                if connection.execute(SQL["select_session"], named).fetchone() is None:
                    return False  # erased meanwhile
                raise
            connection.execute(SQL["prolong_session"], named)
            connection.execute(SQL["end_derive_again"], named | asked)
    except psycopg.Error as exc:
        raise StorageError(f"database: {type(exc).__name__} while a session was derived again") from exc
    return True


def _derive(
    snapshot: Snapshot,
    connection: psycopg.Connection[Any],
    *,
    make_pipeline: MakePipeline,
    window_report: WindowFunction,
) -> None:
    session_id = snapshot.record.session_id
    stored = snapshot.rows("select_windows", pipeline_version=PIPELINE_VERSION)
    windows = _Windows(connection, session_id, window_report, known={_key(row) for row in stored})
    derived = conclusions(snapshot, make_pipeline=make_pipeline, on_window=windows.take)
    keep_derived(connection, session_id, to_tables((session_id, item) for item in derived))


class _Windows:
    """Makes the windows that the slow lane did not."""

    def __init__(
        self, connection: psycopg.Connection[Any], session_id: str, report: WindowFunction, *, known: set[Any]
    ) -> None:
        self._connection = connection
        self._session_id = session_id
        self._report = report
        self._known = known

    def take(self, window: Window, due_ns: int) -> None:
        """Keep what NeuroKit2 makes of a window that fell due, where it is not known."""
        if (window.t_ns, window.window_s) in self._known:
            return
        try:
            told = self._report(rr_ms=window.rr_ms, beats_s=window.beats_s, signals=window.signals)
        except Exception:  # noqa: BLE001  (the supervisor of this lane: odd data have no window live either)
            return
        found = HrvWindow(
            t_ns=window.t_ns,
            emitted_ns=due_ns,
            window_s=window.window_s,
            n_beats=len(window.rr_ms),
            indices=told.indices,
            withheld=told.withheld,
        )
        for statement, columns in to_tables([(self._session_id, found)]).items():
            self._connection.execute(SQL[statement], columns)


def _key(row: dict[str, Any]) -> tuple[int, float]:
    return row["t_ns"], row["window_s"]
