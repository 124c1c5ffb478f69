"""One-time tickets with which a page opens a WebSocket, in its first message: no address ever holds a token."""

import time

from becalm_protocol.units import NS_PER_S
from becalm_server.access.caller import Caller
from becalm_server.access.tokens import digest, make_token

TICKET = "becalm-ticket-"
LASTS_S = 30
# A page asks for one at a time; more than this wait for nobody.
MAX_TICKETS = 1_000


class Tickets:
    """Given out and taken back in this process; a restart forgets them, and the page asks again."""

    def __init__(self) -> None:
        self._given: dict[bytes, tuple[int, Caller]] = {}

    def give(self, caller: Caller) -> str:
        """Return a ticket for a caller, good once."""
        now_ns = time.monotonic_ns()
        self._given = {key: kept for key, kept in self._given.items() if kept[0] > now_ns}
        while len(self._given) >= MAX_TICKETS:
            del self._given[next(iter(self._given))]
        ticket = make_token(TICKET)
        self._given[digest(ticket)] = now_ns + LASTS_S * NS_PER_S, caller
        return ticket

    def take(self, ticket: str) -> Caller | None:
        """Return whose ticket it is, once."""
        until_ns, caller = self._given.pop(digest(ticket), (0, None))
        return caller if until_ns > time.monotonic_ns() else None
