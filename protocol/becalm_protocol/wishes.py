"""What a person asks of a session that is under way, or says about it."""

from becalm_protocol import limits
from becalm_protocol.events import SignalKind, require, require_text, require_time, value


@value
class BreathWish:
    """From `t_ns` on the breath is to be taken from this signal, or (None) from the best one, as at the start."""

    t_ns: int
    source: SignalKind | None = None
    """respiration, any axis of acceleration, ecg, rr or ppi; one that the session does not have changes nothing."""

    def __post_init__(self) -> None:
        require_time("t_ns", self.t_ns)


@value
class Marker:
    """A moment that a person marked; `removed` takes it back."""

    marker_id: str
    """Random identifier of the marker."""
    t_ns: int
    label: str
    """One line by whoever marked it."""
    removed: bool = False

    def __post_init__(self) -> None:
        require_text("marker_id", self.marker_id)
        require_time("t_ns", self.t_ns)
        n_max = limits.MAX_NAME_CHARS
        require(0 < len(self.label) <= n_max, "label", f"1 to {n_max} characters", self.label)
