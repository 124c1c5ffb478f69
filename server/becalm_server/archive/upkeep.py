"""What finished sessions still need beside the live ones: trends, raw events packed, some to be derived again."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.errors import StorageError
from becalm_server.archive.packer import pack_session
from becalm_server.archive.store import Archive
from becalm_server.archive.trend_row import keep_trend_at
from becalm_server.worker_jobs import JobProcess

log = logging.getLogger(__name__)

# Sessions that a stop, a crash or another pipeline left undone are found by looking; those that end now say so.
LOOK_AGAIN_S = 60.0
# Sessions a look.
MAX_FOUND = 100
# An agent that was cut off brings the end of a session late; packing waits until that is over.
SETTLED_S = 300.0
# An hour of raw events is packed in 4 s of processor; what is not done goes on from there.
JOB_LIMIT_S = 600.0
# A session that ends its job as it ended its pipeline's process, or whose pipeline never gets through.
MAX_TRIES = 3
DeriveAgain = Callable[[str, str], bool]
"""Derives a session again, in a process: (url, session_id) -> whether there was anything to do."""


class Upkeep:
    """run() works until cancelled; what it did not do, the next run finds again."""

    def __init__(
        self,
        archive: Archive,
        *,
        derive: DeriveAgain | None = None,
        on_derived: Callable[[str], None] = lambda _session_id: None,
        metrics_days: int | None = None,
        job_limit_s: float = JOB_LIMIT_S,
    ) -> None:
        self._archive = archive
        self._derive = derive
        self._on_derived = on_derived
        self._metrics_days = metrics_days
        self._wake = asyncio.Event()
        self._job_limit_s = job_limit_s
        self._jobs = JobProcess()
        self._deriving = JobProcess()
        """Runs a pipeline and NeuroKit2, so it gets the server's own address and never the owner's."""
        self._failed: dict[str, set[str]] = {}
        archive.on_ended = self._wake.set

    async def run(self) -> None:
        """Look, work, wait; again and again."""
        try:
            while True:
                self._wake.clear()
                try:
                    await self.once()
                except StorageError as exc:
                    log.warning("upkeep waits for the database: %s", exc)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await self._wake.wait()
        finally:
            await self._jobs.close()
            await self._deriving.close()

    async def once(self, *, settled_s: float = SETTLED_S) -> None:
        """Do what is to be done now. Raises StorageError where the database cannot answer."""
        archive, run = self._archive, self._jobs.run
        await self._each("select_untrended", lambda session_id: run(keep_trend_at, archive.entrances.owner, session_id))
        await self._each("select_doubted", self._derive_again, max_tries=MAX_TRIES, pipeline_version=PIPELINE_VERSION)
        if self._metrics_days is not None:
            await self._each(
                "select_outlived",
                lambda session_id: archive.rows("forget_metrics", session_id=session_id),
                days=self._metrics_days,
            )
        await self._each(
            "select_unpacked",
            lambda session_id: run(pack_session, archive.entrances.owner, session_id),
            settled_s=settled_s,
        )
        await self._jobs.close()
        await self._deriving.close()

    async def _derive_again(self, session_id: str) -> None:
        entrances = self._archive.entrances
        if self._derive is not None and await self._deriving.run(self._derive, entrances.server, session_id):
            await self._jobs.run(keep_trend_at, entrances.owner, session_id)
            log.info("a session was derived again, as it had not come in one uninterrupted run")
            self._on_derived(session_id)

    async def _each(self, statement: str, do: Callable[[str], Awaitable[object]], **wish: object) -> None:
        """Do something for each session that needs it; those that failed come again when all others had their turn."""
        failed = self._failed.setdefault(statement, set())
        rows = await self._archive.rows(statement, limit=MAX_FOUND, put_off=list(failed), **wish)
        if len(rows) < MAX_FOUND:
            failed.clear()
        for row in rows:
            # The supervisor of this lane: what cannot be done for one session is done for the next, and tried again.
            try:
                async with asyncio.timeout(self._job_limit_s):
                    await do(row["session_id"])
            except Exception as exc:  # noqa: BLE001
                failed.add(row["session_id"])
                log.warning("upkeep of a session failed with a %s; it is tried again", type(exc).__name__)
