"""Functions in a child process, one at a time, for work that would hold up the event loop."""

import asyncio
import os
import pickle
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from becalm_server.worker_main import Parent
from becalm_server.worker_process import WorkerProcess

P = ParamSpec("P")
T = TypeVar("T")
# Least urgent: what the live path needs of the processor it gets first.
NICENESS = 10


class JobProcess:
    """Starts its process at the first job, and anew after one that was ended."""

    def __init__(self) -> None:
        self._worker: WorkerProcess | None = None
        self._turn = asyncio.Lock()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what an importable function returns. Raises WorkerGoneError where the process died."""
        async with self._turn:
            job = pickle.dumps((function, args, kwargs))
            try:
                worker = self._worker
                if worker is None:
                    worker = self._worker = WorkerProcess("becalm_server.worker_jobs:serve_jobs")
                    await worker.start()
                worker.send_nowait(job)
                returned, error = pickle.loads(await worker.receive())  # noqa: S301  (our own child)
            except BaseException:  # also where nobody waits for the answer any more: the next job must not get it
                await self.close()
                raise
        if error is not None:
            raise error
        return returned  # type: ignore[no-any-return]

    async def close(self) -> None:
        """End the process, whatever it computes."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()


def serve_jobs(parent: Parent) -> None:
    """In the child: do what comes, answer with what it returned or raised."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    while True:
        function, args, kwargs = pickle.loads(parent.receive())  # noqa: S301  (our own parent)
        answer: tuple[Any, Exception | None]
        try:
            answer = function(*args, **kwargs), None
        except Exception as exc:  # noqa: BLE001  (the supervisor of this process)
            answer = None, exc
        try:
            frame = pickle.dumps(answer)
        except Exception as exc:  # noqa: BLE001  (what it returned, or its own exception, cannot travel)
            frame = pickle.dumps((None, TypeError(f"expected an answer that pickles, got {type(exc).__name__}")))
        parent.send(frame)
