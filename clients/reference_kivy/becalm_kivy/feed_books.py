"""What a feed remembers from one connection to the next: counts, the session it follows and that session's clock."""

from collections import deque

from becalm_kivy.session_clock import SessionClock
from becalm_protocol.events import value
from becalm_protocol.handshake import ClientWelcome, Live, Pong, ServerToClient, SessionPhase, SessionView

# Answers to older pings say nothing new.
N_PINGS_OUT = 16


@value
class FeedStatistics:
    """Counts since the feed was made."""

    n_messages: int
    n_malformed: int
    n_unknown: int
    n_connections: int
    n_missed: int
    """Live frames that a hole in `seq` shows to be missing."""


class FeedBooks:
    """Notes every message that passes."""

    def __init__(self) -> None:
        self.clock = SessionClock()
        self.n_messages = self.n_malformed = self.n_unknown = self.n_connections = self.n_missed = 0
        self._session_id: str | None = None
        self._phase: SessionPhase | None = None
        self._pings_out: deque[int] = deque(maxlen=N_PINGS_OUT)
        self._last_seq = 0

    def statistics(self) -> FeedStatistics:
        """Counts so far."""
        return FeedStatistics(
            n_messages=self.n_messages,
            n_malformed=self.n_malformed,
            n_unknown=self.n_unknown,
            n_connections=self.n_connections,
            n_missed=self.n_missed,
        )

    @property
    def in_session(self) -> bool:
        """Whether session time runs."""
        return self._phase in {SessionPhase.BASELINE, SessionPhase.PRACTICE}

    def begin_connection(self) -> None:
        """A new connection counts its frames anew."""
        self._last_seq = 0
        self._pings_out.clear()

    def note_ping(self, sent_ns: int) -> None:
        """A ping went out."""
        self._pings_out.append(sent_ns)

    def note(self, message: ServerToClient, *, received_ns: int) -> None:
        """A message came in."""
        match message:
            case Live():
                self._note_live(message, received_ns)
            case Pong(sent_ns=sent_ns, clock_ns=int(clock_ns)) if sent_ns in self._pings_out:
                self.clock.add_round_trip(sent_ns=sent_ns, received_ns=received_ns, clock_ns=clock_ns)
            case SessionView():
                self._note_session(message)
            case ClientWelcome():
                self.n_connections += 1
                self._note_session(message.session)

    def _note_live(self, live: Live, received_ns: int) -> None:
        if self._last_seq:
            self.n_missed += max(0, live.seq - self._last_seq - 1)
        self._last_seq = live.seq
        if live.ledger is not None:
            self.clock.add_published(live.ledger.published_ns, received_ns=received_ns)

    def _note_session(self, session: SessionView | None) -> None:
        session_id = session.session_id if session else None
        if session_id != self._session_id:
            self._session_id = session_id
            self.clock.reset()
        self._phase = session.phase if session else None
