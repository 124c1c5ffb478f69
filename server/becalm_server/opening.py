"""What has to be true before an agent may send: the session is known, it is the agent's own, it has a seat."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from becalm_protocol.errors import StorageError, WireError
from becalm_protocol.events import StreamInfo
from becalm_protocol.handshake import OpenSession, Source
from becalm_protocol.units import NS_PER_S
from becalm_server.agent_link import AgentLink
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive
from becalm_server.lanes import Lanes
from becalm_server.rebuild import place_session, seat_session
from becalm_server.session import Session
from becalm_server.settings import ServerSettings

# A wall clock ahead of ours by more than this is wrong; partitions and trends must not reach into the future.
MAX_AHEAD_NS = 60 * NS_PER_S
# The year 2020: an agent that claims an earlier start has a clock that was never set.
EARLIEST_UNIX_NS = 1_577_836_800 * NS_PER_S
# Sessions that a dead process left move at once, but not all of them ask the database at the same time.
MAX_MOVERS = 4
MOVE_AGAIN_S = 0.5


class Opener:
    """Works between OpenSession and SessionOpened; off the sample path, so it may wait for the archive."""

    def __init__(self, settings: ServerSettings, *, archive: Archive, lanes: Lanes) -> None:
        self._settings = settings
        self._archive = archive
        self._lanes = lanes
        self._movers = asyncio.Semaphore(MAX_MOVERS)

    async def recall(self, opened: OpenSession, *, link: AgentLink) -> SessionRecord:
        """Return a session from the archive, or keep a new one that nobody asked for."""
        record = await self._archive.session(opened.session_id)
        if record is not None:
            return record
        return await self._archive.add_session(
            SessionRecord(
                session_id=opened.session_id,
                agent_id=link.agent_id,
                person_id=link.person_id,
                source=opened.source,
                baseline_s=self._settings.baseline_s,
                inhale_s=self._settings.inhale_s,
                exhale_s=self._settings.exhale_s,
            )
        )

    async def check_owner(self, session: Session, *, link: AgentLink, opened: OpenSession) -> None:
        """Raise WireError where the session or one of its streams is not this agent's own."""
        record, strange = (
            session.record,
            [one.stream_id for one in opened.streams if one.stream_id not in session.streams],
        )
        if record.agent_id not in (None, link.agent_id) or record.person_id != link.person_id:
            raise WireError("open_session: expected a session of this agent, got one of another")
        if not strange:
            return  # it comes back: that is known without the database, which may be away
        owners = await self._archive.owners(strange)
        if set(owners.values()) - {opened.session_id}:
            raise WireError("open_session: expected new random stream identifiers, got one of another session")

    async def begin(self, session: Session, *, agent_id: str, opened: OpenSession) -> None:
        """Give the session its place where it has none yet, or none that knows all of its streams."""
        async with session.opening:  # a newer connection may open it while an older one still reads the archive
            if {info.stream_id for info in opened.streams} <= set(session.streams):
                return
            live = opened.source is Source.LIVE
            session.record = replace(
                session.record,
                agent_id=agent_id,
                source=opened.source,
                inhale_s=session.record.inhale_s if live else None,
                exhale_s=session.record.exhale_s if live else None,
                started_unix_ns=_plausible_start(opened.started_unix_ns),
            )
            await self._place(session, streams=opened.streams)

    async def revive(self, session: Session) -> None:
        """Give a session that a restart interrupted its place, so that it can be finished without its agent."""
        if session.record.started_unix_ns is None:
            return
        async with session.opening:
            if not session.streams:
                await self._place(session, streams=())

    async def seat(self, session: Session) -> None:
        """Give a session a process of pipelines, its first or another one, however long the archive takes to answer."""
        while not (session.seat.is_seated or session.seat.is_given_up or session.is_over):
            try:
                await self._archive.writer.wait_drained()  # before the lock: who opens it again must not wait for that
                async with self._movers, session.opening:
                    if not session.seat.is_seated:
                        await seat_session(session, archive=self._archive, lanes=self._lanes)
            except StorageError:
                await asyncio.sleep(MOVE_AGAIN_S)
        if session.is_over:
            session.seat.stand()

    async def _place(self, session: Session, *, streams: Sequence[StreamInfo]) -> None:
        await place_session(session, streams=streams, archive=self._archive)
        if not session.late:  # else what it brings is recorded, and derived again with all the rest
            # The agent need not wait for that: what it sends meanwhile is in the record, and waits for the pipeline.
            self._lanes.move_nowait(self.seat(session))


def _plausible_start(claimed_unix_ns: int) -> int:
    now_ns = time.time_ns()
    return claimed_unix_ns if EARLIEST_UNIX_NS <= claimed_unix_ns <= now_ns + MAX_AHEAD_NS else now_ns
