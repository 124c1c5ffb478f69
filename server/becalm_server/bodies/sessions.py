"""Sessions: how one should be, how it stands, its phases, markers and notes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from becalm_protocol.events import Phase
from becalm_protocol.handshake import SessionPhase, Source
from becalm_server.bodies.examples import AGENT_ID, CREATED_AT, PERSON_ID, SESSION_ID, example_of, shown, strict
from becalm_server.bodies.fields import Label, NoteText, SessionNs

BreathSource = Literal["respiration", "acceleration_x", "acceleration_y", "acceleration_z", "ecg"]
Seconds = Annotated[float, Field(strict=True)]
_NS = 1_000_000_000


class SessionWish(BaseModel):
    """How a session should be; absent fields take the server's settings."""

    model_config = strict({"baseline_s": 60, "inhale_s": 4, "exhale_s": 6})
    baseline_s: Seconds | None = Field(default=None, ge=5, le=600, description="Quiet time before practice, seconds")
    inhale_s: Seconds | None = Field(default=None, ge=1, le=10, description="Pacer: breathing in, seconds")
    exhale_s: Seconds | None = Field(default=None, ge=1, le=15, description="Pacer: breathing out, seconds")
    agent_id: Label | None = Field(
        default=None, description="Whose sensors: an agent of /v1/agents; without it the one that connected last"
    )


class SessionChange(BaseModel):
    """What a person may change while a session is under way."""

    model_config = strict({"breath_source": "ecg"})
    breath_source: BreathSource | None = Field(description="Signal to take the breath from; null: the best there is")


class SessionBody(BaseModel):
    """One session."""

    model_config = shown(
        {
            "session_id": SESSION_ID,
            "agent_id": AGENT_ID,
            "person_id": PERSON_ID,
            "phase": "practice",
            "source": "live",
            "baseline_s": 60,
            "inhale_s": 4,
            "exhale_s": 6,
            "created_at": CREATED_AT,
            "started_at": "2026-11-22T08:00:01.250000Z",
            "ended_at": None,
            "duration_s": None,
            "closed_by_server": False,
        }
    )
    session_id: str = Field(description="Random; says nothing about the person")
    agent_id: str | None = Field(description="The agent whose sensors it reads")
    person_id: str | None = Field(description="Whose body it is of: random too")
    phase: SessionPhase = Field(description="waiting: the sensors have not opened it yet; baseline, practice, ended")
    source: Source = Field(description="live, or a recording that is replayed")
    baseline_s: float
    inhale_s: float | None = Field(description="null: no pacer")
    exhale_s: float | None
    created_at: datetime | None
    started_at: datetime | None = Field(
        description="Session time 0 on the wall clock; null until the sensors opened it"
    )
    ended_at: datetime | None
    duration_s: float | None
    closed_by_server: bool = Field(
        description="Nobody ended it: its agent stayed away for two hours, and its last sample counts as its end"
    )


class SessionPage(BaseModel):
    """Sessions, newest first; ask again with `cursor` = next_cursor where it is given."""

    model_config = shown({"items": [example_of(SessionBody)], "next_cursor": None})
    items: list[SessionBody]
    next_cursor: str | None


class ErasedSessionBody(BaseModel):
    """What is gone."""

    model_config = shown({"session_id": SESSION_ID})
    session_id: str


class PhaseRow(BaseModel):
    """From when on a session was in a phase; in practice a pacer runs."""

    model_config = shown(
        {"t_ns": 60 * _NS, "phase": "practice", "pacer_started_ns": 60 * _NS, "inhale_s": 4, "exhale_s": 6}
    )
    t_ns: int
    phase: Phase
    pacer_started_ns: int | None
    inhale_s: float | None
    exhale_s: float | None


class PhaseList(BaseModel):
    """The phases of a session in order of time."""

    model_config = shown({"items": [example_of(PhaseRow)]})
    items: list[PhaseRow]


class MarkerWish(BaseModel):
    """A moment to mark."""

    model_config = strict({"label": "door bell"})
    label: Label = Field(description="One line; live clients and exports show it")
    t_ns: SessionNs | None = Field(default=None, description="Session time; without it: now, while the session runs")


class MarkerRow(BaseModel):
    """A marked moment."""

    model_config = shown(
        {
            "marker_id": "3c0a6b0e8f5d4c52a5f0d7b86e1f9a24",
            "t_ns": 95 * _NS,
            "label": "door bell",
            "created_at": "2026-11-22T08:01:35Z",
        }
    )
    marker_id: str
    t_ns: int
    label: str
    created_at: datetime


class MarkerList(BaseModel):
    """The markers of a session in order of time."""

    model_config = shown({"items": [example_of(MarkerRow)]})
    items: list[MarkerRow]


class NoteWish(BaseModel):
    """A note to keep with a session."""

    model_config = strict({"text": "Slept badly. Found 5.5 breaths a minute comfortable."})
    text: NoteText
    t_ns: SessionNs | None = Field(default=None, description="Session time it speaks of; null: the whole session")


class NoteRow(BaseModel):
    """A note of a session; exports leave it out, as people write names into notes."""

    model_config = shown(
        {
            "note_id": "91d7c2be40f84f0f8d0f1a6f2b3c4d5e",
            "t_ns": None,
            "text": "Slept badly. Found 5.5 breaths a minute comfortable.",
            "created_at": "2026-11-22T08:20:00Z",
        }
    )
    note_id: str
    t_ns: int | None
    text: str
    created_at: datetime


class NoteList(BaseModel):
    """The notes of a session, oldest first."""

    model_config = shown({"items": [example_of(NoteRow)]})
    items: list[NoteRow]
