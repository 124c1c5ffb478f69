"""The header of an EDF+ file, and how counts become its 16-bit digital values."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import value
from becalm_server.exports.track import Counts, Track

MARKER = -32_768
"""No sample here."""
_LOW, _HIGH = -32_767, 32_767
_ASCII_OF = str.maketrans({"µ": "u", "μ": "u", "Ω": "Ohm", "°": "deg"})
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@value
class Scale:
    """Digital value d stands for the count `(d - shift) * step`; a step of 1 is exact."""

    shift: int
    step: int

    def digital(self, counts: Counts) -> NDArray[np.int16]:
        """Return the digital values of counts."""
        wide = counts.astype(np.int64)
        if self.step > 1:
            wide = np.rint(wide / self.step).astype(np.int64)
        return np.clip(wide + self.shift, _LOW, _HIGH).astype("<i2")


def scale_of(track: Track) -> Scale:
    """Return the finest scale on which all counts of a track fit, the marker left out."""
    if track.low >= _LOW and track.high <= _HIGH:
        return Scale(shift=0, step=1)
    step = -(-(track.high - track.low) // (_HIGH - _LOW - 1))
    return Scale(shift=_LOW + 1 - round(track.low / step), step=max(1, step))


@value
class EdfSignal:
    """The header's fields of one signal."""

    label: str
    transducer: str
    unit: str
    physical_min: str
    physical_max: str
    digital_min: int
    digital_max: int
    prefilter: str
    n_a_record: int


def signal_of(track: Track, *, label: str, n_a_record: int) -> EdfSignal:
    """Return the header of a track's signal."""
    info, scale = track.info, scale_of(track)
    gain = info.unit_per_count * scale.step
    exact = "" if scale.step == 1 else f"; scaled, 1 digital = {scale.step} counts"
    return EdfSignal(
        label=label,
        transducer=f"{info.device}; 1 count = {info.unit_per_count:.12g} {info.unit}{exact}",
        unit=info.unit,
        physical_min=_eight((MARKER - scale.shift) * gain),
        physical_max=_eight((_HIGH - scale.shift) * gain),
        digital_min=MARKER,
        digital_max=_HIGH,
        prefilter=f"none; {MARKER} = no sample",
        n_a_record=n_a_record,
    )


def file_header(
    signals: Sequence[EdfSignal],
    *,
    n_records: int,
    record_s: int,
    n_tal_bytes: int,
    start_unix_s: int,
    session_id: str,
) -> bytes:
    """Return the header of a file with these signals and one of annotations after them."""
    start = datetime.fromtimestamp(start_unix_s, UTC)
    date = f"{start.day:02}-{_MONTHS[start.month - 1]}-{start.year}"
    every = [*signals, _annotation_signal(n_tal_bytes)]
    head = (
        _cell("0", 8),
        _cell("X X X X", 80),
        _cell(f"Startdate {date} {session_id.replace(' ', '_')} X becalm", 80),
        _cell(f"{start:%d.%m.%y}", 8),
        _cell(f"{start:%H.%M.%S}", 8),
        _cell(str(256 * (1 + len(every))), 8),
        _cell("EDF+C", 44),
        _cell(str(n_records), 8),
        _cell(str(record_s), 8),
        _cell(str(len(every)), 4),
    )
    columns: tuple[tuple[int, Callable[[EdfSignal], str]], ...] = (
        (16, lambda one: one.label),
        (80, lambda one: one.transducer),
        (8, lambda one: one.unit),
        (8, lambda one: one.physical_min),
        (8, lambda one: one.physical_max),
        (8, lambda one: str(one.digital_min)),
        (8, lambda one: str(one.digital_max)),
        (80, lambda one: one.prefilter),
        (8, lambda one: str(one.n_a_record)),
        (32, lambda _: ""),
    )
    cells = (_cell(field(one), width) for width, field in columns for one in every)
    return b"".join((*head, *cells))


def _annotation_signal(n_tal_bytes: int) -> EdfSignal:
    return EdfSignal(
        label="EDF Annotations", transducer="", unit="", physical_min="-1", physical_max="1", digital_min=-32_768,
        digital_max=32_767, prefilter="", n_a_record=n_tal_bytes // 2,
    )  # fmt: skip


def _cell(text: str, width: int) -> bytes:
    """EDF's header is printable ASCII of a fixed width."""
    ascii_text = "".join(c if " " <= c <= "~" else "_" for c in text.translate(_ASCII_OF))
    return ascii_text[:width].ljust(width).encode()


def _eight(number: float) -> str:
    """Return the decimal nearest to a number that eight characters hold."""
    for n_decimals in range(7, -1, -1):
        text = f"{number:.{n_decimals}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        if len(text) <= 8:
            return text
    return f"{number:.1e}"[:8]
