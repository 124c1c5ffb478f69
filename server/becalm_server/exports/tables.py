"""A session as tables with a data dictionary: what CSV and Parquet write."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from enum import Enum
from itertools import chain, islice
from typing import Any

from becalm_protocol.events import Battery, Dropped, Gap, RrBlock, StreamInfo, StreamStatus
from becalm_protocol.units import ms_from_rr_ticks
from becalm_server.archive.records import SessionRecord
from becalm_server.exports.columns import Column, ColumnKind, column, kind_of
from becalm_server.exports.content import Content
from becalm_server.exports.derived_tables import derived_tables
from becalm_server.exports.labels import labels
from becalm_server.exports.table import Batch, Table, batches
from becalm_server.exports.track import Block, Track

_BLOCKS_A_BATCH = 200
_HAPPENINGS = ((Gap, "gaps"), (StreamStatus, "stream_states"), (Battery, "batteries"), (Dropped, "dropped"))
_STREAM = column("stream", ColumnKind.TEXT)
_SEQ = column("seq", ColumnKind.INTEGER)


def tables(content: Content) -> Iterator[Table]:
    """Give the tables of a session: about it, raw, derived."""
    label_of = labels(content.streams)
    yield _session(content)
    yield _streams(content.streams, label_of)
    for stream_id, track in content.tracks.items():
        yield _samples(track, label_of[stream_id])
    yield _blocks(content, label_of)
    yield _intervals(content, label_of)
    yield _interval_blocks(content, label_of)
    for cls, name in _HAPPENINGS:
        yield _events(cls, content, name=name, label_of=label_of)
    yield from derived_tables(content)


def _session(content: Content) -> Table:
    cls, record = SessionRecord, content.record
    names = [field.name for field in fields(cls) if field.name not in {"agent_id", "person_id"}]
    cells = [_cell(getattr(record, name)) for name in names]
    return Table(
        name="session",
        meaning="The session; its times are nanoseconds since started_unix_ns",
        columns=(
            *_columns_of(cls, names),
            column("pipeline_version", ColumnKind.TEXT, meaning="changes whenever the same raw data would give others"),
            column("definitions", ColumnKind.TEXT, meaning="where the indices are defined"),
        ),
        batches=lambda: batches([(*cells, content.pipeline_version, "docs/indices.md")]),
    )


def _streams(streams: Sequence[StreamInfo], label_of: dict[str, str]) -> Table:
    names = [field.name for field in fields(StreamInfo)]
    return Table(
        name="streams",
        meaning="The signals of the session's sensors",
        columns=(_STREAM, *_columns_of(StreamInfo, names)),
        batches=lambda: batches(
            (label_of[info.stream_id], *(_cell(getattr(info, name)) for name in names)) for info in streams
        ),
    )


def _samples(track: Track, label: str) -> Table:
    unit = track.info.unit

    def give() -> Iterator[Batch]:
        blocks = track.blocks()
        while several := list(islice(blocks, _BLOCKS_A_BATCH)):
            counts = track.counts(several[0].start, several[-1].start + several[-1].n_samples)
            times_ns = chain.from_iterable(block.times_ns().tolist() for block in several)
            positions = chain.from_iterable(
                range(block.first_sample_idx, block.first_sample_idx + block.n_samples) for block in several
            )
            yield [list(times_ns), list(positions), counts.tolist(), (counts * track.info.unit_per_count).tolist()]

    return Table(
        name=f"samples_{label.lower().replace(' ', '_')}",
        meaning=f"Samples of the stream {label}, repeated ones left out; a jump of sample_idx is a loss",
        columns=(
            column("t_ns", ColumnKind.INTEGER, meaning="session time, as the live pipeline placed it"),
            column("sample_idx", ColumnKind.INTEGER, meaning="position in its stream; lost samples advance it too"),
            column("count", ColumnKind.INTEGER, meaning="as the sensor sent it", unit="count"),
            column("value", ColumnKind.NUMBER, meaning="count times unit_per_count of the stream", unit=unit),
        ),
        batches=give,
    )


def _blocks(content: Content, label_of: dict[str, str]) -> Table:
    names = [field.name for field in fields(Block)]
    return Table(
        name="blocks",
        meaning="What came in one notification: the borders of samples, with the sensor's own time and the arrival",
        columns=(_STREAM, *_columns_of(Block, names)),
        batches=lambda: batches(
            (label_of[stream_id], *(getattr(block, name) for name in names))
            for stream_id, track in content.tracks.items()
            for block in track.blocks()
        ),
    )


def _intervals(content: Content, label_of: dict[str, str]) -> Table:
    def give(label: str, block: RrBlock, *, seq: int) -> Iterator[tuple[Any, ...]]:
        for idx, ticks in enumerate(block.rr_1024):
            error_ms = None if block.error_ms is None else block.error_ms[idx]
            usable = None if block.usable is None else block.usable[idx]
            yield label, seq, block.received_ns, idx, ticks, ms_from_rr_ticks(ticks), error_ms, usable

    return Table(
        name="intervals",
        meaning="Intervals between beats as a sensor told them: untimed, some seconds late",
        columns=(
            _STREAM,
            _SEQ,
            column("received_ns", ColumnKind.INTEGER),
            column("idx", ColumnKind.INTEGER, meaning="position in its notification, the oldest is 0"),
            column("rr_1024", ColumnKind.INTEGER, meaning="the interval as sent"),
            column("rr_ms", ColumnKind.NUMBER, meaning="the same in milliseconds"),
            column("error_ms", ColumnKind.INTEGER, RrBlock),
            column("usable", ColumnKind.BOOLEAN, RrBlock),
        ),
        batches=lambda: batches(
            row
            for stream_id, blocks in content.rr.items()
            for seq, block in blocks
            for row in give(label_of[stream_id], block, seq=seq)
        ),
    )


def _interval_blocks(content: Content, label_of: dict[str, str]) -> Table:
    return Table(
        name="interval_blocks",
        meaning="Notifications of a sensor that tells intervals, those without any included",
        columns=(
            _STREAM,
            _SEQ,
            column("received_ns", ColumnKind.INTEGER),
            column("n_intervals", ColumnKind.INTEGER, meaning="intervals in it"),
            column("heart_rate_bpm", ColumnKind.INTEGER, RrBlock),
            column("in_contact", ColumnKind.BOOLEAN, RrBlock),
        ),
        batches=lambda: batches(
            (label_of[stream_id], seq, b.received_ns, len(b.rr_1024), b.heart_rate_bpm, b.in_contact)
            for stream_id, blocks in content.rr.items()
            for seq, b in blocks
        ),
    )


def _events(cls: type[Any], content: Content, *, name: str, label_of: dict[str, str]) -> Table:
    names = [field.name for field in fields(cls) if field.name != "stream_id"]
    return Table(
        name=name,
        meaning=(cls.__doc__ or name).splitlines()[0],
        columns=(_STREAM, _SEQ, *_columns_of(cls, names)),
        batches=lambda: batches(
            (label_of[event.stream_id], seq, *(_cell(getattr(event, one)) for one in names))
            for seq, event in content.happenings
            if isinstance(event, cls)
        ),
    )


def _columns_of(cls: type[Any], names: Iterable[str]) -> tuple[Column, ...]:
    """Return columns for the fields of a dataclass, their kinds by its annotations."""
    hints = {field.name: _hint(field.type) for field in fields(cls)}
    return tuple(column(name, kind_of(hints[name]), cls) for name in names)


def _hint(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _cell(content: Any) -> Any:
    if isinstance(content, Enum):
        return content.value
    return content.isoformat() if isinstance(content, datetime) else content
