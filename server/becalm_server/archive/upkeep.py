"""What finished sessions still need, beside the live ones: the row of trends, and raw events packed."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable

import psycopg

from becalm_protocol.errors import StorageError
from becalm_server.archive.packer import pack_session
from becalm_server.archive.store import Archive
from becalm_server.archive.trend_row import keep_trend
from becalm_server.worker_jobs import JobProcess

log = logging.getLogger(__name__)

# Sessions that a stop, a crash or another pipeline left undone are found by looking; those that end now say so.
LOOK_AGAIN_S = 60.0
# Sessions a look.
MAX_FOUND = 100
# An agent that was cut off brings the end of a session late; packing waits until that is over.
SETTLED_S = 300.0


class Upkeep:
    """run() works until cancelled; what it did not do, the next run finds again."""

    def __init__(self, archive: Archive, *, metrics_days: int | None = None) -> None:
        self._archive = archive
        self._metrics_days = metrics_days
        self._wake = asyncio.Event()
        self._packing = JobProcess()
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
            await self._packing.close()

    async def once(self, *, settled_s: float = SETTLED_S) -> None:
        """Do what is to be done now. Raises StorageError where the database cannot answer."""
        for row in await self._archive.rows("select_untrended", limit=MAX_FOUND):
            await self._attempt(asyncio.to_thread(_keep_trend, self._archive.url, row["session_id"]))
        if self._metrics_days is not None:
            for row in await self._archive.rows("select_outlived", days=self._metrics_days, limit=MAX_FOUND):
                await self._attempt(self._archive.rows("forget_metrics", session_id=row["session_id"]))
        for row in await self._archive.rows("select_unpacked", limit=MAX_FOUND, settled_s=settled_s):
            await self._attempt(self._packing.run(pack_session, self._archive.url, row["session_id"]))
        await self._packing.close()

    async def _attempt(self, work: Awaitable[object]) -> None:
        # The supervisor of this lane: what cannot be done for one session is done for the next, and tried again later.
        try:
            await work
        except Exception as exc:  # noqa: BLE001
            log.warning("upkeep of a session failed with a %s; it is tried again", type(exc).__name__)


def _keep_trend(url: str, session_id: str) -> None:
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        keep_trend(connection, session_id)
