"""Recordings as a source of the same shape as a sensor: CSV with unit-named columns, and our own notifications."""

import secrets
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from becalm_ingest import recorder
from becalm_ingest.recording_columns import SAMPLED, Layout, read_layout
from becalm_ingest.recording_lines import Lines
from becalm_ingest.recording_rate import parse_time_ns, sample_rate_hz
from becalm_ingest.recording_track import Track
from becalm_protocol import limits
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, Dropped, GapReason, RawEvent, RrBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_MS, NS_PER_S, RR_TICKS_PER_S

_MAX_CHUNK_MS = 3_600_000
# A row further than this from where its number puts it is after a break; less is unevenness of the recorder.
_BREAK_STEPS = 1.5
_LONG_BREAK_S = 60
_MAX_SHOWN_NAMES = 120


class Recording:
    """A file of samples. `streams` describes it; `events()` reads it, in time order, as often as one likes."""

    def __init__(self, path: Path, *, rate_hz: float | None, chunk_ns: int) -> None:
        self.path = path
        self._lines = Lines(path)
        header = next(iter(self._lines), None)
        if header is None:
            raise RecordingError("expected a header line and rows, got an empty file", path=str(path))
        self._layout = read_layout(header, path=str(path))
        self.sample_rate_hz = sample_rate_hz(
            islice(Lines(path), 1, None), layout=self._layout, given_hz=rate_hz, path=str(path)
        )
        self.warnings = _warnings(self._layout)
        self.streams = _describe(self._layout, sample_rate_hz=self.sample_rate_hz, device=path.name)
        self._chunk_ns = chunk_ns

    def events(self) -> Iterator[RawEvent]:
        """Read the file in blocks of `chunk_ms`; `received_ns` of a block is the time of its last sample."""
        rows = _Rows(self._layout, streams=self.streams, sample_rate_hz=self.sample_rate_hz)
        chunk_rows = self._chunk_ns * self.sample_rate_hz / NS_PER_S
        n_chunks, next_cut = 1, chunk_rows
        for line in islice(iter(self._lines), 1, None):
            if rows.take(line) >= next_cut:
                yield from rows.cut()
                while next_cut <= rows.next_idx:
                    n_chunks += 1
                    next_cut = n_chunks * chunk_rows
        yield from rows.finish(problem=self._lines.problem)


def read_recording(path: Path, *, rate_hz: float | None, chunk_ms: int) -> "Recording | recorder.Notifications":
    """Open a recording. Raises RecordingError, saying what to do, for anything that cannot be played."""
    if not 1 <= chunk_ms <= _MAX_CHUNK_MS:
        raise RecordingError(f"expected blocks of 1 to {_MAX_CHUNK_MS} ms, got {chunk_ms}", path=str(path))
    if recorder.is_notifications(path):
        return recorder.Notifications(path)
    return Recording(path, rate_hz=rate_hz, chunk_ns=chunk_ms * NS_PER_MS)


def _warnings(layout: Layout) -> tuple[str, ...]:
    if not layout.unknown:
        return ()
    names = ", ".join(layout.unknown)[:_MAX_SHOWN_NAMES]
    return (f"These columns are not used, their names are unknown: {names}",)


def _describe(layout: Layout, *, sample_rate_hz: float, device: str) -> tuple[StreamInfo, ...]:
    device = "".join(filter(str.isprintable, device))[: limits.MAX_NAME_CHARS] or "recording"
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


