"""What becalm's signals are called, and their units, where programs of a laboratory read them."""

from becalm_protocol.derived import Metrics
from becalm_protocol.events import SignalKind, StreamInfo, value

METRICS_HZ = 4.0
METRIC_UNITS = {
    "heart_rate_bpm": "1/min",
    "rmssd_ms": "milliseconds",
    "breathing_rate_bpm": "1/min",
    "scl_us": "microsiemens",
    "scr_per_min": "1/min",
    "arousal": "au",
}
_USUAL = {
    SignalKind.ECG: ("ECG", "ECG"),
    SignalKind.RESPIRATION: ("Respiration", "Resp"),
    SignalKind.SKIN_CONDUCTANCE: ("GSR", "EDA"),
}
"""Content type as in the XDF specification, and channel label."""
_UNITS = {"uV": "microvolts", "uS": "microsiemens"}


@value
class Channel:
    """One channel of a stream."""

    label: str
    unit: str


def content_type(kind: SignalKind) -> str:
    """Return what a laboratory calls such a signal; those without a usual name keep ours."""
    return _USUAL[kind][0] if kind in _USUAL else kind.value


def channel_of(info: StreamInfo) -> Channel:
    """Return the channel of a stream, in the unit its values are in."""
    label = _USUAL[info.kind][1] if info.kind in _USUAL else info.kind.value
    return Channel(label=label, unit=_UNITS.get(info.unit, info.unit))


def metric_channels() -> tuple[Channel, ...]:
    """Return each index and, behind it, the half width of its 95 % interval."""
    names = Metrics.index_names()
    return tuple(Channel(label=label, unit=METRIC_UNITS[name]) for name in names for label in (name, f"{name}_bound"))
