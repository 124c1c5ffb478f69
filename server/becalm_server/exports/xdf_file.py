"""XDF 1.0: every stream on its own clock with the offsets to session time, indices, beats and markers beside them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO

import numpy as np

from becalm_protocol.derived import Metrics, SlowMetrics
from becalm_protocol.events import Clock, RrBlock, StreamInfo
from becalm_protocol.units import NS_PER_S, ms_from_rr_ticks, s_from_ns
from becalm_server.exports.annotations import annotations
from becalm_server.exports.content import Content
from becalm_server.exports.labels import labels
from becalm_server.exports.track import Block, Track
from becalm_server.exports.xdf_chunks import Channel, XdfStream

# Clock offsets are told as often as LabRecorder asks for them.
_OFFSET_EVERY_NS = 5 * NS_PER_S
_BLOCKS_A_CHUNK = 100
_ROWS_A_CHUNK = 1_000
_RR_CHANNELS = (
    Channel(label="rr", unit="ms"),
    Channel(label="error", unit="ms"),
    Channel(label="usable", unit="bool"),
    Channel(label="heart_rate", unit="bpm"),
    Channel(label="in_contact", unit="bool"),
)
_BEAT_COLUMNS = ("rr_ms", "rr_corrected_ms", "t_error_ms", "rr_error_ms")
Row = tuple[float, Sequence[float]]


def write(content: Content, file: BinaryIO) -> None:
    """Write the whole file, one stream after the other."""
    began = datetime.fromtimestamp(content.started_unix_ns / NS_PER_S, UTC)
    XdfStream.write_file_header(file, datetime_text=began.isoformat(), session_id=content.record.session_id)
    label_of = labels(content.streams)
    for idx, info in enumerate(content.streams, start=1):
        if info.stream_id in content.tracks:
            _write_track(content.tracks[info.stream_id], file, idx=idx, label=label_of[info.stream_id])
        else:
            blocks = (block for _, block in content.rr[info.stream_id])
            _write_intervals(info, blocks, file=file, idx=idx, label=label_of[info.stream_id])
    _write_derived(content, file, idx=len(content.streams) + 1)


def _write_track(track: Track, file: BinaryIO, *, idx: int, label: str) -> None:
    info, zero_ns = track.info, _device_zero_ns(track)
    stream = XdfStream(
        file,
        idx=idx,
        name=label,
        kind=_type(info),
        rate_hz=track.sample_rate_hz,
        source_id=info.stream_id,
        channels=(Channel(label=label, unit=info.unit),),
        more={
            "device": info.device,
            "clock": info.clock.value,
            "unit_per_count": repr(info.unit_per_count),
            "clock_zero_ns": str(zero_ns),
        },
    )
    blocks, told_ns = track.blocks(), -_OFFSET_EVERY_NS
    while several := list(islice(blocks, _BLOCKS_A_CHUNK)):
        stamps_ns = np.concatenate([_stamps_ns(block, info, zero_ns=zero_ns) for block in several])
        counts = track.counts(several[0].start, several[-1].start + several[-1].n_samples)
        stream.numbers(stamps_ns / NS_PER_S, counts[:, None] * info.unit_per_count)
        for block in several:
            if block.last_ns - told_ns >= _OFFSET_EVERY_NS:
                told_ns = block.last_ns
                stamp_ns = float(_stamps_ns(block, info, zero_ns=zero_ns)[-1])
                stream.clock_offset(stamp_ns / NS_PER_S, offset_s=(block.last_ns - stamp_ns) / NS_PER_S)
    stream.close()


def _device_zero_ns(track: Track) -> int:
    """Return the sensor's time at stamp 0: an epoch in nanoseconds is too long for a stamp's 53 bits."""
    if track.info.clock is not Clock.DEVICE:
        return 0
    return next((block.sensor_ns for block in track.blocks() if block.sensor_ns is not None), 0)


def _stamps_ns(block: Block, info: StreamInfo, *, zero_ns: int) -> Any:
    """Return the time of each sample on the stream's own clock; on session time where it has none."""
    if info.clock is not Clock.DEVICE or block.sensor_ns is None:
        return block.times_ns()
    before = np.arange(block.n_samples - 1, -1, -1)
    return (block.sensor_ns - zero_ns) - before * block.sample_period_ns


