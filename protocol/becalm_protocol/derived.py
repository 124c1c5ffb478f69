"""Derived values: what the pipeline concluded, each with its time, its bound and, where withheld, its reason.

`t_ns` is the session time a value speaks of; `emitted_ns` the stream time at which the pipeline could first give it out
(the newest sample it needed), whatever the cut of the packets. Their difference is the pipeline's own delay.
"""

import math
from dataclasses import fields
from enum import StrEnum

from becalm_protocol.events import SignalKind, require, require_time, value

PIPELINE_VERSION = "12"
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
    MOTION = "motion"
    POWERLINE = "powerline"
    CLIPPED = "clipped"
    POOR_CONTACT = "poor_contact"
    OFF_BODY = "off_body"
    NOT_PACED = "not_paced"
    UNRELATED = "unrelated"
    """Two signals that do not move together have no phase."""
    DISAGREES = "disagrees"
    """Two sensors of one heart tell of different beats."""
    CANNOT_TELL = "cannot_tell"
    """The 95 % interval holds both a fall and a rise, or the source does not show it."""


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
    """ecg: found in the waveform; rr or ppi: told by the sensor."""
    rr_ms: float | None = None
    """Interval from the beat before, as measured; never altered."""
    rr_corrected_ms: float | None = None
    """The interval to use in its place: equals `rr_ms` where the flag is ok."""
    flag: BeatFlag
    confirmed: bool
    t_error_ms: float | None = None
    """Half width of a 95 % interval of `t_ns`, the smallest latency of the link left out; None where nothing tells."""
    rr_error_ms: float | None = None
    """Standard deviation of the interval, where the sensor tells it or an amplifier has cut its beats off."""

    def __post_init__(self) -> None:
        require_time("t_ns", self.t_ns)
        require(self.beat_idx >= 0, "beat_idx", "0 or more", self.beat_idx)
        require(0.0 <= (self.t_error_ms or 0.0) < math.inf, "t_error_ms", "0 or more", self.t_error_ms)
        require(0.0 <= (self.rr_error_ms or 0.0) < math.inf, "rr_error_ms", "0 or more", self.rr_error_ms)


@value
class BreathTurn:
    """Breathing changed direction at `t_ns`: the start of an inhalation (trough) or an exhalation (peak)."""

    t_ns: int
    emitted_ns: int
    phase: BreathPhase
    source: SignalKind | None = None
    """The signal it was found in: respiration, an axis of acceleration, or ecg."""


@value
class Breath:
    """One whole breath, from the start of an inhalation to the start of the next."""

    t_ns: int
    """Start of its inhalation."""
    emitted_ns: int
    breathing_rate_bpm: float
    depth: float
    """Peak minus the mean of the two troughs, in the unit of the stream."""
    source: SignalKind | None = None


@value
class BreathPause:
    """A hold or an apnoea, told when breathing has gone on."""

    t_ns: int
    """The last turn before it."""
    end_ns: int
    emitted_ns: int
    source: SignalKind


@value
class SkinResponse:
    """One skin-conductance response."""

    onset_ns: int
    peak_ns: int
    emitted_ns: int
    amplitude_us: float


@value
class SkinRecovery:
    """A skin-conductance response has fallen back by half of its amplitude."""

    onset_ns: int
    """The onset of that response."""
    recovered_ns: int
    emitted_ns: int


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
        is_withheld = self.value is None
        if is_withheld is (self.reason is None):
            require(False, "reason", "a reason exactly when there is no value", self.reason)
        if is_withheld is not (self.bound is None):
            require(False, "bound", "a bound exactly when there is a value", self.bound)


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
    arousal_from: tuple[str, ...] | None = None
    """Names of the features that it is made of now; None where it is withheld, and in what was told before."""

    @classmethod
    def index_names(cls) -> tuple[str, ...]:
        """Names of the indices, in their order."""
        return tuple(f.name for f in fields(cls) if f.name not in {"t_ns", "emitted_ns", "arousal_from"})


@value
class SlowMetrics:
    """Indices of longer windows, every five seconds. Definitions, windows and sources: docs/indices.md."""

    t_ns: int
    emitted_ns: int
    heart_source: SignalKind | None = None
    """What the heart's indices are made from: ecg, rr, ppi or ppg."""
    breath_source: SignalKind | None = None
    """What the breath's indices are made from."""
    mean_rr_ms: Index
    ln_rmssd: Index
    sdnn_ms: Index
    pnn50_pct: Index
    sd1_ms: Index
    sd2_ms: Index
    rmssd_300s_ms: Index
    sdnn_300s_ms: Index
    pnn50_300s_pct: Index
    mean_rr_300s_ms: Index
    lf_ms2: Index
    hf_ms2: Index
    lf_hf: Index
    lf_peak_hz: Index
    rsa_ms: Index
    coherence: Index
    phase_deg: Index
    adherence: Index
    breath_depth: Index
    breath_irregularity: Index
    ventilation: Index
    """Rate times depth over that of the first quiet minute: above 1.5 for a minute asks for smaller breaths."""
    subsidence: Index
    """Points of arousal below the start of practice."""
    half_life_s: Index

    @classmethod
    def index_names(cls) -> tuple[str, ...]:
        """Names of the indices, in their order."""
        told = {"t_ns", "emitted_ns", "heart_source", "breath_source"}
        return tuple(f.name for f in fields(cls) if f.name not in told)


@value
class SignalQuality:
    """Whether a signal can carry indices, from `t_ns` on."""

    t_ns: int
    emitted_ns: int
    kind: SignalKind
    reason: Reason | None = None
    """None: usable."""
    caution: Reason | None = None
    """What mars a usable signal (powerline, clipped), so that it can be mended while it still works; None where nothing
    does, or where `reason` says why it is no use."""

    def __post_init__(self) -> None:
        require(self.reason is None or self.caution is None, "caution", "none beside a reason", self.caution)


@value
class HrvWindow:
    """Windowed indices by NeuroKit2 - HRV, RSA, skin conductance: slow, and marked with their own delay."""

    t_ns: int
    """End of the window."""
    emitted_ns: int
    window_s: float
    n_beats: int
    indices: dict[str, float]
    """NeuroKit2's names (HRV_RMSSD, RSA_P2T_Mean, EDA_Tonic_Mean ...), finite values only."""
    withheld: dict[str, str] | None = None
    """Each family (time, frequency, nonlinear, rsa, eda) that the window could not tell, with the reason in words."""

    def __post_init__(self) -> None:
        require_time("t_ns", self.t_ns)
        for name, index in self.indices.items():
            require(math.isfinite(index), name, "a finite value", index)


Derived = (
    Beat
    | BreathTurn
    | Breath
    | BreathPause
    | SkinResponse
    | SkinRecovery
    | Metrics
    | SlowMetrics
    | SignalQuality
    | HrvWindow
)
