"""Leads source, spool and uplink through sessions: idle, streaming, drained, closed, idle again."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from becalm_ingest import identity, leftovers
from becalm_ingest.claim import Claim
from becalm_ingest.report import AgentReport, StreamReport
from becalm_ingest.session import Session
from becalm_ingest.source import Source
from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_ingest.uplink import Uplink
from becalm_protocol.events import UNTIMED_KINDS, value
from becalm_protocol.handshake import AgentStatus
from becalm_protocol.handshake import Source as SourceKind
from becalm_protocol.pairing import TokenSource, no_token

OnReport = Callable[[AgentReport], None]

_REPORT_EVERY_S = 1.0
# Sensors are asked to rest within this time, then their links are cut.
_STOP_SOURCE_WITHIN_S = 2.0
# With the sensors' share a stop takes at most 4 s; what is not acknowledged by then stays spooled.
_DRAIN_WITHIN_S = 1.8
# What earlier processes left is sent after the own session; what takes longer goes on at the next start.
_LEFTOVERS_WITHIN_S = 10.0
# Start, stop, start again: more than a few unread commands repeat each other. Policy: the newest is refused.
_MAX_COMMANDS = 16


@value
class _Command:
    """Something to do, in order: a start or a stop from the server, or the end of all."""

    session_id: str | None
    start: bool = False


class Conductor:
    """One agent process."""

    def __init__(
        self,
        source: Source,
        *,
        server_url: str,
        token: TokenSource = no_token,
        data_dir: Path,
        quota_bytes: int,
        start_now: bool,
        source_kind: SourceKind = SourceKind.LIVE,
        session_clock: Callable[[], int] | None = None,
    ) -> None:
        self._claim = Claim(data_dir)
        try:
            agent_id = identity.agent_id(data_dir)
            self._spool = Spool(data_dir / "spool.db", quota_bytes=quota_bytes)
            self._uplink = Uplink(
                server_url=server_url,
                token=token,
                agent_id=agent_id,
                spool=self._spool,
                session_clock=self._session_ns,
            )
        except BaseException:
            self._claim.release()
            raise
        self._source = source
        self._source_kind = source_kind
        self._session_clock = session_clock
        self._start_now = start_now
        self._uplink.on_start = lambda session_id: self._command(session_id, start=True)
        self._uplink.on_stop = lambda session_id: self._command(session_id, start=False)
        self._uplink.on_closed = self._note_closed
        self._uplink.on_ack = self._note_ack
        self._session: Session | None = None
        """The one under way, or the last one until it is closed."""
        self._is_streaming = False
        self._commands: asyncio.Queue[_Command] = asyncio.Queue(_MAX_COMMANDS)
        self._drained = asyncio.Event()
        """The last session of this process is closed at the server."""
        self._emptied = asyncio.Event()
        """So are all that earlier processes left."""
        source.on_change = self._tell_status

    async def run(self, *, stop: asyncio.Event, on_report: OnReport | None = None) -> AgentReport:
        """Run until `stop`, or until a source that comes to an end is all stored."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._spool.run(), name="spool"),
                    group.create_task(self._uplink.run(), name="uplink"),
                    group.create_task(self._source.run(), name="source"),
                    group.create_task(self._report_to(on_report), name="report"),
                    group.create_task(self._quit_after(stop.wait), name="stop"),
                    group.create_task(self._quit_after(self._source.wait_finished), name="end of source"),
                ]
                self._tell_status()
                await self._conduct()
                await self._end_session()
                await self._drain(stop, group=group)
                report = self.report()
                for task in tasks:
                    task.cancel()
        finally:
            self._spool.close()
            self._claim.release()
        return report

    def report(self) -> AgentReport:
        """Return how things stand."""
        session = self._session
        troubles = (self._spool.alarm, self._uplink.trouble, self._source.trouble)
        return AgentReport(
            session_id=session.session_id if session else None,
            is_connected=self._uplink.is_connected,
            n_connections=self._uplink.n_connections,
            streams=self._stream_reports(session) if session else (),
            sensors=self._source.sensors(),
            n_spooled=self._spool.n_unacked,
            n_refused=self._spool.n_refused,
            commit_ack=self._uplink.latency.percentiles(),
            trouble=" | ".join(filter(None, troubles)) or None,
        )

    def _stream_reports(self, session: Session) -> tuple[StreamReport, ...]:
        spooled = self._spool.sessions.get(session.session_id)
        reports = []
        for stream_id, tally in session.tallies.items():
            stream = spooled.streams.get(stream_id) if spooled else None
            n_events = stream.last_seq if stream else tally.n_events
            n_acked = stream.acked_seq if stream else n_events
            report = StreamReport(
                stream_id=stream_id,
                device=tally.device,
                kind=tally.kind,
                n_received=tally.n_beats if tally.kind in UNTIMED_KINDS else tally.n_samples,
                age_ns=None if tally.newest_ns is None else max(0, session.now_ns() - tally.newest_ns),
                in_contact=tally.in_contact,
                n_gaps=tally.n_gaps,
                n_dropped=tally.n_dropped,
                n_events=n_events,
                n_sent=max(n_acked, self._uplink.latency.newest_seq(stream_id)),
                n_acked=n_acked,
            )
            reports.append(report)
        return tuple(reports)

    # ------------------------------------------------------------------------------------------------ session life
    async def _conduct(self) -> None:
        resumable = leftovers.settle(self._spool, can_resume=self._source_kind is SourceKind.LIVE)
        if resumable is not None:
            await self._begin(resumable)
        elif self._start_now:
            await self._begin(self._new_session(secrets.token_hex(16)))
        while True:
            command = await self._commands.get()
            if command.session_id is None:
                return
            current = self._session.session_id if self._session and self._is_streaming else None
            if command.start and command.session_id != current:
                await self._end_session()
                await self._begin(self._new_session(command.session_id))
            elif not command.start and command.session_id == current:
                await self._end_session()

    def _new_session(self, session_id: str) -> SpooledSession:
        found = self._spool.sessions.get(session_id)
        if found is not None:
            return found
        session = SpooledSession(
            session_id=session_id,
            started_unix_ns=time.time_ns(),
            started_monotonic_ns=time.monotonic_ns(),
            source=self._source_kind,
        )
        self._spool.begin(session)
        return session

    async def _begin(self, spooled: SpooledSession) -> None:
        if spooled.finished:
            return  # the server repeats a start that was already stopped here
        began_ns = spooled.started_monotonic_ns
        clock = self._session_clock or (lambda: time.monotonic_ns() - began_ns)
        self._session = Session(session_id=spooled.session_id, spool=self._spool, now_ns=clock)
        self._uplink.live_session_id = spooled.session_id
        self._is_streaming = True
        self._drained.clear()
        self._emptied.clear()
        await self._source.begin(self._session)
        self._tell_status()

    async def _end_session(self) -> None:
        session = self._session
        if session is None or not self._is_streaming:
            return
        try:
            async with asyncio.timeout(_STOP_SOURCE_WITHIN_S):
                await self._source.end()
        except TimeoutError:
            pass  # the source cuts its links when it is cancelled
        self._is_streaming = False
        session.close()
        spooled = self._spool.sessions[session.session_id]
        if spooled.streams:
            self._spool.finish(session.session_id)
        else:
            self._spool.forget(session.session_id)
            self._note_closed(session.session_id)
        self._tell_status()

    async def _drain(self, stop: asyncio.Event, *, group: asyncio.TaskGroup) -> None:
        """Wait until the last session is closed at the server: for long after a recording, briefly after a stop."""
        if not self._spool.sessions:
            return

        async def limit() -> None:
            await stop.wait()
            await asyncio.sleep(_DRAIN_WITHIN_S)
            self._drained.set()
            self._emptied.set()

        limiter = group.create_task(limit(), name="drain limit")
        if self._session is not None and self._session.session_id in self._spool.sessions:
            await self._drained.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEFTOVERS_WITHIN_S):
                await self._emptied.wait()
        limiter.cancel()

    # ---------------------------------------------------------------------------------------------------- wiring
    def _command(self, session_id: str | None, *, start: bool) -> None:
        if not self._commands.full():
            self._commands.put_nowait(_Command(session_id=session_id, start=start))

    async def _quit_after(self, wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        await self._commands.put(_Command(session_id=None))

    async def _report_to(self, on_report: OnReport | None) -> None:
        while on_report is not None:
            on_report(self.report())
            await asyncio.sleep(_REPORT_EVERY_S)

    def _tell_status(self) -> None:
        self._uplink.set_status(AgentStatus(sensors=self._source.sensors()))

    def _note_closed(self, session_id: str) -> None:
        if self._session is not None and self._session.session_id == session_id and not self._is_streaming:
            self._uplink.live_session_id = None
            self._uplink.latency.forget(self._session.tallies)
            self._drained.set()
        if not self._spool.sessions:
            self._emptied.set()

    def _note_ack(self) -> None:
        if self._session is not None:
            self._session.acked.set()

    def _session_ns(self) -> int | None:
        """Session time for the server's clock, None out of a session."""
        if self._session is None or self._uplink.live_session_id is None:
            return None
        return self._session.now_ns()
