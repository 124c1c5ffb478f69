"""The one worker process of the slow lane: started at its first job, gone with us however we end."""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class WorkerProcess:
    """Runs importable functions, one at a time, beside the event loop."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns. Raises BrokenProcessPool where the process died."""
        pool = self._pool or self._start()
        try:
            return await asyncio.wrap_future(pool.submit(function, *args, **kwargs))
        except BrokenProcessPool:
            self.close()
            raise

    def close(self) -> None:
        """End the process at once, whatever it computes."""
        lifeline, pool = self._lifeline, self._pool
        self._lifeline = self._pool = None
        if lifeline is not None:
            lifeline.close()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        # spawn: a fork of a process with threads and open sockets is not safe.
        context = multiprocessing.get_context("spawn")
        theirs, self._lifeline = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            max_workers=1, mp_context=context, initializer=_hold_lifeline, initargs=(theirs,)
        )
        return self._pool


def _hold_lifeline(lifeline: Connection) -> None:
    """In the worker: leave as soon as the other end of the pipe is closed, by close() or by our death."""

    def watch() -> None:
        try:
            lifeline.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
