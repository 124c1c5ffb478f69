"""What was derived from a session, row by row, and the account of what is stored."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model

from becalm_protocol.derived import PIPELINE_VERSION, BeatFlag, Metrics, Reason
from becalm_protocol.events import Clock, GapReason, SignalKind
from becalm_server.archive.doubts import Doubt
from becalm_server.bodies.examples import CREATED_AT, SESSION_ID, STREAM_ID, example_of, shown

Row = TypeVar("Row", bound=BaseModel)
_NS = 1_000_000_000


class BeatRow(BaseModel):
    """One confirmed beat; the raw interval stays beside the one to use."""

    model_config = shown(
        {
            "source": "ecg", "beat_idx": 71, "t_ns": 61_204_000_000, "emitted_ns": 63_100_000_000, "rr_ms": 903.8,
            "rr_corrected_ms": 903.8, "flag": "ok", "t_error_ms": 2.1, "rr_error_ms": None,
        }
    )  # fmt: skip
    source: SignalKind = Field(description="ecg, ppg_1: found in the waveform; rr, ppi: told by the sensor")
    beat_idx: int
    t_ns: int = Field(description="Session time of the R peak or of the pulse")
    emitted_ns: int = Field(description="Session time at which the pipeline could first tell it")
    rr_ms: float | None = Field(description="As measured; null at the first beat and after a gap")
    rr_corrected_ms: float | None
    flag: BeatFlag
    t_error_ms: float | None = Field(description="Half width of a 95 % interval of t_ns; null where nothing tells")
    rr_error_ms: float | None = Field(description="Standard deviation of the interval, where anything tells it")


class BreathRow(BaseModel):
    """A turn of breathing (in, out), a whole breath with its rate and depth, or a pause until `end_ns`."""

    model_config = shown(
        {
            "kind": "breath", "t_ns": 60 * _NS, "end_ns": None, "source": "respiration", "emitted_ns": 71 * _NS,
            "breathing_rate_bpm": 6.1, "depth": 2.4,
        }
    )  # fmt: skip
    kind: Literal["in", "out", "breath", "pause"]
    t_ns: int
    end_ns: int | None
    source: SignalKind | None = Field(description="The signal it was found in")
    emitted_ns: int
    breathing_rate_bpm: float | None
    depth: float | None = Field(description="In the unit of the respiration stream")


class ResponseRow(BaseModel):
    """One skin-conductance response."""

    model_config = shown(
        {
            "t_ns": 64 * _NS, "onset_ns": 64 * _NS, "peak_ns": 66 * _NS, "emitted_ns": 67 * _NS, "amplitude_us": 0.21,
            "recovered_ns": 70 * _NS,
        }
    )  # fmt: skip
    t_ns: int = Field(description="Its onset")
    onset_ns: int
    peak_ns: int
    emitted_ns: int
    amplitude_us: float
    recovered_ns: int | None = Field(description="When half of the amplitude was gone")


class WindowRow(BaseModel):
    """One window of NeuroKit2's indices of HRV, RSA and skin conductance; emitted_ns - t_ns is its own delay."""

    model_config = shown(
        {
            "t_ns": 120 * _NS, "window_s": 60, "emitted_ns": 121 * _NS, "n_beats": 66,
            "indices": {"HRV_RMSSD": 41.5, "HRV_SDNN": 52.3}, "withheld": {"eda": "no skin conductance"},
        }
    )  # fmt: skip
    t_ns: int
    window_s: float
    emitted_ns: int
    n_beats: int
    indices: dict[str, float]
    withheld: dict[str, str] = Field(description="Family of indices that the window could not tell: why, in words")


class IndexBody(BaseModel):
    """A value with its bound (95 % half width), or the reason why it is withheld."""

    model_config = shown({"value": 41.5, "bound": 2.1, "reason": None, "sample_ns": 60 * _NS})
    value: float | None = None
    bound: float | None = None
    reason: Reason | None = None
    sample_ns: int | None = None


_PARTS = {"": float | None, "_bound": float | None, "_reason": Reason | None, "_sample_ns": int | None}
_METRICS_FIELDS: dict[str, Any] = {"t_ns": (int, ...), "time": (datetime, ...), "emitted_ns": (int, ...)} | {
    name + part: (kind, ...) for name in Metrics.index_names() for part, kind in _PARTS.items()
}
_VALUES = {
    "heart_rate_bpm": (66.1, 0.4), "rmssd_ms": (41.5, 2.1), "breathing_rate_bpm": (6.1, 0.3), "scl_us": (4.2, 0.1),
    "scr_per_min": (3.0, 1.0), "arousal": (43.0, 6.0),
}  # fmt: skip
_METRICS_EXAMPLE: dict[str, Any] = {"t_ns": 120 * _NS, "time": "2026-11-22T08:02:01.250000Z", "emitted_ns": 120 * _NS}
for _name in Metrics.index_names():
    _value, _bound = _VALUES.get(_name, (1.0, 0.1))
    _parts = zip(_PARTS, (_value, _bound, None, 120 * _NS), strict=True)
    _METRICS_EXAMPLE |= {_name + part: content for part, content in _parts}

_METRICS_FIELDS["arousal_from"] = (
    str | None,
    Field(description="Features that arousal is made of, a space between them; null where withheld, or told long ago"),
)
_METRICS_EXAMPLE["arousal_from"] = "heart_rate_bpm scl_us scr_per_min"

