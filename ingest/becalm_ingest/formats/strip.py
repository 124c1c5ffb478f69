"""One sampled signal of a file: takes pieces of it with their times, gives blocks up to a time, tells every break."""

import math
from collections import deque
from collections.abc import Sequence

from becalm_protocol import limits
from becalm_protocol.events import Gap, GapReason, RawEvent, SampleBlock, StreamInfo
from becalm_protocol.units import NS_PER_S

INVALID = limits.MIN_COUNT - 1
"""Stands for a sample that the file marks as missing or that is no number."""
# A piece further than this from where the samples before it end is after a break; less is rounding of its time.
_BREAK_PERIODS = 0.5


class Strip:
    """Samples lie one period after another from the start of each stretch; after a break one begins at its own time."""

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self.n_backwards = 0
        """Samples left out because others already stand at their time."""
        self._period_ns = NS_PER_S / (info.sample_rate_hz or 1.0)
        self._next_idx = 0
        self._base_ns, self._base_idx = 0.0, 0
        """Where the stretch under way begins."""
        self._before_ns = 0
        """Time of the newest sample, where the gap under way begins."""
        self._missing: tuple[int, GapReason] | None = None
        self._runs: deque[tuple[float, int, Sequence[int]]] = deque()
        """(time, position, counts) of what is not given out yet; a gap lies between runs as an event of its own."""
        self._gaps: deque[Gap] = deque()

    def take(self, counts: Sequence[int], *, t_ns: float | None, invalid: int | None = INVALID) -> None:
        """Add samples, the first of them at `t_ns`; None: they follow those before. `invalid` ones are missing."""
        if t_ns is not None:
            counts = counts[self._place(t_ns, len(counts)) :]
        if not counts:
            return
        if invalid is None or invalid not in counts:
            self._add(counts)
            return
        start = 0
        while start < len(counts):
            is_missing = counts[start] == invalid
            end = start + 1
            while end < len(counts) and (counts[end] == invalid) == is_missing:
                end += 1
            if is_missing:
                self._skip(end - start, reason=GapReason.NOT_A_NUMBER)
            else:
                self._add(counts[start:end])
            start = end

    @property
    def earliest_ns(self) -> float:
        """Time of the earliest sample that is not given out; infinite where there is none."""
        return self._runs[0][0] if self._runs else math.inf

    def cut(self, before_ns: float) -> list[RawEvent]:
        """Return what lies before a time, in order."""
        events: list[RawEvent] = []
        while self._runs and self._runs[0][0] < before_ns:
            t_ns, idx, counts = self._runs.popleft()
            while self._gaps and self._gaps[0].end_ns <= t_ns + 1:
                events.append(self._gaps.popleft())
            n = len(counts)
            if t_ns + (n - 1) * self._period_ns >= before_ns:
                n = max(1, math.ceil((before_ns - t_ns) / self._period_ns))
                if n < len(counts):
                    self._runs.appendleft((t_ns + n * self._period_ns, idx + n, counts[n:]))
            events += self._blocks(t_ns, idx, counts[:n])
        return events

    def finish(self) -> list[RawEvent]:
        """Return the rest; samples missing up to the end are a Gap too."""
        events = self.cut(math.inf)
        if self._missing is not None:
            self._end_gap()
        events += self._gaps
        self._gaps.clear()
        return events

    def _place(self, t_ns: float, n_samples: int) -> int:
        """Move to the time of a piece; return how many of its samples are already there."""
        if not self._next_idx and self._missing is None:
            self._base_ns = t_ns
            if t_ns >= 0.5 * self._period_ns:  # a signal that begins after the others
                self._base_idx = self._next_idx = round(t_ns / self._period_ns)
            return 0
        missing = self._missing[0] if self._missing else 0
        ahead = (t_ns - self._time_of(self._next_idx + missing)) / self._period_ns
        if ahead > _BREAK_PERIODS:
            self._skip(max(1, round(ahead)), reason=GapReason.FILE_BREAK, goes_on_ns=t_ns)
        elif ahead < -_BREAK_PERIODS:
            n_double = min(n_samples, round(-ahead))
            self.n_backwards += n_double
            return n_double
        return 0

    def _time_of(self, idx: float) -> float:
        return self._base_ns + (idx - self._base_idx) * self._period_ns

    def _skip(self, n_missing: int, *, reason: GapReason, goes_on_ns: float | None = None) -> None:
        before, first_reason = self._missing or (0, reason)
        self._missing = (before + n_missing, first_reason)
        if goes_on_ns is not None:
            self._base_ns, self._base_idx = goes_on_ns, self._next_idx + before + n_missing

    def _end_gap(self) -> None:
        n_missing, reason = self._missing or (0, GapReason.FILE_BREAK)
        self._next_idx += n_missing
        self._missing = None
        end_ns = max(self._before_ns, round(self._time_of(self._next_idx)))
        self._gaps.append(
            Gap(
                stream_id=self.info.stream_id,
                received_ns=end_ns,
                start_ns=self._before_ns,
                end_ns=end_ns,
                n_missing=n_missing,
                reason=reason,
            )
        )

    def _add(self, counts: Sequence[int]) -> None:
        if self._missing is not None:
            self._end_gap()
        self._runs.append((self._time_of(self._next_idx), self._next_idx, counts))
        self._next_idx += len(counts)
        self._before_ns = round(self._time_of(self._next_idx - 1))

    def _blocks(self, t_ns: float, idx: int, counts: Sequence[int]) -> list[RawEvent]:
        blocks: list[RawEvent] = []
        for start in range(0, len(counts), limits.MAX_SAMPLES_PER_BLOCK):
            part = tuple(counts[start : start + limits.MAX_SAMPLES_PER_BLOCK])
            last_ns = round(t_ns + (start + len(part) - 1) * self._period_ns)
            blocks.append(
                SampleBlock(
                    stream_id=self.info.stream_id,
                    received_ns=last_ns,
                    first_sample_idx=idx + start,
                    sensor_ns=last_ns,
                    counts=part,
                )
            )
        return blocks
