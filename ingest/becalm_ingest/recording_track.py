"""One column of samples of a recording: collects runs of counts, marks every break."""

from becalm_protocol import limits
from becalm_protocol.events import Dropped, Gap, GapReason, RawEvent, SampleBlock
from becalm_protocol.units import NS_PER_S


class Track:
    """Sample n of the file's grid is exactly n periods after the first; missing ones are told by Gaps."""

    def __init__(self, *, stream_id: str, sample_rate_hz: float, counts_per_cell: float) -> None:
        self.stream_id = stream_id
        self._period_ns = NS_PER_S / sample_rate_hz
        self._counts_per_cell = counts_per_cell
        self._run: list[int] = []
        self._next_idx = 0
        """Position after the newest sample taken."""
        self._n_missing = 0
        self._missing_reason = GapReason.NOT_A_NUMBER
        self._done: list[RawEvent] = []
        self._n_bad = 0
        self._first_bad = ""

    def take(self, cell: bytes, line_no: int) -> None:
        """Add the sample in a cell; an empty one and NaN are missing, anything else that is no number is dropped."""
        try:
            count = round(float(cell) * self._counts_per_cell)
        except (ValueError, OverflowError):
            self._take_odd(cell, line_no=line_no)
            return
        if not limits.MIN_COUNT <= count <= limits.MAX_COUNT:
            self._take_bad(cell, line_no=line_no)
            return
        if self._n_missing:
            self._end_gap()
        self._run.append(count)

    def skip(self, n_missing: int, *, reason: GapReason) -> None:
        """Leave out samples that the file does not have."""
        if not self._n_missing:
            self._end_run()
            self._missing_reason = reason
        self._n_missing += n_missing

    def cut(self) -> list[RawEvent]:
        """Return what came since the last cut, in order."""
        self._end_run()
        if self._n_bad:
            problem = f"{self._n_bad} cells are no numbers in range, the first is {self._first_bad}"
            t_ns = self._t_ns(self._next_idx + self._n_missing - 1)
            self._done.append(Dropped(stream_id=self.stream_id, received_ns=t_ns, problem=problem))
            self._n_bad = 0
        done, self._done = self._done, []
        return done

    def finish(self) -> list[RawEvent]:
        """Return the rest; samples missing up to the end are a Gap too."""
        rest = self.cut()
        if self._n_missing:
            self._end_gap()
        return [*rest, *self.cut()]

    def _take_odd(self, cell: bytes, *, line_no: int) -> None:
        text = cell.strip().lower()
        if text in (b"", b"nan", b"na", b"null", b"none"):
            self.skip(1, reason=GapReason.NOT_A_NUMBER)
        else:
            self._take_bad(cell, line_no=line_no)

    def _take_bad(self, cell: bytes, *, line_no: int) -> None:
        if not self._n_bad:
            text = "".join(filter(str.isprintable, cell[:24].decode("ascii", errors="replace")))
            self._first_bad = f"'{text}' in line {line_no}"
        self._n_bad += 1
        self.skip(1, reason=GapReason.NOT_A_NUMBER)

    def _t_ns(self, idx: int) -> int:
        return max(0, round(idx * self._period_ns))

    def _end_run(self) -> None:
        run, self._run = self._run, []
        for start in range(0, len(run), limits.MAX_SAMPLES_PER_BLOCK):
            counts = tuple(run[start : start + limits.MAX_SAMPLES_PER_BLOCK])
            last_ns = self._t_ns(self._next_idx + len(counts) - 1)
            self._done.append(
                SampleBlock(
                    stream_id=self.stream_id,
                    received_ns=last_ns,
                    first_sample_idx=self._next_idx,
                    sensor_ns=last_ns,
                    counts=counts,
                )
            )
            self._next_idx += len(counts)

    def _end_gap(self) -> None:
        start_ns = self._t_ns(self._next_idx - 1)
        self._next_idx += self._n_missing
        end_ns = self._t_ns(self._next_idx)
        self._done.append(
            Gap(
                stream_id=self.stream_id,
                received_ns=end_ns,
                start_ns=start_ns,
                end_ns=end_ns,
                n_missing=self._n_missing,
                reason=self._missing_reason,
            )
        )
        self._n_missing = 0
