"""A file of sampled signals as a recording: whatever the format, in blocks of one length, in time order."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from becalm_ingest.formats.choosing import Chosen, Found, choose, unused
from becalm_ingest.formats.signals import Choice
from becalm_ingest.formats.strip import INVALID, Strip
from becalm_protocol import limits
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Dropped, RawEvent, value


@value
class Piece:
    """Consecutive samples of one of the chosen signals."""

    signal: int
    """Position in the list of those chosen."""
    counts: Sequence[int]
    t_ns: float | None = None
    """Time of the first; None: they follow those before."""
    invalid: int | None = INVALID
    """The count that stands for a missing sample; None: there is no such count."""


@value
class Frame:
    """What a file holds up to `end_ns`: nothing earlier comes after it."""

    end_ns: float
    pieces: tuple[Piece, ...] = ()
    events: tuple[RawEvent, ...] = ()
    """What has no regular sampling, such as intervals; in time order."""


class SignalFile(Protocol):
    """A file of one format, its header read."""

    @property
    def found(self) -> tuple[Found, ...]:
        """The signals it has."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of it."""

    @property
    def problem(self) -> str | None:
        """How the file is damaged, as far as the newest `frames` has read it."""

    def frames(self, chosen: Sequence[Chosen]) -> Iterator[Frame]:
        """Read the chosen signals in time order, as often as one likes; time 0 is where the first of them begins."""


class SampledRecording:
    """A recording; `streams` and `events()` as in any."""

    def __init__(self, path: Path, file: SignalFile, *, choices: Sequence[Choice], chunk_ns: int) -> None:
        self.path = path
        self._file = file
        self._chosen = choose(file.found, choices=choices, path=str(path), name=path.name)
        self.streams = tuple(one.info for one in self._chosen)
        self.warnings = (*unused(file.found, self._chosen), *file.warnings)
        self._chunk_ns = chunk_ns

    def events(self) -> Iterator[RawEvent]:
        """Read the file in blocks that end at whole chunks of its time; `received_ns` is that of the last sample."""
        strips = [Strip(one.info) for one in self._chosen]
        loose: list[RawEvent] = []
        cut_ns, newest_ns = self._chunk_ns, 0
        for frame in self._file.frames(self._chosen):
            for piece in frame.pieces:
                strips[piece.signal].take(piece.counts, t_ns=piece.t_ns, invalid=piece.invalid)
            loose += frame.events
            if not -limits.MAX_SESSION_NS <= frame.end_ns <= limits.MAX_SESSION_NS:
                raise RecordingError(
                    "expected times within 100 days of its start, got later ones; mend them", path=str(self.path)
                )
            while cut_ns <= frame.end_ns:
                for event in _cut(strips, loose, before_ns=cut_ns):
                    newest_ns = event.received_ns
                    yield event
                cut_ns = self._next_cut(cut_ns, strips, loose, end_ns=frame.end_ns)
        rest = _cut(strips, loose, before_ns=math.inf) + [event for strip in strips for event in strip.finish()]
        rest.sort(key=_received_ns)
        yield from rest
        newest_ns = max([newest_ns, *(event.received_ns for event in rest)])
        yield from self._complaints(strips, at_ns=newest_ns)

    def _next_cut(self, cut_ns: int, strips: Sequence[Strip], loose: Sequence[RawEvent], *, end_ns: float) -> int:
        """Step over chunks in which there is nothing: a break may last for days."""
        earliest_ns = min([strip.earliest_ns for strip in strips] + [event.received_ns for event in loose[:1]])
        empty = (min(earliest_ns, end_ns) - cut_ns) // self._chunk_ns
        return cut_ns + self._chunk_ns * (1 + max(0, int(empty)))

    def _complaints(self, strips: Sequence[Strip], *, at_ns: int) -> Iterator[RawEvent]:
        problems = [(strip, f"{strip.n_backwards} samples go back in time") for strip in strips if strip.n_backwards]
        if self._file.problem:
            problems.append((strips[0], self._file.problem))
        for strip, problem in problems:
            yield Dropped(stream_id=strip.info.stream_id, received_ns=at_ns, problem=problem[: limits.MAX_NOTE_CHARS])


def _cut(strips: Sequence[Strip], loose: list[RawEvent], *, before_ns: float) -> list[RawEvent]:
    events = [event for strip in strips for event in strip.cut(before_ns)]
    n_loose = sum(1 for event in loose if event.received_ns < before_ns)
    events += loose[:n_loose]
    del loose[:n_loose]
    events.sort(key=_received_ns)
    return events


def _received_ns(event: RawEvent) -> int:
    return event.received_ns
