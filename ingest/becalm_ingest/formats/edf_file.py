"""EDF and BDF, EDF+ and BDF+ with breaks too (Kemp 1992, Kemp and Olivan 2003): digital values kept as they are."""

import math
import re
import sys
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from becalm_ingest.formats.binary_file import opened
from becalm_ingest.formats.choosing import Chosen, Found
from becalm_ingest.formats.sampled import Frame, Piece
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

EDF_MAGIC, BDF_MAGIC = b"0       ", b"\xffBIOSEMI"
_FIXED_BYTES = 256
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
"""Bytes of each field of a signal: label, transducer, unit, physical and digital limits, filter, samples, reserved."""
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
# A laboratory records some hundred signals; a record of more than this is not EDF.
_MAX_SIGNALS = 2_048
_MAX_RECORD_BYTES = 64_000_000
_MAX_SHIFT = 2**30
_ONSET = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15[^\x14]*)?\x14")


@value
class _Signal:
    """Where a signal lies in each record, and what turns its digital values into ours."""

    start: int
    """First byte in the record."""
    n_samples: int
    sign: int
    shift: int
    """Counts are `sign` x (digital value + `shift`): physical zero is count zero, to half a count."""


class EdfFile:
    """An EDF or BDF file."""

    def __init__(self, path: Path) -> None:
        self.problem: str | None = None
        self.warnings: tuple[str, ...] = ()
        self._path = path
        with opened(path) as file:
            fixed = file.read(_FIXED_BYTES)
            self._width = 3 if fixed.startswith(BDF_MAGIC) else 2
            n_signals = self._number(fixed[252:256], "the number of signals", low=1, high=_MAX_SIGNALS)
            self._n_header_bytes = _FIXED_BYTES * (1 + n_signals)
            fields = _columns(file.read(_FIXED_BYTES * n_signals), n_signals)
        self._n_records = self._number(fixed[236:244], "the number of records", low=-1, high=10**8)
        self._record_s = self._decimal(fixed[244:252], "the length of a record")
        self._has_breaks = fixed[192:236].startswith((b"EDF+D", b"BDF+D"))
        if len(fields[-1]) != n_signals:
            raise self._error("a whole header", "one that ends early", "copy the file again")
        self._read_signals(fields)

    def _read_signals(self, fields: Sequence[Sequence[bytes]]) -> None:
        found, self._signals, start = [], [], 0
        self._annotations: tuple[int, int] | None = None
        labels, units, p_min, p_max, d_min, d_max, lengths = (fields[column] for column in (0, 2, 3, 4, 5, 6, 8))
        for k, raw in enumerate(labels):
            label = _text(raw)
            n_samples = self._number(lengths[k], f"samples a record of {label!r}", low=0, high=_MAX_RECORD_BYTES)
            if label in _ANNOTATIONS:
                self._annotations = self._annotations or (start, n_samples)
            elif n_samples and self._record_s > 0:
                gain, sign, shift = self._scale(label, p_min[k], p_max[k], d_min[k], d_max[k])
                self._signals.append(_Signal(start=start, n_samples=n_samples, sign=sign, shift=shift))
                rate_hz = n_samples / self._record_s
                found.append(Found(label=label, unit=_text(units[k]), sample_rate_hz=rate_hz, unit_per_count=gain))
            start += n_samples * self._width
        self._record_bytes = start
        if not 0 < start <= _MAX_RECORD_BYTES:
            raise self._error("records of samples", f"{start} bytes a record", "check the file")
        self.found = tuple(found)

    def frames(self, chosen: Sequence[Chosen]) -> Iterator[Frame]:
        """Read record by record."""
        self.problem = None
        record_ns, began_ns = self._record_s * NS_PER_S, None
        with opened(self._path) as file:
            file.seek(self._n_header_bytes)
            for idx, record in enumerate(self._records(file)):
                onset_ns = idx * record_ns if not self._has_breaks else self._onset_ns(record, idx=idx)
                if began_ns is None:
                    began_ns = onset_ns
                t_ns = onset_ns - began_ns
                pieces = tuple(
                    Piece(signal=n, counts=self._counts(record, self._signals[one.idx]), t_ns=t_ns, invalid=None)
                    for n, one in enumerate(chosen)
                )
                yield Frame(end_ns=t_ns + record_ns, pieces=pieces)

    def _records(self, file: BinaryIO) -> Iterator[bytes]:
        n_records = 0
        while self._n_records < 0 or n_records < self._n_records:
            record = file.read(self._record_bytes)
            if len(record) < self._record_bytes:
                if record or self._n_records >= 0:
                    whole = "" if self._n_records < 0 else f" of {self._n_records}"
                    self.problem = f"the file ends after {n_records}{whole} records; what is there is used"
                return
            n_records += 1
            yield record

    def _counts(self, record: bytes, signal: _Signal) -> Sequence[int]:
        data = record[signal.start : signal.start + signal.n_samples * self._width]
        if self._width == 2:
            counts = array("h", data)
            if sys.byteorder == "big":
                counts.byteswap()
        else:
            wide = bytearray(4 * signal.n_samples)  # each into the upper three bytes of an integer: the sign is right
            wide[1::4], wide[2::4], wide[3::4] = data[0::3], data[1::3], data[2::3]
            counts = array("i", bytes(wide))
            if sys.byteorder == "big":
                counts.byteswap()
            return [signal.sign * ((count >> 8) + signal.shift) for count in counts]
        if signal.sign == 1 and not signal.shift:
            return counts
        return [signal.sign * (count + signal.shift) for count in counts]

    def _onset_ns(self, record: bytes, *, idx: int) -> float:
        """Return the time of a record, which its first annotation tells."""
        told = None
        if self._annotations is not None:
            start, n_samples = self._annotations
            told = _ONSET.match(record[start : start + n_samples * self._width])
        if told is None:
            raise self._error("the time of each record in its annotations", f"none in record {idx + 1}", "mend it")
        return float(told[1]) * NS_PER_S

    def _scale(self, label: str, *limits: bytes) -> tuple[float, int, int]:
        """Return the size of a count, its sign, and the shift that makes physical zero count zero."""
        p_min, p_max, d_min, d_max = (self._decimal(cell, f"the limits of {label!r}") for cell in limits)
        if d_max == d_min or p_max == p_min:
            raise self._error(f"limits of {label!r} that differ", "equal ones", "mend the header")
        gain = (p_max - p_min) / (d_max - d_min)
        shift = round(p_min / gain - d_min)
        if abs(shift) > _MAX_SHIFT:
            raise self._error(f"limits of {label!r} near zero", f"{p_min:g} to {p_max:g}", "mend the header")
        return abs(gain), 1 if gain > 0 else -1, shift

    def _number(self, cell: bytes, what: str, *, low: int, high: int) -> int:
        number = self._decimal(cell, what)
        if number != int(number) or not low <= number <= high:
            raise self._error(f"{low} to {high} as {what}", f"{number:g}", "check that it is EDF")
        return int(number)

    def _decimal(self, cell: bytes, what: str) -> float:
        try:
            number = float(_text(cell).replace(",", "."))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._error(f"a number as {what}", f"{_text(cell)!r:.20}", "check that it is EDF")
        return number

    def _error(self, expected: str, got: str, advice: str) -> RecordingError:
        return RecordingError(f"expected {expected}, got {got}; {advice}", path=str(self._path))


def _columns(header: bytes, n_signals: int) -> list[list[bytes]]:
    """Return the fields of all signals: all labels, then all transducers, and so on."""
    columns, start = [], 0
    for width in _WIDTHS:
        cells = [header[start + k * width : start + (k + 1) * width] for k in range(n_signals)]
        columns.append([cell for cell in cells if len(cell) == width])
        start += width * n_signals
    return columns


def _text(cell: bytes) -> str:
    """ASCII by the specification; the micro sign of Latin-1 and UTF-8 writers is read too."""
    try:
        text = cell.decode("utf-8")
    except UnicodeDecodeError:
        text = cell.decode("latin-1")
    return "".join(filter(str.isprintable, text)).strip()
