"""What the archive gives back about sessions and streams."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from becalm_protocol.events import Clock, SignalKind, StreamInfo, value
from becalm_protocol.handshake import Source
from becalm_protocol.wishes import BreathWish


@value
class SessionRecord:
    """A session as it stands in the archive."""

    session_id: str
    agent_id: str | None = None
    person_id: str | None = None
    """Whose body it is of."""
    source: Source
    baseline_s: float
    inhale_s: float | None = None
    exhale_s: float | None = None
    created_at: datetime | None = None
    started_unix_ns: int | None = None
    ended_at: datetime | None = None
    duration_ns: int | None = None
    closed_by_server: bool = False
    """Nobody closed it; its end is its last sample."""


@value
class StreamRecord:
    """A stream and how far it is committed."""

    info: StreamInfo
    acked_seq: int
    n_duplicates: int


@value
class SampleStream:
    """A stream of samples, of a session that has begun."""

    info: StreamInfo
    stream_no: int
    """Names it in packed rows."""
    started_unix_ns: int
    duration_ns: int | None
    """Of its session; None while that runs."""


def session_record(row: dict[str, Any]) -> SessionRecord:
    """Return a row of the session table as a value."""
    return SessionRecord(**{**row, "source": Source(row["source"])})


def stream_record(row: Mapping[str, Any]) -> StreamRecord:
    """Return a row of the stream table as a value."""
    info = StreamInfo(
        stream_id=row["stream_id"],
        kind=SignalKind(row["kind"]),
        unit=row["unit"],
        unit_per_count=row["unit_per_count"],
        sample_rate_hz=row["sample_rate_hz"],
        clock=Clock(row["clock"]),
        device=row["device"],
    )
    return StreamRecord(info=info, acked_seq=row["acked_seq"], n_duplicates=row["n_duplicates"])


def sample_stream(row: Mapping[str, Any]) -> SampleStream:
    """Return a row of select_sample_stream as a value."""
    own = {name: row[name] for name in ("stream_no", "started_unix_ns", "duration_ns")}
    return SampleStream(info=stream_record(row).info, **own)


def breath_wish(row: dict[str, Any]) -> BreathWish:
    """Return a row of the wish table as a value."""
    return BreathWish(t_ns=row["t_ns"], source=None if row["source"] is None else SignalKind(row["source"]))
