"""Exports beside the live sessions: one process each, a few at a time, gone with whoever asked."""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

from becalm_protocol.errors import BecalmError, StorageError
from becalm_protocol.events import value
from becalm_server.archive.row_security import FOR_WHOM, TheServer
from becalm_server.archive.store import Archive
from becalm_server.exports.catalogue import ExportFormat
from becalm_server.refusals import ExportsBusyError, FormatUnavailableError, NothingToExportError
from becalm_server.worker_process import own_environment

log = logging.getLogger(__name__)

# An hour of a strap takes a few seconds; more at once would take the live sessions' processor time.
MAX_AT_ONCE = 2
QUEUE_LIMIT_S = 20.0
MAKE_LIMIT_S = 300.0
# The file is there: a process that gives nothing of it for so long has failed.
STALL_LIMIT_S = 60.0
_PIECE_BYTES = 65_536
_REFUSALS: dict[str, type[BecalmError]] = {
    error.__name__: error for error in (NothingToExportError, FormatUnavailableError, StorageError)
}


@value
class Wish:
    """Which export."""

    session_id: str
    export_format: ExportFormat
    device_names: bool
    """Whether sensors keep the names they call themselves."""


class Export:
    """A file that is made and waits to be read, once. Close it in any case."""

    def __init__(self, process: asyncio.subprocess.Process, *, n_bytes: int, places: asyncio.Semaphore) -> None:
        self.n_bytes = n_bytes
        self._process = process
        self._places = places
        self._open = True

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the file piece by piece, as fast as the reader takes it."""
        assert self._process.stdout is not None  # noqa: S101  (asked for in open)
        n_left = self.n_bytes
        try:
            while n_left:
                async with asyncio.timeout(STALL_LIMIT_S):
                    piece = await self._process.stdout.read(_PIECE_BYTES)
                if not piece:
                    raise StorageError("export: its process ended early. Ask again")
                n_left -= len(piece)
                yield piece
        finally:
            await self.close()

    async def close(self) -> None:
        """End the process and let the next one begin; again is harmless."""
        if self._open:
            self._open = False
            try:
                await _end(self._process)
            finally:
                self._places.release()


class ExportOffice:
    """Makes exports of one archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def make(self, wish: Wish) -> Export:
        """Return the export once its file is whole.

        Raises NothingToExportError, FormatUnavailableError, ExportsBusyError or StorageError.
        """
        try:
            async with asyncio.timeout(QUEUE_LIMIT_S):
                await self._places.acquire()
        except TimeoutError as exc:
            raise ExportsBusyError(f"{MAX_AT_ONCE} exports are being made. Ask again when one is done.") from exc
        process = None
        try:
            process = await self._start(wish)
            return Export(process, n_bytes=await self._made(process), places=self._places)
        except BaseException:
            try:
                if process is not None:
                    await _end(process)
            finally:
                self._places.release()
            raise

    async def _start(self, wish: Wish) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "becalm_server.exports",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=own_environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),
        )  # fmt: skip
        for_whom, entrances = FOR_WHOM.get(), self._archive.entrances
        url, people = entrances.server, None
        if not isinstance(for_whom, TheServer):  # its process sees what its caller sees
            url, people = entrances.caller, sorted(for_whom.people)
        request = {
            "url": url,
            "people": people,
            "session_id": wish.session_id,
            "format": wish.export_format.value,
            "device_names": wish.device_names,
        }
        assert process.stdin is not None  # noqa: S101  (asked for above)
        # Not in the arguments: other accounts of this machine can read those, and the address holds a secret.
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.close()
        return process

    async def _made(self, process: asyncio.subprocess.Process) -> int:
        assert process.stdout is not None  # noqa: S101  (asked for in _start)
        try:
            async with asyncio.timeout(MAKE_LIMIT_S):
                line = await process.stdout.readline()
        except TimeoutError as exc:
            raise ExportsBusyError(f"The export was not ready within {MAKE_LIMIT_S:.0f} s.") from exc
        if not line:
            raise StorageError("export: its process ended without a word. Ask again")
        told: dict[str, Any] = json.loads(line)
        if "refusal" in told:
            raise _REFUSALS.get(told["refusal"], StorageError)(told["detail"])
        if "fault" in told:
            log.error("an export failed with a %s; the session itself is whole", told["fault"])
            raise StorageError("export: its process made a mistake; the server's log has a line about it")
        return int(told["n_bytes"])


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    assert process.stdout is not None  # noqa: S101  (asked for in _start)
    while await process.stdout.read(_PIECE_BYTES):  # what is left in the pipe would keep it open
        pass
    await process.wait()
