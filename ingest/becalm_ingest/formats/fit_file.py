"""Garmin FIT: the HRV messages (five RR intervals each) of an activity. Needs fitdecode, of the extra `formats`."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from becalm_ingest.formats.binary_file import opened
from becalm_ingest.formats.intervals import IntervalRecording, Intervals
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import GapReason
from becalm_protocol.units import NS_PER_S

# Record messages tell the second; intervals come up to 4 s late. More than that behind is a break of the strap.
_BREAK_S = 6.0
# What the decoder lets through, found with random damage.
_DECODER_SLIPS = (AssertionError, struct.error, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


def read_fit(path: Path) -> IntervalRecording:
    """Return the intervals of an activity. Raises RecordingError."""
    intervals, began_s, problem, n_messages = Intervals(path), None, None, 0
    try:
        for name, content in _messages(path):
            if name == "hrv":
                n_messages += 1
                for rr_s in content:
                    intervals.add(rr_s * 1000, at=f"HRV message {n_messages}")
            elif content and intervals.n_intervals:
                behind_s = content[0] - intervals.t_ns / NS_PER_S
                began_s = behind_s if began_s is None else min(began_s, behind_s)
                if behind_s - began_s > _BREAK_S:
                    intervals.gap(round((content[0] - began_s) * NS_PER_S), reason=GapReason.FILE_BREAK)
    except _DamagedError as exc:
        problem = f"the FIT data are damaged after HRV message {n_messages} ({exc}); everything before is used"
    if not n_messages:
        raise RecordingError(
            f"expected HRV messages in the FIT file, got none{f' ({problem})' if problem else ''}; "
            "switch on `Log HRV` on the watch and wear a chest strap",
            path=str(path),
        )
    return intervals.recording(problem=problem)


class _DamagedError(Exception):
    """What the decoder could not read."""


def _messages(path: Path) -> Iterator[tuple[str, list[float]]]:
    """Return each HRV message's intervals and each record's time, both in seconds, in the order of the file."""
    fitdecode = _library(path)
    # A wrong checksum is damage; a field of another maker that the profile does not have is none.
    strict, lenient = fitdecode.CrcCheck.RAISE, fitdecode.ErrorHandling.IGNORE
    with opened(path) as file:
        try:
            with fitdecode.FitReader(file, check_crc=strict, error_handling=lenient) as reader:
                for frame in reader:
                    if isinstance(frame, fitdecode.FitDataMessage) and frame.name in ("hrv", "record"):
                        yield frame.name, _numbers(frame)
        except (fitdecode.FitError, *_DECODER_SLIPS) as exc:
            raise _DamagedError(type(exc).__name__) from exc


def _numbers(frame: Any) -> list[float]:
    if frame.name == "hrv":
        times = frame.get_value("time", fallback=None)
        told = times if isinstance(times, list | tuple) else (times,)
        return [float(rr_s) for rr_s in told if rr_s is not None]
    moment = frame.get_value("timestamp", fallback=None)
    return [moment.timestamp()] if hasattr(moment, "timestamp") else []


def _library(path: Path) -> Any:
    try:
        import fitdecode  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ModuleNotFoundError as exc:
        raise RecordingError(
            "expected the library fitdecode for FIT files, got none; install becalm[formats]", path=str(path)
        ) from exc
    return fitdecode
