"""A recording in CSV with unit-named columns, plain or gzip."""

import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from becalm_ingest.formats.choosing import label_of
from becalm_ingest.formats.signals import Choice
from becalm_ingest.recording_columns import SAMPLED, Layout, read_layout
from becalm_ingest.recording_lines import Lines
from becalm_ingest.recording_rate import row_rate
from becalm_ingest.recording_rows import Rows
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, RawEvent, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_S

_MAX_SHOWN_NAMES = 120


class Recording:
    """A file of samples. `streams` describes it; `events()` reads it, in time order, as often as one likes."""

    def __init__(self, path: Path, *, rate_hz: float | None, chunk_ns: int, choices: Sequence[Choice] = ()) -> None:
        self.path = path
        self._lines = Lines(path)
        header = next(iter(self._lines), None)
        if header is None:
            raise RecordingError("expected a header line and rows, got an empty file", path=str(path))
        self._layout = read_layout(header, path=str(path), choices=choices)
        self._grid = row_rate(islice(Lines(path), 1, None), layout=self._layout, given_hz=rate_hz, path=str(path))
        self.sample_rate_hz = self._grid.sample_rate_hz
        self.warnings = _warnings(self._layout)
        self.streams = _describe(self._layout, sample_rate_hz=self.sample_rate_hz, device=path.name)
        self._chunk_ns = chunk_ns

    def events(self) -> Iterator[RawEvent]:
        """Read the file in blocks of `chunk_ms`; `received_ns` of a block is the time of its last sample."""
        rows = Rows(self._layout, streams=self.streams, grid=self._grid)
        chunk_rows = self._chunk_ns * self.sample_rate_hz / NS_PER_S
        n_chunks, next_cut = 1, chunk_rows
        for line in islice(iter(self._lines), 1, None):
            if rows.take(line) >= next_cut:
                yield from rows.cut()
                while next_cut <= rows.next_idx:
                    n_chunks += 1
                    next_cut = n_chunks * chunk_rows
        yield from rows.finish(problem=self._lines.problem)


def _warnings(layout: Layout) -> tuple[str, ...]:
    if not layout.unknown:
        return ()
    names = ", ".join(layout.unknown)[:_MAX_SHOWN_NAMES]
    return (f"These columns are not used, their names are unknown: {names}",)


def _describe(layout: Layout, *, sample_rate_hz: float, device: str) -> tuple[StreamInfo, ...]:
    device = label_of(device)
    streams = [
        StreamInfo(
            stream_id=secrets.token_hex(16),
            kind=SAMPLED[name].kind,
            unit=SAMPLED[name].unit,
            unit_per_count=SAMPLED[name].unit_per_count,
            sample_rate_hz=sample_rate_hz,
            clock=Clock.SESSION,
            device=device,
        )
        for _, name in layout.sampled
    ]
    if layout.rr_idx is not None:
        rr = StreamInfo(
            stream_id=secrets.token_hex(16),
            kind=SignalKind.RR,
            unit="1/1024 s",
            unit_per_count=1.0,
            clock=Clock.ARRIVAL,
            device=device,
        )
        streams.append(rr)
    return tuple(streams)
