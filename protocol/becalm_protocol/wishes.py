"""What a person asks of a session that is under way."""

from becalm_protocol.events import SignalKind, require_time, value


@value
class BreathWish:
    """From `t_ns` on the breath is to be taken from this signal, or (None) from the best one, as at the start."""

    t_ns: int
    source: SignalKind | None = None
    """respiration, any axis of acceleration, or ecg; one that the session does not have changes nothing."""

    def __post_init__(self) -> None:
        require_time("t_ns", self.t_ns)
