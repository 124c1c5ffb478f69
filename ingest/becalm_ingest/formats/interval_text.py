"""RR intervals as text, one a line in ms or s, with or without a time column (Kubios, Polar, most apps); Polar .hrm."""

import re
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

from becalm_ingest.formats.interval_table import Table, clock_time_ms, number
from becalm_ingest.formats.intervals import IntervalRecording, Intervals
from becalm_ingest.recording_columns import RR, SAMPLED, TIMES
from becalm_ingest.recording_lines import Lines
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import GapReason
from becalm_protocol.units import NS_PER_MS

_N_LOOKED_AT = 200
_HRM_FIRST = "[params]"
_HRM_DATA = "[hrdata]"
# Hearts beat 20 to 300 times a minute: the typical interval tells the unit.
_TYPICAL_MS = (200.0, 3_000.0)
# A time column that agrees with its intervals this well tells a missing beat; a coarser one is that of a phone,
# which hears intervals up to 4 s late.
_EXACT_MS = 20.0
_EXACT_BREAK_MS = 100.0
_COARSE_BREAK_MS = 5_000.0


def is_interval_text(path: Path) -> bool:
    """Tell whether a text holds intervals between beats, and is not a table of our own columns."""
    lines = [_text(line) for line in islice(Lines(path), _N_LOOKED_AT)]
    lines = [line for line in lines if line and not _is_comment(line)]
    if not lines:
        return False
    if lines[0].lower() == _HRM_FIRST:
        return True
    table = Table(lines)
    own = {name.strip().lower() for name in lines[0].split(",")}
    if own & {*SAMPLED} or (RR in own and own & {*TIMES}):
        return False
    if table.names:
        return table.rr_idx is not None
    shape = [len(table.cells(line)) for line in lines]
    return sum(n <= 2 for n in shape) > 0.9 * len(shape)


def read_interval_text(path: Path) -> IntervalRecording:
    """Return the intervals of a text. Raises RecordingError."""
    source = Lines(path)
    numbered = [(n, _text(line)) for n, line in enumerate(source, 1)]
    numbered = [(n, line) for n, line in numbered if line and not _is_comment(line)]
    if numbered and numbered[0][1].lower() == _HRM_FIRST:
        numbered = _hrm_lines(numbered, path=path)
    table = Table([line for _, line in numbered[:_N_LOOKED_AT]])
    rows = [(n, table.cells(line)) for n, line in numbered[1 if table.names else 0 :]]
    rr_idx = table.rr_idx if table.rr_idx is not None else _rr_column(rows)
    factor = _factor_ms(rows, rr_idx=rr_idx, unit=table.unit(rr_idx), path=path)
    times_ms, warnings = _times_ms(rows, rr_idx=rr_idx, factor=factor, table=table)
    return _collect(path, rows, rr_idx=rr_idx, factor=factor, times_ms=times_ms).recording(
        warnings=warnings, problem=source.problem
    )


def _collect(
    path: Path,
    rows: Sequence[tuple[int, list[str]]],
    *,
    rr_idx: int,
    factor: float,
    times_ms: Sequence[float | None] | None,
) -> Intervals:
    intervals = Intervals(path)
    break_ms = _break_ms(rows, rr_idx=rr_idx, factor=factor, times_ms=times_ms)
    first_ms, before_ms = None, None
    for k, (n, cells) in enumerate(rows):
        rr = number(cells[rr_idx]) if rr_idx < len(cells) else None
        if rr is None:
            intervals.leave_out(repr(";".join(cells)[:24]), at=f"line {n}")
            continue
        t_ms = times_ms[k] if times_ms is not None else None
        if t_ms is None:
            intervals.add(rr * factor, at=f"line {n}")
            continue
        first_ms = t_ms if first_ms is None else first_ms
        if before_ms is not None and t_ms - before_ms - rr * factor > break_ms:
            begun_ns = round((t_ms - first_ms - rr * factor) * NS_PER_MS)
            intervals.gap(begun_ns, reason=GapReason.FILE_BREAK)
        before_ms = t_ms
        intervals.add(rr * factor, t_ns=round((t_ms - first_ms) * NS_PER_MS), at=f"line {n}")
    return intervals


