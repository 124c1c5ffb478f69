"""One connection to `/v1/live`, from the hello to the reason why it ended."""

import asyncio
from collections.abc import Callable, Sequence

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from becalm_client.books import FeedBooks
from becalm_client.link import Ending
from becalm_protocol import codec
from becalm_protocol.errors import UnknownTypeError, WireError
from becalm_protocol.forms import SUBPROTOCOL_JSON, version_of
from becalm_protocol.handshake import (
    ClientHello,
    ClientMessage,
    ClientWelcome,
    Ping,
    Pong,
    ServerToClient,
)
from becalm_protocol.live import Subscribe

WELCOME_LIMIT_S = 5.0
N_SILENT_HEARTBEATS = 3
# Four quick trips settle the offset within a second of a session's start.
N_EAGER_TRIPS, EAGER_PING_S = 4, 0.2
# A server may ask for any heartbeat; outside this range it would flood, or hide a broken link.
MIN_HEARTBEAT_S, MAX_HEARTBEAT_S = 0.05, 30.0


class Conversation:
    """Speaks on one socket; `on_message` gets every message that this version knows."""

    def __init__(
        self,
        socket: ClientConnection,
        *,
        books: FeedBooks,
        clock_ns: Callable[[], int],
        on_message: Callable[[ServerToClient], None],
    ) -> None:
        self._socket = socket
        self._subprotocol = str(socket.subprotocol or SUBPROTOCOL_JSON)
        self._books = books
        self._clock_ns = clock_ns
        self._on_message = on_message
        self._ping_now = asyncio.Event()

    async def run(self, hello: ClientHello, *, wishes: Sequence[Subscribe]) -> Ending:
        """Speak until the link is gone; return why."""
        self._books.begin_connection()
        try:
            await self._send(hello)
            heartbeat_s = await self._wait_welcome()
            if version_of(self._subprotocol) > 1:
                for wish in wishes:
                    await self._send(self._books.resumed(wish))
            async with asyncio.TaskGroup() as group:
                pings = group.create_task(self._ping(heartbeat_s), name="client heartbeat")
                try:
                    ending = await self._listen(heartbeat_s)
                finally:
                    pings.cancel()
        except TimeoutError:
            return Ending.SILENT
        except ConnectionClosed as closed:
            return _ending(closed)
        return ending

    async def _wait_welcome(self) -> float:
        async with asyncio.timeout(WELCOME_LIMIT_S):
            while True:
                message = await self._next()
                if isinstance(message, ClientWelcome):
                    return min(max(message.heartbeat_s, MIN_HEARTBEAT_S), MAX_HEARTBEAT_S)

    async def _listen(self, heartbeat_s: float) -> Ending:
        try:
            while True:
                async with asyncio.timeout(N_SILENT_HEARTBEATS * heartbeat_s):
                    await self._next()
        except TimeoutError:
            return Ending.QUIET
        except ConnectionClosed as closed:
            return _ending(closed)

    async def _next(self) -> ServerToClient | None:
        data = await self._socket.recv()
        received_ns = self._clock_ns()
        self._books.n_messages += 1
        message = self._decode(data)
        if message is None:
            return None
        was_in_session = self._books.in_session
        self._books.note(message, received_ns=received_ns)
        if self._books.in_session and not was_in_session:
            self._ping_now.set()
        if isinstance(message, Ping):
            await self._send(Pong(sent_ns=message.sent_ns))
        self._on_message(message)
        return message

    def _decode(self, data: str | bytes) -> ServerToClient | None:
        try:
            message: object = codec.decode(data, subprotocol=self._subprotocol)
        except UnknownTypeError:
            self._books.n_unknown += 1
            return None
        except WireError:
            self._books.n_malformed += 1
            return None
        if isinstance(message, ServerToClient):
            return message
        self._books.n_malformed += 1
        return None

    async def _ping(self, heartbeat_s: float) -> None:
        while True:
            sent_ns = self._clock_ns()
            self._books.note_ping(sent_ns)
            try:
                await self._send(Ping(sent_ns=sent_ns, session_id=self._books.clock_of))
            except ConnectionClosed:
                return  # the listener sees it too, and says why
            eager = self._books.in_session and self._books.clock.n_trips < N_EAGER_TRIPS
            try:
                async with asyncio.timeout(min(EAGER_PING_S, heartbeat_s) if eager else heartbeat_s):
                    await self._ping_now.wait()
            except TimeoutError:
                continue
            self._ping_now.clear()

    async def _send(self, message: ClientMessage) -> None:
        await self._socket.send(codec.encode(message, subprotocol=self._subprotocol))


def _ending(closed: ConnectionClosed) -> Ending:
    return Ending.of_close_code(closed.rcvd.code if closed.rcvd else None)
