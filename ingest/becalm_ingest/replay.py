"""Recordings as a source of the same shape as a sensor: our own, and those of other programs."""

from collections.abc import Callable, Sequence
from pathlib import Path

from becalm_ingest import recorder
from becalm_ingest.formats.detect import Format, format_of
from becalm_ingest.formats.sampled import SampledRecording, SignalFile
from becalm_ingest.formats.signals import OPTION, Choice, parse_choice
from becalm_ingest.player import Playable
from becalm_ingest.recording_counts import FromCounts
from becalm_ingest.recording_csv import Recording
from becalm_protocol.errors import RecordingError
from becalm_protocol.units import NS_PER_MS

__all__ = ["Playable", "Recording", "read_recording"]

_MAX_CHUNK_MS = 3_600_000


def read_recording(path: Path, *, rate_hz: float | None, chunk_ms: int, signals: Sequence[str] = ()) -> Playable:
    """Open a recording; `signals` say which is which, as LABEL=KIND, LABEL=KIND:UNIT or LABEL=eda:TRANSFER.

    Raises RecordingError, saying what to do, for anything that cannot be played, and ConfigError for odd `signals`.
    """
    if not 1 <= chunk_ms <= _MAX_CHUNK_MS:
        raise RecordingError(f"expected blocks of 1 to {_MAX_CHUNK_MS} ms, got {chunk_ms}", path=str(path))
    choices = tuple(parse_choice(text) for text in signals)
    recording = _open(path, rate_hz=rate_hz, chunk_ms=chunk_ms, choices=choices)
    transfer = next((choice.transfer for choice in choices if choice.transfer), None)
    return recording if transfer is None else FromCounts(recording, transfer=transfer)


def _open(path: Path, *, rate_hz: float | None, chunk_ms: int, choices: Sequence[Choice]) -> Playable:
    chunk_ns = chunk_ms * NS_PER_MS
    found = format_of(path)
    if found is Format.FIT:
        from becalm_ingest.formats.fit_file import read_fit

        _expect_no_choice(choices, path=path)
        return read_fit(path)
    if found is not None:
        return SampledRecording(path, _reader(found)(path), choices=choices, chunk_ns=chunk_ns)
    if recorder.is_notifications(path):
        _expect_no_choice(choices, path=path)
        return recorder.Notifications(path)
    if not choices and rate_hz is None:
        from becalm_ingest.formats.interval_text import is_interval_text, read_interval_text

        if is_interval_text(path):
            return read_interval_text(path)
    return Recording(path, rate_hz=rate_hz, chunk_ns=chunk_ns, choices=choices)


def _reader(found: Format) -> Callable[[Path], SignalFile]:
    """Return the reader of a format; only the one that is needed is imported."""
    if found is Format.EDF:
        from becalm_ingest.formats.edf_file import EdfFile

        return EdfFile
    if found is Format.XDF:
        from becalm_ingest.formats.xdf_file import XdfFile

        return XdfFile
    from becalm_ingest.formats.wfdb_record import WfdbRecord

    return WfdbRecord


def _expect_no_choice(choices: Sequence[Choice], *, path: Path) -> None:
    if choices:
        raise RecordingError(f"expected no {OPTION} for a file that names its signals; leave it out", path=str(path))
