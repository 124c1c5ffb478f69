"""Every sample of a short window of a stream, each placed on session time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from becalm_protocol.events import StreamInfo, value
from becalm_server.archive.overview import Times, place
from becalm_server.archive.packed_bodies import Counts
from becalm_server.archive.records import SampleStream


@value
class Run:
    """Samples one after another: number k is at `t_ns + k * period_ns`."""

    t_ns: int
    period_ns: float
    n_samples: int


@value
class Samples:
    """All samples of a window."""

    stream: StreamInfo
    placed: bool
    """As in `Overview`: False where arrival alone tells when they were."""
    runs: tuple[Run, ...]
    counts: Counts
    """Of all runs, one after another."""


def cut(rows: Sequence[Mapping[str, Any]], stream: SampleStream, *, borders: Times) -> Samples:
    """Return the samples at or after the first border and before the last that rows of select_window hold."""
    placed = place(rows, stream)
    start_ns, end_ns = int(borders[0]), int(borders[-1])
    first = np.maximum(np.ceil((start_ns - placed.first_ns) / placed.period_ns), 0).astype(np.int64)
    end = np.clip(np.ceil((end_ns - placed.first_ns) / placed.period_ns), 0, placed.n_samples).astype(np.int64)
    starts = placed.n_samples.cumsum() - placed.n_samples
    runs, counts = [], [np.zeros(0, np.int32)]
    for k in np.flatnonzero(end > first):
        period_ns = float(placed.period_ns[k])
        t_ns = int(placed.first_ns[k]) + round(int(first[k]) * period_ns)
        runs.append(Run(t_ns=t_ns, period_ns=period_ns, n_samples=int(end[k] - first[k])))
        counts.append(placed.counts[starts[k] + first[k] : starts[k] + end[k]])
    return Samples(
        stream=stream.info, placed=all(row["packed"] for row in rows), runs=tuple(runs), counts=np.concatenate(counts)
    )
