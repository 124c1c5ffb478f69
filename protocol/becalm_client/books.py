"""What a feed remembers from one connection to the next: counts, how far each session came, and session time."""

from collections import deque
from dataclasses import replace

from becalm_client.session_clock import SessionClock
from becalm_protocol.events import value
from becalm_protocol.handshake import ClientWelcome, Live, Pong, ServerToClient, SessionPhase, SessionView
from becalm_protocol.live import Resume, Subscribe, Subscribed

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
    """Live frames that the server could give no more, or that a hole in version 1's `seq` shows to be missing."""
    n_resumed: int
    """Live frames of before a break that the server gave again."""


class FeedBooks:
    """Notes every message that passes."""

    def __init__(self, *, session_id: str | None = None) -> None:
        self.clock = SessionClock()
        self.clock_of = session_id
        """The session whose time is kept; None: of the one under way, whichever it is."""
        self.n_messages = self.n_malformed = self.n_unknown = self.n_connections = self.n_missed = self.n_resumed = 0
        self._session_id: str | None = None
        self._phase: SessionPhase | None = None
        self._pings_out: deque[int] = deque(maxlen=N_PINGS_OUT)
        self._last_seq = 0
        self._positions: dict[str, Resume] = {}
        """By session: the feed and the newest number of it."""
        self._followed_id: str | None = None

    def statistics(self) -> FeedStatistics:
        """Counts so far."""
        return FeedStatistics(
            n_messages=self.n_messages,
            n_malformed=self.n_malformed,
            n_unknown=self.n_unknown,
            n_connections=self.n_connections,
            n_missed=self.n_missed,
            n_resumed=self.n_resumed,
        )

    @property
    def in_session(self) -> bool:
        """Whether session time runs."""
        return self._phase in {SessionPhase.BASELINE, SessionPhase.PRACTICE}

    def begin_connection(self) -> None:
        """A new connection counts its frames anew."""
        self._last_seq = 0
        self._pings_out.clear()

    def resumed(self, wish: Subscribe) -> Subscribe:
        """Return a wish as it is to be said now: from where its session stopped, where it is known."""
        position = self._positions.get(wish.session_id or self._followed_id or "")
        return wish if position is None else replace(wish, resume=position)

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
            case Subscribed():
                self._note_subscribed(message)
            case SessionView():
                self._note_session(message)
            case ClientWelcome():
                self.n_connections += 1
                self._note_session(message.session)

    def _note_subscribed(self, told: Subscribed) -> None:
        self._positions[told.session_id] = Resume(feed_id=told.feed_id, seq=told.seq)
        self.n_resumed += told.n_resumed
        if told.missed is not None:
            self.n_missed += told.missed.last_seq - told.missed.first_seq + 1

    def _note_live(self, live: Live, received_ns: int) -> None:
        position = self._positions.get(live.session_id or "")
        if position is not None and live.session_id is not None:
            self._positions[live.session_id] = replace(position, seq=max(position.seq, live.seq))
        elif live.session_id is None:
            if self._last_seq:
                self.n_missed += max(0, live.seq - self._last_seq - 1)
            self._last_seq = live.seq
        if live.ledger is not None:
            self.clock.add_published(live.ledger.published_ns, received_ns=received_ns)

    def _note_session(self, session: SessionView | None) -> None:
        session_id = session.session_id if session else None
        if self.clock_of not in (None, session_id):
            return
        self._followed_id = session_id or self._followed_id
        if session_id != self._session_id:
            self._session_id = session_id
            self.clock.reset()
        self._phase = session.phase if session else None