def _hrm_lines(numbered: Sequence[tuple[int, str]], *, path: Path) -> list[tuple[int, str]]:
    """Return the lines of a Polar .hrm file that hold its intervals: with any other `Interval` they are heart rates."""
    texts = [line.lower() for _, line in numbered]
    told = next((line for line in texts if line.startswith("interval=")), "interval=")
    if told != "interval=238" or _HRM_DATA not in texts:
        raise RecordingError(
            f"expected a .hrm file with RR intervals (Interval=238), got {told[:20]}; record RR data", path=str(path)
        )
    start = texts.index(_HRM_DATA) + 1
    rest = numbered[start:]
    n_data = next((k for k, (_, line) in enumerate(rest) if line.startswith("[")), len(rest))
    return list(rest[:n_data])


def _rr_column(rows: Sequence[tuple[int, list[str]]]) -> int:
    """Of two columns without names the one that does not rise all the way is not the time."""
    for idx in (1, 0):
        column = [number(cells[idx]) for _, cells in rows[:_N_LOOKED_AT] if len(cells) > idx]
        numbers = [cell for cell in column if cell is not None]
        if numbers and (len(numbers) < 3 or any(a > b for a, b in pairwise(numbers))):
            return idx
    return 0


def _factor_ms(rows: Sequence[tuple[int, list[str]]], *, rr_idx: int, unit: float | None, path: Path) -> float:
    numbers = [rr for _, cells in rows if rr_idx < len(cells) and (rr := number(cells[rr_idx])) is not None]
    typical = median(numbers) if numbers else 0.0
    low, high = _TYPICAL_MS
    for factor in (unit,) if unit is not None else (1.0, 1000.0):
        if low <= typical * factor <= high:
            return factor
    raise RecordingError(
        f"expected RR intervals of {low:g} to {high:g} ms (or {low / 1000:g} to {high / 1000:g} s), one a line, "
        f"got {typical:g} typically; for a sampled signal give the column's name (ecg_mv, rsp_au, eda_us) in line 1",
        path=str(path),
    )


def _times_ms(
    rows: Sequence[tuple[int, list[str]]], *, rr_idx: int, factor: float, table: Table
) -> tuple[list[float | None] | None, tuple[str, ...]]:
    """Return the time of each row, None where there is no time column or it does not fit its intervals."""
    idx = table.time_idx
    if idx is None and not table.names and max((len(cells) for _, cells in rows), default=0) == 2:
        idx = 1 - rr_idx
    if idx is None:
        return None, ()
    raw = [clock_time_ms(cells[idx]) if idx < len(cells) else None for _, cells in rows]
    if any(told is not None for told in raw):
        return raw, ()
    plain = [number(cells[idx]) if idx < len(cells) else None for _, cells in rows]
    steps = [b - a for a, b in pairwise(plain) if a is not None and b is not None and b > a]
    rr_ms = [rr * factor for _, cells in rows if rr_idx < len(cells) and (rr := number(cells[rr_idx])) is not None]
    for per_ms in (1.0, 1e3, 1e-6, 60e3):
        if steps and rr_ms and 0.6 < median(steps) * per_ms / median(rr_ms) < 1.6:
            return [None if t is None else t * per_ms for t in plain], ()
    return None, ("The time column is not used: its steps do not fit the intervals",)


def _break_ms(
    rows: Sequence[tuple[int, list[str]]], *, rr_idx: int, factor: float, times_ms: Sequence[float | None] | None
) -> float:
    off = []
    for k in range(1, len(rows) if times_ms is not None else 0):
        before, now = (times_ms or ())[k - 1], (times_ms or ())[k]
        rr = number(rows[k][1][rr_idx]) if rr_idx < len(rows[k][1]) else None
        if before is not None and now is not None and rr is not None:
            off.append(abs(now - before - rr * factor))
    return _EXACT_BREAK_MS if off and median(off) <= _EXACT_MS else _COARSE_BREAK_MS


def _is_comment(line: str) -> bool:
    return line.startswith(("#", "%", "//"))


def _text(line: bytes) -> str:
    return re.sub(r"\s+", " ", line.decode("utf-8-sig", errors="replace")).strip()