class _Rows:
    """The rows of a file on the grid of its rate."""

    def __init__(self, layout: Layout, *, streams: tuple[StreamInfo, ...], sample_rate_hz: float) -> None:
        self.next_idx = 0
        self._layout = layout
        self._rate_hz = sample_rate_hz
        self._tracks = [
            (idx, Track(stream_id=info.stream_id, sample_rate_hz=sample_rate_hz, counts_per_cell=scale))
            for (idx, name), info in zip(layout.sampled, streams, strict=False)
            for scale in (SAMPLED[name].counts_per_cell,)
        ]
        self._stream_id = streams[0].stream_id
        self._rr_stream_id = streams[-1].stream_id
        self._rr_events: list[RawEvent] = []
        self._began_ns: int | None = None
        self._row_ns: int | None = None
        """Time of the newest row of a file that has RR alone: beats come when they come, on no grid."""
        self._n_backwards = 0
        self._n_misshapen = 0
        self._n_astray = 0
        self._doubtful: tuple[int, list[bytes]] | None = None
        """Time and cells of a row far ahead of the one before it."""

    def take(self, line: bytes) -> int:
        """Add a row; return the position reached."""
        layout = self._layout
        cells = line.split(b",")
        if len(cells) != layout.n_columns:
            if not line.strip():
                return self.next_idx
            self._n_misshapen += 1
            self._leave_out(1, reason=GapReason.NOT_A_NUMBER)
            return self.next_idx
        if layout.time_idx is not None and not self._place(cells):
            return self.next_idx
        self._keep(cells)
        return self.next_idx

    def _keep(self, cells: list[bytes]) -> None:
        for idx, track in self._tracks:
            track.take(cells[idx])
        if self._layout.rr_idx is not None and cells[self._layout.rr_idx].strip():
            self._take_rr(cells)
        self.next_idx += 1

    def cut(self) -> list[RawEvent]:
        """Return the events since the last cut, in time order."""
        events = [event for _, track in self._tracks for event in track.cut()]
        events += self._rr_events
        self._rr_events = []
        if complaint := self._complaint():
            events.append(self._dropped(complaint))
            self._n_misshapen = self._n_backwards = self._n_astray = 0
        events.sort(key=_received_ns)
        return events

    def finish(self, *, problem: str | None) -> list[RawEvent]:
        """Return the rest, and say how the file was cut, if it was."""
        self._disbelieve()
        events = self.cut()
        events += [event for _, track in self._tracks for event in track.finish()]
        if problem:
            events.append(self._dropped(problem))
        events.sort(key=_received_ns)
        return events

    def _place(self, cells: list[bytes]) -> bool:
        """Follow the row's own time: skip over a break, drop a row that goes back."""
        t_ns = parse_time_ns(cells, idx=self._layout.time_idx or 0, unit_ns=self._layout.time_unit_ns)
        if t_ns is None:
            self._n_misshapen += 1
            self._leave_out(1, reason=GapReason.NOT_A_NUMBER)
            return False
        if self._began_ns is None:
            self._began_ns = t_ns
        if not self._tracks:
            return self._follow(t_ns - self._began_ns)
        ahead = (t_ns - self._began_ns) * self._rate_hz / NS_PER_S - self.next_idx
        if ahead > _LONG_BREAK_S * self._rate_hz:
            return self._believe(t_ns, cells, ahead=ahead)
        if self._doubtful is not None:
            self._disbelieve()
            ahead -= 1
        if ahead < -_BREAK_STEPS:
            self._n_backwards += 1
            return False
        if ahead > _BREAK_STEPS:
            self._leave_out(round(ahead), reason=GapReason.FILE_BREAK)
        return True

    def _believe(self, t_ns: int, cells: list[bytes], *, ahead: float) -> bool:
        """Follow a long jump once a second row agrees: a single wrong time must not put all later rows in the past."""
        step_ns = NS_PER_S / self._rate_hz
        doubtful = self._doubtful
        if doubtful is not None and 0 < t_ns - doubtful[0] <= (1 + _BREAK_STEPS) * step_ns:
            self._doubtful = None
            self._leave_out(round(ahead - (t_ns - doubtful[0]) / step_ns), reason=GapReason.FILE_BREAK)
            self._keep(doubtful[1])
            return True
        self._disbelieve()
        self._doubtful = (t_ns, cells)
        return False

    def _disbelieve(self) -> None:
        """Leave out a row whose long jump no second row followed, if there is one."""
        if self._doubtful is not None:
            self._doubtful = None
            self._n_astray += 1
            self._leave_out(1, reason=GapReason.FILE_BREAK)

    def _follow(self, t_ns: int) -> bool:
        """Go to the time of a row without samples, unless it goes back."""
        if not (self._row_ns or 0) <= t_ns <= limits.MAX_SESSION_NS:
            self._n_backwards += 1
            return False
        self._row_ns = t_ns
        self.next_idx = int(t_ns * self._rate_hz / NS_PER_S)
        return True

    def _leave_out(self, n_rows: int, *, reason: GapReason) -> None:
        if self.next_idx + n_rows > limits.MAX_SESSION_NS // NS_PER_S * self._rate_hz:
            self._n_misshapen += 1  # years ahead: not a break but a wrong time
            return
        for _, track in self._tracks:
            track.skip(n_rows, reason=reason)
        self.next_idx += n_rows

    def _take_rr(self, cells: list[bytes]) -> None:
        cell = cells[self._layout.rr_idx or 0]
        try:
            rr_ms = float(cell)
            rr_1024 = round(rr_ms * RR_TICKS_PER_S / 1000)
            block = RrBlock(
                stream_id=self._rr_stream_id,
                received_ns=self._now_ns(),
                rr_1024=(rr_1024,),
                heart_rate_bpm=self._heart_rate_bpm(cells),
            )
        except (ValueError, OverflowError):
            if cell.strip().lower() not in (b"nan", b"na"):
                problem = f"rr_ms: expected 0 to 63,999 ms, got '{cell[:24].decode('ascii', errors='replace')}'"
                self._rr_events.append(self._dropped(problem, stream_id=self._rr_stream_id))
            return
        self._rr_events.append(block)

    def _heart_rate_bpm(self, cells: list[bytes]) -> int | None:
        idx = self._layout.heart_rate_idx
        try:
            return round(float(cells[idx])) if idx is not None else None
        except (ValueError, OverflowError):
            return None

    def _now_ns(self) -> int:
        if self._row_ns is not None:
            return self._row_ns
        return round(self.next_idx * NS_PER_S / self._rate_hz)

    def _complaint(self) -> str:
        parts = [
            (self._n_misshapen, f"rows do not have {self._layout.n_columns} cells and a time"),
            (self._n_backwards, "rows go back in time"),
            (self._n_astray, f"rows are alone more than {_LONG_BREAK_S} s ahead"),
        ]
        return "; ".join(f"{n} {what}" for n, what in parts if n)

    def _dropped(self, problem: str, *, stream_id: str | None = None) -> Dropped:
        grid_ns = round(max(0, self.next_idx - 1) * NS_PER_S / self._rate_hz)
        t_ns = grid_ns if self._row_ns is None else self._row_ns
        text = "".join(filter(str.isprintable, problem))[: limits.MAX_NOTE_CHARS]
        return Dropped(stream_id=stream_id or self._stream_id, received_ns=t_ns, problem=text)


def _received_ns(event: RawEvent) -> int:
    return event.received_ns
