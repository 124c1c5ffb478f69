"""In a pipeline's process: the sessions that stick to it, each with its pipeline. It imports the live lane alone."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from becalm_protocol.errors import StorageError
from becalm_protocol.events import PhaseChange, RawEvent, StreamInfo
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_protocol.wishes import BreathWish
from becalm_server.archive.raw_rows import to_event
from becalm_server.lane_messages import (
    Finish,
    Finished,
    Forget,
    FromLane,
    LiveState,
    Open,
    Opened,
    Ping,
    Pong,
    Row,
    Settled,
    Settlement,
    ToLane,
    Wish,
    decode_to_lane,
    encode,
    pack,
)
from becalm_server.live_state import StateCodec
from becalm_server.recent_beats import RecentBeats
from becalm_server.worker_main import Parent, resolve

# Session time between two states. Packing one of a session of five minutes takes 8 ms and makes 105 kB; feeding what
# came since takes 30 ms at most, so that a hundred sessions are back a second after their process was gone.
STATE_EVERY_NS = 10 * NS_PER_S
# Answers to a long frame go out on the way: the first must not wait for the last, nor all come at once to the clients.
FLUSH_NS = 5 * NS_PER_MS
MAX_ANSWERS = 16
# After a death every answer goes out by itself, for as long as a session may be fed its past: the step that kills a
# process is then the first without an answer.
CAREFUL_STEPS = 50_000


QUICK, CAREFUL = "quick", "careful"


class LivePipeline(Protocol):
    """What the server needs of becalm_signal.pipeline.Pipeline."""

    def feed(self, event: RawEvent | PhaseChange | BreathWish) -> tuple[Settled, ...]:
        """Take one event, return what followed from it."""
        ...

    def finish(self) -> tuple[Settled, ...]:
        """Return what was still held back at the end."""
        ...


MakePipeline = Callable[[Sequence[StreamInfo]], LivePipeline]


@dataclass(slots=True)
class _Seated:
    """One session; what comes of it, and from which beginning, is all in here."""

    streams: tuple[StreamInfo, ...]
    schedule: tuple[PhaseChange, ...]
    pipeline: LivePipeline
    recent: RecentBeats = field(default_factory=RecentBeats)
    seqs: dict[str, int] = field(default_factory=dict)
    newest_ns: int = 0
    saved_ns: int = 0


class LaneWorker:
    """Takes the server's messages, one by one, and gives the answers."""

    def __init__(self, make_pipeline: MakePipeline) -> None:
        self._make_pipeline = make_pipeline
        self._codec = StateCodec(make_pipeline)
        self._seated: dict[int, _Seated] = {}

    def take(self, message: ToLane) -> FromLane | None:
        """Return the answer to a message."""
        match message:
            case Row():
                return self._row(message)
            case Wish(handle=handle, arrival_idx=arrival_idx, wish=wish):
                seated = self._seated[handle]
                items, trouble = guarded(lambda: seated.pipeline.feed(wish))
                return Settlement(handle, arrival_idx, wish.t_ns, wish.t_ns, items=pack(items), trouble=trouble)
            case Open():
                return self._open(message)
            case Finish(handle=handle):
                items, trouble = guarded(self._seated[handle].pipeline.finish)
                return Finished(handle, items=pack(items), trouble=trouble)
            case Forget(handle=handle):
                del self._seated[handle]
                return None
            case Ping():
                return Pong()

    def _open(self, message: Open) -> Opened:
        seated = self._resume(message) if message.state is not None else None
        resumed = seated is not None
        if seated is None:
            seated = _Seated(message.streams, message.schedule, self._make_pipeline(message.streams))
            for change in message.schedule:
                seated.pipeline.feed(change)
        self._seated[message.handle] = seated
        return Opened(message.handle, resumed)

    def _resume(self, message: Open) -> _Seated | None:
        """Return the session of a state, None where it is of other code or of another beginning."""
        state = message.state
        if state is None or state.code_sha256 != self._codec.code_sha256:
            return None
        try:
            seated = self._codec.unpack(state.body)
        except StorageError:
            return None
        told = (message.streams, message.schedule)
        return _Seated(*seated) if isinstance(seated, tuple) and seated[:2] == told else None

    def _row(self, message: Row) -> Settlement:
        seated, row = self._seated[message.handle], message.row
        items, trouble = guarded(lambda: seated.pipeline.feed(to_event(row)))
        for item in items:
            seated.recent.feed(item)
        seated.newest_ns = max(seated.newest_ns, row.received_ns)
        seated.seqs[row.stream_id] = row.seq
        windows = seated.recent.due(seated.newest_ns)
        state = None
        if seated.newest_ns - seated.saved_ns >= STATE_EVERY_NS:
            seated.saved_ns = seated.newest_ns
            state, unsaved = self._state(seated, message.arrival_idx)
            trouble = trouble or unsaved
        return Settlement(
            message.handle,
            message.arrival_idx,
            row.received_ns,
            message.accepted_ns,
            items=pack(items),
            windows=windows,
            trouble=trouble,
            state=state,
        )

    def _state(self, seated: _Seated, arrival_idx: int) -> tuple[LiveState | None, str | None]:
        content = (seated.streams, seated.schedule, seated.pipeline, seated.recent, seated.seqs, seated.newest_ns)
        try:
            body = self._codec.pack((*content, seated.saved_ns))
        except Exception as exc:  # noqa: BLE001  (a pipeline that cannot be packed still gives feedback)
            return None, _place(exc)
        return LiveState(arrival_idx, seated.newest_ns, dict(seated.seqs), self._codec.code_sha256, body), None


def serve(parent: Parent, target: str, pace: str) -> None:
    """Serve pipelines made by `target` ("module:name") until the server is gone; `pace`: "quick", or "careful"."""
    worker = LaneWorker(resolve(target))
    parent.send(encode([Pong()]))
    n_careful = CAREFUL_STEPS if pace == CAREFUL else 0
    while True:
        answers: list[FromLane] = []
        flushed_ns = time.monotonic_ns()
        for message in decode_to_lane(parent.receive()):
            answer = worker.take(message)
            n_careful -= n_careful > 0
            if answer is not None:
                answers.append(answer)
            if len(answers) >= (1 if n_careful else MAX_ANSWERS) or (
                answers and time.monotonic_ns() - flushed_ns > FLUSH_NS
            ):
                parent.send(encode(answers))
                answers, flushed_ns = [], time.monotonic_ns()
        if answers:
            parent.send(encode(answers))


def guarded(step: Callable[[], tuple[Settled, ...]]) -> tuple[tuple[Settled, ...], str | None]:
    """Return what a pipeline settles, or nothing and where it failed."""
    # The record outranks the feedback: a fault in the pipeline must never cost a raw event, nor stop the stream. What
    # it would have concluded can be derived again from the raw data.
    try:
        return step(), None
    except Exception as exc:  # noqa: BLE001
        return (), _place(exc)


def _place(exc: Exception) -> str:
    """Return where it happened, never the exception's own words: they may quote samples."""
    place = traceback.extract_tb(exc.__traceback__)[-1]
    return f"{type(exc).__name__} at {Path(place.filename).name}:{place.lineno}"
