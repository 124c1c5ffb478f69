"""The sample rate of a recording: given by the person, or measured on the file's own time column."""

from collections.abc import Iterable
from itertools import islice
from statistics import median

from becalm_ingest.recording_columns import Layout
from becalm_protocol import limits
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

# The typical step is taken from this many rows; a longer one is a break in the recording.
_N_FIRST_STEPS = 1_001
_BREAK_STEPS = 1.5
# Of an uneven recorder long steps belong to the mean as short ones do: this many median deviations hold them all.
_UNEVEN_STEPS = 6.0
# Rounding of times to milliseconds is below this at any rate up to 250 Hz, the jitter of a phone above it.
_EVEN_STEPS = 0.13
# A rate given beside a time column must agree with it.
_MAX_DISAGREEMENT = 0.05


def checked_rate_hz(rate_hz: float, *, path: str) -> float:
    """Return a rate that a signal can have. Raises RecordingError."""
    low, high = limits.MIN_SAMPLE_RATE_HZ, limits.MAX_SAMPLE_RATE_HZ
    if not low <= rate_hz <= high:
        raise RecordingError(f"expected a sample rate of {low:g} to {high:g} Hz, got {rate_hz:g}", path=path)
    return rate_hz


@value
class RowRate:
    """The rate of a file's rows."""

    sample_rate_hz: float
    is_even: bool
    """Its time column has steps that are near enough to one another to tell a single missing row."""


def row_rate(lines: Iterable[bytes], *, layout: Layout, given_hz: float | None, path: str) -> RowRate:
    """Return the rate of a file's rows. Raises RecordingError where none is known or possible."""
    if given_hz is not None:
        checked_rate_hz(given_hz, path=path)
    if layout.time_idx is None:
        if given_hz is None:
            raise RecordingError("expected a time_s or time_ns column, got none; give its rate by --rate-hz", path=path)
        return RowRate(sample_rate_hz=given_hz, is_even=False)
    measured = _measure(lines, layout=layout)
    if measured is None:
        if given_hz is None:
            raise RecordingError("expected rising times in two rows or more; give the rate by --rate-hz", path=path)
        return RowRate(sample_rate_hz=given_hz, is_even=False)
    measured_hz = measured.sample_rate_hz
    checked_rate_hz(measured_hz, path=path)
    if given_hz is not None and abs(given_hz / measured_hz - 1) > _MAX_DISAGREEMENT:
        raise RecordingError(
            f"expected a rate near {measured_hz:.2f} Hz as its time column says, got {given_hz:g}; leave --rate-hz out",
            path=path,
        )
    return measured


def _measure(lines: Iterable[bytes], *, layout: Layout) -> RowRate | None:
    """Mean rate over all steps that are no breaks: rounded times give a wrong rate from a few rows, not from all."""
    steps = _steps_ns(lines, layout=layout)
    first = list(islice(steps, _N_FIRST_STEPS))
    if not first:
        return None
    typical_ns = median(first)
    uneven_ns = median(abs(step_ns - typical_ns) for step_ns in first)
    longest_ns = max(_BREAK_STEPS * typical_ns, typical_ns + _UNEVEN_STEPS * uneven_ns)
    n_steps, sum_ns = 0, 0.0
    for ordinary in (first, steps):
        for step_ns in ordinary:
            if step_ns <= longest_ns:
                n_steps += 1
                sum_ns += step_ns
    if not sum_ns:
        return None
    return RowRate(sample_rate_hz=n_steps * NS_PER_S / sum_ns, is_even=uneven_ns < _EVEN_STEPS * typical_ns)


def _steps_ns(lines: Iterable[bytes], *, layout: Layout) -> Iterable[float]:
    idx, unit_ns = layout.time_idx, layout.time_unit_ns
    before_ns: float | None = None
    for line in lines:
        t_ns = parse_time_ns(line.split(b","), idx=idx or 0, unit_ns=unit_ns)
        if t_ns is None:
            continue
        if before_ns is not None and t_ns > before_ns:
            yield t_ns - before_ns
        before_ns = t_ns


def parse_time_ns(cells: list[bytes], *, idx: int, unit_ns: float) -> int | None:
    """Return the time of a row, None where it has none. Whole nanoseconds stay exact, though they exceed a float."""
    try:
        cell = cells[idx]
        if unit_ns == 1.0 and b"." not in cell and b"e" not in cell:
            return int(cell)
        return round(float(cell) * unit_ns)
    except (ValueError, IndexError, OverflowError):
        return None
