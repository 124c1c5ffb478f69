"""The life of sessions: who starts, opens, carries and ends them, and which one the clients see."""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence

from becalm_protocol.errors import CloseCode, StorageError, WireError
from becalm_protocol.events import PhaseChange, StreamInfo
from becalm_protocol.handshake import (
    AgentPresence,
    AgentStatus,
    CloseSession,
    Data,
    Ledger,
    LiveEvent,
    OpenSession,
    Reset,
    SensorState,
    SessionClosed,
    SessionOpened,
    SessionPhase,
    SessionView,
    Source,
    StartSession,
    StopSession,
)
from becalm_protocol.units import NS_PER_S
from becalm_server.agent_link import AgentLink
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive
from becalm_server.hub import Hub
from becalm_server.latency import Latency
from becalm_server.rebuild import build_session
from becalm_server.refusals import NoAgentError, SessionRunningError, UnknownSessionError
from becalm_server.session import MakePipeline, Session, Verdict
from becalm_server.settings import ServerSettings
from becalm_server.slow_lane import SlowLane

log = logging.getLogger(__name__)

# A wall clock ahead of ours by more than this is wrong; partitions and trends must not reach into the future.
MAX_AHEAD_NS = 60 * NS_PER_S
# A practice takes minutes: a session that a crash cut short this long ago is over.
STALE_S = 2 * 3600.0
# Commits take milliseconds; whoever asks for the end of a session is told when they do not come.
END_LIMIT_S = 5.0
# The year 2020: an agent that claims an earlier start has a clock that was never set.
EARLIEST_UNIX_NS = 1_577_836_800 * NS_PER_S


