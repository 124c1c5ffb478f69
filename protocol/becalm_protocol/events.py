"""Raw events: what a sensor, an agent or a person said, kept exactly as it came.

Every time is session time (`t_ns`: nanoseconds since the session began, on the agent's monotonic clock) unless its name
says otherwise. `sensor_ns` is the sensor's own clock, never corrected here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, dataclass_transform

from becalm_protocol import limits
from becalm_protocol.slots import set_by_slot

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a frozen, slotted, keyword-only dataclass: the one shape of every event and message."""
    return set_by_slot(dataclass(frozen=True, slots=True, kw_only=True)(cls))


def require(condition: bool, field: str, expected: str, got: object) -> None:
    """Raise ValueError saying which field was out of range, what was expected and what came."""
    if not condition:
        raise ValueError(f"{field}: expected {expected}, got {got!r:.80}")


def is_finite(number: float) -> bool:
    """Return whether this is neither NaN nor infinity; an integer is finite however long it is."""
    return number - number == 0


def require_time(field: str, t_ns: int | None) -> None:
    """Raise ValueError unless `t_ns` is absent or a session time."""
    require(t_ns is None or abs(t_ns) <= limits.MAX_SESSION_NS, field, "session nanoseconds within 2**53", t_ns)


def require_counter(field: str, number: int | None) -> None:
    """Raise ValueError unless `number` is absent or fits 64 bits with sign, as every store and wire form does."""
    require(number is None or -(2**63) <= number < 2**63, field, "a signed 64-bit integer", number)


def require_text(field: str, text: str, *, n_max: int = limits.MAX_NAME_CHARS) -> None:
    """Raise ValueError unless `text` is 1 to `n_max` printable characters."""
    require(0 < len(text) <= n_max and text.isprintable(), field, f"1 to {n_max} printable characters", text)


class SignalKind(StrEnum):
    """What a stream carries."""

    ECG = "ecg"
    RR = "rr"
    PPI = "ppi"
    """Pulse-to-pulse intervals of an optical sensor: like RR, with the sensor's own doubts."""
    RESPIRATION = "respiration"
    SKIN_CONDUCTANCE = "skin_conductance"
    ACCELERATION_X = "acceleration_x"
    ACCELERATION_Y = "acceleration_y"
    ACCELERATION_Z = "acceleration_z"
    ANGULAR_VELOCITY_X = "angular_velocity_x"
    ANGULAR_VELOCITY_Y = "angular_velocity_y"
    ANGULAR_VELOCITY_Z = "angular_velocity_z"
    PPG_1 = "ppg_1"
    PPG_2 = "ppg_2"
    PPG_3 = "ppg_3"
    PPG_AMBIENT = "ppg_ambient"


UNTIMED_KINDS = frozenset({SignalKind.RR, SignalKind.PPI})
"""Intervals between beats: no sample rate, no time of their own."""


class Clock(StrEnum):
    """Whose clock `sensor_ns` is on."""

    SESSION = "session"
    """Recordings: sample n is exactly n periods after the first; no mapping needed."""
    DEVICE = "device"
    """The sensor stamps its packets with its own drifting clock."""
    ARRIVAL = "arrival"
    """The sensor sends no time; only the arrival is known."""


@value
class StreamInfo:
    """One signal of one sensor within one session."""

    stream_id: str
    """Random identifier, 32 hexadecimal characters."""
    kind: SignalKind
    unit: str
    """uV for ECG, uS for skin conductance, N or au for respiration, mg for acceleration, dps for angular velocity,
    au for PPG, 1/1024 s for RR and PPI."""
    unit_per_count: float
    """A sample in `unit` is its integer count times this."""
    sample_rate_hz: float | None = None
    """Nominal rate; None for RR and PPI, which have no regular sampling."""
    clock: Clock
    device: str
    """A label for people, as the device calls itself."""

    def __post_init__(self) -> None:
        require_text("stream_id", self.stream_id)
        require_text("unit", self.unit)
        require_text("device", self.device)
        low, high = limits.MIN_UNIT_PER_COUNT, limits.MAX_UNIT_PER_COUNT
        require(low <= self.unit_per_count <= high, "unit_per_count", f"{low} to {high}", self.unit_per_count)
        low, high = limits.MIN_SAMPLE_RATE_HZ, limits.MAX_SAMPLE_RATE_HZ
        rate_hz = self.sample_rate_hz
        require(rate_hz is None or low <= rate_hz <= high, "sample_rate_hz", f"{low} to {high} Hz", rate_hz)
        require(
            (rate_hz is None) == (self.kind in UNTIMED_KINDS),
            "sample_rate_hz",
            "a rate for sampled signals, none for rr and ppi",
            rate_hz,
        )


@value
class SampleBlock:
    """Consecutive samples of one stream, as they came in one notification or one cut of a file."""

    stream_id: str
    received_ns: int
    """Session time at the first line of the agent's callback."""
    first_sample_idx: int
    """Position of the first sample in its stream; missing samples advance it too."""
    sensor_ns: int | None = None
    """Time of the LAST sample on the stream's clock; None where the sensor sends none."""
    counts: tuple[int, ...]
    """shape (n_samples,), integers; times `StreamInfo.unit_per_count` gives the unit. NaN or infinity, which neither
    wire nor file carries, is a sample that did not come: the pipeline takes it for a hole."""

    def __post_init__(self) -> None:
        require_time("received_ns", self.received_ns)
        require(
            0 <= self.first_sample_idx <= limits.MAX_SESSION_NS, "first_sample_idx", "0 or more", self.first_sample_idx
        )
        require_counter("sensor_ns", self.sensor_ns)
        n_max = limits.MAX_SAMPLES_PER_BLOCK
        require(0 < len(self.counts) <= n_max, "counts", f"1 to {n_max} samples", len(self.counts))
        known = self.counts if is_finite(sum(self.counts)) else [*filter(is_finite, self.counts)]
        low, high = min(known, default=0), max(known, default=0)
        require(low >= limits.MIN_COUNT and high <= limits.MAX_COUNT, "counts", "32-bit integers", (low, high))


