"""What a screen shows at one moment: plain values, the same for a window and for a terminal."""

from enum import StrEnum

from becalm_kivy.pacer import PacerPose
from becalm_kivy.settling import SettlingView
from becalm_kivy.signals import SignalView
from becalm_kivy.summary import Summary
from becalm_protocol.derived import Index, Metrics
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S


class PracticeState(StrEnum):
    """Where the person is."""

    NO_SERVER = "no_server"
    NO_AGENT = "no_agent"
    SENSOR_NOT_FOUND = "sensor_not_found"
    READY = "ready"
    WAITING = "waiting"
    CALIBRATING = "calibrating"
    PRACTISING = "practising"
    REPLAYING = "replaying"
    """A recording is played; nobody breathes along."""
    ALONE = "alone"
    """The pacer runs on this device, without a server."""
    ENDED = "ended"

    @property
    def is_under_way(self) -> bool:
        """Whether stop is what the big button does."""
        return self in _UNDER_WAY


_UNDER_WAY = {
    PracticeState.WAITING,
    PracticeState.CALIBRATING,
    PracticeState.PRACTISING,
    PracticeState.REPLAYING,
    PracticeState.ALONE,
}

# Session time at which the newest sample behind an index is too old to be called now. A breath at 4/min ends every
# 15 s and its rate speaks of the last one; the others move with every beat or sample.
STALE_INDEX_NS = {
    "heart_rate_bpm": 8 * NS_PER_S,
    "rmssd_ms": 10 * NS_PER_S,
    "breathing_rate_bpm": 25 * NS_PER_S,
    "scl_us": 6 * NS_PER_S,
    "scr_per_min": 6 * NS_PER_S,
    "arousal": 10 * NS_PER_S,
}


@value
class Reading:
    """One index with its age."""

    name: str
    index: Index
    age_ns: int | None
    is_stale: bool


def readings(metrics: Metrics | None, *, session_ns: int | None) -> tuple[Reading, ...]:
    """Return every index of the newest metrics, each with its age at `session_ns`."""
    if metrics is None:
        return ()
    return tuple(_reading(name, metrics, session_ns) for name in Metrics.index_names() if name in STALE_INDEX_NS)


def _reading(name: str, metrics: Metrics, session_ns: int | None) -> Reading:
    index: Index = getattr(metrics, name)
    sample_ns = metrics.t_ns if index.sample_ns is None else index.sample_ns
    age_ns = None if session_ns is None else max(0, session_ns - sample_ns)
    is_stale = index.value is not None and (age_ns is None or age_ns > STALE_INDEX_NS[name])
    return Reading(name=name, index=index, age_ns=age_ns, is_stale=is_stale)


@value
class PracticeView:
    """Everything to show."""

    state: PracticeState
    session_id: str | None
    is_linked: bool
    """False: the link to the server is gone, whatever the session does."""
    is_replay: bool
    sentence: str
    """What is going on, and what to do."""
    notice: str | None
    """One thing that needs a hand: a sensor, the link."""
    elapsed_s: float | None
    seconds_left: float | None
    """Of the baseline."""
    pose: PacerPose
    settling: SettlingView
    signals: tuple[SignalView, ...]
    readings: tuple[Reading, ...]
    arousal_from: tuple[str, ...]
    """Features that arousal is made of now; none where it is not told."""
    age_ns: int | None
    """Of the newest sample of any sensor."""
    playout_delay_ns: int
    draw_ns: int | None
    """Session time at the right edge of every curve."""
    summary: Summary | None

    def reading(self, name: str) -> Reading | None:
        """The reading of one index."""
        return next((reading for reading in self.readings if reading.name == name), None)
