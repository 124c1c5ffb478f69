"""Recordings as arrays, and the live pipeline over them as a sensor would have sent them."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from becalm_cli.analyse import run_pipeline
from becalm_protocol.derived import Beat, Derived
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_S, ns_from_s

Samples = NDArray[np.float64]
BLOCK_S = 0.25
_UNITS = {
    SignalKind.ECG: ("uV", 0.1),
    SignalKind.RESPIRATION: ("au", 1e-4),
    SignalKind.SKIN_CONDUCTANCE: ("uS", 1e-4),
    SignalKind.PPG_1: ("au", 1e-4),
    SignalKind.ACCELERATION_X: ("mg", 0.1),
    SignalKind.ACCELERATION_Y: ("mg", 0.1),
    SignalKind.ACCELERATION_Z: ("mg", 0.1),
}


def recordings(folder: Path, pattern: str = "*.csv.gz") -> list[Path]:
    """Return the recordings of a folder. Raises RecordingError where there are none."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise RecordingError(f"expected recordings {pattern}, got none; put some there", path=f"{folder.name}/")
    return found


def columns(path: Path, *names: str) -> dict[str, Samples]:
    """Return columns of a CSV as arrays, absent cells as NaN.

    Raises RecordingError for a file or a column that is not there, one that cannot be read, and one without rows.
    """
    header, *lines = _text(path).splitlines() or [""]
    known = [name.strip() for name in header.split(",")]
    if missing := [name for name in names if name not in known]:
        raise RecordingError(
            f"expected columns {', '.join(missing)}, got {', '.join(known)[:80] or 'none'}; name them so",
            path=path.name,
        )
    at = [known.index(name) for name in names]
    try:
        table = _table(lines, at=at)
    except (ValueError, IndexError) as exc:
        problem = f"expected {len(known)} numbers a line ({exc}); mend or remove it"
        raise RecordingError(problem, path=path.name) from exc
    if not len(table):
        raise RecordingError("expected rows of numbers, got none; remove it", path=path.name)
    return {name: table[:, i] for i, name in enumerate(names)}


def numbers(path: Path) -> Samples:
    """Return the numbers of a text, white space between them. Raises RecordingError where it holds others or none."""
    try:
        found = np.array([float(word) for word in _text(path).split()])
    except ValueError as exc:
        raise RecordingError(f"expected numbers alone ({exc}); mend or remove it", path=path.name) from exc
    if not len(found):
        raise RecordingError("expected numbers, got none; remove it", path=path.name)
    return found


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except FileNotFoundError as exc:
        raise RecordingError("expected this file, got none; put it there", path=path.name) from exc
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as exc:
        problem = (
            f"expected {'gzipped ' if path.suffix == '.gz' else ''}text, whole and in UTF-8, got: {exc}; fetch it anew"
        )
        raise RecordingError(problem, path=path.name) from exc


def _table(lines: Sequence[str], *, at: Sequence[int]) -> Samples:
    try:
        return np.loadtxt(lines, delimiter=",", usecols=at, ndmin=2) if lines else np.empty((0, len(at)))
    except ValueError:  # cells are absent, or words stand among numbers
        rows = [line.split(",") for line in lines if line]
        cells = [[float(row[i]) if row[i].strip() else np.nan for i in at] for row in rows]
        return np.array(cells).reshape(-1, len(at))


def resampled(samples: Samples, *, up: int, down: int) -> Samples:
    """Return samples at up/down times their rate, without aliases."""
    steady = np.asarray(signal.resample_poly(samples - samples[0], up, down), dtype=np.float64)
    return np.asarray(steady + samples[0], dtype=np.float64)


def stream(kind: SignalKind, *, rate_hz: float) -> StreamInfo:
    """Return a stream of a recording."""
    unit, unit_per_count = _UNITS[kind]
    return StreamInfo(
        stream_id=kind.value,
        kind=kind,
        unit=unit,
        unit_per_count=unit_per_count,
        sample_rate_hz=rate_hz,
        clock=Clock.SESSION,
        device="recording",
    )


def blocks(info: StreamInfo, samples: Samples, *, block_s: float = BLOCK_S) -> Iterator[SampleBlock]:
    """Yield samples in the unit of the stream as its packets; NaN is a hole."""
    rate_hz = info.sample_rate_hz or 1.0
    size = max(1, round(block_s * rate_hz))
    for start in range(0, len(samples), size):
        part = samples[start : start + size]
        for run in _whole_runs(part):
            last = start + run.stop - 1
            yield SampleBlock(
                stream_id=info.stream_id,
                received_ns=round(last * NS_PER_S / rate_hz),
                first_sample_idx=start + run.start,
                counts=tuple(int(count) for count in np.rint(part[run] / info.unit_per_count)),
            )


def _whole_runs(part: Samples) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.isfinite(part), prepend=False, append=False))
    return [slice(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def derive(*tracks: tuple[StreamInfo, Samples]) -> list[Derived]:
    """Return what the pipeline makes of tracks that were recorded together."""
    events: list[RawEvent] = [block for info, samples in tracks for block in blocks(info, samples)]
    events.sort(key=lambda event: event.received_ns)
    return run_pipeline([info for info, _ in tracks], events)


def beats(derived: Sequence[Derived], *, confirmed: bool) -> list[Beat]:
    """Return the beats that were told at once, or those that were settled, in order of time."""
    found = [event for event in derived if isinstance(event, Beat) and event.confirmed is confirmed]
    return sorted(found, key=lambda beat: beat.t_ns)


def times_ns(times_s: Samples) -> list[int]:
    """Return seconds as whole nanoseconds, ascending."""
    return [ns_from_s(float(t_s)) for t_s in np.sort(times_s)]
