"""How a becalm process is told to stop, and how one process runs others.

A supervised process speaks JSON lines on its standard output (`{"ready": ...}` once, `{"report": ...}` last) and stops
when its standard input ends: so it also stops when its parent is killed.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any, Self

from becalm_protocol.errors import BecalmError

READY_S = 40.0
"""A first start of the database on a slow disk takes a few seconds; more than this is a fault."""
ASK_S, TERMINATE_S = 2.5, 0.5
"""Ctrl-C promises an end within 5 s: the sensors' processes first, then the server's."""
ORPHAN_S = 10.0
"""A part whose parent has gone ends by itself within 4 s; whatever holds it longer must not keep it for ever."""
MAX_REPORT_BYTES = 1_000_000


class PartError(BecalmError):
    """A part of becalm ended before it was ready; the message is its own last words."""

    def __init__(self, last_words: str, *, part: str) -> None:
        self.part = part
        super().__init__(last_words)


def stop_on_signals(*, supervised: bool) -> asyncio.Event:
    """Return an event that SIGINT, SIGTERM or (supervised) the end of standard input sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows: no loop signal handlers
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    if supervised:
        terminate_with_parent()
    return stop


def terminate_with_parent() -> None:
    """Ask this process to terminate when its standard input ends."""
    threading.Thread(target=_wait_stdin_end, daemon=True).start()


def _wait_stdin_end() -> None:
    while os.read(0, 4096):  # not sys.stdin: its lock, held here, would abort the interpreter's own end
        pass
    if os.name == "nt":
        signal.raise_signal(signal.SIGTERM)
    else:  # to the process: only its main thread can wake the event loop
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_S)
    os._exit(1)  # nobody is left who would end us


def worker_pool(n_workers: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes that end with this one, however it ends."""
    return ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_gone, args=(parent.sentinel,), name="lifeline", daemon=True).start()


def _wait_gone(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def tell_parent(key: str, content: object) -> None:
    """Write one JSON line to the supervising process."""
    sys.stdout.write(json.dumps({key: content}) + "\n")
    sys.stdout.flush()


@dataclass(kw_only=True)
class Child:
    """One supervised becalm process."""

    name: str
    process: asyncio.subprocess.Process
    ready: asyncio.Future[Any]
    report: dict[str, Any] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    """Last lines of its standard error."""

    async def wait_ready(self, stop: asyncio.Event) -> Any:
        """Return what the child said when it was ready, None where `stop` came first.

        Raises PartError with its own words when it ended instead, or was not ready in time.
        """
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({self.ready, stopping}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if self.ready.done():
            return self.ready.result()
        if stop.is_set():
            return None
        raise PartError(f"the {self.name} was not ready within {READY_S:.0f} s", part=self.name)

    def last_words(self) -> str:
        """Return the last telling line of its standard error, or how it ended."""
        telling = [line for line in self.complaints if line.strip() and not line.startswith(" ")]
        said = telling[-1] if telling else f"code {self.process.returncode}"
        return said.removeprefix("becalm: ")

    async def stop(self) -> None:
        """End it: ask, then terminate, then kill."""
        if self.process.stdin and not self.process.stdin.is_closing():
            self.process.stdin.close()
        for grace_s, force in ((ASK_S, self.process.terminate), (TERMINATE_S, self.process.kill)):
            try:
                async with asyncio.timeout(grace_s):
                    await self.process.wait()
                    return
            except TimeoutError:
                if self.process.returncode is None:
                    force()
        await self.process.wait()

    async def read_output(self) -> None:
        """Take in what the child says until it ends."""
        assert self.process.stdout  # noqa: S101 (asked for at the start)
        async for line in self.process.stdout:
            self._hear(line)
        await self.process.wait()
        if not self.ready.done():
            self.ready.set_exception(PartError(self.last_words(), part=self.name))
            self.ready.exception()  # seen: nobody may be waiting for it

    def _hear(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            self.complaints.append(line.decode(errors="replace").rstrip()[:500])
            return
        if "ready" in said and not self.ready.done():
            self.ready.set_result(said["ready"])
        self.report = said.get("report", self.report)

    async def read_complaints(self) -> None:
        """Keep the last lines of its standard error."""
        assert self.process.stderr  # noqa: S101 (asked for at the start)
        async for line in self.process.stderr:
            self.complaints.append(line.decode(errors="replace").rstrip()[:500])
            del self.complaints[:-20]


class Family:
    """The processes of one run; leaving the block ends whichever still run."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self.children: list[Child] = []

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._group.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """End every child, then the readers of their output."""
        await asyncio.shield(self.stop(*self.children))
        await self._group.__aexit__(kind, error, None)

    async def start(self, name: str, *words: str) -> Child:
        """Run `becalm WORDS --supervised` in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "becalm_cli",
            *words,
            "--supervised",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_REPORT_BYTES,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the parts in their order
        )
        running = Child(name=name, process=process, ready=asyncio.get_running_loop().create_future())
        self.children.append(running)
        self._group.create_task(running.read_complaints(), name=f"{name} stderr")
        self._group.create_task(running.read_output(), name=f"{name} stdout")
        return running

    async def stop(self, *children: Child) -> None:
        """End these children side by side."""
        async with asyncio.TaskGroup() as group:
            for child in children:
                group.create_task(child.stop(), name=f"stop {child.name}")
