"""What an agent has told the server of the session under way, on one connection."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Echo:
    """A hole answered once: the events that were under way behind it each ask for it again."""

    seq: int
    n_expected: int


@dataclass(slots=True, kw_only=True)
class Opened:
    """The session under way on this connection."""

    session_id: str
    n_streams: int
    is_open: bool = False
    is_closing: bool = False
    sent_seq: dict[str, int] = field(default_factory=dict)
    held_seq: dict[str, int] = field(default_factory=dict)
    """What the server keeps in memory while its database is away: credit counts from there."""
    resets: dict[str, Echo] = field(default_factory=dict)
