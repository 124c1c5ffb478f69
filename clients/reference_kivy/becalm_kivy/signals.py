"""How each sensor is, from what the agent says of it, from the age of its newest sample and from its quality."""

from enum import StrEnum

from becalm_kivy.traces import CURVE_OF_KIND, Curve
from becalm_protocol.derived import Reason, SignalQuality
from becalm_protocol.events import SignalKind, StreamInfo, StreamState, value
from becalm_protocol.handshake import SensorState
from becalm_protocol.units import NS_PER_S

# Straps send RR up to 4 s late, and a quiet heart beats every 2 s; belts and skin sensors send at least every second.
# Late is twice the usual, stale is when a person would wonder.
LATE_NS = {Curve.HEART: 4 * NS_PER_S, Curve.BREATH: 2 * NS_PER_S, Curve.SKIN: 2 * NS_PER_S}
STALE_NS = {Curve.HEART: 7 * NS_PER_S, Curve.BREATH: 4 * NS_PER_S, Curve.SKIN: 4 * NS_PER_S}


class SignalState(StrEnum):
    """One word for a sensor's chip."""

    NOT_FOUND = "not_found"
    FOUND = "found"
    LIVE = "live"
    UNCLEAR = "unclear"
    LATE = "late"
    STALE = "stale"
    LOST = "lost"


@value
class SignalView:
    """One sensor at one moment."""

    curve: Curve
    state: SignalState
    device: str | None
    battery_pct: int | None
    age_ns: int | None
    """Age of its newest sample."""
    reason: Reason | None
    """What its quality suffers from."""
    caution: Reason | None
    """What mars it while it is still of use."""

    @property
    def is_live(self) -> bool:
        """Whether what it shows is now."""
        return self.state in {SignalState.LIVE, SignalState.UNCLEAR, SignalState.LATE}


class _Stream:
    def __init__(self) -> None:
        self.device: str | None = None
        self.state: StreamState | None = None
        self.battery_pct: int | None = None
        self.newest_ns: int | None = None
        self.reason: Reason | None = None
        self.caution: Reason | None = None


class Signals:
    """Follows every stream; a curve is as well as the best of its streams."""

    def __init__(self) -> None:
        self._streams = {kind: _Stream() for kind in SignalKind}
        self._kinds: dict[str, SignalKind] = {}

    def begin_session(self) -> None:
        """Forget what belongs to a session; the sensors stay."""
        self._kinds.clear()
        for stream in self._streams.values():
            stream.newest_ns = stream.reason = stream.caution = None

    def set_streams(self, streams: tuple[StreamInfo, ...]) -> None:
        """Learn which stream carries which signal."""
        self._kinds.update({info.stream_id: info.kind for info in streams})

    def set_sensors(self, sensors: tuple[SensorState, ...]) -> None:
        """Take the agent's word for all sensors."""
        told = {sensor.kind: sensor for sensor in sensors}
        for kind, stream in self._streams.items():
            sensor = told.get(kind)
            stream.state = sensor.state if sensor else None
            stream.device = sensor.device if sensor else None
            stream.battery_pct = sensor.battery_pct if sensor else None

    def kind_of(self, stream_id: str) -> SignalKind | None:
        """Which signal a stream carries, None for a stream nobody named."""
        return self._kinds.get(stream_id)

    def set_state(self, stream_id: str, state: StreamState) -> None:
        """A stream began, fell silent or was lost."""
        if (kind := self.kind_of(stream_id)) is not None:
            self._streams[kind].state = state

    def set_battery(self, stream_id: str, level_pct: int) -> None:
        """A sensor told its battery level."""
        if (kind := self.kind_of(stream_id)) is not None:
            self._streams[kind].battery_pct = level_pct

    def set_quality(self, quality: SignalQuality) -> None:
        """The pipeline judged a signal."""
        stream = self._streams[quality.kind]
        stream.reason, stream.caution = quality.reason, quality.caution

    def add_sample(self, kind: SignalKind, sample_ns: int) -> None:
        """A sample of this session time is here."""
        stream = self._streams[kind]
        stream.newest_ns = max(sample_ns, stream.newest_ns or sample_ns)

    @property
    def any_found(self) -> bool:
        """Whether the agent has at least one sensor on the line."""
        on_line = {StreamState.READY, StreamState.STREAMING, StreamState.LATE}
        return any(stream.state in on_line for stream in self._streams.values())

    def newest_ns(self) -> int | None:
        """Session time of the newest sample of any signal."""
        return max((s.newest_ns for s in self._streams.values() if s.newest_ns is not None), default=None)

    def view(self, curve: Curve, *, session_ns: int | None) -> SignalView:
        """Return how a curve's sensors are at the session time `session_ns`, None outside a session."""
        views = [
            _look(curve, stream, session_ns)
            for kind, stream in self._streams.items()
            if CURVE_OF_KIND.get(kind) is curve
        ]
        return min(views, key=lambda view: _RANK.index(view.state))


_RANK = (
    SignalState.LIVE,
    SignalState.LATE,
    SignalState.UNCLEAR,
    SignalState.STALE,
    SignalState.LOST,
    SignalState.FOUND,
    SignalState.NOT_FOUND,
)


def _look(curve: Curve, stream: _Stream, session_ns: int | None) -> SignalView:
    age_ns = None
    if session_ns is not None and stream.newest_ns is not None:
        age_ns = max(0, session_ns - stream.newest_ns)
    return SignalView(
        curve=curve,
        state=_state(curve, stream, age_ns),
        device=stream.device,
        battery_pct=stream.battery_pct,
        age_ns=age_ns,
        reason=stream.reason,
        caution=stream.caution,
    )


def _state(curve: Curve, stream: _Stream, age_ns: int | None) -> SignalState:
    if stream.state in {StreamState.LOST, StreamState.ENDED}:
        return SignalState.LOST
    if age_ns is None:
        return SignalState.NOT_FOUND if stream.state is None else SignalState.FOUND
    if age_ns > STALE_NS[curve]:
        return SignalState.STALE
    if stream.reason is not None:
        return SignalState.UNCLEAR
    is_late = stream.state is StreamState.LATE or age_ns > LATE_NS[curve]
    return SignalState.LATE if is_late else SignalState.LIVE
