"""The life of sessions: who starts, opens, carries and ends them, and which one clients see that chose none."""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from becalm_protocol.errors import CloseCode, StorageError, WireError
from becalm_protocol.events import PhaseChange
from becalm_protocol.handshake import (
    CloseSession,
    Data,
    Ledger,
    LiveEvent,
    OpenSession,
    Reset,
    SessionClosed,
    SessionOpened,
    SessionPhase,
    StartSession,
    StopSession,
)
from becalm_server.agent_link import AgentLink
from becalm_server.agents import Agents
from becalm_server.archive.doubts import Doubt
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive
from becalm_server.ending import ENDED_MEANWHILE, bring_to_end, check_whole, end_once, missing_of
from becalm_server.hub import Hub
from becalm_server.lanes import Lanes
from becalm_server.latency import Latency
from becalm_server.listener import Sees
from becalm_server.opening import Opener
from becalm_server.recent_beats import Window
from becalm_server.refusals import UnknownSessionError
from becalm_server.session import Session
from becalm_server.settings import ServerSettings
from becalm_server.showing import stays_shown
from becalm_server.slow_lane import SlowLane
from becalm_server.stream_tail import Verdict

# A practice takes minutes: a session that a crash cut short this long ago is over.
STALE_S = 2 * 3600.0


