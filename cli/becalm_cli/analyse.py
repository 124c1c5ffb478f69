"""`becalm analyse`: the live pipeline over a file, written as tables that other programs can build on.

The file names and columns below are a contract: they are only ever added to.
"""

import csv
import json
import math
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from becalm_cli.process import worker_pool
from becalm_ingest.replay import read_recording
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
from becalm_protocol.events import Dropped, PhaseChange, RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S, s_from_ns
from becalm_signal.fingerprint import events_sha256
from becalm_signal.lane import bridge_ns
from becalm_signal.neurokit_lane import RawSignal, session_report
from becalm_signal.pipeline import Pipeline

Row = Sequence[object]
MAX_DROPPED_SHOWN = 20

BEAT_COLUMNS = ("t_s", "rr_ms", "rr_corrected_ms", "flag", "emitted_s", "source")
"""source: `ecg`, or `rr` where the strap's own intervals stand in for an ECG that cannot be used."""
BREATH_COLUMNS = ("t_s", "phase", "emitted_s", "breathing_rate_bpm", "depth")
"""phase: `in` and `out` mark a turn; `breath` is the whole breath that began at t_s, with its rate and depth."""
SCR_COLUMNS = ("onset_s", "peak_s", "amplitude_us", "emitted_s")
METRIC_COLUMNS = (
    "t_s",
    *Metrics.index_names(),
    *(f"{name}_{part}" for name in Metrics.index_names() for part in ("bound", "reason")),
    "arousal_from",
)


