"""What every export is made of: a session's streams, events and derived values, in one shape for all writers."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Self

from becalm_protocol.events import Battery, Dropped, Gap, RrBlock, SampleBlock, StreamInfo, StreamStatus
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.snapshot import Snapshot
from becalm_server.exports.columns import ColumnKind
from becalm_server.exports.track import Track

_KINDS = {
    "int4": ColumnKind.INTEGER,
    "int8": ColumnKind.INTEGER,
    "float8": ColumnKind.NUMBER,
    "bool": ColumnKind.BOOLEAN,
}
"""By the names of PostgreSQL's types."""
# 1990 to 2084: FIT counts from 1990, and EDF has two digits for the year, from 1985 on.
_FIRST_UNIX_NS, _LAST_UNIX_NS = 631_152_000 * NS_PER_S, 3_597_523_200 * NS_PER_S
Happening = Gap | StreamStatus | Battery | Dropped


class Content:
    """A session, raw and derived. Samples lie in files, derived rows in the database: memory hardly grows with them.

    A context: it holds files. Without `raw` only what was derived is there.
    """

    def __init__(self, snapshot: Snapshot, *, device_names: bool, raw: bool = True) -> None:
        self._snapshot = snapshot
        self._files = ExitStack()
        self.record: SessionRecord = snapshot.record
        self.pipeline_version = snapshot.pipeline_version
        self.streams = snapshot.streams if device_names else _unnamed(snapshot.streams)
        self.tracks = {info.stream_id: Track(info, self.scratch()) for info in self.streams if info.sample_rate_hz}
        self.rr: dict[str, list[tuple[int, RrBlock]]] = {
            info.stream_id: [] for info in self.streams if not info.sample_rate_hz
        }
        """(sequence number, block) of each stream of intervals."""
        self.happenings: list[tuple[int, Happening]] = []
        """(sequence number, event): everything else that an agent told."""
        for seq, event in snapshot.raw_events() if raw else ():
            self._feed(event, seq=seq)

    def scratch(self) -> BinaryIO:
        """Return a file for what is too long for memory; unnamed, so that nothing is left once this process is gone."""
        return self._files.enter_context(TemporaryFile())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._files.close()

    def _feed(self, event: SampleBlock | RrBlock | Happening, *, seq: int) -> None:
        if isinstance(event, RrBlock):
            self.rr[event.stream_id].append((seq, event))
            return
        track = self.tracks.get(event.stream_id)
        if track is not None and isinstance(event, SampleBlock | Gap):
            track.feed(event, seq=seq)
        if not isinstance(event, SampleBlock):
            self.happenings.append((seq, event))

    def rows(self, statement: str) -> Iterator[dict[str, Any]]:
        """Give the rows of a statement of the archive about this session."""
        return self._snapshot.rows(statement)

    def columns(self, statement: str) -> dict[str, ColumnKind]:
        """Return {column: kind} of such rows, whether there are any or not."""
        return {name: _KINDS.get(kind, ColumnKind.TEXT) for name, kind in self._snapshot.columns(statement).items()}

    @property
    def started_unix_ns(self) -> int:
        """Wall clock at session time 0; where no agent told a sound one, when the session was asked for."""
        told_ns = self.record.started_unix_ns
        if told_ns is not None and _FIRST_UNIX_NS <= told_ns < _LAST_UNIX_NS:
            return told_ns
        created_at = self.record.created_at
        return _FIRST_UNIX_NS if created_at is None else round(created_at.timestamp()) * NS_PER_S

    def span_ns(self) -> tuple[int, int]:
        """Return the session time of the first and the last sample or event, (0, 0) without any."""
        tracks = [track for track in self.tracks.values() if track.n_samples]
        starts_ns = [0, *(track.first_ns for track in tracks)]
        ends_ns = [self.record.duration_ns or 0, *(track.last_ns for track in tracks)]
        ends_ns += [block.received_ns for blocks in self.rr.values() for _, block in blocks]
        ends_ns += [event.received_ns for _, event in self.happenings]
        return min(starts_ns), max(ends_ns)


def _unnamed(streams: tuple[StreamInfo, ...]) -> tuple[StreamInfo, ...]:
    """Number the sensors: people give them names, and serial numbers follow a person from one file to the next."""
    devices = list(dict.fromkeys(info.device for info in streams))
    return tuple(replace(info, device=f"sensor {devices.index(info.device) + 1}") for info in streams)
