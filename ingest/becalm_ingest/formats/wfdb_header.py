"""The header of a WFDB record, as PhysioNet's header(5) describes it."""

import math
import re
from pathlib import Path

from becalm_ingest.formats.wfdb_codes import CODES
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import value

_MAX_HEADER_BYTES = 1_000_000
_MAX_SIGNALS = 2_048
_DEFAULT_RATE_HZ = 250.0
_DEFAULT_GAIN = 200.0
_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")
_GAIN = re.compile(r"([-+.\deE]+)(?:\((-?\d+)\))?(?:/(\S+))?")


@value
class SignalLine:
    """One signal of a record."""

    file_name: str
    code: int
    """Number of the storage format."""
    n_per_frame: int
    skip_bytes: int
    """Bytes at the start of the file that are no samples."""
    gain: float
    """Counts a unit."""
    baseline: int
    """The count of physical zero."""
    unit: str
    label: str


@value
class WfdbHeader:
    """What a .hea file says."""

    frame_rate_hz: float
    n_frames: int | None
    """None: up to the end of the file."""
    signals: tuple[SignalLine, ...]


def read_header(path: Path) -> WfdbHeader:
    """Return the header in a .hea file. Raises RecordingError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_HEADER_BYTES)
    except OSError as exc:
        raise RecordingError(
            f"expected the header of a WFDB record, got none ({exc.strerror}); put it beside the signals",
            path=str(path),
        ) from exc
    numbered = [(n, line.strip()) for n, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), 1)]
    lines = [(n, line) for n, line in numbered if line and not line.startswith("#")]
    if not lines:
        raise RecordingError("expected the header of a WFDB record, got no line; copy it again", path=str(path))
    rate_hz, n_signals, n_frames = _record_line(lines[0][1], path=path)
    if len(lines) <= n_signals:
        raise RecordingError(
            f"expected {n_signals} signal lines, got {len(lines) - 1}; copy the header again", path=str(path)
        )
    signals = tuple(_signal_line(line, number=n, path=path) for n, line in lines[1 : 1 + n_signals])
    return WfdbHeader(frame_rate_hz=rate_hz, n_frames=n_frames, signals=signals)


def _record_line(line: str, *, path: Path) -> tuple[float, int, int | None]:
    parts = line.split()
    if "/" in parts[0]:
        raise RecordingError(
            "expected a record of one segment, got one of several; give the header of one segment", path=str(path)
        )
    try:
        n_signals = int(parts[1])
        rate_hz = float(re.split(r"[/(]", parts[2])[0]) if len(parts) > 2 else _DEFAULT_RATE_HZ
        n_frames = int(parts[3]) if len(parts) > 3 else 0
    except (ValueError, IndexError) as exc:
        raise RecordingError(
            f"line 1: expected NAME SIGNALS RATE SAMPLES, got {line[:40]!r}; check that it is a WFDB header",
            path=str(path),
        ) from exc
    if not (0 <= n_signals <= _MAX_SIGNALS and math.isfinite(rate_hz) and rate_hz > 0 and n_frames >= 0):
        raise RecordingError(f"line 1: expected counts and a rate above 0, got {line[:40]!r}; mend it", path=str(path))
    return rate_hz, n_signals, n_frames or None


def _signal_line(line: str, *, number: int, path: Path) -> SignalLine:
    parts = line.split(maxsplit=8)
    told = _FORMAT.fullmatch(parts[1]) if len(parts) > 1 else None
    gain = _GAIN.fullmatch(parts[2]) if len(parts) > 2 else None
    problem = f"line {number}: expected FILE FORMAT GAIN ..., got {line[:40]!r}; mend the header"
    if told is None or (gain is None and len(parts) > 2):
        raise RecordingError(problem, path=str(path))
    try:
        zero = int(parts[4]) if len(parts) > 4 else 0
        per_unit = float(gain[1]) if gain else 0.0
        baseline = int(gain[2]) if gain and gain[2] else zero
    except ValueError as exc:
        raise RecordingError(problem, path=str(path)) from exc
    code = int(told[1])
    _check(parts[0], code=code, skew=int(told[3] or 0), gain=per_unit, number=number, path=path)
    return SignalLine(
        file_name=parts[0],
        code=code,
        n_per_frame=max(1, int(told[2] or 1)),
        skip_bytes=int(told[4] or 0),
        gain=per_unit or _DEFAULT_GAIN,
        baseline=baseline,
        unit=(gain[3] if gain and gain[3] else "mV"),
        label=parts[8].strip() if len(parts) > 8 else f"signal {number - 1}",
    )


def _check(file_name: str, *, code: int, skew: int, gain: float, number: int, path: Path) -> None:
    problem = ""
    if Path(file_name).name != file_name or "\\" in file_name:  # the header must not reach outside its folder
        problem = f"expected the name of a file beside the header, got {file_name[:40]!r}; put it there"
    elif code not in CODES:
        problem = f"expected storage format {', '.join(map(str, CODES))}, got {code}; convert it (wrsamp)"
    elif skew:
        problem = f"expected signals without skew, got {skew}; align them (xform)"
    elif not math.isfinite(gain):
        problem = f"expected a finite gain, got {gain}; mend the header"
    if problem:
        raise RecordingError(f"line {number}: {problem}", path=str(path))