def analyse_recording(
    path: Path, *, out: Path, rate_hz: float | None, chunk_ms: int, report: bool, signals: Sequence[str] = ()
) -> dict[str, Any]:
    """Write the five files for the recording at `path` into `out`; return the summary.

    `signals` say which signal is which (LABEL=KIND). Raises RecordingError when the file cannot be read or `out`
    cannot be written, and ConfigError for odd `signals`.
    """
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
    recording = read_recording(path, rate_hz=rate_hz, chunk_ms=chunk_ms, signals=signals)
    events = list(recording.events())
    raw = raw_signals(recording.streams, events) if report else []
    with worker_pool(1) as pool:
        has_ecg = any(signal.kind is SignalKind.ECG for signal in raw)
        pending = pool.submit(session_report, raw) if has_ecg else None
        started_s = time.perf_counter()
        derived = run_pipeline(recording.streams, events)
        pipeline_s = time.perf_counter() - started_s
        if report and not has_ecg:  # its heart is told by intervals alone
            pending = pool.submit(session_report, raw, rr_ms=_intervals_ms(derived))
        write_tables(out, derived)
        summary = _summary(path, events, derived, pipeline_s) | {
            "notes": list(recording.warnings),
            "neurokit_report": pending.result() if pending else None,
        }
    with _writing(out / "summary.json"):
        (out / "summary.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return summary


def run_pipeline(streams: Sequence[StreamInfo], events: Iterable[RawEvent | PhaseChange]) -> list[Derived]:
    """Return everything the live pipeline derives from raw events, in the order it gave it out."""
    pipeline = Pipeline(streams)
    given: list[Derived | Waveform] = []
    for event in events:
        given += pipeline.feed(event)
    given += pipeline.finish()
    return [event for event in given if not isinstance(event, Waveform)]


def raw_signals(streams: Sequence[StreamInfo], events: Iterable[RawEvent]) -> list[RawSignal]:
    """Return the samples of each sampled stream for the whole-recording report, NaN between what is not adjacent.

    A hole that the pipeline bridges is bridged here too; a longer one is a single NaN, however long it lasted.
    """
    counts = {info.stream_id: array("d") for info in streams if info.sample_rate_hz}
    n_bridged = {
        info.stream_id: int(bridge_ns(info.kind) * (info.sample_rate_hz or 0.0) / NS_PER_S) for info in streams
    }
    next_idx: dict[str, int] = {}
    for event in events:
        if not isinstance(event, SampleBlock):
            continue
        track = counts[event.stream_id]
        n_missing = event.first_sample_idx - next_idx.get(event.stream_id, event.first_sample_idx)
        if 0 < n_missing <= n_bridged[event.stream_id]:
            step = (event.counts[0] - track[-1]) / (n_missing + 1)
            track.extend([track[-1] + step * k for k in range(1, n_missing + 1)])
        elif n_missing:
            track.append(math.nan)
        track.extend(event.counts)
        next_idx[event.stream_id] = event.first_sample_idx + len(event.counts)
    return [
        RawSignal(
            kind=info.kind,
            sample_rate_hz=info.sample_rate_hz,
            unit_per_count=info.unit_per_count,
            counts=counts[info.stream_id],
        )
        for info in streams
        if info.sample_rate_hz and counts[info.stream_id]
    ]


def _intervals_ms(derived: Iterable[Derived]) -> list[float]:
    """Return the intervals to use for each settled beat, as the server does for its report."""
    settled = (beat for beat in derived if isinstance(beat, Beat) and beat.confirmed)
    return [beat.rr_corrected_ms for beat in settled if beat.rr_corrected_ms is not None]


def write_tables(out: Path, derived: Sequence[Derived]) -> None:
    """Write beats.csv, breaths.csv, scr.csv and metrics.csv into `out`."""
    _write(out / "beats.csv", BEAT_COLUMNS, _beat_rows(derived))
    _write(out / "breaths.csv", BREATH_COLUMNS, _breath_rows(derived))
    _write(out / "scr.csv", SCR_COLUMNS, _scr_rows(derived))
    _write(out / "metrics.csv", METRIC_COLUMNS, _metric_rows(derived))


def _beat_rows(derived: Iterable[Derived]) -> Iterable[Row]:
    """One row a beat: its settled flag and interval, and when it was first given out."""
    first_given_ns: dict[tuple[SignalKind, int], int] = {}
    settled: dict[tuple[SignalKind, int], Beat] = {}
    for beat in derived:
        if isinstance(beat, Beat):
            key = (beat.source, beat.beat_idx)
            first_given_ns.setdefault(key, beat.emitted_ns)
            settled[key] = beat
    for key, beat in sorted(settled.items(), key=lambda item: item[1].t_ns):
        yield (
            _s(beat.t_ns), _number(beat.rr_ms), _number(beat.rr_corrected_ms), beat.flag.value, _s(first_given_ns[key]),
            beat.source.value,
        )  # fmt: skip


def _breath_rows(derived: Iterable[Derived]) -> Iterable[Row]:
    rows: list[tuple[int, Row]] = []
    for event in derived:
        if isinstance(event, BreathTurn):
            rows.append((event.t_ns, (_s(event.t_ns), event.phase.value, _s(event.emitted_ns), "", "")))
        elif isinstance(event, Breath):
            numbers = _number(event.breathing_rate_bpm), _number(event.depth)
            rows.append((event.t_ns, (_s(event.t_ns), "breath", _s(event.emitted_ns), *numbers)))
    return [row for _, row in sorted(rows, key=lambda item: item[0])]


def _scr_rows(derived: Iterable[Derived]) -> Iterable[Row]:
    for response in derived:
        if isinstance(response, SkinResponse):
            times_s = _s(response.onset_ns), _s(response.peak_ns)
            yield (*times_s, _number(response.amplitude_us), _s(response.emitted_ns))


def _metric_rows(derived: Iterable[Derived]) -> Iterable[Row]:
    """One row a second; a value that is withheld is empty and its reason says why."""
    for metrics in derived:
        if isinstance(metrics, Metrics) and metrics.t_ns % NS_PER_S == 0:
            indices = [getattr(metrics, name) for name in Metrics.index_names()]
            bounds = [part for index in indices for part in (_number(index.bound), index.reason or "")]
            made_of = " ".join(metrics.arousal_from or ())
            yield (_s(metrics.t_ns), *(_number(index.value) for index in indices), *bounds, made_of)


def _summary(path: Path, events: Sequence[RawEvent], derived: Sequence[Derived], pipeline_s: float) -> dict[str, Any]:
    recorded_s = s_from_ns(max((event.received_ns for event in events), default=0))
    n_of = Counter(type(event).__name__ for event in (*events, *derived))
    return {
        "file": path.name,
        "pipeline_version": PIPELINE_VERSION,
        "recorded_s": round(recorded_s, 3),
        "pipeline_s": round(pipeline_s, 4),
        "times_real_time": round(recorded_s / pipeline_s, 1) if pipeline_s else None,
        "n_beats": len({(b.source, b.beat_idx) for b in derived if isinstance(b, Beat)}),
        "n_breaths": n_of["Breath"],
        "n_scr": n_of["SkinResponse"],
        "n_gaps": n_of["Gap"],
        "n_dropped": n_of["Dropped"],
        "dropped": [event.problem for event in events if isinstance(event, Dropped)][:MAX_DROPPED_SHOWN],
        "events_sha256": events_sha256(derived),
    }


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a disk that refuses `path` into one sentence."""
    try:
        yield
    except OSError as exc:
        raise RecordingError(
            f"expected a folder we can write to ({exc.strerror}); choose another --out", path=str(path)
        ) from exc


def _write(path: Path, columns: Row, rows: Iterable[Row]) -> None:
    with _writing(path), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _s(t_ns: int) -> str:
    return f"{round(t_ns / 1000) / 1e6:.6f}"  # rounded as a whole number first: a nanosecond before 0 is no "-0"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
