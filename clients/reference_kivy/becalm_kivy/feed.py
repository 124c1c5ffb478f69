"""The live feed as this client follows it: whichever session is under way, and the link in words for the person."""

import random
import time
from collections.abc import Callable

from becalm_client import feed as client_feed
from becalm_client.books import FeedStatistics
from becalm_client.link import LinkChange
from becalm_kivy.control import RequestRefusedError, start_session, stop_session
from becalm_kivy.link_state import LinkState
from becalm_protocol.handshake import ServerToClient
from becalm_protocol.live import Subscribe
from becalm_protocol.pairing import TokenSource, no_token

__all__ = ["Feed", "FeedStatistics", "RequestRefusedError", "Told", "start_session", "stop_session"]

Told = ServerToClient | LinkState
"""What a follower of the feed is told."""


class Feed:
    """One client's link to a server. `run` it for ever in a task; ask `session_now_ns()` at any time."""

    def __init__(
        self,
        url: str,
        *,
        client_name: str,
        waveforms: bool = True,
        token: TokenSource = no_token,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        wish = Subscribe(waveforms=None if waveforms else ())
        self._feed = client_feed.Feed(
            url, client_name=client_name, wishes=(wish,), token=token, clock_ns=clock_ns, jitter=jitter
        )

    @property
    def state(self) -> LinkState:
        """How the link is now."""
        return LinkState.of(self._feed.state)

    @property
    def round_trip_ns(self) -> int | None:
        """The quickest recent round trip; half of it bounds the error of `session_now_ns`."""
        return self._feed.round_trip_ns

    def session_now_ns(self) -> int | None:
        """Session time now; None outside a session or before the first answered ping."""
        return self._feed.session_now_ns()

    def statistics(self) -> FeedStatistics:
        """What was counted so far."""
        return self._feed.statistics()

    async def run(self, on_message: Callable[[Told], None]) -> None:
        """Connect, follow, connect again, until cancelled. `on_message` is called in this task and must be quick."""

        def pass_on(told: client_feed.Told) -> None:
            on_message(LinkState.of(told) if isinstance(told, LinkChange) else told)

        await self._feed.run(pass_on)
