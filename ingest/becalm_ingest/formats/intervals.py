"""A recording of intervals between beats alone: RR text, heart-rate monitors' files."""

import secrets
from collections.abc import Iterator
from pathlib import Path

from becalm_ingest.formats.choosing import label_of
from becalm_protocol import limits
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, Dropped, Gap, GapReason, RawEvent, RrBlock, SignalKind, StreamInfo
from becalm_protocol.units import NS_PER_MS, RR_TICKS_PER_S

_LONGEST_MS = 0xFFFF * 1000 / RR_TICKS_PER_S


class Intervals:
    """Collects the intervals of one stream; each block comes at the beat that ends it."""

    def __init__(self, path: Path) -> None:
        self.info = StreamInfo(
            stream_id=secrets.token_hex(16),
            kind=SignalKind.RR,
            unit="1/1024 s",
            unit_per_count=1.0,
            clock=Clock.ARRIVAL,
            device=label_of(path.name),
        )
        self.n_intervals = 0
        self.t_ns = 0
        """Time of the newest beat."""
        self._events: list[RawEvent] = []
        self._bad: list[str] = []
        self._path = path

    def add(self, rr_ms: float, *, t_ns: int | None = None, at: str) -> None:
        """Add an interval that ends at `t_ns` (None: it follows the one before); `at` is its place in the file."""
        if not 0 < rr_ms <= _LONGEST_MS:
            self.leave_out(f"{rr_ms:g} ms", at=at)
            return
        end_ns = self.t_ns + round(rr_ms * NS_PER_MS) if t_ns is None else t_ns
        if not self.t_ns <= end_ns <= limits.MAX_SESSION_NS:
            self.leave_out("a time that goes back", at=at)
            return
        self.t_ns = end_ns
        rr_1024 = (round(rr_ms * RR_TICKS_PER_S / 1000),)
        self._events.append(RrBlock(stream_id=self.info.stream_id, received_ns=end_ns, rr_1024=rr_1024))
        self.n_intervals += 1

    def leave_out(self, got: str, *, at: str) -> None:
        """Note something that is no interval: those on its two sides do not follow one another."""
        self._bad.append(f"{at}: {got}")
        self.gap(self.t_ns, reason=GapReason.NOT_A_NUMBER)

    def gap(self, end_ns: int, *, reason: GapReason) -> None:
        """Note that the intervals go on at `end_ns`."""
        if self._events:
            end_ns = max(self.t_ns, end_ns)
            self._events.append(
                Gap(
                    stream_id=self.info.stream_id,
                    received_ns=end_ns,
                    start_ns=self.t_ns,
                    end_ns=end_ns,
                    reason=reason,
                )
            )
            self.t_ns = end_ns

    def recording(self, *, warnings: tuple[str, ...] = (), problem: str | None = None) -> "IntervalRecording":
        """Return what was collected. Raises RecordingError where it is nothing."""
        if not self.n_intervals:
            got = f"none ({self._bad[0]})" if self._bad else "none"
            raise RecordingError(
                f"expected intervals between beats, got {got}; check that the file holds any", path=str(self._path)
            )
        if self._bad:
            problem = f"{len(self._bad)} are no intervals, the first in {self._bad[0]}" + (
                f"; {problem}" if problem else ""
            )
        if problem:
            note = "".join(filter(str.isprintable, problem))[: limits.MAX_NOTE_CHARS]
            self._events.append(Dropped(stream_id=self.info.stream_id, received_ns=self.t_ns, problem=note))
        return IntervalRecording(self._path, info=self.info, events=tuple(self._events), warnings=warnings)


class IntervalRecording:
    """A recording; `streams` and `events()` as in any."""

    def __init__(
        self, path: Path, *, info: StreamInfo, events: tuple[RawEvent, ...], warnings: tuple[str, ...]
    ) -> None:
        self.path = path
        self.streams = (info,)
        self.warnings = warnings
        self._events = events

    def events(self) -> Iterator[RawEvent]:
        """Return the intervals one by one, in time order."""
        return iter(self._events)
