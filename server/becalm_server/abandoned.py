"""Sessions that nobody closes: the agent stays away for hours, and the server takes the last sample for the end."""

import asyncio
import contextlib
import logging
import time

from becalm_protocol.errors import BecalmError, StorageError
from becalm_protocol.units import ns_from_s
from becalm_server.agent_link import AgentLink
from becalm_server.archive.records import SessionRecord
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
        self._carried_ns: dict[str, int] = {}
        """When a look last found a session in an agent's hands: the times in the archive are as right as its clock."""

    async def run(self) -> None:
        """Look, close, wait; again and again."""
        await asyncio.sleep(AFTER_START_S)
        while True:
            with contextlib.suppress(StorageError):  # the database is away: the next look finds them
                await self.close(silent_s=STALE_S)
            await asyncio.sleep(LOOK_EVERY_S)

    async def close(self, *, silent_s: float) -> None:
        """Close every session of which nothing came for so long, and that no agent held open. Raises StorageError."""
        silent = await self._archive.abandoned_sessions(silent_s=silent_s)
        now_ns = time.monotonic_ns()
        since_ns = now_ns - ns_from_s(silent_s)
        self._carried_ns = {
            one.session_id: self._carried_ns.get(one.session_id, since_ns) if self._carrier(one) is None else now_ns
            for one in silent
        }
        for record in silent:
            if self._carried_ns[record.session_id] > since_ns:
                continue
            try:
                await self._close(record)
            except BecalmError as exc:  # erased meanwhile, or its end cannot be committed: the others are closed
                log.warning("a session of hours ago is not closed (%s); the next look tries again", type(exc).__name__)

    async def _close(self, record: SessionRecord) -> None:
        if self._carrier(record) is not None:
            return  # it came back while others were closed
        ended = await self._sessions.stop(record.session_id)
        if ended.ended_at is not None:
            await self._archive.rows("mark_closed_by_server", session_id=record.session_id)
            log.info("a session was closed, as nothing came of it for hours")

    def _carrier(self, record: SessionRecord) -> AgentLink | None:
        return self._sessions.agents.carrier(record)
