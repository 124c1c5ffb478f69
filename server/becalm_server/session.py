"""The switchboard of one session: accept(data) archives the raw event, feeds the pipeline, archives and publishes."""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from becalm_protocol.derived import Derived
from becalm_protocol.errors import WireError
from becalm_protocol.events import (
    Battery,
    Gap,
    Pacer,
    Phase,
    PhaseChange,
    RawEvent,
    SignalKind,
    StreamInfo,
    StreamStatus,
)
from becalm_protocol.handshake import Data, Ledger, LiveEvent, SessionPhase, SessionView, Source, StreamAck, Waveform
from becalm_protocol.limits import CREDIT_FRAMES
from becalm_protocol.units import ns_from_s
from becalm_protocol.wishes import BreathWish, Marker
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.writer import ArchiveWriter, StreamMark, Write
from becalm_server.clock_offset import ClockOffset
from becalm_server.recent_beats import RecentBeats, Window

log = logging.getLogger(__name__)

Publish = Callable[["Session", LiveEvent, Ledger | None], None]
_SHOWN_RAW = (Gap, StreamStatus, Battery)


class LivePipeline(Protocol):
    """What the server needs of becalm_signal.pipeline.Pipeline."""

    def feed(self, event: RawEvent | PhaseChange | BreathWish) -> tuple[Derived | Waveform, ...]:
        """Take one event, return what followed from it."""
        ...

    def finish(self) -> tuple[Derived | Waveform, ...]:
        """Return what was still held back at the end."""
        ...


MakePipeline = Callable[[Sequence[StreamInfo]], LivePipeline]


class Verdict(Enum):
    """What became of a Data message."""

    TAKEN = auto()
    DUPLICATE = auto()
    """Already taken: dropped silently."""
    HOLE = auto()
    """Something before it is missing: the agent goes back."""


class StreamTail:
    """How far one stream has come: taken in memory, and committed."""

    __slots__ = ("acked_seq", "info", "n_duplicates", "taken_seq")

    def __init__(self, info: StreamInfo, *, acked_seq: int, n_duplicates: int) -> None:
        self.info = info
        self.taken_seq = acked_seq
        self.acked_seq = acked_seq
        self.n_duplicates = n_duplicates

    def mark(self) -> StreamMark:
        """Return the position as the archive keeps it."""
        return StreamMark(stream_id=self.info.stream_id, seq=self.taken_seq, n_duplicates=self.n_duplicates)


