"""How far one stream of a session has come."""

from enum import Enum, auto

from becalm_protocol.errors import WireError
from becalm_protocol.events import StreamInfo
from becalm_protocol.limits import CREDIT_FRAMES
from becalm_server.archive.raw_rows import RawRow
from becalm_server.archive.writes import StreamMark


class Verdict(Enum):
    """What becomes of a Data message."""

    TAKEN = auto()
    DUPLICATE = auto()
    """Already taken: dropped silently."""
    HOLE = auto()
    """Something before it is missing: the agent goes back."""


class StreamTail:
    """Taken in memory, and committed."""

    __slots__ = ("_first_ns", "_last_idx", "_last_ns", "acked_seq", "held_seq", "info", "n_duplicates", "taken_seq")

    def __init__(self, info: StreamInfo, *, acked_seq: int, n_duplicates: int) -> None:
        self.info = info
        self.taken_seq = acked_seq
        self.acked_seq = acked_seq
        self.held_seq = acked_seq
        """Up to here the agent was told that it is kept in memory while the database is away."""
        self.n_duplicates = n_duplicates
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._last_idx: int | None = None

    def judge(self, seq: int) -> Verdict:
        """Tell what becomes of the event with this number. Raises WireError for one beyond the credit."""
        if seq <= self.taken_seq:
            self.n_duplicates += 1
            return Verdict.DUPLICATE
        if seq != self.taken_seq + 1:
            return Verdict.HOLE
        if seq > max(self.acked_seq, self.held_seq) + CREDIT_FRAMES:
            raise WireError(f"data: expected at most {CREDIT_FRAMES} frames ahead of the acknowledgement, got more")
        return Verdict.TAKEN

    def take(self, row: RawRow) -> None:
        """Take the next event of the stream."""
        self.taken_seq, self._last_idx = row.seq, row.arrival_idx
        self._first_ns = row.received_ns if self._first_ns is None else min(self._first_ns, row.received_ns)
        self._last_ns = row.received_ns if self._last_ns is None else max(self._last_ns, row.received_ns)

    def mark(self) -> StreamMark:
        """Return the position as the archive keeps it."""
        return StreamMark(
            stream_id=self.info.stream_id,
            seq=self.taken_seq,
            n_duplicates=self.n_duplicates,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            last_idx=self._last_idx,
        )