def _write_intervals(info: StreamInfo, blocks: Iterable[RrBlock], *, file: BinaryIO, idx: int, label: str) -> None:
    stream = XdfStream(
        file, idx=idx, name=label, kind=_type(info), rate_hz=0.0, source_id=info.stream_id, channels=_RR_CHANNELS,
        more={"device": info.device, "clock": "arrival"},
    )  # fmt: skip
    _write_rows(stream, (row for block in blocks for row in _interval_rows(block)))


def _interval_rows(block: RrBlock) -> Iterator[Row]:
    t_s, n_rr = s_from_ns(block.received_ns), len(block.rr_1024)
    told = (_float(block.heart_rate_bpm), _float(block.in_contact))
    for ticks, error_ms, usable in zip(
        block.rr_1024, block.error_ms or (None,) * n_rr, block.usable or (None,) * n_rr, strict=True
    ):
        yield t_s, (ms_from_rr_ticks(ticks), _float(error_ms), _float(usable), *told)
    if not n_rr:
        yield t_s, (np.nan, np.nan, np.nan, *told)


def _write_derived(content: Content, file: BinaryIO, *, idx: int) -> None:
    more = {"pipeline_version": content.pipeline_version, "definitions": "docs/indices.md"}
    beats = [Channel(label=name, unit="ms") for name in _BEAT_COLUMNS]
    sources = sorted({row["source"] for row in content.rows("select_beats")})
    rows_of: list[tuple[str, list[Channel], Iterable[Row]]] = [
        (f"beats {source}", beats, _beat_rows(content, source)) for source in sources
    ]
    rows_of.append(("indices", _index_channels(Metrics.index_names()), _metric_rows(content)))
    rows_of.append(("slow indices", _index_channels(SlowMetrics.index_names()), _slow_rows(content)))
    for name, channels, rows in rows_of:
        stream = XdfStream(
            file, idx=idx, name=name, kind="Derived", rate_hz=0.0, source_id=name, channels=channels, more=more
        )
        _write_rows(stream, rows)
        idx += 1
    stream = XdfStream(
        file, idx=idx, name="markers", kind="Markers", rate_hz=0.0, source_id="markers",
        channels=(Channel(label="text", unit=""),), more=more, texts=True,
    )  # fmt: skip
    stream.texts((s_from_ns(note.t_ns), note.text) for note in annotations(content))
    stream.close()


def _write_rows(stream: XdfStream, rows: Iterable[Row]) -> None:
    """Stamps of events are session time: their clock's offset is 0."""
    going, last_s = iter(rows), None
    while several := list(islice(going, _ROWS_A_CHUNK)):
        if last_s is None:
            stream.clock_offset(several[0][0], offset_s=0.0)
        last_s = several[-1][0]
        stream.numbers(np.array([t_s for t_s, _ in several]), np.array([row for _, row in several], dtype=float))
    stream.close()


def _beat_rows(content: Content, source: str) -> Iterator[Row]:
    for row in content.rows("select_beats"):
        if row["source"] == source:
            yield s_from_ns(row["t_ns"]), [_float(row[name]) for name in _BEAT_COLUMNS]


def _index_channels(names: Iterable[str]) -> list[Channel]:
    return [Channel(label=f"{name}{part}", unit="") for name in names for part in ("", "_bound")]


def _metric_rows(content: Content) -> Iterator[Row]:
    columns = [channel.label for channel in _index_channels(Metrics.index_names())]
    for row in content.rows("select_metrics"):
        yield s_from_ns(row["t_ns"]), [_float(row.get(name)) for name in columns]


def _slow_rows(content: Content) -> Iterator[Row]:
    for row in content.rows("select_slow_metrics"):
        told = [row["indices"].get(name, {}) for name in SlowMetrics.index_names()]
        yield s_from_ns(row["t_ns"]), [_float(one.get(part)) for one in told for part in ("value", "bound")]


def _type(info: StreamInfo) -> str:
    return info.kind.value.upper()


def _float(number: float | None) -> float:
    return np.nan if number is None else float(number)