class Sessions:
    """The switchboard's directory: agents, open sessions, and the current one."""

    def __init__(
        self, settings: ServerSettings, *, archive: Archive, hub: Hub, slow_lane: SlowLane, make_pipeline: MakePipeline
    ) -> None:
        self.current: Session | None = None
        self.accept_latency = Latency()
        """From a decoded Data message to all of its frames in every outbox."""
        self._settings = settings
        self._archive = archive
        self._hub = hub
        self._slow_lane = slow_lane
        self._make_pipeline = make_pipeline
        self._links: dict[str, AgentLink] = {}
        self._open: dict[str, Session] = {}
        self._by_stream: dict[str, Session] = {}
        archive.writer.on_committed = self.committed

    async def restore(self) -> None:
        """Take up the session that a restart interrupted; its agent opens it again."""
        record = await self._archive.unfinished_session()
        if record is None or record.created_at is None:
            return
        age_s = time.time() - record.created_at.timestamp()
        if age_s > STALE_S:
            return  # nobody waits for it any more; its agent may still open and close it
        session = self._remember(record)
        if record.started_unix_ns is not None:
            session.phase = SessionPhase.BASELINE if age_s < record.baseline_s else SessionPhase.PRACTICE
        self.current = session

    # --------------------------------------------------------------------------------------------------- clients
    def view(self) -> SessionView | None:
        """Return the current session as clients see it."""
        return self.current.view() if self.current else None

    def presence(self) -> AgentPresence:
        """Return which sensors are there."""
        sensors: tuple[SensorState, ...] = tuple(s for link in self._links.values() for s in link.sensors)
        return AgentPresence(agent_connected=bool(self._links), sensors=sensors)

    def session_ns(self) -> int | None:
        """Return the current session's time now."""
        return self.current.clock.session_ns() if self.current else None

    async def start(self, *, baseline_s: float, inhale_s: float, exhale_s: float) -> SessionRecord:
        """Ask the agent to open a new session."""
        if self.current is not None:
            raise SessionRunningError("A session is running. Stop it, then start another.")
        if not self._links:
            raise NoAgentError("No sensors' agent is connected. Start it beside the body with: becalm agent")
        link = list(self._links.values())[-1]
        record = SessionRecord(
            session_id=secrets.token_hex(16),
            agent_id=link.agent_id,
            source=Source.LIVE,
            baseline_s=baseline_s,
            inhale_s=inhale_s,
            exhale_s=exhale_s,
        )
        self.current = self._remember(record)  # before the wait: a second start must be refused
        try:
            await self._archive.add_session(record)
        except StorageError:
            self._drop(self.current)
            raise
        link.put_nowait(StartSession(session_id=record.session_id))
        self._tell_view(self.current)
        return record

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
        carrier = self._carrier(session)
        owner = self._links.get(session.record.agent_id or "")
        for link in {carrier, owner} - {None}:
            if link is not None:
                link.put_nowait(StopSession(session_id=session_id))
        if carrier is None:
            await self._end(session)
        return session.record

    # ---------------------------------------------------------------------------------------------------- agents
    def join(self, link: AgentLink) -> None:
        """Take a new connection of an agent; an older one of the same agent is fenced."""
        older = self._links.pop(link.agent_id, None)
        if older is not None:
            older.close_nowait(CloseCode.FENCED, detail="a newer connection of this agent took over")
        self._links[link.agent_id] = link
        waiting = self.current
        if waiting and waiting.phase is SessionPhase.WAITING and waiting.record.agent_id == link.agent_id:
            link.put_nowait(StartSession(session_id=waiting.record.session_id))
        self._hub.tell(self.presence())

    def leave(self, link: AgentLink) -> None:
        """Forget a connection."""
        if self._links.get(link.agent_id) is link:
            del self._links[link.agent_id]
            self._hub.tell(self.presence())

    def status(self, link: AgentLink, status: AgentStatus) -> None:
        """Learn how an agent's sensors are."""
        if link.sensors != status.sensors:
            link.sensors = status.sensors
            self._hub.tell(self.presence())

    async def open(self, link: AgentLink, opened: OpenSession) -> None:
        """Let an agent begin, resume or extend a session. Raises WireError where it is not its own."""
        session = self._open.get(opened.session_id) or await self._recall(link, opened)
        await self._check_owner(link, session, opened)
        async with session.opening:  # a newer connection may open it while an older one still reads the archive
            if not {info.stream_id for info in opened.streams} <= set(session.streams):
                session.record = self._begun(session.record, link=link, opened=opened)
                await self._build(session, streams=opened.streams)
        if link.goodbye is not None:
            return
        self._by_stream |= dict.fromkeys(session.streams, session)
        link.session_ids.add(opened.session_id)
        link.put_nowait(SessionOpened(session_id=opened.session_id, acks=session.acks()))
        if session.late:
            link.put_nowait(StopSession(session_id=opened.session_id))
        else:
            self._make_current(session)

    async def close(self, link: AgentLink, closed: CloseSession) -> None:
        """End a session once everything up to its last events is committed; ask again for what is missing."""
        session = self._open.get(closed.session_id)
        if session is None:
            link.put_nowait(SessionClosed(session_id=closed.session_id))  # ended before; the answer was lost
            return
        missing = [
            Reset(stream_id=last.stream_id, seq=tail.taken_seq)
            for last in closed.last
            if (tail := session.streams.get(last.stream_id)) and tail.taken_seq < last.seq
        ]
        if missing:
            for reset in missing:
                link.put_nowait(reset)
            return
        await self._end(session)
        link.put_nowait(SessionClosed(session_id=closed.session_id))

    def accept(self, link: AgentLink, data: Data) -> None:
        """Take one event: the sample path, synchronous from the socket to every outbox."""
        began_ns = time.monotonic_ns()
        stream_id = data.event.stream_id
        session = self._by_stream.get(stream_id)
        if session is None or session.record.session_id not in link.session_ids:
            raise WireError("data: expected a stream of a session opened on this connection, got another")
        verdict = session.accept(data)
        if verdict is Verdict.HOLE:
            link.put_nowait(Reset(stream_id=stream_id, seq=session.streams[stream_id].taken_seq))
        if verdict is not Verdict.TAKEN:
            return
        self.advance(session)
        window = session.window_due()
        if window is not None:
            self._slow_lane.window_nowait(session, window)
        self.accept_latency.add(time.monotonic_ns() - began_ns)

    def heard_clock(self, link: AgentLink, *, sent_ns: int, clock_ns: int) -> None:
        """Learn session time from an answered heartbeat."""
        for session in [self._open[key] for key in link.session_ids if key in self._open]:
            session.clock.answered(sent_ns=sent_ns, clock_ns=clock_ns)
            self.advance(session)

    def committed(self, acks: dict[str, int]) -> None:
        """Pass on what the archive has committed."""
        for stream_id, seq in acks.items():
            session = self._by_stream.get(stream_id)
            if session is None:
                continue
            session.committed(stream_id, seq)
            link = self._carrier(session)
            if link is not None:
                link.ack_nowait({stream_id: seq})

    def advance(self, session: Session) -> None:
        """Move a session on to the phase of its time, and tell the clients."""
        if not session.advance(session.session_now_ns(at_least_ns=session.newest_ns)):
            return
        self._tell_view(session)
        for change in session.schedule()[1:]:
            self.publish(session, change, None)

    def publish(self, session: Session, event: LiveEvent | PhaseChange, ledger: Ledger | None) -> None:
        """Give a live event to the clients, where its session is the one they see."""
        if session is self.current:
            self._hub.publish(event, ledger=ledger)

    def close_nowait(self, code: CloseCode) -> None:
        """Disconnect every agent; what is not acknowledged they keep."""
        for link in self._links.values():
            link.close_nowait(code, detail="the server stops or restarts; everything acknowledged is stored")

    # ------------------------------------------------------------------------------------------------------ parts
    def _remember(self, record: SessionRecord) -> Session:
        session = Session(record, writer=self._archive.writer, publish=self.publish)
        self._open[record.session_id] = session
        return session

    async def _recall(self, link: AgentLink, opened: OpenSession) -> Session:
        """Return a session that is not in memory: from the archive, or new and unasked."""
        record = await self._archive.session(opened.session_id)
        if record is None:
            record = SessionRecord(
                session_id=opened.session_id,
                agent_id=link.agent_id,
                source=opened.source,
                baseline_s=self._settings.baseline_s,
                inhale_s=self._settings.inhale_s,
                exhale_s=self._settings.exhale_s,
            )
            await self._archive.add_session(record)
        session = self._remember(record)
        session.late = record.ended_at is not None
        return session

    async def _check_owner(self, link: AgentLink, session: Session, opened: OpenSession) -> None:
        if session.record.agent_id not in (None, link.agent_id):
            raise WireError("open_session: expected a session of this agent, got one of another")
        owners = await self._archive.owners([info.stream_id for info in opened.streams])
        if set(owners.values()) - {opened.session_id}:
            raise WireError("open_session: expected new random stream identifiers, got one of another session")

    def _begun(self, record: SessionRecord, *, link: AgentLink, opened: OpenSession) -> SessionRecord:
        live = opened.source is Source.LIVE
        return SessionRecord(
            session_id=record.session_id,
            agent_id=link.agent_id,
            source=opened.source,
            baseline_s=record.baseline_s,
            inhale_s=record.inhale_s if live else None,
            exhale_s=record.exhale_s if live else None,
            started_unix_ns=_plausible_start(opened.started_unix_ns),
        )

    def _make_current(self, session: Session) -> None:
        """Show this session, unless the clients watch another one that is alive, or a younger one."""
        shown = self.current
        if shown is not None and shown is not session:
            asked_for = shown.phase is SessionPhase.WAITING and shown.record.agent_id in self._links
            carrier = self._carrier(shown)
            elsewhere = carrier is not None and carrier is not self._carrier(session)
            if asked_for or elsewhere or (shown.record.started_unix_ns or 0) > (session.record.started_unix_ns or 0):
                return
        self.current = session
        self._tell_view(session)

    def _carrier(self, session: Session) -> AgentLink | None:
        link = self._links.get(session.record.agent_id or "")
        return link if link is not None and session.record.session_id in link.session_ids else None

    async def _build(self, session: Session, *, streams: Sequence[StreamInfo]) -> None:
        await build_session(session, streams=streams, archive=self._archive, make_pipeline=self._make_pipeline)

    async def _end(self, session: Session) -> None:
        if not session.streams and session.record.started_unix_ns is not None:
            async with session.opening:  # a restart came between: its last conclusions are still to be drawn
                await self._build(session, streams=())
        try:
            async with asyncio.timeout(END_LIMIT_S):
                await session.finish()
        except TimeoutError as exc:
            raise StorageError(
                "database: no commit for a while. Everything is kept; stop again when it is back"
            ) from exc
        ended = await self._archive.end_session(session.record.session_id, duration_ns=session.newest_ns)
        session.record = ended or session.record
        session.phase = SessionPhase.ENDED
        self._tell_view(session)
        self._drop(session)
        if any(tail.taken_seq for tail in session.streams.values()):
            self._slow_lane.report_nowait(session.record.session_id)

    def _drop(self, session: Session) -> None:
        self._open.pop(session.record.session_id, None)
        for stream_id in session.streams:
            self._by_stream.pop(stream_id, None)
        if self.current is session:
            self.current = None

    def _tell_view(self, session: Session) -> None:
        if session is self.current:
            self._hub.tell(session.view())


def _plausible_start(claimed_unix_ns: int) -> int:
    now_ns = time.time_ns()
    return claimed_unix_ns if EARLIEST_UNIX_NS <= claimed_unix_ns <= now_ns + MAX_AHEAD_NS else now_ns
