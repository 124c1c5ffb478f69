"""NeuroKit2 beside the live path: windows every ten seconds and the report of a session, in a process of their own."""

import asyncio
import json
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ParamSpec, TypeVar

from becalm_protocol.derived import HrvWindow
from becalm_protocol.errors import StorageError
from becalm_protocol.events import SignalKind
from becalm_protocol.units import ns_from_s
from becalm_server.archive.derive_again import WindowFunction
from becalm_server.archive.doubts import Doubt
from becalm_server.archive.store import Archive
from becalm_server.recent_beats import MIN_BEATS, USABLE, WINDOWS_S, Window
from becalm_server.recording import load_recording
from becalm_server.session import Session
from becalm_server.worker_jobs import JobProcess
from becalm_server.worker_process import WorkerGoneError

log = logging.getLogger(__name__)

# A window takes some 100 ms: a longer queue means that the process is busy with a report; the newest windows matter.
MAX_WINDOWS = 32
# One report a session: more waiting ones are made when somebody asks for them.
MAX_REPORTS = 64
# An hour of four signals takes NeuroKit2 well under a minute.
JOB_LIMIT_S = 300.0
# Reports that a stop or a crash left undone; older ones are made when somebody asks for them.
MAX_LEFT_OVER = 10
# How the last window of a session is told from what is stored.
_LAST_WINDOW = {
    "reason": Doubt.WINDOWS.value,
    "window_s": WINDOWS_S[0][0],
    "window_ns": ns_from_s(WINDOWS_S[0][0]),
    "step_ns": ns_from_s(WINDOWS_S[0][1]),
    "min_beats": MIN_BEATS,
    "flags": [flag.value for flag in USABLE],
    "kinds": [SignalKind.RESPIRATION.value, SignalKind.SKIN_CONDUCTANCE.value],
}

P = ParamSpec("P")
T = TypeVar("T")
ReportFunction = Callable[..., Mapping[str, Any]]
Job = Callable[[], Awaitable[None]]


class SlowLane:
    """Takes jobs without waiting; run() does them one by one, windows first. Policy of full queues: DropOldest."""

    def __init__(self, *, archive: Archive, window_report: WindowFunction, session_report: ReportFunction) -> None:
        self._archive = archive
        self._window_report = window_report
        self._session_report = session_report
        self._worker = JobProcess()
        self._windows: deque[tuple[Session, Window, bool]] = deque(maxlen=MAX_WINDOWS)
        self._reports: dict[str, Job] = {}
        self._filled = asyncio.Event()
        self._n_done = 0
        self._n_failed = 0

    def window_nowait(self, session: Session, window: Window, *, shown: bool) -> None:
        """Compute a window for a session, whose archive gets the result, and its clients where it is `shown`."""
        if len(self._windows) == MAX_WINDOWS:
            self._windows[0][0].doubt(Doubt.WINDOWS)
        self._windows.append((session, window, shown))
        self._filled.set()

    def report_nowait(self, session_id: str) -> None:
        """Make the report of an ended session; asking again while it is to be made changes nothing."""
        self._reports.setdefault(session_id, partial(self._report, session_id))
        if len(self._reports) > MAX_REPORTS:
            del self._reports[next(iter(self._reports))]
        self._filled.set()

    def discard(self, session_id: str) -> None:
        """Do nothing more for a session that is erased."""
        kept = [job for job in self._windows if job[0].record.session_id != session_id]
        self._windows = deque(kept, maxlen=MAX_WINDOWS)
        self._reports.pop(session_id, None)

    def statistics(self) -> dict[str, int]:
        """Jobs waiting, done and failed."""
        return {"depth": len(self._windows) + len(self._reports), "done": self._n_done, "failed": self._n_failed}

    async def run(self) -> None:
        """Work until cancelled; what an earlier run left undone comes first."""
        try:
            left_over = await self._archive.reportless(limit=MAX_LEFT_OVER)
            # A report comes after the last window: without one, that may not have been made either.
            await self._archive.rows("doubt_lost_windows", session_ids=left_over, **_LAST_WINDOW)
            for session_id in left_over:
                self.report_nowait(session_id)
        except StorageError:
            log.warning("the database is away; reports left over from before wait for the next start")
        try:
            while True:
                await self._filled.wait()
                if self._windows:
                    session, window, shown = self._windows.popleft()
                    await self._attempt(partial(self._window, session, window, shown=shown))
                elif self._reports:
                    session_id, job = next(iter(self._reports.items()))
                    await self._attempt(job)
                    self._reports.pop(session_id, None)
                else:
                    self._filled.clear()
        finally:
            await self._worker.close()

    async def _attempt(self, job: Job) -> None:
        # The supervisor of this lane: whatever NeuroKit2 makes of odd data, the next job is done.
        try:
            await job()
        except WorkerGoneError:
            self._n_failed += 1
            log.warning("the slow lane's process was ended; it starts anew with its next job")
        except Exception as exc:  # noqa: BLE001
            self._n_failed += 1
            log.warning("a job of the slow lane failed with a %s", type(exc).__name__)
        else:
            self._n_done += 1

    async def _window(self, session: Session, window: Window, *, shown: bool) -> None:
        try:
            told = await self._compute(
                self._window_report, rr_ms=window.rr_ms, beats_s=window.beats_s, signals=window.signals
            )
        except WorkerGoneError:
            session.doubt(Doubt.WINDOWS)
            raise
        session.conclude(
            HrvWindow(
                t_ns=window.t_ns,
                emitted_ns=session.session_now_ns(at_least_ns=window.t_ns),
                window_s=window.window_s,
                n_beats=len(window.rr_ms),
                indices=told.indices,
                withheld=told.withheld,
            ),
            shown=shown,
        )

    async def _report(self, session_id: str) -> None:
        try:
            recording = await load_recording(self._archive, session_id)
            report = await self._compute(self._session_report, **recording)
            body = json.dumps(_finite(report), allow_nan=False)
        except StorageError:
            raise  # tried again: at the next start, or when somebody asks
        except WorkerGoneError:
            body = _failed("the process that computes reports ended unexpectedly, or took too long")
        except Exception as exc:  # noqa: BLE001  (the same data would give the same at every start)
            log.warning("a report failed with a %s; that is kept in its place", type(exc).__name__)
            body = _failed(f"NeuroKit2 could not make it from these data, and gave a {type(exc).__name__}")
        await self._archive.put_report(session_id, body=body)

    async def _compute(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the process makes of it. Raises WorkerGoneError where it died or took too long."""
        try:
            async with asyncio.timeout(JOB_LIMIT_S):
                return await self._worker.run(function, *args, **kwargs)
        except TimeoutError as exc:
            raise WorkerGoneError("the job took too long") from exc


def _failed(why: str) -> str:
    return json.dumps({"failed": why})


def _finite(content: Any) -> Any:
    """Return a JSON-able copy in which numbers that are not finite are absent values."""
    if isinstance(content, Mapping):
        return {str(name): _finite(item) for name, item in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(item) for item in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
