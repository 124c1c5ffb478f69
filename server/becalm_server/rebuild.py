"""A session's state after a restart, or when a sensor joins: its raw events once more through a fresh pipeline."""

import asyncio
import time
from collections.abc import Sequence

from becalm_protocol.derived import Derived
from becalm_protocol.events import PhaseChange, RawEvent, StreamInfo
from becalm_protocol.handshake import Waveform
from becalm_server.archive.store import Archive
from becalm_server.archive.writer import Write
from becalm_server.session import LivePipeline, MakePipeline, Session, StreamTail

Page = list[tuple[int, int, RawEvent]]


async def build_session(
    session: Session, *, streams: Sequence[StreamInfo], archive: Archive, make_pipeline: MakePipeline
) -> None:
    """Give a session the pipeline and the stream positions that its archive says it has; `streams` may be new ones.

    Derived values are archived again: rows that exist are skipped, so an interrupted or older run is completed.
    """
    await archive.writer.wait_drained()
    session_id = session.record.session_id
    session.record = await archive.begin_session(session.record, streams=streams)
    known = await archive.streams(session_id)
    repeats = {stream_id: tail.n_duplicates for stream_id, tail in session.streams.items()}
    tails = [
        StreamTail(
            stream.info,
            acked_seq=stream.acked_seq,
            n_duplicates=max(stream.n_duplicates, repeats.get(stream.info.stream_id, 0)),
        )
        for stream in known
    ]
    pipeline, scheduled = await asyncio.to_thread(
        _begin, make_pipeline, [tail.info for tail in tails], session.schedule()
    )
    _archive(session, archive, (*session.schedule(), *scheduled))
    async for page in archive.raw_events(session_id):
        derived = await asyncio.to_thread(_replay, pipeline, page)
        for item in derived:
            session.beats.feed(item)
        _archive(session, archive, derived)
        await archive.writer.wait_room()
        session.arrival_idx = max(session.arrival_idx, page[-1][1] + 1)
        session.newest_ns = max(session.newest_ns, *(event.received_ns for _, _, event in page))
        session.beats.due(session.newest_ns)  # windows of the past were computed when they were due
    session.install(pipeline, streams=tails)
    session.advance(session.newest_ns)


def _begin(
    make_pipeline: MakePipeline, streams: Sequence[StreamInfo], schedule: Sequence[PhaseChange]
) -> tuple[LivePipeline, Sequence[Derived | Waveform]]:
    pipeline = make_pipeline(streams)
    return pipeline, [item for change in schedule for item in pipeline.feed(change)]


def _replay(pipeline: LivePipeline, page: Page) -> list[Derived | Waveform]:
    return [item for _, _, event in page for item in pipeline.feed(event)]


def _archive(session: Session, archive: Archive, derived: Sequence[Derived | Waveform | PhaseChange]) -> None:
    archive.writer.put_nowait(
        Write(
            session_id=session.record.session_id,
            conclusions=tuple(item for item in derived if not isinstance(item, Waveform)),
            queued_ns=time.monotonic_ns(),
        )
    )
