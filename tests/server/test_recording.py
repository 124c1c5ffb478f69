"""What a report is made from."""

import asyncio
import time
from typing import Any

import numpy as np

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import RawEvent, SampleBlock, SignalKind
from becalm_protocol.handshake import Source
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import open_own_archive
from becalm_server.archive.writes import Write
from becalm_server.recording import load_recording


async def recording_of(url: str, sensors: Any, *, raw: list[RawEvent], beats: tuple[Beat, ...]) -> dict[str, Any]:
    async with open_own_archive(url) as archive:
        record = SessionRecord(session_id="one", source=Source.LIVE, baseline_s=60.0, started_unix_ns=10**18)
        await archive.add_session(record)
        await archive.begin_session(record, streams=sensors.streams)
        writing = asyncio.ensure_future(archive.writer.run())
        for n, event in enumerate(raw):
            row = to_row(event, seq=n + 1, arrival_idx=n)
            archive.writer.put_nowait(Write(session_id="one", raw=row, queued_ns=time.monotonic_ns()))
        archive.writer.put_nowait(Write(session_id="one", conclusions=beats, queued_ns=time.monotonic_ns()))
        await archive.writer.wait_drained()
        writing.cancel()
        await asyncio.wait([writing])
        return await load_recording(archive, "one")


def beat(n: int, source: SignalKind, rr_ms: float | None, flag: BeatFlag = BeatFlag.OK) -> Beat:
    return Beat(
        beat_idx=n, t_ns=n * 10**9, emitted_ns=0, source=source, rr_corrected_ms=rr_ms, flag=flag, confirmed=True
    )


async def test_beats_of_two_sources_are_not_mixed(database_url: str, sensors: Any) -> None:
    by_strap = [beat(n, SignalKind.RR, 800.0 + n) for n in range(1, 6)]
    by_ecg = [beat(n, SignalKind.ECG, 700.0 + n) for n in range(1, 4)]
    odd = [beat(0, SignalKind.RR, None, BeatFlag.FIRST), beat(9, SignalKind.RR, 9000.0, BeatFlag.OUT_OF_RANGE)]
    recording = await recording_of(database_url, sensors, raw=[], beats=(*odd, *by_ecg, *by_strap))
    assert recording["rr_ms"] == [801.0, 802.0, 803.0, 804.0, 805.0]
    assert recording["signals"] == []


async def test_missing_samples_are_holes(database_url: str, sensors: Any) -> None:
    belt = sensors.belt.stream_id
    raw: list[RawEvent] = [
        SampleBlock(stream_id=belt, received_ns=n, first_sample_idx=first, counts=counts)
        for n, (first, counts) in enumerate([(5, (1, 2)), (9, (3,)), (7, (4,)), (10**15, (5,))])
    ]
    (signal,) = (await recording_of(database_url, sensors, raw=raw, beats=()))["signals"]
    assert (signal.kind, signal.sample_rate_hz, signal.unit_per_count) == (SignalKind.RESPIRATION, 10.0, 0.01)
    np.testing.assert_array_equal(signal.counts, [1, 2, np.nan, np.nan, 3])
