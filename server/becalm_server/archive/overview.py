"""A window of a stream for the eye: of every bucket the first, smallest, largest and last sample, so no peak is lost.

The down-sampling is M4 (Jugel et al. 2014, doi:10.14778/2732951.2732953): drawn as a line, as many buckets as pixels
look as all samples would.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import StreamInfo, require, value
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.packed_bodies import SAMPLE_BYTES, Counts, inflate_counts
from becalm_server.archive.packed_rows import EPOCH_UNIX_NS, MAX_SPAN_S
from becalm_server.archive.records import SampleStream

Times = NDArray[np.int64]
# Agents stamp an arrival within a second or two of the sample; a sensor's own clock may place it a little later.
REACH_NS = (3 * NS_PER_S, 15 * NS_PER_S)
# An hour of a strap is a megabyte; longer windows are read piece by piece.
MAX_PIECE_NS = 2 * 3600 * NS_PER_S
# Between two rows of one sensor the rate is learned from their places; beyond this there was a hole between them.
_RATE_TOLERANCE = 0.2


@value
class Overview:
    """Samples of a window, thinned."""

    stream: StreamInfo
    placed: bool
    """Whether all samples lie where the pipeline placed them. While a session runs, and some minutes after, arrival
    alone tells where they lie: some tenths of a second late, by the latency of the link."""
    t_ns: Times
    """Session time, rising."""
    counts: Counts
    """Times `stream.unit_per_count` gives the unit."""


@value
class Placed:
    """Rows of samples and where on session time each of them begins."""

    counts: Counts
    first_ns: Times
    n_samples: NDArray[np.int64]
    period_ns: NDArray[np.float64]


class Window:
    """Which samples of a stream are asked for; Archive.overview reads them piece by piece."""

    def __init__(self, stream: SampleStream, *, start_ns: int, end_ns: int, n_buckets: int) -> None:
        require(end_ns > start_ns, "end_ns", f"after start_ns {start_ns}", end_ns)
        require(n_buckets > 0, "n_buckets", "1 or more", n_buckets)
        self._stream = stream
        self._borders = pieces(start_ns, end_ns, n_buckets=n_buckets)
        self._placed = True
        self._t_ns = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int32)

    def wishes(self) -> Iterator[tuple[Times, dict[str, Any]]]:
        """Give the borders of each piece with the parameters of select_window."""
        stream = self._stream
        named = {"stream_id": stream.info.stream_id, "stream_no": stream.stream_no}
        for borders in self._borders:
            yield borders, named | received_bounds(borders, started_unix_ns=stream.started_unix_ns)

    def add(self, borders: Times, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take what select_window found for a piece."""
        placed = place(rows, self._stream)
        t_ns, counts = thin(placed, borders)
        self._placed = self._placed and all(row["packed"] for row in rows)
        self._t_ns, self._counts = np.concatenate([self._t_ns, t_ns]), np.concatenate([self._counts, counts])

    def overview(self) -> Overview:
        """Return all pieces together."""
        return Overview(stream=self._stream.info, placed=self._placed, t_ns=self._t_ns, counts=self._counts)


