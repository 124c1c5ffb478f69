"""NeuroKit2 beside the live path: windows every ten seconds and the report of a session, in a process of their own."""

import asyncio
import json
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from becalm_protocol.derived import HrvWindow
from becalm_protocol.errors import StorageError
from becalm_server.archive.store import Archive
from becalm_server.recent_beats import WINDOW_S, Window
from becalm_server.recording import load_recording
from becalm_server.session import Session
from becalm_server.worker_process import WorkerProcess

log = logging.getLogger(__name__)

# A window takes some 30 ms: a longer queue means that the process is busy with a report, and old windows can wait.
MAX_QUEUED = 32
# An hour of four signals takes NeuroKit2 well under a minute.
JOB_LIMIT_S = 300.0
# Reports that a stop or a crash left undone; older ones are made when somebody asks for them.
MAX_LEFT_OVER = 10

HrvFunction = Callable[[tuple[float, ...]], Mapping[str, float]]
ReportFunction = Callable[..., Mapping[str, Any]]
Job = Callable[[], Awaitable[None]]


class SlowLane:
    """Takes jobs without waiting; run() does them one by one. Policy of a full queue: DropOldest."""

    def __init__(self, *, archive: Archive, hrv_window: HrvFunction, session_report: ReportFunction) -> None:
        self._archive = archive
        self._hrv_window = hrv_window
        self._session_report = session_report
        self._worker = WorkerProcess()
        self._jobs: deque[Job] = deque(maxlen=MAX_QUEUED)
        self._filled = asyncio.Event()
        self._n_done = 0
        self._n_failed = 0

    def window_nowait(self, session: Session, window: Window) -> None:
        """Compute a window for a session, whose clients and archive get the result."""
        self._put(partial(self._window, session, window))

    def report_nowait(self, session_id: str) -> None:
        """Make the report of an ended session."""
        self._put(partial(self._report, session_id))

    def statistics(self) -> dict[str, int]:
        """Jobs waiting, done and failed."""
        return {"depth": len(self._jobs), "done": self._n_done, "failed": self._n_failed}

    async def run(self) -> None:
        """Work until cancelled; what an earlier run left undone comes first."""
        try:
            for session_id in await self._archive.reportless(limit=MAX_LEFT_OVER):
                self.report_nowait(session_id)
        except StorageError:
            log.warning("the database is away; reports left over from before wait for the next start")
        try:
            while True:
                await self._filled.wait()
                job = self._jobs.popleft()
                if not self._jobs:
                    self._filled.clear()
                await self._attempt(job)
        finally:
            self._worker.close()

    def _put(self, job: Job) -> None:
        self._jobs.append(job)
        self._filled.set()

    async def _attempt(self, job: Job) -> None:
        # The supervisor of this lane: whatever NeuroKit2 makes of odd data, the next job is done.
        try:
            async with asyncio.timeout(JOB_LIMIT_S):
                await job()
        except (TimeoutError, BrokenProcessPool):
            self._n_failed += 1
            self._worker.close()
            log.warning("the slow lane's process was ended; it starts anew with its next job")
        except Exception as exc:  # noqa: BLE001
            self._n_failed += 1
            log.warning("a job of the slow lane failed with a %s", type(exc).__name__)
        else:
            self._n_done += 1

    async def _window(self, session: Session, window: Window) -> None:
        indices = await self._worker.run(self._hrv_window, window.rr_ms)
        finite = {name: float(number) for name, number in indices.items() if math.isfinite(number)}
        session.conclude(
            HrvWindow(
                t_ns=window.t_ns,
                emitted_ns=session.session_now_ns(at_least_ns=window.t_ns),
                window_s=WINDOW_S,
                n_beats=len(window.rr_ms),
                indices=finite,
            )
        )

    async def _report(self, session_id: str) -> None:
        recording = await load_recording(self._archive, session_id)
        try:
            report = await self._worker.run(self._session_report, **recording)
        except BrokenProcessPool:
            report = {"failed": "the process that computes reports ended unexpectedly"}
            self._worker.close()
        await self._archive.put_report(session_id, body=json.dumps(_finite(report), allow_nan=False))


def _finite(content: Any) -> Any:
    """Return a JSON-able copy in which numbers that are not finite are absent values."""
    if isinstance(content, Mapping):
        return {str(name): _finite(item) for name, item in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(item) for item in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
