"""The switchboard of one session: accept(data) archives the raw event and gives it to the pipeline's process.

What follows from it comes back later, and is archived and published.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from becalm_protocol.derived import Derived
from becalm_protocol.events import (
    Battery,
    Gap,
    Pacer,
    Phase,
    PhaseChange,
    SignalKind,
    StreamStatus,
)
from becalm_protocol.handshake import Data, Ledger, LiveEvent, SessionPhase, SessionView, Source, StreamAck, Waveform
from becalm_protocol.units import ns_from_s
from becalm_protocol.wishes import BreathWish, Marker
from becalm_server.archive.doubts import Doubt
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.writer import ArchiveWriter
from becalm_server.archive.writes import Write
from becalm_server.clock_offset import ClockOffset
from becalm_server.lane_messages import Finished, Row, Settlement, Wish, unpack, unpack_window
from becalm_server.recent_beats import Window
from becalm_server.seat import Seat
from becalm_server.stream_tail import StreamTail, Verdict

log = logging.getLogger(__name__)

_SHOWN_RAW = (Gap, StreamStatus, Battery)


class Desk(Protocol):
    """Whom a session tells what becomes of it."""

    def publish(self, session: "Session", event: LiveEvent, ledger: Ledger | None) -> None:
        """Give a live event to the clients."""
        ...

    def settled(self, session: "Session", *, upto_ns: int, spent_ns: int) -> None:
        """Hear up to when a session is settled, and how long it took from the acceptance on."""
        ...

    def windows_due(self, session: "Session", windows: Sequence[Window], *, shown: bool) -> None:
        """Hear which windows are due for the slow lane; clients know those that are not `shown`."""
        ...

    def unseated(self, session: "Session") -> None:
        """Hear that the process of its pipeline is gone."""
        ...


class Session:
    """One session in memory: its streams, its seat in a process of pipelines, its phase."""

    def __init__(
        self,
        record: SessionRecord,
        *,
        writer: ArchiveWriter,
        desk: Desk,
    ) -> None:
        self.record = record
        self.streams: dict[str, StreamTail] = {}
        self.clock: ClockOffset = ClockOffset()
        self.newest_ns = 0
        self.arrival_idx = 0
        """Number of the next step: an event or a wish."""
        self.published_idx = -1
        """Up to here clients know what followed: steps that are heard once more are for the archive alone."""
        self._windows_ns: dict[float, int] = {}
        """Up to where the slow lane has windows of each length."""
        self.finished = False
        self.late = False
        """Ended before; its agent brings what it could not bring then. Clients do not see it again."""
        self.is_erased = False
        """Whatever still comes of it is dropped."""
        self.opening = asyncio.Lock()
        self.ending: asyncio.Task[None] | None = None
        """The end, once somebody asked for it."""
        self.phase = SessionPhase.WAITING
        self.seat = Seat(settled=self._settled, lost=lambda: desk.unseated(self))
        self._early_wish: tuple[SignalKind | None, ...] = ()
        """What was wished before the sensors opened the session; the newest counts."""
        self._trouble: str | None = None
        self._writer = writer
        self._desk = desk

    @property
    def is_over(self) -> bool:
        """Whether no pipeline has anything to say of it any more."""
        return self.finished or self.is_erased

    # ------------------------------------------------------------------------------------------------- schedule
    @property
    def pacer(self) -> Pacer | None:
        """The pacer of the practice; recordings have none."""
        record = self.record
        if record.source is not Source.LIVE or record.inhale_s is None or record.exhale_s is None:
            return None
        return Pacer(started_ns=ns_from_s(record.baseline_s), inhale_s=record.inhale_s, exhale_s=record.exhale_s)

    def schedule(self) -> tuple[PhaseChange, ...]:
        """Return the phases as the pipeline hears of them at the opening."""
        baseline = PhaseChange(t_ns=0, phase=Phase.BASELINE)
        if self.pacer is None:
            return (baseline,)
        return baseline, PhaseChange(t_ns=self.pacer.started_ns, phase=Phase.PRACTICE, pacer=self.pacer)

    def view(self) -> SessionView:
        """Return the session as clients see it."""
        return SessionView(
            session_id=self.record.session_id,
            phase=self.phase,
            source=self.record.source,
            baseline_s=self.record.baseline_s,
            pacer=self.pacer,
            streams=tuple(tail.info for tail in self.streams.values()),
        )

    def advance(self, now_ns: int) -> bool:
        """Move to the phase of `now_ns`; return whether it changed."""
        if self.phase is not SessionPhase.BASELINE or now_ns < ns_from_s(self.record.baseline_s):
            return False
        self.phase = SessionPhase.PRACTICE
        return True

    # -------------------------------------------------------------------------------------------------- opening
    def install(self, streams: Iterable[StreamTail]) -> None:
        """Take the streams' positions."""
        self.streams = {tail.info.stream_id: tail for tail in streams}
        if self.phase is SessionPhase.WAITING:
            self.phase = SessionPhase.BASELINE
        wished, self._early_wish = self._early_wish, ()
        for source in wished:
            self.wish_breath(source)

    def acks(self) -> tuple[StreamAck, ...]:
        """Return where each stream is committed."""
        return tuple(StreamAck(stream_id=key, seq=tail.acked_seq) for key, tail in self.streams.items())

    def committed(self, stream_id: str, seq: int) -> None:
        """Learn that a stream is committed up to `seq`."""
        tail = self.streams[stream_id]
        tail.acked_seq = max(tail.acked_seq, seq)

    def hold(self) -> dict[str, int]:
        """Return up to where each stream is kept in memory while the database is away; more only where room is."""
        if self._writer.holds_more:
            for tail in self.streams.values():
                tail.held_seq = max(tail.held_seq, tail.taken_seq)
        return {key: max(tail.held_seq, tail.acked_seq) for key, tail in self.streams.items()}

    def wish_breath(self, source: SignalKind | None) -> None:
        """Take the breath from this signal from now on, or from the best (None)."""
        if not self.streams:
            self._early_wish = (source,)
            return
        wish = BreathWish(t_ns=self.session_now_ns(at_least_ns=self.newest_ns), source=source)
        step = Wish(0, self.arrival_idx, wish)
        self.arrival_idx += 1
        self._put(wish=(step.arrival_idx, wish))
        self.seat.put_nowait(step)

    # ----------------------------------------------------------------------------------------------- sample path
    def accept(self, data: Data) -> Verdict:
        """Take one event from the agent, synchronously. Raises WireError for one beyond the credit."""
        event = data.event
        tail = self.streams[event.stream_id]
        verdict = Verdict.DUPLICATE if self.is_erased else tail.judge(data.seq)
        if verdict is not Verdict.TAKEN:
            return verdict
        self.clock.arrived(event.received_ns)
        accepted_ns = self.session_now_ns(at_least_ns=event.received_ns)
        raw = to_row(event, seq=data.seq, arrival_idx=self.arrival_idx)
        self.arrival_idx += 1
        tail.take(raw)
        # With every late row: what was derived before it lacks it, whether the agent ever closes the session or not.
        self._put(raw=raw, marks=(tail.mark(),), doubt=Doubt.LATE if self.late else None)
        if not self.late:
            self.seat.put_nowait(Row(0, raw.arrival_idx, accepted_ns, raw))
        self.newest_ns = max(self.newest_ns, event.received_ns)
        if isinstance(event, _SHOWN_RAW):
            self._desk.publish(self, event, self._ledger(event, received_ns=event.received_ns, accepted_ns=accepted_ns))
        return Verdict.TAKEN

    async def wait_room(self) -> None:
        """Return once the archive and the pipeline have caught up."""
        await self._writer.wait_room()
        await self.seat.wait_room()

    async def flush(self) -> None:
        """Have the pipeline settle everything, once, its tail too; what came late is derived again instead."""
        if not self.finished and self.streams and not self.late:
            await self.seat.finish()
        self.finished = True

    async def wait_committed(self) -> None:
        """Return once everything of the session is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(marks=tuple(tail.mark() for tail in self.streams.values()), done=done)
        await done

    def _settled(self, told: Settlement | Finished) -> None:
        """Archive and publish what followed from a step, or from the end."""
        if told.trouble is not None and told.trouble != self._trouble:
            log.error("the pipeline failed on an event with a %s; the raw event is kept", told.trouble)
        self._trouble = told.trouble
        derived = unpack(told.items)
        conclusions = tuple(item for item in derived if not isinstance(item, Waveform))
        if isinstance(told, Finished):
            self._put(conclusions=conclusions)
            now_ns = self.session_now_ns(at_least_ns=self.newest_ns)
            for item in derived:
                self._desk.publish(self, item, self._ledger(item, received_ns=self.newest_ns, accepted_ns=now_ns))
            return
        if conclusions or told.state is not None:
            self._put(conclusions=conclusions, state=None if self.finished else told.state)
        self._pass_windows(told)
        if told.arrival_idx <= self.published_idx:
            return
        self.published_idx = told.arrival_idx
        for item in derived:
            ledger = self._ledger(item, received_ns=told.received_ns, accepted_ns=told.accepted_ns)
            self._desk.publish(self, item, ledger)
        spent_ns = self.session_now_ns(at_least_ns=told.accepted_ns) - told.accepted_ns
        self._desk.settled(self, upto_ns=told.received_ns, spent_ns=spent_ns)

    def _pass_windows(self, told: Settlement) -> None:
        """Have each window made once: steps heard again have some that the process before may have lost."""
        due = [unpack_window(window) for window in told.windows]
        windows = [window for window in due if window.t_ns > self._windows_ns.get(window.window_s, -1)]
        if windows:
            self._windows_ns |= {window.window_s: window.t_ns for window in windows}
            self._desk.windows_due(self, windows, shown=told.arrival_idx > self.published_idx)

    def conclude(self, item: Derived, *, shown: bool) -> None:
        """Archive what came late, from the slow lane; publish it where clients are to see it."""
        self._put(conclusions=(item,))
        if shown:
            self._desk.publish(self, item, None)

    def doubt(self, why: Doubt) -> None:
        """Have what is derived of the session derived again after its end."""
        self._put(doubt=why)

    def session_now_ns(self, *, at_least_ns: int) -> int:
        """Return session time now, and never less than what has already been."""
        now_ns = self.clock.session_ns()
        return at_least_ns if now_ns is None else max(now_ns, at_least_ns)

    def _put(self, **content: Any) -> None:
        if self.is_erased:
            if (done := content.get("done")) is not None:
                done.set_result(None)
            return
        self._writer.put_nowait(Write(session_id=self.record.session_id, queued_ns=time.monotonic_ns(), **content))

    def _ledger(self, item: LiveEvent, *, received_ns: int, accepted_ns: int) -> Ledger:
        return Ledger(
            sample_ns=_newest_sample_ns(item),
            received_ns=received_ns,
            accepted_ns=accepted_ns,
            published_ns=self.session_now_ns(at_least_ns=accepted_ns),
            held=self._writer.is_behind or None,
        )


def _newest_sample_ns(item: LiveEvent) -> int:
    if isinstance(item, Waveform):
        return item.t_ns + round(item.sample_period_ns * (len(item.values) - 1))
    if isinstance(item, PhaseChange | Marker):
        return item.t_ns
    return item.received_ns if isinstance(item, _SHOWN_RAW) else item.emitted_ns
