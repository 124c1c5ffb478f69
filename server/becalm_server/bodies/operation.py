"""How the server is, for its operator."""

from typing import Literal

from pydantic import BaseModel, Field

from becalm_protocol.derived import PIPELINE_VERSION
from becalm_server.bodies.examples import shown

_PERCENTILES = {"p50": 1.2, "p99": 8.9}


class ReadyBody(BaseModel):
    """The server can do its work."""

    model_config = shown({"status": "ready"})
    status: Literal["ready"] = "ready"


class AliveBody(BaseModel):
    """The process answers."""

    model_config = shown({"status": "alive"})
    status: Literal["alive"] = "alive"


class HealthBody(BaseModel):
    """How the server is, without a word about anybody's body."""

    model_config = shown(
        {
            "status": "ok", "trouble": None, "version": "0.1.0", "pipeline_version": PIPELINE_VERSION,
            "database_version": "18.1",
            "timescale": "absent: this PostgreSQL does not offer TimescaleDB; everything works without it",
            "agent_connected": True, "session_id": None,
            "clients": {"clients": 1, "depth": 0, "peak": 3, "dropped": 0, "conflated": 0},
            "archive": {"depth": 0, "peak": 12, "commits": 240},
            "pipelines": {"seats": 1, "depth": 0, "peak": 6, "deaths": 0, "given_up": 0},
            "slow_lane": {"depth": 0, "done": 4, "failed": 0},
            "accept_ms": _PERCENTILES, "publish_ms": _PERCENTILES, "commit_ms": _PERCENTILES,
        }
    )  # fmt: skip
    status: str = Field(description="ok, or degraded with the reason in `trouble`")
    trouble: str | None
    version: str
    pipeline_version: str
    database_version: str | None
    timescale: str
    agent_connected: bool
    session_id: str | None = Field(description="Under way, where the caller may see it")
    clients: dict[str, int]
    archive: dict[str, int]
    pipelines: dict[str, int] = Field(
        description="Sessions that have a process, events that wait for it, the most of them, processes that died"
    )
    slow_lane: dict[str, int]
    accept_ms: dict[str, float | None] = Field(description="From a received event to all outboxes: p50, p99")
    publish_ms: dict[str, float | None] = Field(description="From publish to a client's socket: p50, p99")
    commit_ms: dict[str, float | None] = Field(description="From a received event to its commit: p50, p99")
