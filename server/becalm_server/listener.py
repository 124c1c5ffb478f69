"""One client at the hub: the sessions it listens to, how its frames are numbered, and its outbox."""

import time
from collections.abc import Callable
from dataclasses import replace

from becalm_protocol.live import Ages, Subscribe, Subscribed
from becalm_server.choice import Choice
from becalm_server.feed import Feed
from becalm_server.frames import Frame, LiveFrame
from becalm_server.outbox import Outbox

# As many as a session may have streams: a wall of screens in a clinic, each on its own connection, needs fewer.
MAX_SUBSCRIPTIONS = 64
Sees = Callable[[str | None], bool]
"""Whether a client may learn anything about a person."""


def everybody(_person_id: str | None) -> bool:
    """See every person: for the server itself."""
    return True


class Listener:
    """Takes what it asked for. Version 1 follows the session under way, and counts the frames of its connection."""

    def __init__(self, *, version: int, sees: Sees = everybody) -> None:
        self.outbox = Outbox()
        self.sees = sees
        self._version = version
        self._asked: dict[str, tuple[Feed, Choice]] = {}
        self._wish: Subscribe | None = None
        """What is wanted of the session under way, whichever it is."""
        self._followed: tuple[Feed, Choice] | None = None
        self._sent_seq: dict[str, int] = {}
        self._n_sent = 0

    def listen(self, feed: Feed, wish: Subscribe) -> bool:
        """Take the frames of a session from now on, or from where the client stopped; False: too many sessions."""
        if feed.session_id not in self._asked and len(self._asked) >= MAX_SUBSCRIPTIONS:
            return False
        self._asked[feed.session_id] = (feed, self._begin(feed, wish))
        return True

    def follow(self, wish: Subscribe, *, shown: Feed | None) -> None:
        """Take the frames of the session under way, now and later."""
        self._wish = wish
        self._followed = None
        self.show(shown)

    def show(self, feed: Feed | None) -> None:
        """Another session is under way, or none."""
        if self._wish is None or (self._followed is not None and self._followed[0] is feed):
            return
        self._followed = None
        if feed is not None:
            self._followed = feed, self._begin(feed, self._wish)
            self._wish = replace(self._wish, resume=None)  # from now on this connection misses nothing

    def forget(self, session_id: str | None) -> None:
        """Take no more frames of a session; None: of the one under way."""
        if session_id is None:
            self._wish = self._followed = None
        else:
            self._asked.pop(session_id, None)

    def discard(self, session_id: str) -> None:
        """Send nothing more of a session, not even what waits."""
        self._asked.pop(session_id, None)
        self.outbox.discard(session_id)

    def hears(self, session_id: str) -> bool:
        """Tell whether this client listens to a session."""
        return self._choice(session_id) is not None

    def take(self, frame: LiveFrame) -> None:
        """Put a frame into the outbox where it is wanted."""
        choice = self._choice(frame.session_id)
        if choice is not None and choice.takes(frame.event):
            self.outbox.put_nowait(frame)

    def ages(self) -> tuple[Ages, ...]:
        """Return how far each session has come that this client listens to; version 1 knows no such thing."""
        if self._version == 1:
            return ()
        followed = () if self._followed is None else (self._followed[0],)
        feeds = {feed.session_id: feed for feed in (*followed, *(feed for feed, _ in self._asked.values()))}
        return tuple(feed.ages() for feed in feeds.values())

    def encode(self, frame: LiveFrame, *, subprotocol: str) -> Frame:
        """Return the next frame to send, numbered as this client's version counts."""
        self._n_sent += 1
        if self._version == 1:
            return frame.numbered(self._n_sent, subprotocol=subprotocol)
        # What is told to this client alone repeats the number before it: resuming there brings all that follows.
        seq = self._sent_seq.get(frame.session_id, 0) if frame.seq is None else frame.seq
        self._sent_seq[frame.session_id] = seq
        return frame.numbered(seq, subprotocol=subprotocol)

    def _choice(self, session_id: str) -> Choice | None:
        if session_id in self._asked:
            return self._asked[session_id][1]
        followed = self._followed
        return followed[1] if followed is not None and followed[0].session_id == session_id else None

    def _begin(self, feed: Feed, wish: Subscribe) -> Choice:
        choice = Choice(wish)
        if self._version == 1:
            return choice
        standing = [frame for frame in feed.standing(now_ns=time.monotonic_ns()) if choice.takes(frame.event)]
        if wish.resume is None:
            subscribed = Subscribed(session_id=feed.session_id, feed_id=feed.feed_id, seq=feed.seq)
            self.outbox.put_nowait(subscribed)
            for frame in standing:
                self.outbox.put_nowait(frame)
        else:
            frames, missed = feed.since(wish.resume)
            subscribed = Subscribed(
                session_id=feed.session_id,
                feed_id=feed.feed_id,
                seq=feed.seq - len(frames),
                n_resumed=len(frames),
                missed=missed,
                began_anew=wish.resume.feed_id != feed.feed_id,
            )
            wanted = [frame for frame in frames if choice.takes(frame.event)]
            self.outbox.repeat(subscribed, frames=wanted if missed is None else wanted + standing)
        if feed.view is not None:
            self.outbox.put_nowait(feed.view)
        return choice
