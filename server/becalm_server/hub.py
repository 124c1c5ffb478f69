"""Live frames to every client: each encoded once, each client with its own bounded outbox and sender."""

import time
from typing import Any

from becalm_protocol.errors import CloseCode
from becalm_protocol.handshake import Ledger, LiveEvent, ServerToClient
from becalm_server.frames import LiveFrame
from becalm_server.latency import Latency
from becalm_server.outbox import Outbox

# A person has a phone and a tablet, a clinic a wall of screens; beyond this something is wrong.
MAX_CLIENTS = 100


class Hub:
    """Publishes without waiting: a slow client delays nobody but itself."""

    def __init__(self) -> None:
        self.shown_id: str | None = None
        """The session that clients see."""
        self._outboxes: set[Outbox] = set()
        self.sent_latency = Latency()
        """From publish to the socket, for every frame of every client."""

    def join(self, *, waveforms: bool) -> Outbox | None:
        """Return the outbox of a new client; None where there are too many."""
        if len(self._outboxes) >= MAX_CLIENTS:
            return None
        outbox = Outbox(waveforms=waveforms)
        self._outboxes.add(outbox)
        return outbox

    def leave(self, outbox: Outbox) -> None:
        """Forget a client."""
        self._outboxes.discard(outbox)

    def publish(self, session_id: str, event: LiveEvent, *, ledger: Ledger | None) -> None:
        """Give an event of a session to the clients that see it."""
        if session_id != self.shown_id or not self._outboxes:
            return
        frame = LiveFrame(event, ledger=ledger, queued_ns=time.monotonic_ns())
        for outbox in self._outboxes:
            outbox.put_nowait(frame)

    def tell(self, message: ServerToClient, *, session_id: str | None = None) -> None:
        """Give a message to every client; one about a session to those that see it."""
        if session_id not in (None, self.shown_id):
            return
        for outbox in self._outboxes:
            outbox.put_nowait(message)

    def close_nowait(self, code: CloseCode) -> None:
        """Disconnect every client."""
        for outbox in self._outboxes:
            outbox.close_nowait(code)

    def statistics(self) -> dict[str, Any]:
        """Clients, and the sums over their outboxes."""
        each = [outbox.statistics() for outbox in self._outboxes]
        return {
            "clients": len(each),
            "depth": sum(one["depth"] for one in each),
            "peak": max((one["peak"] for one in each), default=0),
            "dropped": sum(one["dropped"] for one in each),
            "conflated": sum(one["conflated"] for one in each),
        }
