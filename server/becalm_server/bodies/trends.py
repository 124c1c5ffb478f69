"""What finished sessions were like, one after another."""

from datetime import datetime

from pydantic import BaseModel, Field

from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.handshake import Source
from becalm_server.bodies.examples import CREATED_AT, SESSION_ID, example_of, shown
from becalm_server.bodies.recordings import IndexBody


class IndexTrend(BaseModel):
    """An index over one part of a session."""

    model_config = shown({"n": 600, "mean": 43.1, "median": 42.6})
    n: int = Field(description="Values behind it; withheld ones are not among them")
    mean: float
    median: float


class TrendRow(BaseModel):
    """One finished session, by today's pipeline or the last one that ran."""

    model_config = shown(
        {
            "session_id": SESSION_ID, "source": "live", "created_at": CREATED_AT,
            "started_at": "2026-11-22T08:00:01.250000Z", "duration_s": 1260.0, "baseline_s": 60.0,
            "pipeline_version": PIPELINE_VERSION, "n_intervals": 1390, "accepted_share": 0.985,
            "subsidence": {"value": 7.4, "bound": 3.1, "sample_ns": 1_259_000_000_000},
            "indices": {"rmssd_ms": {"baseline": {"n": 48, "mean": 38.0, "median": 37.5},
                                     "practice": {"n": 1180, "mean": 43.1, "median": 42.6}}},
        }
    )  # fmt: skip
    session_id: str
    source: Source
    created_at: datetime
    started_at: datetime
    duration_s: float
    baseline_s: float
    pipeline_version: str
    n_intervals: int = Field(description="Intervals between beats, of the source that told most")
    accepted_share: float | None = Field(description="How much of them carries indices; null without any")
    subsidence: IndexBody | None = Field(description="Points of arousal below the start of practice, at its end")
    indices: dict[str, dict[str, IndexTrend]] = Field(description="index -> baseline, practice; docs/indices.md")


class TrendList(BaseModel):
    """Finished sessions, newest first."""

    model_config = shown({"items": [example_of(TrendRow)]})
    items: list[TrendRow]
