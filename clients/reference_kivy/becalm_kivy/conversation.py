"""One connection to `/v1/live`, from the hello to the sentence that says why it ended."""

import asyncio
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from becalm_kivy import words
from becalm_kivy.feed_books import FeedBooks
from becalm_protocol import codec
from becalm_protocol.errors import CloseCode, UnknownTypeError, WireError
from becalm_protocol.handshake import (
    SUBPROTOCOL_JSON,
    ClientHello,
    ClientMessage,
    ClientWelcome,
    Ping,
    Pong,
    ServerToClient,
)

WELCOME_LIMIT_S = 5.0
N_SILENT_HEARTBEATS = 3
# Four quick trips settle the offset within a second of a session's start.
N_EAGER_TRIPS, EAGER_PING_S = 4, 0.2
# A server may ask for any heartbeat; outside this range it would flood, or hide a broken link.
MIN_HEARTBEAT_S, MAX_HEARTBEAT_S = 0.05, 30.0

_CLOSINGS: dict[int, str] = {
    CloseCode.RESTART: words.SERVER_RESTARTING,
    CloseCode.OVERLOADED: words.SERVER_BUSY,
    CloseCode.VERSION: words.OTHER_VERSION,
}


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
        self._books = books
        self._clock_ns = clock_ns
        self._on_message = on_message
        self._ping_now = asyncio.Event()

    async def run(self, hello: ClientHello) -> str:
        """Speak until the link is gone; return why, in words for the person."""
        self._books.begin_connection()
        try:
            await self._send(hello)
            heartbeat_s = await self._wait_welcome()
            async with asyncio.TaskGroup() as group:
                pings = group.create_task(self._ping(heartbeat_s), name="client heartbeat")
                try:
                    sentence = await self._listen(heartbeat_s)
                finally:
                    pings.cancel()
        except TimeoutError:
            return words.SERVER_SILENT
        except ConnectionClosed as closed:
            return _closing_sentence(closed)
        return sentence

    async def _wait_welcome(self) -> float:
        async with asyncio.timeout(WELCOME_LIMIT_S):
            while True:
                message = await self._next()
                if isinstance(message, ClientWelcome):
                    return min(max(message.heartbeat_s, MIN_HEARTBEAT_S), MAX_HEARTBEAT_S)

    async def _listen(self, heartbeat_s: float) -> str:
        try:
            while True:
                async with asyncio.timeout(N_SILENT_HEARTBEATS * heartbeat_s):
                    await self._next()
        except TimeoutError:
            return words.SERVER_QUIET
        except ConnectionClosed as closed:
            return _closing_sentence(closed)

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
            message: object = codec.decode(data)
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
                await self._send(Ping(sent_ns=sent_ns))
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
        await self._socket.send(codec.encode(message, subprotocol=self._socket.subprotocol or SUBPROTOCOL_JSON))


def _closing_sentence(closed: ConnectionClosed) -> str:
    code = closed.rcvd.code if closed.rcvd else None
    return words.SERVER_GONE if code is None else _CLOSINGS.get(code, words.SERVER_GONE)
