"""Live frames to the clients that asked for them: each encoded once, each client with its own bounded outbox."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import Ledger, LiveEvent, ServerToClient, SessionView
from becalm_protocol.live import Subscribe
from becalm_server.feed import KEPT_NS, Feed
from becalm_server.latency import Latency
from becalm_server.listener import Listener, Sees

# 64 kB each at most: a machine in a clinic has room for every screen in the house, and one in a home for any.
MAX_CLIENTS = 1_000


class Hub:
    """Publishes without waiting: a slow client delays nobody but itself."""

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._listeners: set[Listener] = set()
        self._feeds: dict[str, Feed] = {}
        self._shown: Feed | None = None
        self._hearing: dict[str, tuple[Listener, ...]] = {}
        """Who listens to a session, found when it publishes; forgotten whenever anybody's choice changes."""
        self.sent_latency = Latency()
        """From publish to the socket, for every frame of every client."""
        self._of_gone: Counter[str] = Counter()

    # -------------------------------------------------------------------------------------------------- clients
    def join(self, *, version: int, sees: Sees) -> Listener | None:
        """Return the place of a new client; None where there are too many."""
        if len(self._listeners) >= MAX_CLIENTS:
            return None
        listener = Listener(version=version, sees=sees)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a client, not what it was not sent."""
        if listener in self._listeners:
            self._listeners.discard(listener)
            self._hearing.clear()
            told = listener.outbox.statistics()
            self._of_gone.update(dropped=told["dropped"], conflated=told["conflated"])

    def subscribe(self, listener: Listener, wish: Subscribe) -> bool:
        """Send a client the frames it asks for; False where there is no such session, or one too many."""
        self._hearing.clear()
        self._forget_old()
        if wish.session_id is None:
            listener.follow(wish, shown=self._shown_to(listener.sees))
            return True
        feed = self._feeds.get(wish.session_id)
        return feed is not None and listener.sees(feed.person_id) and listener.listen(feed, wish)

    def unsubscribe(self, listener: Listener, session_id: str | None) -> None:
        """Send a client no more frames of a session; None: of the one under way."""
        self._hearing.clear()
        listener.forget(session_id)

    def session_ns(self, session_id: str | None, *, sees: Sees) -> int | None:
        """Return the time of a session now; None: of the one that is shown."""
        feed = self._shown_to(sees) if session_id is None else self._feeds.get(session_id)
        return feed.clock() if feed is not None and sees(feed.person_id) else None

    def person_of(self, session_id: str) -> str | None:
        """Return whose body a live session is of."""
        feed = self._feeds.get(session_id)
        return feed.person_id if feed is not None else None

    def listeners(self) -> tuple[Listener, ...]:
        """Return every client."""
        return tuple(self._listeners)

    # ------------------------------------------------------------------------------------------------- sessions
    def open(self, session_id: str, *, person_id: str | None, clock: Callable[[], int | None]) -> None:
        """Begin to number the frames of a session, or go on."""
        self._forget_old()
        feed = self._feeds.setdefault(session_id, Feed(session_id, person_id=person_id, clock=clock))
        feed.clock, feed.ended_ns = clock, None
        self._show_again()

    def end(self, session_id: str) -> None:
        """Nothing more will be published of a session; clients may still ask for the last of it."""
        feed = self._feeds.get(session_id)
        if feed is not None:
            feed.ended_ns = self._clock_ns()
            self._show_again()

    def discard(self, session_id: str) -> None:
        """Hand out nothing more of a session that is erased, neither what is kept of it nor what waits for clients."""
        feed = self._feeds.pop(session_id, None)
        if feed is None:
            return
        if self._shown is feed:
            self._shown = None
        self._show_again()
        for listener in self._listeners:
            listener.discard(session_id)

    def show(self, session_id: str | None) -> None:
        """Have those who follow whatever is under way follow this session."""
        feed = None if session_id is None else self._feeds[session_id]
        if feed is self._shown:
            return
        self._shown = feed
        self._show_again()

    def publish(self, session_id: str, event: LiveEvent, *, ledger: Ledger | None) -> None:
        """Give an event of a session to those who want it."""
        feed = self._feeds.get(session_id)
        if feed is None:
            return  # concluded long after its end: in the record, and nobody follows it any more
        frame = feed.append(event, ledger=ledger, now_ns=self._clock_ns())
        for listener in self._hearing_of(session_id):
            listener.take(frame)

    def tell(self, message: ServerToClient) -> None:
        """Give a message to every client."""
        for listener in self._listeners:
            listener.outbox.put_nowait(message)

    def tell_view(self, view: SessionView) -> None:
        """Tell those who listen to a session how it is."""
        feed = self._feeds.get(view.session_id)
        if feed is None:
            return  # erased, or ended long ago
        feed.view = view
        for listener in self._hearing_of(view.session_id):
            listener.outbox.put_nowait(view)

    # ---------------------------------------------------------------------------------------------------- upkeep
    def close_nowait(self, code: CloseCode) -> None:
        """Disconnect every client."""
        for listener in self._listeners:
            listener.outbox.close_nowait(code)

    def statistics(self) -> dict[str, Any]:
        """Clients and the sums over their outboxes; what was dropped and conflated counts for clients that left too."""
        each = [listener.outbox.statistics() for listener in self._listeners]
        return {
            "clients": len(each),
            "depth": sum(one["depth"] for one in each),
            "peak": max((one["peak"] for one in each), default=0),
            "dropped": sum(one["dropped"] for one in each) + self._of_gone["dropped"],
            "conflated": sum(one["conflated"] for one in each) + self._of_gone["conflated"],
        }

    def _shown_to(self, sees: Sees) -> Feed | None:
        """Return the session under way for somebody: where it is not theirs to see, the newest that is."""
        shown = self._shown
        if shown is None or sees(shown.person_id):
            return shown
        theirs = (feed for feed in reversed(self._feeds.values()) if feed.ended_ns is None and sees(feed.person_id))
        return next(theirs, None)

    def _hearing_of(self, session_id: str) -> tuple[Listener, ...]:
        if session_id not in self._hearing:
            self._hearing[session_id] = tuple(one for one in self._listeners if one.hears(session_id))
        return self._hearing[session_id]

    def _show_again(self) -> None:
        self._hearing.clear()
        for listener in self._listeners:
            listener.show(self._shown_to(listener.sees))

    def _forget_old(self) -> None:
        now_ns = self._clock_ns()
        for feed in list(self._feeds.values()):
            if feed.ended_ns is not None and now_ns - feed.ended_ns > KEPT_NS and feed is not self._shown:
                del self._feeds[feed.session_id]
