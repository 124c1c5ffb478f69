"""What happened and what was found, as texts on session time: for formats that carry annotations or markers."""

from collections.abc import Iterable, Iterator
from typing import Any

from becalm_protocol.events import Battery, Dropped, Gap, StreamInfo, StreamStatus, value
from becalm_server.exports.content import Content, Happening
from becalm_server.exports.labels import labels


@value
class Annotation:
    """A text at a time, and how long what it speaks of lasted."""

    t_ns: int
    lasted_ns: int | None = None
    text: str


def annotations(content: Content) -> list[Annotation]:
    """Return all annotations of a session in order of time."""
    found = [Annotation(t_ns=0, text=f"Session time 0, pipeline {content.pipeline_version}")]
    found += _phases(list(content.rows("select_phases")), end_ns=content.span_ns()[1])
    found += [Annotation(t_ns=row["t_ns"], text=f"Marker {row['label']}") for row in content.rows("select_markers")]
    found += [_beat(row) for row in content.rows("select_beats")]
    found += [_breath(row) for row in content.rows("select_breaths")]
    found += [_response(row) for row in content.rows("select_responses")]
    found += [_quality(row) for row in content.rows("select_quality")]
    found += _happenings(content.streams, (event for _, event in content.happenings))
    return sorted(found, key=lambda one: one.t_ns)


def _phases(rows: list[dict[str, Any]], *, end_ns: int) -> Iterator[Annotation]:
    ends_ns = [*(row["t_ns"] for row in rows[1:]), end_ns]
    for row, until_ns in zip(rows, ends_ns, strict=False):
        pacer = "" if row["inhale_s"] is None else f", pacer {row['inhale_s']:g} s in {row['exhale_s']:g} s out"
        lasted_ns = max(0, until_ns - row["t_ns"])
        yield Annotation(t_ns=row["t_ns"], lasted_ns=lasted_ns, text=f"Phase {row['phase']}{pacer}")


def _beat(row: dict[str, Any]) -> Annotation:
    return Annotation(t_ns=row["t_ns"], text=f"Beat {row['source']} {row['flag']}")


def _breath(row: dict[str, Any]) -> Annotation:
    source = f" {row['source']}" if row["source"] else ""
    if row["kind"] == "pause":
        return Annotation(t_ns=row["t_ns"], lasted_ns=row["end_ns"] - row["t_ns"], text=f"Breath pause{source}")
    if row["kind"] == "breath":
        lasted_ns = round(60e9 / row["breathing_rate_bpm"])
        return Annotation(t_ns=row["t_ns"], lasted_ns=lasted_ns, text=f"Breath{source} depth {row['depth']:.4g}")
    return Annotation(t_ns=row["t_ns"], text=f"Breath {row['kind']}{source}")


def _response(row: dict[str, Any]) -> Annotation:
    lasted_ns = row["peak_ns"] - row["onset_ns"]
    return Annotation(t_ns=row["onset_ns"], lasted_ns=lasted_ns, text=f"Skin response {row['amplitude_us']:.4g} uS")


def _quality(row: dict[str, Any]) -> Annotation:
    caution = f", {row['caution']}" if row["caution"] else ""
    return Annotation(t_ns=row["t_ns"], text=f"Quality {row['kind']} {row['reason'] or 'usable'}{caution}")


def _happenings(streams: Iterable[StreamInfo], events: Iterable[Happening]) -> Iterator[Annotation]:
    label_of = labels(tuple(streams))
    for event in events:
        label = label_of[event.stream_id]
        if isinstance(event, Gap):
            lasted_ns = event.end_ns - event.start_ns
            yield Annotation(t_ns=event.start_ns, lasted_ns=lasted_ns, text=f"Gap {label} {event.reason.value}")
        elif isinstance(event, StreamStatus):
            yield Annotation(t_ns=event.received_ns, text=f"Stream {label} {event.state.value}")
        elif isinstance(event, Battery):
            yield Annotation(t_ns=event.received_ns, text=f"Battery {label} {event.level_pct} %")
        elif isinstance(event, Dropped):
            yield Annotation(t_ns=event.received_ns, text=f"Dropped {label}")
