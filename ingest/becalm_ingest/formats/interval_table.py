"""The look of a text of intervals: its separators, its decimal sign, its names, its times of day."""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from becalm_ingest.formats.signals import recognise
from becalm_protocol.events import SignalKind

_TIME_NAME = re.compile(r".*(time|stamp).*|t", re.IGNORECASE)
_UNIT = re.compile(r".*?[\[(_ ](ms|msec|s|sec)[\])]?", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:[.,]\d+)?)")


class Table:
    """How the lines of a text fall into cells."""

    def __init__(self, lines: Sequence[str]) -> None:
        body = list(lines[1:] or lines)
        is_semicolons = any(";" in line for line in body)
        self._has_decimal_comma = is_semicolons or _is_decimal_comma(body)
        separators = r" *; *" if is_semicolons else r"[ ]+" if self._has_decimal_comma else r" *, *|[ ]+"
        has_dates = any(re.search(r"\d{4}-\d\d-\d\d[ T]", line) for line in body)
        self._split = re.compile(r" *[;,] *" if has_dates and not is_semicolons else separators)
        first = self.cells(lines[0]) if lines else []
        is_header = bool(first) and all(number(cell) is None and clock_time_ms(cell) is None for cell in first)
        if is_header and not is_semicolons and "," in lines[0]:
            first = re.split(r" *, *", lines[0])
        self.names: tuple[str, ...] = tuple(name.strip(' "') for name in first) if is_header else ()
        kinds = [recognise(re.sub(r"[\[(].*", "", name).strip()) for name in self.names]
        rr = [told is not None and told[0] is SignalKind.RR for told in kinds]
        self.rr_idx = rr.index(True) if any(rr) else None
        times = [idx for idx, name in enumerate(self.names) if idx != self.rr_idx and _TIME_NAME.fullmatch(name)]
        self.time_idx = times[0] if times else None

    def cells(self, line: str) -> list[str]:
        """Return the cells of a line."""
        cells = [cell.strip(' "') for cell in self._split.split(line)]
        return [cell.replace(",", ".") for cell in cells] if self._has_decimal_comma else cells

    def unit(self, idx: int) -> float | None:
        """Return what turns a cell of that column into milliseconds, where its name tells."""
        told = _UNIT.fullmatch(self.names[idx]) if idx < len(self.names) else None
        if told is None:
            return None
        return 1.0 if told[1].lower().startswith("m") else 1000.0


def number(cell: str) -> float | None:
    """Return the finite number in a cell."""
    try:
        told = float(cell)
    except ValueError:
        return None
    return told if math.isfinite(told) else None


def clock_time_ms(cell: str) -> float | None:
    """Return the time of day or date in a cell, in milliseconds."""
    told = _CLOCK.fullmatch(cell)
    if told is not None:
        hours, minutes, seconds = int(told[1]), int(told[2]), float(told[3].replace(",", "."))
        return (hours * 3600 + minutes * 60 + seconds) * 1000
    if not re.match(r"\d{4}-\d\d-\d\d", cell):
        return None
    try:
        moment = datetime.fromisoformat(cell.replace(",", "."))
    except ValueError:
        return None
    return (moment.replace(tzinfo=None) - datetime(2000, 1, 1)).total_seconds() * 1000  # noqa: DTZ001 - differences only


def _is_decimal_comma(lines: Sequence[str]) -> bool:
    """Tell `0,812` (0.812 s) from `1,812` (after 1 s, 812 ms): a time column rises."""
    pairs = [re.fullmatch(r"(\d+),(\d+)", line) for line in lines]
    first = [int(pair[1]) for pair in pairs if pair]
    if len(first) < len(lines) or not first:
        return False
    return first[-1] == first[0] or any(a > b for a, b in pairwise(first))
