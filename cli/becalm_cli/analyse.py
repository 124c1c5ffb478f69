"""`becalm analyse`: the live pipeline over a file, written as tables that other programs can build on.

The file names and columns below are a contract: they are only ever added to.
"""

import csv
import json
import time
from array import array
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from becalm_ingest.replay import Recording, read_recording
from becalm_protocol.derived import (
    PIPELINE_VERSION,
    Beat,
    Breath,
    BreathTurn,
    Derived,
    Metrics,
    SkinResponse,
)
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Dropped, Gap, SampleBlock
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S, s_from_ns
from becalm_signal.fingerprint import events_sha256
from becalm_signal.neurokit_lane import session_report
from becalm_signal.pipeline import Pipeline

Row = Sequence[object]

BEAT_COLUMNS = ("t_s", "rr_ms", "rr_corrected_ms", "flag", "emitted_s")
BREATH_COLUMNS = ("t_s", "phase", "emitted_s", "breathing_rate_bpm", "depth")
"""phase: `in` and `out` mark a turn; `breath` is the whole breath that began at t_s, with its rate and depth."""
SCR_COLUMNS = ("onset_s", "peak_s", "amplitude_us", "emitted_s")
METRIC_COLUMNS = (
    "t_s",
    *Metrics.index_names(),
    *(f"{name}_{part}" for name in Metrics.index_names() for part in ("bound", "reason")),
)


@dataclass(kw_only=True)
class Findings:
    """Everything the pipeline said about one recording."""

    derived: list[Derived] = field(default_factory=list)
    pipeline_s: float = 0.0


def analyse_recording(path: Path, *, out: Path, rate_hz: float | None, chunk_ms: int, report: bool) -> dict[str, Any]:
    """Write the five files for the recording at `path` into `out`; return the summary.

    Raises RecordingError when the file cannot be read or `out` cannot be written.
    """
    _make_folder(out)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        if report:
            pool.submit(session_report_warm_up)  # NeuroKit2 takes seconds to import: do it while we read
        recording = read_recording(path, rate_hz=rate_hz, chunk_ms=chunk_ms)
        events = list(recording.events())
        pending = pool.submit(session_report, **_raw_signals(recording, events)) if report else None
        findings = _run_pipeline(recording, events)
        write_tables(out, findings.derived)
        summary = _summary(recording, events, findings, pending)
    (out / "summary.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return summary
