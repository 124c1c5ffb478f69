"""What finished sessions still need, beside the live ones: the row that trends are read from."""

import asyncio
import logging

from becalm_protocol.errors import StorageError
from becalm_server.archive.store import Archive
from becalm_server.archive.versions import newest_version

log = logging.getLogger(__name__)

# Sessions that a stop, a crash or another pipeline left undone are found by looking; those that end now say so.
LOOK_AGAIN_S = 60.0
# Sessions a look.
MAX_FOUND = 100


class Upkeep:
    """run() works until cancelled; what it did not do, the next run finds again."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._wake = asyncio.Event()
        archive.on_ended = self._wake.set

    async def run(self) -> None:
        """Look, work, wait; again and again."""
        while True:
            self._wake.clear()
            try:
                await self.once()
            except StorageError as exc:
                log.warning("upkeep waits for the database: %s", exc)
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def once(self) -> None:
        """Do what is to be done now. Raises StorageError where the database cannot answer."""
        for row in await self._archive.rows("select_untrended", limit=MAX_FOUND):
            await keep_trend(self._archive, row["session_id"])


async def keep_trend(archive: Archive, session_id: str) -> None:
    """Keep what a finished session was like, by its newest derived values."""
    if archive.has_timescale:
        days = await archive.one("session_days", session_id=session_id)
        if days and days["first_day"] and days["first_day"] < days["end_day"]:
            await archive.rows("refresh_days", **days)
    versions = [row["pipeline_version"] for row in await archive.rows("session_versions", session_id=session_id)]
    await archive.rows("keep_trend", session_id=session_id, pipeline_version=newest_version(versions))
