"""Messages of the two connections: agent to server (`/v1/ingest`) and server to client (`/v1/live`).

PROTOCOL.md beside this file tells the conversation; here is its vocabulary.
"""

from dataclasses import field
from enum import StrEnum

from becalm_protocol import limits
from becalm_protocol.events import Pacer, RawEvent, StreamInfo, require, require_text, value
from becalm_protocol.forms import SUBPROTOCOL_JSON as SUBPROTOCOL_JSON
from becalm_protocol.forms import SUBPROTOCOL_MSGPACK as SUBPROTOCOL_MSGPACK
from becalm_protocol.forms import VERSIONS as VERSIONS
from becalm_protocol.live import Ages, Subscribe, Subscribed, Unsubscribe
from becalm_protocol.live import Ledger as Ledger
from becalm_protocol.live import Live as Live
from becalm_protocol.live import LiveEvent as LiveEvent
from becalm_protocol.live import Waveform as Waveform
from becalm_protocol.sensor_state import SensorState as SensorState


class Source(StrEnum):
    """Where a session's events come from."""

    LIVE = "live"
    REPLAY = "replay"


@value
class AgentHello:
    """First message of an agent."""

    versions: tuple[int, ...]
    agent_id: str
    """Random, kept by the agent; says nothing about the person."""
    token: str | None = field(default=None, repr=False)
    """What opens the server, where the connection's Authorization header does not carry it."""

    def __post_init__(self) -> None:
        require_text("agent_id", self.agent_id)
        require(
            0 < len(self.token or "-") <= limits.MAX_TOKEN_CHARS, "token", "1 to 1,000 characters", "another number"
        )
        require(0 < len(self.versions) <= 16, "versions", "1 to 16 versions", len(self.versions))


@value
class AgentWelcome:
    """The server's answer: the version spoken from here on."""

    version: int
    heartbeat_s: float
    """Each side sends at least this often; three silent ones mean the link is gone."""
    credit_frames: int
    """Un-acknowledged `Data` an agent may have in flight for each stream."""


@value
class StreamAck:
    """Everything up to and with `seq` of a stream is committed."""

    stream_id: str
    seq: int


@value
class OpenSession:
    """The agent begins, or after a broken link resumes, a session."""

    session_id: str
    started_unix_ns: int
    """Wall clock at session time 0; for people, never for intervals."""
    source: Source
    streams: tuple[StreamInfo, ...]

    def __post_init__(self) -> None:
        require_text("session_id", self.session_id)
        n_max = limits.MAX_STREAMS
        require(0 < len(self.streams) <= n_max, "streams", f"1 to {n_max} streams", len(self.streams))


@value
class SessionOpened:
    """The server knows the session; `acks` say where each stream resumes."""

    session_id: str
    acks: tuple[StreamAck, ...]


@value
class Data:
    """One raw event; `seq` counts from 1 in its stream, without a hole, for ever."""

    seq: int
    event: RawEvent

    def __post_init__(self) -> None:
        require(0 < self.seq <= limits.MAX_SESSION_NS, "seq", "1 or more", self.seq)


@value
class Ack:
    """Cumulative acknowledgement, sent only after the database has committed."""

    acks: tuple[StreamAck, ...]


@value
class Held:
    """The database is away: events up to here wait in the server's memory. They are not stored, so the agent keeps
    them, and goes on: its credit counts from here. Told again while that lasts, whether more is held or not.
    """

    held: tuple[StreamAck, ...]
    detail: str
    """For the person beside the agent."""


@value
class Reset:
    """The server expected `seq` + 1: the agent goes back to it (go-back-N)."""

    stream_id: str
    seq: int


@value
class StartSession:
    """A client pressed start: the agent opens this session."""

    session_id: str


@value
class StopSession:
    """A client pressed stop: the agent sends what it has, then `CloseSession`."""

    session_id: str


@value
class CloseSession:
    """Nothing more will come for this session; `last` is the final sequence number of each stream."""

    session_id: str
    last: tuple[StreamAck, ...]

    def __post_init__(self) -> None:
        require_text("session_id", self.session_id)


@value
class SessionClosed:
    """Everything up to `CloseSession.last` is committed and the session is finished."""

    session_id: str


@value
class AgentStatus:
    """How the agent's sensors are, in or out of a session."""

    sensors: tuple[SensorState, ...]


@value
class Ping:
    """Heartbeat: answer at once with `Pong`."""

    sent_ns: int
    """The sender's own clock, given back unread."""
    session_id: str | None = None
    """Whose session time the answer is to tell; None: of the session under way."""


@value
class Pong:
    """Answer to `Ping`."""

    sent_ns: int
    clock_ns: int | None = None
    """Session time at the answering side, None outside a session: gives the clock offset (RFC 5905 section 8)."""


@value
class Problem:
    """Why the sender is about to close, or what it refused: what, expected, got, what to do."""

    close_code: int | None = None
    detail: str


@value
class ClientHello:
    """First message of a client."""

    versions: tuple[int, ...]
    client: str
    """Name of the program, for the operator's log."""
    waveforms: bool = True
    """Version 1 only. False: indices, beats and breaths only."""
    token: str | None = field(default=None, repr=False)
    """A device's token or a one-time ticket, where the connection's Authorization header carries none."""

    def __post_init__(self) -> None:
        require_text("client", self.client)
        require(
            0 < len(self.token or "-") <= limits.MAX_TOKEN_CHARS, "token", "1 to 1,000 characters", "another number"
        )
        require(0 < len(self.versions) <= 16, "versions", "1 to 16 versions", len(self.versions))


class SessionPhase(StrEnum):
    """What a session is doing."""

    WAITING = "waiting"
    """Started; the sensors have not opened it yet."""
    BASELINE = "baseline"
    PRACTICE = "practice"
    ENDED = "ended"


@value
class SessionView:
    """The session as clients see it: sent on every change."""

    session_id: str
    phase: SessionPhase
    source: Source
    baseline_s: float
    pacer: Pacer | None = None
    """The pacer of the practice to come or under way; its `started_ns` is when practice begins."""
    streams: tuple[StreamInfo, ...] = ()


@value
class ClientWelcome:
    """The server's answer to a client."""

    version: int
    heartbeat_s: float
    playout_delay_ms: float
    """Clients draw by sample time, this much in the past, so that packets of the slowest sensor are always there."""
    session: SessionView | None = None
    sensors: tuple[SensorState, ...] = ()
    agent_connected: bool


@value
class AgentPresence:
    """An agent came or went, or its sensors changed."""

    agent_connected: bool
    sensors: tuple[SensorState, ...]


AgentMessage = AgentHello | OpenSession | Data | CloseSession | AgentStatus | Ping | Pong | Problem
ServerToAgent = (
    AgentWelcome
    | SessionOpened
    | Ack
    | Held
    | Reset
    | StartSession
    | StopSession
    | SessionClosed
    | Ping
    | Pong
    | Problem
)
ClientMessage = ClientHello | Subscribe | Unsubscribe | Ping | Pong
ServerToClient = ClientWelcome | SessionView | AgentPresence | Subscribed | Live | Ages | Ping | Pong | Problem
Message = AgentMessage | ServerToAgent | ClientMessage | ServerToClient
