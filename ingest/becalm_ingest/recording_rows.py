"""The rows of a CSV recording on the grid of its rate: each at its own time, every break and every odd row told."""

from becalm_ingest.recording_columns import SAMPLED, Layout
from becalm_ingest.recording_rate import RowRate, parse_time_ns
from becalm_ingest.recording_track import Track
from becalm_protocol import limits
from becalm_protocol.events import Dropped, GapReason, RawEvent, RrBlock, StreamInfo
from becalm_protocol.units import NS_PER_S, RR_TICKS_PER_S

# A row further than this from where its number puts it is after a break; less is unevenness of the recorder.
_BREAK_STEPS = 1.5
# Of an even recorder a row is missing already where a step is this near to two or more whole ones, and the row as
# near to its place.
_WHOLE_STEPS = 0.2
_LONG_BREAK_S = 60
_MISSHAPEN = "misshapen"


class Rows:
    """Takes the lines of a file in order, the first row being line 2."""

    def __init__(self, layout: Layout, *, streams: tuple[StreamInfo, ...], grid: RowRate) -> None:
        self.next_idx = 0
        self._layout = layout
        self._rate_hz = grid.sample_rate_hz
        self._is_even = grid.is_even
        self._tracks = [
            (idx, Track(stream_id=info.stream_id, sample_rate_hz=grid.sample_rate_hz, counts_per_cell=scale))
            for (idx, name), info in zip(layout.sampled, streams, strict=False)
            for scale in (SAMPLED[name].counts_per_cell,)
        ]
        self._stream_id = streams[0].stream_id
        self._rr_stream_id = streams[-1].stream_id
        self._rr_events: list[RawEvent] = []
        self._began_ns: int | None = None
        self._row_ns: int | None = None
        """Time of the newest row of a file that has RR alone: beats come when they come, on no grid."""
        self._line_no = 1
        self._odd: dict[str, list[int]] = {}
        """What is odd with rows: the line of the first such row, and their number."""
        self._before_ns: int | None = None
        """Time of the row before."""
        self._doubtful: tuple[int, list[bytes]] | None = None
        """Time and cells of a row far ahead of the one before it."""

    def take(self, line: bytes) -> int:
        """Add a row; return the position reached."""
        layout = self._layout
        self._line_no += 1
        cells = line.split(b",")
        if len(cells) != layout.n_columns:
            if not line.strip():
                return self.next_idx
            self._note(_MISSHAPEN)
            self._leave_out(1, reason=GapReason.NOT_A_NUMBER)
            return self.next_idx
        if layout.time_idx is not None and not self._place(cells):
            return self.next_idx
        self._keep(cells)
        return self.next_idx

    def _keep(self, cells: list[bytes]) -> None:
        for idx, track in self._tracks:
            track.take(cells[idx], self._line_no)
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
            self._odd.clear()
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
            self._note(_MISSHAPEN)
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
            self._note("go back in time")
            return False
        before_ns, self._before_ns = self._before_ns, t_ns
        if ahead > 1 - _WHOLE_STEPS and (ahead > _BREAK_STEPS or self._lacks_row(ahead, t_ns - (before_ns or t_ns))):
            self._leave_out(round(ahead), reason=GapReason.FILE_BREAK)
        return True

    def _lacks_row(self, ahead: float, step_ns: int) -> bool:
        """Tell a row that was left out from an uneven recorder: the step is longer by what the row is ahead."""
        steps = step_ns * self._rate_hz / NS_PER_S
        near = abs(ahead - round(ahead)) <= _WHOLE_STEPS and abs(steps - round(steps)) <= _WHOLE_STEPS
        return self._is_even and near and round(steps) >= 2

    def _believe(self, t_ns: int, cells: list[bytes], *, ahead: float) -> bool:
        """Follow a long jump once a second row agrees: a single wrong time must not put all later rows in the past."""
        step_ns = NS_PER_S / self._rate_hz
        doubtful = self._doubtful
        if doubtful is not None and 0 < t_ns - doubtful[0] <= (1 + _BREAK_STEPS) * step_ns:
            self._doubtful = None
            self._before_ns = t_ns
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
            self._note(f"are alone more than {_LONG_BREAK_S} s ahead")
            self._leave_out(1, reason=GapReason.FILE_BREAK)

    def _follow(self, t_ns: int) -> bool:
        """Go to the time of a row without samples, unless it goes back."""
        if not (self._row_ns or 0) <= t_ns <= limits.MAX_SESSION_NS:
            self._note("go back in time")
            return False
        self._row_ns = t_ns
        self.next_idx = int(t_ns * self._rate_hz / NS_PER_S)
        return True

    def _leave_out(self, n_rows: int, *, reason: GapReason) -> None:
        if self.next_idx + n_rows > limits.MAX_SESSION_NS // NS_PER_S * self._rate_hz:
            self._note(_MISSHAPEN)  # years ahead: not a break but a wrong time
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
                got = cell[:24].decode("ascii", errors="replace")
                problem = f"line {self._line_no}: rr_ms: expected 0 to 63,999 ms, got '{got}'"
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
        parts = []
        for what, lines in self._odd.items():
            told = f"do not have {self._layout.n_columns} cells and a time" if what is _MISSHAPEN else what
            parts.append(f"{lines[1]} rows {told}, the first in line {lines[0]}")
        return "; ".join(parts)

    def _note(self, what: str) -> None:
        first_and_n = self._odd.setdefault(what, [self._line_no, 0])
        first_and_n[1] += 1

    def _dropped(self, problem: str, *, stream_id: str | None = None) -> Dropped:
        grid_ns = round(max(0, self.next_idx - 1) * NS_PER_S / self._rate_hz)
        t_ns = grid_ns if self._row_ns is None else self._row_ns
        text = "".join(filter(str.isprintable, problem))[: limits.MAX_NOTE_CHARS]
        return Dropped(stream_id=stream_id or self._stream_id, received_ns=t_ns, problem=text)


def _received_ns(event: RawEvent) -> int:
    return event.received_ns
