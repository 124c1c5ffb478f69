"""Sensors that were seen, and the agents that read them."""

from datetime import datetime

from pydantic import BaseModel, Field

from becalm_protocol.events import SignalKind, StreamState
from becalm_protocol.sensor_state import LinkState
from becalm_server.bodies.examples import AGENT_ID, CREATED_AT, SESSION_ID, example_of, shown


class DeviceBody(BaseModel):
    """One sensor as its agent tells of it now, or told of it last."""

    model_config = shown(
        {
            "device_id": "f2a9c1d07b6e4c3f9a8d5e2b1c0f7a64", "agent_id": AGENT_ID, "name": "Polar H10 8C4F2A2B",
            "model": "H10", "firmware": "5.0.0", "battery_pct": 87, "kinds": ["ecg", "rr"], "connected": True,
            "state": "streaming", "link": "streaming", "rssi_dbm": -61, "trouble": None,
            "first_seen_at": CREATED_AT, "last_seen_at": "2026-11-22T08:20:00Z",
        }
    )  # fmt: skip
    device_id: str = Field(description="Random; stays the same for this sensor at this agent")
    agent_id: str
    name: str = Field(description="As the sensor calls itself")
    model: str | None
    firmware: str | None
    battery_pct: int | None
    kinds: list[SignalKind] = Field(description="Signals that it carries")
    connected: bool = Field(description="Whether its agent tells of it now; the next four are null otherwise")
    state: StreamState | None
    link: LinkState | None = Field(description="What the agent is doing about the connection")
    rssi_dbm: int | None
    trouble: str | None = Field(description="What is wrong and what to do, in one sentence")
    first_seen_at: datetime
    last_seen_at: datetime


class DeviceList(BaseModel):
    """Sensors, the one that was seen last first."""

    model_config = shown({"items": [example_of(DeviceBody)]})
    items: list[DeviceBody]


class AgentBody(BaseModel):
    """One connected agent."""

    model_config = shown({"agent_id": AGENT_ID, "n_sensors": 2, "session_ids": [SESSION_ID]})
    agent_id: str = Field(description="Random, kept by the agent")
    n_sensors: int = Field(description="Sensors that it tells of")
    session_ids: list[str] = Field(description="Sessions that are open on it")


class AgentList(BaseModel):
    """Connected agents, the one that connected last first."""

    model_config = shown({"items": [example_of(AgentBody)]})
    items: list[AgentBody]
