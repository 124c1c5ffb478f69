"""Follow `/v1/live`: one conversation after the other; what outlives them is session time and how far one has come."""

import asyncio
import importlib.util
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from becalm_client.books import FeedBooks, FeedStatistics
from becalm_client.conversation import Conversation
from becalm_client.link import Ending, Link, LinkChange
from becalm_protocol import limits
from becalm_protocol.address import live_address
from becalm_protocol.forms import CLIENT_SUBPROTOCOLS, SEALED, SUBPROTOCOL_MSGPACK, VERSIONS
from becalm_protocol.handshake import ClientHello, ClientWelcome, ServerToClient
from becalm_protocol.live import Subscribe
from becalm_protocol.pairing import TokenSource, no_token

Told = ServerToClient | LinkChange
"""What a follower of the feed is told."""

# A phone that wakes up finds its server again within a breath; a dead server is not hammered.
FIRST_RETRY_S, LAST_RETRY_S = 0.25, 8.0
# A link that broke sooner was none: a server that takes clients only to send them away is not hammered either.
LASTING_NS = 5_000_000_000
OPENING_LIMIT_S = 5.0

# The WebSocket library writes whole payloads at DEBUG: its log is held above that whatever the root logger says.
_wire_log = logging.getLogger("becalm_client.wire")
_wire_log.setLevel(logging.WARNING)


class Feed:
    """One program's link to a server. `run` it for ever in a task; ask `session_now_ns()` at any time."""

    def __init__(
        self,
        url: str,
        *,
        client_name: str,
        wishes: Sequence[Subscribe] = (Subscribe(),),
        token: TokenSource = no_token,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`wishes` say what is wanted of which sessions; session time is kept of the first one's.

        A server of version 1 gives everything of the session under way, but for waveforms where no wish holds any.
        """
        self._address = live_address(url)
        self._wishes = tuple(wishes)
        waveforms = any(wish.waveforms != () for wish in wishes)
        self._hello = ClientHello(versions=VERSIONS, client=client_name, waveforms=waveforms)
        self._token = token
        self._clock_ns = clock_ns
        self._jitter = jitter
        self._books = FeedBooks(session_id=self._wishes[0].session_id if self._wishes else None)
        self._state = LinkChange(link=Link.CONNECTING)

    @property
    def state(self) -> LinkChange:
        """How the link is now."""
        return self._state

    @property
    def round_trip_ns(self) -> int | None:
        """The quickest recent round trip; half of it bounds the error of `session_now_ns`."""
        return self._books.clock.round_trip_ns

    def session_now_ns(self) -> int | None:
        """Session time now; None outside a session or before the first answered ping."""
        return self._books.clock.session_ns(self._clock_ns())

    def statistics(self) -> FeedStatistics:
        """What was counted so far."""
        return self._books.statistics()

    async def run(self, on_message: Callable[[Told], None]) -> None:
        """Connect, follow, connect again, until cancelled. `on_message` is called in this task and must be quick."""
        on_message(self._state)
        n_failed = 0
        while True:
            began_ns = self._clock_ns()
            ending = await self._connect_once(on_message)
            n_failed = 0 if self._clock_ns() - began_ns > LASTING_NS else n_failed + 1
            self._change(Link.LOST, ending, on_message)
            retry_s = min(FIRST_RETRY_S * 2 ** min(max(0, n_failed - 1), 16), LAST_RETRY_S)
            await asyncio.sleep(retry_s * (0.5 + 0.5 * self._jitter()))

    async def _connect_once(self, on_message: Callable[[Told], None]) -> Ending:
        def pass_on(message: ServerToClient) -> None:
            if isinstance(message, ClientWelcome):  # before it a server only says why it sends us away
                self._change(Link.CONNECTED, None, on_message)
            on_message(message)

        try:
            async with connect(
                self._address,
                subprotocols=_subprotocols(),
                compression=None,
                proxy=None,  # the server stands in the same house
                open_timeout=OPENING_LIMIT_S,
                close_timeout=1,
                ping_interval=None,  # the heartbeat of the protocol does this
                max_size=limits.MAX_FRAME_BYTES,
                logger=_wire_log,
            ) as socket:
                conversation = Conversation(socket, books=self._books, clock_ns=self._clock_ns, on_message=pass_on)
                try:
                    return await conversation.run(replace(self._hello, token=self._token()), wishes=self._wishes)
                finally:
                    await socket.close()  # a cancelled client says goodbye too
        except (OSError, TimeoutError, WebSocketException, EOFError):
            return Ending.SILENT

    def _change(self, link: Link, ending: Ending | None, on_message: Callable[[Told], None]) -> None:
        if (link, ending) != (self._state.link, self._state.ending):
            self._state = LinkChange(link=link, ending=ending)
            on_message(self._state)


def _subprotocols() -> list[Subprotocol]:
    """JSON needs nothing; MessagePack is offered first where its library is there."""
    has_msgpack = importlib.util.find_spec("msgspec") is not None
    binary = {*SEALED, SUBPROTOCOL_MSGPACK}
    return [Subprotocol(name) for name in CLIENT_SUBPROTOCOLS if has_msgpack or name not in binary]