@value
class RrBlock:
    """RR or pulse intervals of one notification, oldest first: untimed and 0-4 s late, as sensors send them."""

    stream_id: str
    received_ns: int
    rr_1024: tuple[int, ...]
    """RR intervals in 1/1024 s, exact; may be empty. Whole milliseconds (PPI) each have a tick of their own: nothing is
    lost in `round(ms * 1.024)`."""
    heart_rate_bpm: int | None = None
    """The sensor's own averaged heart rate."""
    in_contact: bool | None = None
    """Skin contact as the sensor sees it; None where it does not say."""
    error_ms: tuple[int, ...] | None = None
    """The sensor's own error estimate of each interval; None where it gives none."""
    usable: tuple[bool, ...] | None = None
    """Whether the sensor itself trusts each interval; None where it does not say."""

    def __post_init__(self) -> None:
        require_time("received_ns", self.received_ns)
        n_max, n_rr = limits.MAX_RR_PER_BLOCK, len(self.rr_1024)
        for field, told in (("error_ms", self.error_ms), ("usable", self.usable)):
            require(told is None or len(told) == n_rr, field, f"one for each of {n_rr} intervals", told)
        require(
            all(0 <= ms <= 0xFFFF for ms in self.error_ms or ()), "error_ms", "unsigned 16-bit integers", self.error_ms
        )
        require(len(self.rr_1024) <= n_max, "rr_1024", f"at most {n_max} intervals", len(self.rr_1024))
        require(all(0 <= rr <= 0xFFFF for rr in self.rr_1024), "rr_1024", "unsigned 16-bit integers", self.rr_1024)
        bpm = self.heart_rate_bpm
        require(bpm is None or 0 <= bpm <= 0xFFFF, "heart_rate_bpm", "unsigned 16-bit integer", bpm)


class GapReason(StrEnum):
    """Why samples are missing."""

    LINK_LOST = "link_lost"
    SENSOR_SILENT = "sensor_silent"
    AGENT_RESTART = "agent_restart"
    SPOOL_FULL = "spool_full"
    NOT_A_NUMBER = "not_a_number"
    FILE_BREAK = "file_break"
    SLOW_CLIENT = "slow_client"


@value
class Gap:
    """A stretch without samples. Nothing is ever interpolated over it."""

    stream_id: str
    received_ns: int
    start_ns: int
    """Session time of the last sample before the gap (or where the gap was first known)."""
    end_ns: int
    """Session time at which the stream goes on (or, while it lasts, the time of this event)."""
    n_missing: int | None = None
    """Missing samples, where the sensor lets us count them."""
    reason: GapReason

    def __post_init__(self) -> None:
        require_time("received_ns", self.received_ns)
        require_time("start_ns", self.start_ns)
        require_time("end_ns", self.end_ns)
        require(self.end_ns >= self.start_ns, "end_ns", f"at or after start_ns {self.start_ns}", self.end_ns)
        require_counter("n_missing", self.n_missing)
        require(self.n_missing is None or self.n_missing >= 0, "n_missing", "0 or more", self.n_missing)


class StreamState(StrEnum):
    """What the agent knows of a stream."""

    READY = "ready"
    """The sensor is connected and waits for a session; only in `SensorState`."""
    STREAMING = "streaming"
    LATE = "late"
    LOST = "lost"
    ENDED = "ended"


@value
class StreamStatus:
    """A stream began, fell silent, was lost or ended. While it is not streaming nobody waits for its samples."""

    stream_id: str
    received_ns: int
    state: StreamState

    def __post_init__(self) -> None:
        require_time("received_ns", self.received_ns)


@value
class Battery:
    """Battery level of the sensor behind a stream."""

    stream_id: str
    received_ns: int
    level_pct: int

    def __post_init__(self) -> None:
        require_time("received_ns", self.received_ns)
        require(0 <= self.level_pct <= 100, "level_pct", "0 to 100", self.level_pct)


@value
class Dropped:
    """A notification that did not follow its specification: counted, shown, never fatal."""

    stream_id: str
    received_ns: int
    problem: str
    """One sentence, with at most 32 bytes of the data in hexadecimal."""

    def __post_init__(self) -> None:
        require_time("received_ns", self.received_ns)
        require_text("problem", self.problem, n_max=limits.MAX_NOTE_CHARS)


RawEvent = SampleBlock | RrBlock | Gap | StreamStatus | Battery | Dropped
"""Everything an agent sends, each with a sequence number in its stream."""


class Phase(StrEnum):
    """Part of a session."""

    BASELINE = "baseline"
    PRACTICE = "practice"


@value
class Pacer:
    """A breathing pacer: from `started_ns` on, `inhale_s` in and `exhale_s` out, again and again."""

    started_ns: int
    inhale_s: float
    exhale_s: float

    def __post_init__(self) -> None:
        require_time("started_ns", self.started_ns)
        require(1.0 <= self.inhale_s <= 10.0, "inhale_s", "1 to 10 s", self.inhale_s)
        require(1.0 <= self.exhale_s <= 15.0, "exhale_s", "1 to 15 s", self.exhale_s)


@value
class PhaseChange:
    """The session moved to another phase; in practice a pacer runs."""

    t_ns: int
    phase: Phase
    pacer: Pacer | None = None

    def __post_init__(self) -> None:
        require_time("t_ns", self.t_ns)
