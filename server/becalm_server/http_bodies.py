"""Bodies of the HTTP interface."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from becalm_protocol.handshake import SessionPhase, Source


class SessionWish(BaseModel):
    """How a session should be; absent fields take the server's settings."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"baseline_s": 60, "inhale_s": 4, "exhale_s": 6}}
    )
    baseline_s: float | None = Field(default=None, ge=5, le=600, description="Quiet time before practice, seconds")
    inhale_s: float | None = Field(default=None, ge=1, le=10, description="Pacer: breathing in, seconds")
    exhale_s: float | None = Field(default=None, ge=1, le=15, description="Pacer: breathing out, seconds")


class SessionBody(BaseModel):
    """One session."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "session_id": "6f1c0b4e9d2a4c7f8e3b5a1d7c9e2f40",
                "phase": "practice",
                "source": "live",
                "baseline_s": 60,
                "inhale_s": 4,
                "exhale_s": 6,
                "created_at": "2026-11-22T08:00:00Z",
                "ended_at": None,
                "duration_s": None,
            }
        }
    )
    session_id: str
    phase: SessionPhase
    source: Source
    baseline_s: float
    inhale_s: float | None
    exhale_s: float | None
    created_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None


class SessionPage(BaseModel):
    """Sessions, newest first; ask again with `before` = the last one's created_at."""

    items: list[SessionBody]


class RowPage(BaseModel):
    """Rows in order of time; ask again with `since_ns` = next_since_ns where it is given."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [{"source": "ecg", "beat_idx": 41, "t_ns": 33120000000, "rr_ms": 842.0, "flag": "ok"}],
                "next_since_ns": 33120000000,
            }
        }
    )
    items: list[dict[str, Any]]
    next_since_ns: int | None


class StreamCounts(BaseModel):
    """What is stored of one stream: last_seq events, each once, makes no loss."""

    stream_id: str
    kind: str
    device: str
    last_seq: int
    n_events: int
    n_distinct_seq: int
    n_samples: int
    """Samples, or RR intervals."""
    n_gaps: int
    n_dropped: int
    n_duplicates_prevented: int


class CountsBody(BaseModel):
    """What is stored of a session, for anybody who accounts for losses."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "session_id": "6f1c0b4e9d2a4c7f8e3b5a1d7c9e2f40",
                "streams": [],
                "stored": {"ecg": 7800, "rr": 71, "respiration": 600, "skin_conductance": 480},
                "beats": {"ecg": 70, "rr": 71},
                "n_beats": 141,
                "n_breaths": 6,
                "n_responses": 3,
                "n_metrics": 60,
                "n_gaps": 0,
                "n_dropped": 0,
                "n_missing_events": 0,
                "n_duplicates_prevented": 0,
            }
        }
    )
    session_id: str
    streams: list[StreamCounts]
    stored: dict[str, int] = Field(description="Samples (RR: intervals) of each kind of signal")
    beats: dict[str, int] = Field(description="Confirmed beats by source")
    n_beats: int
    n_breaths: int
    n_responses: int
    n_metrics: int
    n_gaps: int
    n_dropped: int
    n_missing_events: int = Field(description="Sequence numbers up to the last that are not stored: always 0")
    n_duplicates_prevented: int


class HealthBody(BaseModel):
    """How the server is, for the operator."""

    status: str = Field(description="ok, or degraded with the reason in `trouble`")
    trouble: str | None
    version: str
    pipeline_version: str
    database_version: str | None
    timescale: str
    agent_connected: bool
    session_id: str | None
    clients: dict[str, int]
    archive: dict[str, int]
    slow_lane: dict[str, int]
    accept_ms: dict[str, float | None] = Field(description="From a received event to all outboxes: p50, p99")
    publish_ms: dict[str, float | None] = Field(description="From publish to a client's socket: p50, p99")
    commit_ms: dict[str, float | None] = Field(description="From a received event to its commit: p50, p99")
