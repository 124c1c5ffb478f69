"""Derived values: what the pipeline concluded, each with its time, its bound and, where withheld, its reason.

`t_ns` is the session time a value speaks of; `emitted_ns` the stream time at which the pipeline could first give it out
(the newest sample it needed), whatever the cut of the packets. Their difference is the pipeline's own delay.
"""

from dataclasses import fields
from enum import StrEnum

from becalm_protocol.events import SignalKind, require, require_time, value

PIPELINE_VERSION = "1"
"""Changes whenever the same raw data would give other derived values."""


class BeatFlag(StrEnum):
    """What the RR interval that ends at this beat is taken for."""

    OK = "ok"
    FIRST = "first"
    """No interval: the first beat, or the first after a gap."""
    MISSED = "missed"
    EXTRA = "extra"
    ECTOPIC = "ectopic"
    OUT_OF_RANGE = "out_of_range"


class Reason(StrEnum):
    """Why a value is withheld."""

    NO_SENSOR = "no_sensor"
    WARMING_UP = "warming_up"
    SENSOR_LOST = "sensor_lost"
    NOISY = "noisy"
    FLAT = "flat"
    SATURATED = "saturated"
    OUT_OF_RANGE = "out_of_range"
    TOO_FEW_BEATS = "too_few_beats"
    TOO_MANY_ARTEFACTS = "too_many_artefacts"
    NO_BREATH = "no_breath"
    BASELINE = "baseline"
    TOO_FEW_SIGNALS = "too_few_signals"


class BreathPhase(StrEnum):
    """Direction of breathing."""

    IN = "in"
    OUT = "out"


@value
class Beat:
    """One heartbeat: provisional at once (`confirmed` False), again when the next beats have settled its flag."""

    beat_idx: int
    """Counts the beats of its source from 0; the confirmed beat carries the number of its provisional."""
    t_ns: int
    emitted_ns: int
    source: SignalKind
    """ecg: found in the waveform; rr: told by the strap."""
    rr_ms: float | None = None
    """Interval from the beat before, as measured; never altered."""
    rr_corrected_ms: float | None = None
    """The interval to use in its place: equals `rr_ms` where the flag is ok."""
    flag: BeatFlag
    confirmed: bool

    def __post_init__(self) -> None:
        require_time("t_ns", self.t_ns)
        require(self.beat_idx >= 0, "beat_idx", "0 or more", self.beat_idx)


@value
class BreathTurn:
    """Breathing changed direction at `t_ns`: the start of an inhalation (trough) or an exhalation (peak)."""

    t_ns: int
    emitted_ns: int
    phase: BreathPhase


@value
class Breath:
    """One whole breath, from the start of an inhalation to the start of the next."""

    t_ns: int
    """Start of its inhalation."""
    emitted_ns: int
    breathing_rate_bpm: float
    depth: float
    """Peak minus the mean of the two troughs, in the unit of the stream."""


@value
class SkinResponse:
    """One skin-conductance response."""

    onset_ns: int
    peak_ns: int
    emitted_ns: int
    amplitude_us: float


@value
class Index:
    """One number with its bound, or the reason why it is withheld."""

    value: float | None = None
    bound: float | None = None
    """Half width of a 95 % interval, in the unit of the value."""
    reason: Reason | None = None
    """Set exactly when `value` is None."""
    sample_ns: int | None = None
    """Session time of the newest sample behind the value; its age follows from it."""

    def __post_init__(self) -> None:
        require(
            (self.value is None) == (self.reason is not None),
            "reason",
            "a reason exactly when there is no value",
            self.reason,
        )
        require(
            (self.value is None) == (self.bound is None), "bound", "a bound exactly when there is a value", self.bound
        )


@value
class Metrics:
    """All live indices at one moment, four times a second."""

    t_ns: int
    emitted_ns: int
    heart_rate_bpm: Index
    rmssd_ms: Index
    breathing_rate_bpm: Index
    scl_us: Index
    scr_per_min: Index
    arousal: Index
    """0 to 100 against the person's own baseline, which is 50."""

    @classmethod
    def index_names(cls) -> tuple[str, ...]:
        """Names of the indices, in their order."""
        return tuple(f.name for f in fields(cls) if f.name not in {"t_ns", "emitted_ns"})


@value
class SignalQuality:
    """Whether a signal can carry indices, from `t_ns` on."""

    t_ns: int
    emitted_ns: int
    kind: SignalKind
    reason: Reason | None = None
    """None: usable."""


@value
class HrvWindow:
    """A windowed set of HRV indices by NeuroKit2: slow, and marked with its own delay."""

    t_ns: int
    """End of the window."""
    emitted_ns: int
    window_s: float
    n_beats: int
    indices: dict[str, float]
    """NeuroKit2's names (HRV_RMSSD ...), finite values only."""


Derived = Beat | BreathTurn | Breath | SkinResponse | Metrics | SignalQuality | HrvWindow