class Sessions:
    """The open sessions, one an agent, and the agents that carry them."""

    def __init__(
        self, settings: ServerSettings, *, archive: Archive, hub: Hub, lanes: Lanes, slow_lane: SlowLane
    ) -> None:
        self.current: Session | None = None
        """The session that clients see."""
        self.accept_latency = Latency()
        """From a decoded Data message to all that followed from it in every outbox."""
        self.agents = Agents(hub)
        self._opener = Opener(settings, archive=archive, lanes=lanes)
        self._lanes = lanes
        self._archive = archive
        self._hub = hub
        self._slow_lane = slow_lane
        self._open: dict[str, Session] = {}
        self._by_stream: dict[str, Session] = {}
        archive.writer.on_committed = self.committed

    async def restore(self) -> None:
        """Take up the sessions that a restart interrupted; their agents open them again."""
        # Nobody waits for an older one any more; its agent may still open and close it.
        for record in await self._archive.unfinished_sessions(max_age_s=STALE_S):
            session = self._remember(record)
            if record.started_unix_ns is not None and record.created_at is not None:
                age_s = time.time() - record.created_at.timestamp()
                session.phase = SessionPhase.BASELINE if age_s < record.baseline_s else SessionPhase.PRACTICE
            self._show(session)

    # --------------------------------------------------------------------------------------------------- clients
    def shown(self, sees: Sees) -> Session | None:
        """Return the session under way for somebody: where it is not theirs to see, the newest that is."""
        sessions = (self.current, *reversed(self._open.values())) if self.current else ()
        return next((one for one in sessions if not one.late and sees(one.record.person_id)), None)

    def live(self, session_id: str) -> Session | None:
        """Return a session that is under way."""
        session = self._open.get(session_id)
        return None if session is None or session.late else session

    async def start(
        self, wish: SessionRecord, *, people: Collection[str] | None, agent_id: str | None = None
    ) -> SessionRecord:
        """Ask an agent beside one of these people (None: anybody), or else the free one that connected last."""
        link = self.agents.free(agent_id, people=people, is_busy=lambda link: bool(self._carried_by(link)))
        record = replace(wish, agent_id=link.agent_id, person_id=link.person_id)
        session = self._remember(record)  # before the wait: a second start must be refused
        self._show(session)
        try:
            session.record = await self._archive.add_session(record)
        except StorageError:
            self._drop(session)
            raise
        link.put_nowait(StartSession(session_id=record.session_id))
        self._tell_view(session)
        return session.record

    def discard(self, session_id: str) -> None:
        """Take nothing more of a session that is erased; its agent is told to stop, and later to forget."""
        self._slow_lane.discard(session_id)
        self._hub.discard(session_id)
        session = self._open.get(session_id)
        if session is None:
            return
        session.is_erased = True
        if (owner := self.agents.owner(session.record)) is not None:
            owner.put_nowait(StopSession(session_id=session_id))
        self._drop(session)
        self._by_stream |= dict.fromkeys(session.streams, session)  # what is under way is dropped, not refused

    async def stop(self, session_id: str) -> SessionRecord:
        """Ask the agent to end a session; where no agent carries it, end it here."""
        session = self._open.get(session_id)
        if session is None:
            record = await self._archive.session(session_id)
            if record is None:
                raise UnknownSessionError(f"There is no session {session_id!r:.70}.")
            if record.ended_at is not None:
                return record
            session = self._remember(record)
        owner = self.agents.owner(session.record)
        if owner is not None:
            owner.put_nowait(StopSession(session_id=session_id))
        if self.agents.carrier(session.record) is None:
            await end_once(session, end=self._end)
        return session.record

    # ---------------------------------------------------------------------------------------------------- agents
    def join(self, link: AgentLink) -> None:
        """Take a new connection of an agent, and tell it of what waits for it."""
        self.agents.join(link)
        for session in self._carried_by(link):
            if session.phase is SessionPhase.WAITING:
                link.put_nowait(StartSession(session_id=session.record.session_id))

    async def open(self, link: AgentLink, opened: OpenSession) -> None:
        """Let an agent begin, resume or extend a session. Raises WireError where it is not its own."""
        session: Session | None = None
        while session is None or self._open.get(opened.session_id) is not session:  # somebody ended it meanwhile
            if session is not None and session.is_erased:
                link.put_nowait(StopSession(session_id=opened.session_id))
                return
            session = self._open.get(opened.session_id)
            if session is None:
                record = await self._opener.recall(opened, link=link)
                session = self._open.get(opened.session_id) or self._remember(record)
            await self._opener.check_owner(session, link=link, opened=opened)
            await self._opener.begin(session, agent_id=link.agent_id, opened=opened)
        if link.goodbye is not None:
            return
        self._by_stream |= dict.fromkeys(session.streams, session)
        link.session_ids.add(opened.session_id)
        link.stream_ids |= set(session.streams)
        link.put_nowait(SessionOpened(session_id=opened.session_id, acks=session.acks()))
        if session.late:
            link.put_nowait(StopSession(session_id=opened.session_id))
        else:
            self._make_current(session)

    async def close(self, link: AgentLink, closed: CloseSession) -> None:
        """End a session once everything up to its last events is committed; ask again for what is missing.

        Raises WireError where it was not opened on this link, or ended before all of it came.
        """
        session = self._open.get(closed.session_id)
        if session is None:
            await check_whole(closed, archive=self._archive)
            link.put_nowait(SessionClosed(session_id=closed.session_id))  # ended before; the answer was lost
            return
        if closed.session_id not in link.session_ids:
            raise WireError("close_session: expected a session opened on this connection, got another")
        if missing := missing_of(session, closed=closed):
            for reset in missing:
                link.put_nowait(reset)
            return
        await end_once(session, end=self._end)
        link.put_nowait(SessionClosed(session_id=closed.session_id))

    def accept(self, link: AgentLink, data: Data) -> None:
        """Take one event: the sample path, synchronous from the socket to the pipeline's process."""
        stream_id = data.event.stream_id
        session = self._by_stream.get(stream_id)
        if session is None and stream_id in link.stream_ids:
            raise WireError(ENDED_MEANWHILE, close_code=CloseCode.RESTART)
        if session is None or session.record.session_id not in link.session_ids:
            raise WireError("data: expected a stream of a session opened on this connection, got another")
        if session.accept(data) is Verdict.HOLE:
            link.put_nowait(Reset(stream_id=stream_id, seq=session.streams[stream_id].taken_seq))

    def settled(self, session: Session, *, upto_ns: int, spent_ns: int) -> None:
        """Hear what else followed from an event, beside what is published."""
        self.accept_latency.add(spent_ns)
        self.advance(session, now_ns=upto_ns)

    def windows_due(self, session: Session, windows: Sequence[Window], *, shown: bool) -> None:
        """Have the slow lane compute windows."""
        for window in windows:
            self._slow_lane.window_nowait(session, window, shown=shown)

    def unseated(self, session: Session) -> None:
        """Find another process for a session whose own is gone."""
        self._lanes.move_nowait(self._opener.seat(session))

    async def wait_room(self, data: Data) -> None:
        """Return once its session takes more."""
        session = self._by_stream.get(data.event.stream_id)
        if session is not None:
            await session.wait_room()

    def heard_clock(self, link: AgentLink, *, sent_ns: int, clock_ns: int) -> None:
        """Learn session time from an answered heartbeat."""
        for session in self.opened_on(link):
            session.clock.answered(sent_ns=sent_ns, clock_ns=clock_ns)
            self.advance(session, now_ns=session.session_now_ns(at_least_ns=0))

    def opened_on(self, link: AgentLink) -> list[Session]:
        """Return the sessions that an agent has opened on a link."""
        return [self._open[key] for key in link.session_ids if key in self._open]

    def committed(self, acks: dict[str, int]) -> None:
        """Pass on what the archive has committed."""
        for stream_id, seq in acks.items():
            session = self._by_stream.get(stream_id)
            if session is None:
                continue
            session.committed(stream_id, seq)
            link = self.agents.carrier(session.record)
            if link is not None:
                link.ack_nowait({stream_id: seq})

    def advance(self, session: Session, *, now_ns: int) -> None:
        """Move a session on to the phase of its time, and tell the clients."""
        if not session.advance(now_ns):
            return
        self._tell_view(session)
        for change in session.schedule()[1:]:
            self.publish(session, change, None)

    def publish(self, session: Session, event: LiveEvent | PhaseChange, ledger: Ledger | None) -> None:
        """Give a live event of a session to its clients; what came too late is for the archive alone."""
        if not session.late:
            self._hub.publish(session.record.session_id, event, ledger=ledger)

    # ------------------------------------------------------------------------------------------------------ parts
    def _carried_by(self, link: AgentLink) -> list[Session]:
        """Return the sessions under way that belong to an agent."""
        return [one for one in self._open.values() if self.agents.is_of(one.record, link) and not one.late]

    def _show(self, session: Session | None) -> None:
        self.current = session
        self._hub.show(None if session is None else session.record.session_id)

    def _remember(self, record: SessionRecord) -> Session:
        session = Session(record, writer=self._archive.writer, desk=self)
        session.late = record.ended_at is not None
        if record.started_unix_ns is not None and not session.late:  # it has a past that no memory of ours holds
            session.doubt(Doubt.INTERRUPTED)
        self._open[record.session_id] = session
        if not session.late:
            self._hub.open(record.session_id, person_id=record.person_id, clock=session.clock.session_ns)
        return session

    def _make_current(self, session: Session) -> None:
        """Show this session, unless the clients watch another one that is alive, or a younger one."""
        self._show(self.current if stays_shown(self.current, comes=session, agents=self.agents) else session)
        self._tell_view(session)

    async def _end(self, session: Session) -> None:
        await self._opener.revive(session)
        await bring_to_end(session)
        ended = await self._archive.end_session(session.record.session_id, duration_ns=session.newest_ns)
        session.record = ended or session.record
        session.phase = SessionPhase.ENDED
        self._tell_view(session)
        self._drop(session)
        if any(tail.taken_seq for tail in session.streams.values()):
            self._slow_lane.report_nowait(session.record.session_id)

    def _drop(self, session: Session) -> None:
        session.seat.stand()
        if self._open.get(session.record.session_id) is not session:
            return
        del self._open[session.record.session_id]
        for stream_id in session.streams:
            self._by_stream.pop(stream_id, None)
        self._hub.end(session.record.session_id)
        if self.current is session:
            self._show(next((other for other in reversed(self._open.values()) if not other.late), None))
            if self.current is not None:
                self._tell_view(self.current)

    def _tell_view(self, session: Session) -> None:
        if not session.late:
            self._hub.tell_view(session.view())