class Session:
    """One session in memory: its streams, its pipeline, its phase."""

    def __init__(self, record: SessionRecord, *, writer: ArchiveWriter, publish: Publish) -> None:
        self.record = record
        self.streams: dict[str, StreamTail] = {}
        self.clock: ClockOffset = ClockOffset()
        self.newest_ns = 0
        self.arrival_idx = 0
        self.finished = False
        self.late = False
        """Ended before; its agent brings what it could not bring then. Clients do not see it again."""
        self.opening = asyncio.Lock()
        self.phase = SessionPhase.WAITING
        self.beats = RecentBeats()
        self._pipeline: LivePipeline | None = None
        self._writer = writer
        self._publish = publish

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
    def install(self, pipeline: LivePipeline, *, streams: Iterable[StreamTail]) -> None:
        """Take a pipeline that has heard everything up to the streams' positions."""
        self._pipeline = pipeline
        self.streams = {tail.info.stream_id: tail for tail in streams}
        if self.phase is SessionPhase.WAITING:
            self.phase = SessionPhase.BASELINE

    def acks(self) -> tuple[StreamAck, ...]:
        """Return where each stream is committed."""
        return tuple(StreamAck(stream_id=key, seq=tail.acked_seq) for key, tail in self.streams.items())

    def committed(self, stream_id: str, seq: int) -> None:
        """Learn that a stream is committed up to `seq`."""
        tail = self.streams[stream_id]
        tail.acked_seq = max(tail.acked_seq, seq)

    def wish_breath(self, source: SignalKind | None) -> None:
        """Take the breath from this signal from now on, or from the best (None). A restart of the server forgets it."""
        pipeline = self._pipeline
        if pipeline is not None:
            wish = BreathWish(t_ns=self.session_now_ns(at_least_ns=self.newest_ns), source=source)
            _guarded(lambda: pipeline.feed(wish))

    # ----------------------------------------------------------------------------------------------- sample path
    def accept(self, data: Data) -> Verdict:
        """Take one event from the agent, synchronously. Raises WireError for one beyond the credit."""
        event = data.event
        tail = self.streams[event.stream_id]
        if data.seq <= tail.taken_seq:
            tail.n_duplicates += 1
            return Verdict.DUPLICATE
        if data.seq != tail.taken_seq + 1:
            return Verdict.HOLE
        if data.seq > tail.acked_seq + CREDIT_FRAMES:
            raise WireError(f"data: expected at most {CREDIT_FRAMES} frames ahead of the acknowledgement, got more")
        self.clock.arrived(event.received_ns)
        accepted_ns = self.session_now_ns(at_least_ns=event.received_ns)
        tail.taken_seq = data.seq
        derived = self._feed(event)
        raw = to_row(event, seq=data.seq, arrival_idx=self.arrival_idx)
        self.arrival_idx += 1
        self._writer.put_nowait(
            Write(
                session_id=self.record.session_id,
                raw=raw,
                marks=(tail.mark(),),
                conclusions=tuple(item for item in derived if not isinstance(item, Waveform)),
                queued_ns=time.monotonic_ns(),
            )
        )
        self.newest_ns = max(self.newest_ns, event.received_ns)
        self._publish_all(event, derived, accepted_ns=accepted_ns)
        return Verdict.TAKEN

    def finish(self) -> asyncio.Future[None]:
        """Flush the pipeline once; the future is resolved when everything of the session is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        derived: tuple[Derived | Waveform, ...] = ()
        if not self.finished and self._pipeline is not None:
            derived = _guarded(self._pipeline.finish)
        self.finished = True
        self._writer.put_nowait(
            Write(
                session_id=self.record.session_id,
                marks=tuple(tail.mark() for tail in self.streams.values()),
                conclusions=tuple(item for item in derived if not isinstance(item, Waveform)),
                queued_ns=time.monotonic_ns(),
                done=done,
            )
        )
        now_ns = self.session_now_ns(at_least_ns=self.newest_ns)
        for item in derived:
            self._publish(self, item, self._ledger(item, received_ns=self.newest_ns, accepted_ns=now_ns))
        return done

    def conclude(self, item: Derived) -> None:
        """Archive and publish what came late, from the slow lane."""
        self._writer.put_nowait(
            Write(session_id=self.record.session_id, conclusions=(item,), queued_ns=time.monotonic_ns())
        )
        self._publish(self, item, None)

    def session_now_ns(self, *, at_least_ns: int) -> int:
        """Return session time now, and never less than what has already been."""
        now_ns = self.clock.session_ns()
        return at_least_ns if now_ns is None else max(now_ns, at_least_ns)

    def windows_due(self) -> tuple[Window, ...]:
        """Return the windows that the slow lane should compute now."""
        return self.beats.due(self.newest_ns)

    def _feed(self, event: RawEvent) -> tuple[Derived | Waveform, ...]:
        pipeline = self._pipeline
        if pipeline is None:
            return ()
        derived = _guarded(lambda: pipeline.feed(event))
        for item in derived:
            self.beats.feed(item)
        return derived

    def _publish_all(self, event: RawEvent, derived: Sequence[Derived | Waveform], *, accepted_ns: int) -> None:
        received_ns = event.received_ns
        if isinstance(event, _SHOWN_RAW):
            self._publish(self, event, self._ledger(event, received_ns=received_ns, accepted_ns=accepted_ns))
        for item in derived:
            self._publish(self, item, self._ledger(item, received_ns=received_ns, accepted_ns=accepted_ns))

    def _ledger(self, item: LiveEvent, *, received_ns: int, accepted_ns: int) -> Ledger:
        return Ledger(
            sample_ns=_newest_sample_ns(item),
            received_ns=received_ns,
            accepted_ns=accepted_ns,
            published_ns=self.session_now_ns(at_least_ns=accepted_ns),
        )


def _newest_sample_ns(item: LiveEvent) -> int:
    if isinstance(item, Waveform):
        return item.t_ns + round(item.sample_period_ns * (len(item.values) - 1))
    if isinstance(item, PhaseChange | Marker):
        return item.t_ns
    return item.received_ns if isinstance(item, _SHOWN_RAW) else item.emitted_ns


def _guarded(step: Callable[[], tuple[Derived | Waveform, ...]]) -> tuple[Derived | Waveform, ...]:
    # The record outranks the feedback: a fault in the pipeline must never cost a raw event, nor stop the stream. What
    # it would have concluded can be derived again from the raw data.
    try:
        return step()
    except Exception as exc:  # noqa: BLE001
        # Where it happened, never the exception's own words: they may quote samples.
        place = traceback.extract_tb(exc.__traceback__)[-1]
        log.error(  # noqa: TRY400
            "the pipeline failed on an event with a %s at %s:%s; the raw event is kept",
            type(exc).__name__,
            Path(place.filename).name,
            place.lineno,
        )
        return ()
