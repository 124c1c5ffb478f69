"""What the agent has to say of itself: counts and times, no health data."""

from typing import Any

from becalm_ingest.latency import Percentiles
from becalm_protocol.events import SignalKind, value
from becalm_protocol.handshake import SensorState
from becalm_protocol.units import s_from_ns


@value
class StreamReport:
    """One stream of the session under way, or of the last one."""

    stream_id: str
    device: str
    kind: SignalKind
    n_received: int
    """Samples; for RR, intervals."""
    age_ns: int | None
    """Time since its newest samples arrived; None before the first."""
    in_contact: bool | None
    """Skin contact as the sensor sees it; None where it does not say."""
    n_gaps: int
    n_dropped: int
    n_events: int
    """Events given to the spool."""
    n_sent: int
    n_acked: int

    @property
    def n_spooled(self) -> int:
        """Events that the server has not acknowledged."""
        return self.n_events - self.n_acked


@value
class AgentReport:
    """A snapshot of the agent."""

    session_id: str | None
    is_connected: bool
    n_connections: int
    streams: tuple[StreamReport, ...]
    sensors: tuple[SensorState, ...]
    n_spooled: int
    """Events on disk, of this and of earlier sessions."""
    n_refused: int
    """Events that found no room on disk."""
    commit_ack: Percentiles
    """From the first sending of an event to its acknowledgement after commit."""
    trouble: str | None
    """What a person should know, of disk, server and sensors; None while all is well."""

    @property
    def received(self) -> dict[str, int]:
        """Samples (for RR: intervals) received of each kind of signal."""
        totals: dict[str, int] = {}
        for stream in self.streams:
            totals[stream.kind.value] = totals.get(stream.kind.value, 0) + stream.n_received
        return totals

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "session_id": self.session_id,
            "connected": self.is_connected,
            "connections": self.n_connections,
            "received": self.received,
            "streams": [_stream_dict(stream) for stream in self.streams],
            "sensors": [_sensor_dict(sensor) for sensor in self.sensors],
            "gaps": sum(stream.n_gaps for stream in self.streams),
            "dropped": sum(stream.n_dropped for stream in self.streams),
            "spooled": self.n_spooled,
            "refused": self.n_refused,
            "commit_ack_ms": {
                "p50": self.commit_ack.p50_ms,
                "p95": self.commit_ack.p95_ms,
                "p99": self.commit_ack.p99_ms,
            },
            "error": self.trouble,
        }

    def line(self) -> str:
        """Return the report in one line for a terminal."""
        parts = [f"{stream.kind.value} {stream.n_received}" for stream in self.streams]
        if not parts:
            parts = [f"{sensor.device}: {sensor.kind.value} {sensor.state.value}" for sensor in self.sensors]
        parts.append("server connected" if self.is_connected else "no server")
        if self.n_spooled:
            parts.append(f"{self.n_spooled} waiting")
        if self.trouble:
            parts.append(self.trouble)
        return " | ".join(parts)


def _sensor_dict(sensor: SensorState) -> dict[str, Any]:
    return {
        "device": sensor.device,
        "kind": sensor.kind.value,
        "state": sensor.state.value,
        "link": sensor.link and sensor.link.value,
        "battery_pct": sensor.battery_pct,
        "rssi_dbm": sensor.rssi_dbm,
        "model": sensor.model,
        "firmware": sensor.firmware,
        "trouble": sensor.trouble,
    }


def _stream_dict(stream: StreamReport) -> dict[str, Any]:
    return {
        "stream_id": stream.stream_id,
        "device": stream.device,
        "kind": stream.kind.value,
        "received": stream.n_received,
        "age_s": None if stream.age_ns is None else round(s_from_ns(stream.age_ns), 3),
        "in_contact": stream.in_contact,
        "gaps": stream.n_gaps,
        "dropped": stream.n_dropped,
        "events": stream.n_events,
        "sent": stream.n_sent,
        "acked": stream.n_acked,
        "spooled": stream.n_spooled,
    }
