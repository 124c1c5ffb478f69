"""Bodies of the HTTP interface."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from becalm_protocol.derived import BeatFlag, Metrics, Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import SessionPhase, Source

Row = TypeVar("Row", bound=BaseModel)
BreathSource = Literal["respiration", "acceleration_x", "acceleration_y", "acceleration_z", "ecg"]


class SessionWish(BaseModel):
    """How a session should be; absent fields take the server's settings."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"baseline_s": 60, "inhale_s": 4, "exhale_s": 6}}
    )
    baseline_s: float | None = Field(default=None, ge=5, le=600, description="Quiet time before practice, seconds")
    inhale_s: float | None = Field(default=None, ge=1, le=10, description="Pacer: breathing in, seconds")
    exhale_s: float | None = Field(default=None, ge=1, le=15, description="Pacer: breathing out, seconds")
    agent_id: str | None = Field(
        default=None, max_length=64, description="The agent to record; null: the free one that connected last"
    )


class SessionChange(BaseModel):
    """What a person may change while a session is under way."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"breath_source": "ecg"}})
    breath_source: BreathSource | None = Field(description="Signal to take the breath from; null: the best there is")


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


class BeatRow(BaseModel):
    """One confirmed beat; the raw interval stays beside the one to use."""

    source: SignalKind = Field(description="ecg, ppg_1: found in the waveform; rr, ppi: told by the sensor")
    beat_idx: int
    t_ns: int = Field(description="Session time of the R peak or of the pulse")
    emitted_ns: int
    rr_ms: float | None = Field(description="As measured; null at the first beat and after a gap")
    rr_corrected_ms: float | None
    flag: BeatFlag
    t_error_ms: float | None = Field(description="Half width of a 95 % interval of t_ns; null where nothing tells")
    rr_error_ms: float | None = Field(description="The sensor's own error estimate of the interval")


class BreathRow(BaseModel):
    """A turn of breathing (in, out), a whole breath with its rate and depth, or a pause until `end_ns`."""

    kind: Literal["in", "out", "breath", "pause"]
    t_ns: int
    end_ns: int | None
    source: SignalKind | None = Field(description="The signal it was found in")
    emitted_ns: int
    breathing_rate_bpm: float | None
    depth: float | None = Field(description="In the unit of the respiration stream")


class ResponseRow(BaseModel):
    """One skin-conductance response."""

    t_ns: int = Field(description="Its onset")
    onset_ns: int
    peak_ns: int
    emitted_ns: int
    amplitude_us: float
    recovered_ns: int | None = Field(description="When half of the amplitude was gone")


class WindowRow(BaseModel):
    """One window of NeuroKit2's indices of HRV, RSA and skin conductance; emitted_ns - t_ns is its own delay."""

    t_ns: int
    window_s: float
    emitted_ns: int
    n_beats: int
    indices: dict[str, float]
    withheld: dict[str, str] = Field(description="Family of indices that the window could not tell: why, in words")


_PARTS = {"": float | None, "_bound": float | None, "_reason": Reason | None, "_sample_ns": int | None}
_METRICS_FIELDS: dict[str, Any] = {"t_ns": (int, ...), "time": (datetime, ...), "emitted_ns": (int, ...)} | {
    name + part: (kind, ...) for name in Metrics.index_names() for part, kind in _PARTS.items()
}
MetricsRow = create_model(
    "MetricsRow",
    __doc__="All indices at one second: a value with its bound (95 % half width), or the reason why it is withheld.",
    **_METRICS_FIELDS,
)


class IndexBody(BaseModel):
    """A value with its bound (95 % half width), or the reason why it is withheld."""

    value: float | None = None
    bound: float | None = None
    reason: Reason | None = None
    sample_ns: int | None = None


class SlowMetricsRow(BaseModel):
    """Indices of longer windows at one moment, every five seconds."""

    t_ns: int
    emitted_ns: int
    heart_source: SignalKind | None
    breath_source: SignalKind | None
    indices: dict[str, IndexBody]


class Page(BaseModel, Generic[Row]):
    """Rows in order of time; ask again with `since_ns` = next_since_ns where it is given."""

    items: list[Row]
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
