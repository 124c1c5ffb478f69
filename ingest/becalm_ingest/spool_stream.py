"""What the spool keeps in memory of one stream and one session."""

import struct
from dataclasses import dataclass, field

from becalm_protocol.events import Gap, GapReason, StreamInfo
from becalm_protocol.handshake import OpenSession, Source

_OVERFLOW = struct.Struct("<qqq")
NO_OVERFLOW = _OVERFLOW.pack(0, 0, 0)


@dataclass(slots=True, kw_only=True)
class Overflow:
    """Events that found no room: told later as one Gap."""

    start_ns: int
    end_ns: int
    n_events: int

    def pack(self) -> bytes:
        """Return the fixed-width form kept in the file."""
        return _OVERFLOW.pack(self.start_ns, self.end_ns, self.n_events)

    @classmethod
    def unpack(cls, data: bytes) -> "Overflow | None":
        """Return the overflow in its fixed-width form, None where there was none."""
        start_ns, end_ns, n_events = _OVERFLOW.unpack(data)
        return cls(start_ns=start_ns, end_ns=end_ns, n_events=n_events) if n_events else None

    def gap(self, stream_id: str) -> Gap:
        """Return the Gap that stands for the events."""
        return Gap(
            stream_id=stream_id,
            received_ns=self.end_ns,
            start_ns=self.start_ns,
            end_ns=max(self.start_ns, self.end_ns),
            reason=GapReason.SPOOL_FULL,
        )


@dataclass(slots=True, kw_only=True)
class SpooledStream:
    """Counters of one stream: `acked_seq` <= `last_seq`; rows between the two are in the file."""

    stream_no: int
    session_id: str
    info: StreamInfo
    acked_seq: int = 0
    acked_ns: int = 0
    """Session time of the event with `acked_seq`."""
    last_seq: int = 0
    newest_ns: int = 0
    """Session time of the newest event appended."""
    found_seq: int | None = None
    """`last_seq` as found in the file at the first start since the server has said where it stands; None: it has."""
    overflow: Overflow | None = None


@dataclass(slots=True, kw_only=True)
class SpooledSession:
    """One session in the spool."""

    session_id: str
    started_unix_ns: int
    started_monotonic_ns: int
    source: Source
    finished: bool = False
    """Nothing more will be appended; what is left is sent, then the session is closed."""
    streams: dict[str, SpooledStream] = field(default_factory=dict)

    def opening(self) -> OpenSession:
        """Return the message that opens or resumes the session at the server."""
        return OpenSession(
            session_id=self.session_id,
            started_unix_ns=self.started_unix_ns,
            source=self.source,
            streams=tuple(stream.info for stream in self.streams.values()),
        )

    @property
    def n_unacked(self) -> int:
        """Events the server has not acknowledged yet."""
        return sum(stream.last_seq - stream.acked_seq for stream in self.streams.values())