MetricsRow = create_model(
    "MetricsRow",
    __doc__="All indices at one second: a value with its bound (95 % half width), or the reason why it is withheld.",
    __config__=shown(_METRICS_EXAMPLE),
    **_METRICS_FIELDS,
)


class SlowMetricsRow(BaseModel):
    """Indices of longer windows at one moment, every five seconds."""

    model_config = shown(
        {
            "t_ns": 120 * _NS, "emitted_ns": 120 * _NS, "heart_source": "ecg", "breath_source": "respiration",
            "indices": {
                "sdnn_ms": {"value": 52.3, "bound": 1.9, "sample_ns": 119 * _NS},
                "half_life_s": {"reason": "cannot_tell"},
            },
        }
    )  # fmt: skip
    t_ns: int
    emitted_ns: int
    heart_source: SignalKind | None
    breath_source: SignalKind | None
    indices: dict[str, IndexBody] = Field(description="docs/indices.md defines each")


class StreamBody(BaseModel):
    """One signal of one sensor within a session."""

    model_config = shown(
        {
            "stream_id": STREAM_ID, "kind": "ecg", "unit": "uV", "unit_per_count": 1.0, "sample_rate_hz": 130.0,
            "clock": "device", "device": "Polar H10 8C4F2A2B",
        }
    )  # fmt: skip
    stream_id: str
    kind: SignalKind
    unit: str
    unit_per_count: float = Field(description="A sample in `unit` is its integer count times this")
    sample_rate_hz: float | None = Field(description="Nominal; null for intervals between beats")
    clock: Clock = Field(description="Whose clock the sensor's own times are on")
    device: str = Field(description="As the sensor calls itself")


class StreamList(BaseModel):
    """The streams of a session."""

    model_config = shown({"items": [example_of(StreamBody)]})
    items: list[StreamBody]


class GapRow(BaseModel):
    """A stretch of a stream without samples; nothing is interpolated over it."""

    model_config = shown(
        {
            "t_ns": 81 * _NS, "stream_id": STREAM_ID, "kind": "ecg", "start_ns": 81 * _NS, "end_ns": 84 * _NS,
            "n_missing": 390, "reason": "link_lost",
        }
    )  # fmt: skip
    t_ns: int = Field(description="When it was told")
    stream_id: str
    kind: SignalKind
    start_ns: int
    end_ns: int
    n_missing: int | None = Field(description="null where the sensor does not let us count")
    reason: GapReason


class QualitySpan(BaseModel):
    """A stretch of time in which a kind of signal could (reason null) or could not carry indices."""

    model_config = shown(
        {"kind": "ecg", "start_ns": 81 * _NS, "end_ns": 86 * _NS, "reason": "sensor_lost", "caution": None}
    )
    kind: SignalKind
    start_ns: int
    end_ns: int | None = Field(description="null: to the end, or until now")
    reason: Reason | None
    caution: Reason | None = Field(description="what marred a signal that could carry indices; null: nothing told")


class QualityList(BaseModel):
    """Spans of each kind of signal, one after the other, without a hole."""

    model_config = shown({"items": [example_of(QualitySpan)]})
    items: list[QualitySpan]


def _page_example(schema: dict[str, Any], cls: type["Page[Any]"]) -> None:
    (row,) = get_args(cls.model_fields["items"].annotation)
    if isinstance(row, type):
        schema["example"] = {"items": [example_of(row)], "next_since_ns": None}


class Page(BaseModel, Generic[Row]):
    """Rows in order of time; ask again with `since_ns` = next_since_ns where it is given."""

    model_config = ConfigDict(json_schema_extra=_page_example)
    items: list[Row]
    next_since_ns: int | None


class ReportBody(BaseModel):
    """What NeuroKit2 makes of a whole session."""

    model_config = shown(
        {
            "session_id": SESSION_ID, "pipeline_version": PIPELINE_VERSION, "created_at": "2026-11-22T08:21:07Z",
            "body": {"hrv": {"HRV_RMSSD": 41.5}, "withheld": {}},
        }
    )  # fmt: skip
    session_id: str
    pipeline_version: str
    created_at: datetime
    body: dict[str, Any] = Field(description="By NeuroKit2's own names; null where a number is not finite")


class StreamCounts(BaseModel):
    """What is stored of one stream: last_seq events, each once, makes no loss."""

    stream_id: str
    kind: str
    device: str
    last_seq: int
    n_events: int
    n_distinct_seq: int
    n_samples: int = Field(description="Samples, or RR intervals")
    n_gaps: int
    n_dropped: int
    n_duplicates_prevented: int


class CountsBody(BaseModel):
    """What is stored of a session, for anybody who accounts for losses."""

    model_config = shown(
        {
            "session_id": SESSION_ID, "streams": [],
            "stored": {"ecg": 7800, "rr": 71, "respiration": 600, "skin_conductance": 480},
            "beats": {"ecg": 70, "rr": 71}, "n_beats": 141, "n_breaths": 6, "n_responses": 3, "n_metrics": 60,
            "n_gaps": 0, "n_dropped": 0, "n_missing_events": 0, "n_duplicates_prevented": 0,
            "derived_again_reason": "interrupted", "derived_again_at": CREATED_AT,
        }
    )  # fmt: skip
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
    derived_again_reason: Doubt | None = Field(
        description="Why beats, breaths and indices of the live session are derived again after its end, from its raw "
        "events; null: they came in one uninterrupted run"
    )
    derived_again_at: datetime | None = Field(description="When that was done; null: not yet, or nothing to do")
