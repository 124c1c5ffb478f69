"""What the pipeline concluded comes back from the archive as it was."""

import asyncio
import time
from typing import Any

from becalm_protocol.derived import (
    Beat,
    BeatFlag,
    Breath,
    BreathPause,
    BreathPhase,
    BreathTurn,
    HrvWindow,
    Index,
    Reason,
    SkinRecovery,
    SkinResponse,
    SlowMetrics,
)
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import Source
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.writes import Write

ACC = SignalKind.ACCELERATION_Z
WITHHELD = Index(reason=Reason.WARMING_UP)
INDICES: dict[str, Any] = dict.fromkeys(SlowMetrics.index_names(), WITHHELD)
INDICES["rsa_ms"] = Index(value=80.0, bound=4.5, sample_ns=59)
SLOW = SlowMetrics(t_ns=60, emitted_ns=61, heart_source=SignalKind.ECG, **INDICES)
CONCLUSIONS = (
    SkinRecovery(onset_ns=10, recovered_ns=30, emitted_ns=31),  # in one batch with its response, and before it
    SkinResponse(onset_ns=10, peak_ns=20, emitted_ns=22, amplitude_us=0.25),
    SkinResponse(onset_ns=40, peak_ns=50, emitted_ns=52, amplitude_us=0.5),
    BreathTurn(t_ns=1, emitted_ns=2, phase=BreathPhase.IN, source=ACC),
    Breath(t_ns=1, emitted_ns=9, breathing_rate_bpm=6.0, depth=1.5),
    BreathPause(t_ns=9, end_ns=29, emitted_ns=30, source=ACC),
    SLOW,
    Beat(
        beat_idx=0, t_ns=5, emitted_ns=6, source=SignalKind.PPI, rr_ms=900.0, rr_corrected_ms=900.0,
        flag=BeatFlag.OK, confirmed=True, t_error_ms=12.5, rr_error_ms=20.0,
    ),
    Beat(beat_idx=1, t_ns=7, emitted_ns=8, source=SignalKind.ECG, flag=BeatFlag.FIRST, confirmed=True),
    HrvWindow(
        t_ns=60, emitted_ns=61, window_s=60.0, n_beats=2, indices={"EDA_Tonic_Mean": 4.5}, withheld={"time": "few"}
    ),
    HrvWindow(t_ns=70, emitted_ns=71, window_s=60.0, n_beats=62, indices={}),
)  # fmt: skip


async def rows(archive: Archive, statement: str) -> list[dict[str, Any]]:
    found, _ = await archive.page(statement, session_id="one", since_ns=-1, limit=100)
    return found


async def test_breaths_responses_and_slow_metrics_come_back(database_url: str, sensors: Any) -> None:
    async with open_own_archive(database_url) as archive:
        record = SessionRecord(session_id="one", source=Source.LIVE, baseline_s=60.0, started_unix_ns=10**18)
        await archive.add_session(record)
        await archive.begin_session(record, streams=sensors.streams)
        writing = asyncio.ensure_future(archive.writer.run())
        archive.writer.put_nowait(Write(session_id="one", conclusions=CONCLUSIONS, queued_ns=time.monotonic_ns()))
        await archive.writer.wait_drained()
        writing.cancel()
        await asyncio.wait([writing])
        breaths = await rows(archive, "select_breaths")
        responses = await rows(archive, "select_responses")
        (slow,) = await rows(archive, "select_slow_metrics")
        beats = await rows(archive, "select_beats")
        windows = await rows(archive, "select_windows")
    assert [(row["kind"], row["t_ns"], row["end_ns"], row["source"], row["depth"]) for row in breaths] == [
        ("breath", 1, None, None, 1.5),
        ("in", 1, None, "acceleration_z", None),
        ("pause", 9, 29, "acceleration_z", None),
    ]
    assert [(row["onset_ns"], row["peak_ns"], row["recovered_ns"]) for row in responses] == [
        (10, 20, 30),
        (40, 50, None),
    ]
    assert (slow["t_ns"], slow["heart_source"], slow["breath_source"]) == (60, "ecg", None)
    assert slow["indices"].keys() == set(SlowMetrics.index_names())
    assert slow["indices"]["rsa_ms"] == {"value": 80.0, "bound": 4.5, "sample_ns": 59}
    assert slow["indices"]["coherence"] == {"reason": "warming_up"}
    assert [(row["source"], row["t_error_ms"], row["rr_error_ms"]) for row in beats] == [
        ("ppi", 12.5, 20.0),
        ("ecg", None, None),
    ]
    assert [(row["indices"], row["withheld"]) for row in windows] == [
        ({"EDA_Tonic_Mean": 4.5}, {"time": "few"}),
        ({}, {}),
    ]
