"""What a client asks of `/v1/live` and what it is sent: subscriptions, live frames, and what it missed."""

from becalm_protocol import limits
from becalm_protocol.derived import Derived
from becalm_protocol.events import (
    Battery,
    Gap,
    PhaseChange,
    SignalKind,
    StreamStatus,
    require,
    require_text,
    require_time,
    value,
)
from becalm_protocol.wishes import Marker


@value
class Ledger:
    """The hops of the newest sample behind a frame, all in session time: age is a fact, not a guess."""

    sample_ns: int
    """Session time of the newest sample itself."""
    received_ns: int
    """The agent's callback."""
    accepted_ns: int
    """The server took it."""
    published_ns: int
    """The server handed the frame to the network."""
    held: bool | None = None
    """True: the database is away. What is behind this frame is not stored yet; the server and the agent keep it."""

    def __post_init__(self) -> None:
        require_time("sample_ns", self.sample_ns)
        require_time("received_ns", self.received_ns)


@value
class Waveform:
    """Samples of one stream in its unit, ready to draw."""

    stream_id: str
    kind: SignalKind
    t_ns: int
    """Session time of the first sample."""
    sample_period_ns: float
    values: tuple[float, ...]


LiveEvent = Derived | Waveform | Gap | StreamStatus | Battery | PhaseChange | Marker


@value
class Live:
    """One event for a client with its ledger."""

    seq: int
    """Version 2: counts the frames of the session, the same for every client and after every reconnect; those that a
    client did not ask for are left out. Version 1: counts the frames of this connection without a hole."""
    event: LiveEvent
    ledger: Ledger | None = None
    session_id: str | None = None
    """Version 2: the session it is of."""


@value
class Resume:
    """How far a client has come: it wants everything after that."""

    feed_id: str
    """As `Subscribed` told it."""
    seq: int
    """Of the newest frame of the session that it holds."""

    def __post_init__(self) -> None:
        require_text("feed_id", self.feed_id)
        require(0 <= self.seq <= limits.MAX_SESSION_NS, "seq", "0 or more", self.seq)


@value
class Subscribe:
    """A client asks for the frames of a session; it replaces what it asked of that session before."""

    session_id: str | None = None
    """None: of the session under way, and of each that follows it."""
    events: tuple[str, ...] | None = None
    """Only these types of event (waveform, beat, metrics ...); None: all. Unknown ones come never."""
    waveforms: tuple[str, ...] | None = None
    """Waveforms of these kinds of signal only (ecg, respiration ...); None: of all; empty: none."""
    streams: tuple[str, ...] | None = None
    """Of what speaks of one stream (waveform, gap, battery ...) only these streams; None: all."""
    metrics_hz: float | None = None
    """At most so many `metrics` a second of session time; None: as they come, four."""
    resume: Resume | None = None
    """None: from now on."""

    def __post_init__(self) -> None:
        for field, names in (("events", self.events), ("waveforms", self.waveforms), ("streams", self.streams)):
            n_max, told = limits.MAX_STREAMS, names or ()
            require(len(told) <= n_max, field, f"at most {n_max} names", len(told))
            for name in told:
                require_text(field, name)
        if self.session_id is not None:
            require_text("session_id", self.session_id)
        low, high, hz = limits.MIN_METRICS_HZ, limits.MAX_METRICS_HZ, self.metrics_hz
        require(hz is None or low <= hz <= high, "metrics_hz", f"{low} to {high} Hz", hz)


@value
class Unsubscribe:
    """A client wants no more frames of a session."""

    session_id: str | None = None
    """As in `Subscribe`."""


@value
class Missed:
    """Frames that a client asked for and that are not kept any more; their content is in the record, over HTTP."""

    first_seq: int
    last_seq: int
    start_ns: int | None = None
    """Session time at or before which the first of them was published."""
    end_ns: int | None = None
    """Session time at or after which the last of them was published."""


@value
class Subscribed:
    """From here on frames of this session come, the next with a number above `seq`."""

    session_id: str
    feed_id: str
    """Random; another one than before means that the numbers began anew (the server was restarted)."""
    seq: int
    n_resumed: int = 0
    """Frames from before this moment that follow first; those a client did not ask for count too."""
    missed: Missed | None = None
    """What lies between the asked `resume` and the oldest frame that is kept; None where there is no hole."""
    began_anew: bool = False
    """The asked `resume` is of another feed: from what time on something is missing only the client knows."""


@value
class Ages:
    """How far each signal of a session has come, every heartbeat: age = `clock_ns` minus its time."""

    session_id: str
    clock_ns: int | None = None
    """Session time now; None before the sensors have opened the session."""
    streams: dict[str, int]
    """Session time of the newest sample shown of each stream, by `stream_id`."""
    events: dict[str, int]
    """Session time that the newest event of each type was given out at (metrics, beat ...)."""
