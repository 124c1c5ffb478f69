"""Sessions that nobody closes: the agent stays away for hours, and the server takes the last sample for the end."""

import asyncio
import contextlib
import logging

from becalm_protocol.errors import StorageError
from becalm_server.archive.store import Archive
from becalm_server.sessions import STALE_S, Sessions

log = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
# Agents of before a restart are back within seconds; what they bring then may be hours old.
AFTER_START_S = 600.0


class Abandoned:
    """run() looks once a minute, until cancelled. What an agent still brings is kept as of any ended one."""

    def __init__(self, sessions: Sessions, *, archive: Archive) -> None:
        self._sessions = sessions
        self._archive = archive

    async def run(self) -> None:
        """Look, close, wait; again and again."""
        await asyncio.sleep(AFTER_START_S)
        while True:
            with contextlib.suppress(StorageError):  # the database is away: the next look finds them
                await self.close(silent_s=STALE_S)
            await asyncio.sleep(LOOK_EVERY_S)

    async def close(self, *, silent_s: float) -> None:
        """Close every session of which nothing came for so long, and that no agent holds open. Raises StorageError."""
        for record in await self._archive.abandoned_sessions(silent_s=silent_s):
            if self._sessions.agents.carrier(record) is not None:
                continue
            ended = await self._sessions.stop(record.session_id)
            if ended.ended_at is not None:
                await self._archive.rows("mark_closed_by_server", session_id=record.session_id)
                log.info("a session was closed, as nothing came of it for hours")