def pieces(start_ns: int, end_ns: int, *, n_buckets: int) -> Iterator[Times]:
    """Give the borders of the buckets, so many at once that the samples between them fit into memory."""
    borders = start_ns + (end_ns - start_ns) * np.arange(n_buckets + 1, dtype=object) // n_buckets
    n_at_once = max(1, int(MAX_PIECE_NS * n_buckets // (end_ns - start_ns)))
    for first in range(0, n_buckets, n_at_once):
        yield borders[first : first + n_at_once + 1].astype(np.int64)


def received_bounds(borders: Times, *, started_unix_ns: int) -> dict[str, int]:
    """Return within which arrivals the samples between borders are looked for."""
    low_ns, high_ns = int(borders[0]) - REACH_NS[0], int(borders[-1]) + REACH_NS[1]
    ahead_ns = started_unix_ns - EPOCH_UNIX_NS
    return {
        "started_unix_ns": started_unix_ns,
        "low_ns": low_ns,
        "high_ns": high_ns,
        "low_second": (low_ns + ahead_ns) // NS_PER_S - MAX_SPAN_S,
        "high_second": (high_ns + ahead_ns) // NS_PER_S,
    }


def place(rows: Sequence[Mapping[str, Any]], stream: SampleStream) -> Placed:
    """Return the samples of rows of select_window on session time."""
    nominal_ns = NS_PER_S / (stream.info.sample_rate_hz or 1.0)
    parts = [_part(row, nominal_ns=nominal_ns, started_unix_ns=stream.started_unix_ns) for row in rows]
    empty = np.zeros(0, np.int64)
    first_ns = np.concatenate([empty, *(part[1] for part in parts)])
    n_samples = np.concatenate([empty, *(part[2] for part in parts)])
    counts = np.concatenate([np.zeros(0, np.int16), *(part[0] for part in parts)])
    order = np.argsort(first_ns, kind="stable")
    if len(order) and np.any(np.diff(order) < 0):
        starts = n_samples.cumsum() - n_samples
        counts = np.concatenate([counts[starts[k] : starts[k] + n_samples[k]] for k in order])
        first_ns, n_samples = first_ns[order], n_samples[order]
    return Placed(
        counts=counts, first_ns=first_ns, n_samples=n_samples, period_ns=_periods(first_ns, n_samples, nominal_ns)
    )


def thin(placed: Placed, borders: Times) -> tuple[Times, Counts]:
    """Return time and count of the first, smallest, largest and last sample of each bucket between borders."""
    starts = placed.n_samples.cumsum() - placed.n_samples
    if not len(starts):
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    edges = _positions(placed, starts, borders)
    firsts, ends = edges[:-1][np.diff(edges) > 0], edges[1:][np.diff(edges) > 0]
    if not len(firsts):
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    window = placed.counts[firsts[0] : ends[-1]]
    extremes = [_earliest(window, firsts - firsts[0], extreme) for extreme in (np.minimum, np.maximum)]
    kept = np.unique(np.concatenate([firsts, ends - 1, *(found + firsts[0] for found in extremes)]))
    rows = np.searchsorted(starts, kept, side="right") - 1
    t_ns = placed.first_ns[rows] + np.rint((kept - starts[rows]) * placed.period_ns[rows]).astype(np.int64)
    return np.maximum.accumulate(t_ns), placed.counts[kept]


def _earliest(window: Counts, firsts: NDArray[np.int64], extreme: np.ufunc) -> NDArray[np.int64]:
    """Return the first position in each bucket of its smallest or largest sample; `firsts` are where buckets begin."""
    n_samples = np.diff(firsts, append=len(window))
    found = np.flatnonzero(window == np.repeat(extreme.reduceat(window, firsts), n_samples))
    buckets = np.searchsorted(firsts, found, side="right")
    earliest: NDArray[np.int64] = found[np.diff(buckets, prepend=0) > 0]
    return earliest


def _part(row: Mapping[str, Any], *, nominal_ns: float, started_unix_ns: int) -> tuple[Counts, Times, Times]:
    form, bodies = row["form"], row["bodies"]
    n_samples = np.asarray(row["n_samples"], dtype=np.int64)
    if row["packed"]:
        counts = inflate_counts(form, bodies)
        second_ns = np.asarray(row["seconds"], dtype=np.int64) * NS_PER_S - (started_unix_ns - EPOCH_UNIX_NS)
        return counts, second_ns + np.asarray(row["placed_us"], dtype=np.int64) * 1_000, n_samples
    counts = np.frombuffer(b"".join(bodies), f"<i{SAMPLE_BYTES[form]}")
    received_ns = np.asarray(row["received_ns"], dtype=np.int64)
    return counts, received_ns - np.rint((n_samples - 1) * nominal_ns).astype(np.int64), n_samples


def _periods(first_ns: Times, n_samples: NDArray[np.int64], nominal_ns: float) -> NDArray[np.float64]:
    """Return the sample period of each row: up to the next row, the nominal one where something lies between."""
    periods = np.full(len(first_ns), nominal_ns)
    told = np.diff(first_ns) / n_samples[:-1]
    sound = np.abs(told / nominal_ns - 1.0) < _RATE_TOLERANCE
    periods[:-1][sound] = told[sound]
    return periods


def _positions(placed: Placed, starts: NDArray[np.int64], borders: Times) -> NDArray[np.int64]:
    """Return how many samples lie before each border."""
    rows = np.maximum(np.searchsorted(placed.first_ns, borders, side="right") - 1, 0)
    within = np.ceil((borders - placed.first_ns[rows]) / placed.period_ns[rows]).astype(np.int64)
    positions: NDArray[np.int64] = starts[rows] + np.clip(within, 0, placed.n_samples[rows])
    return np.maximum.accumulate(positions)
