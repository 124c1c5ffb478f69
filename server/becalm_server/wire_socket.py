"""One WebSocket as becalm messages: sub-protocol, hello, decoding, and a close that says why."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

from becalm_protocol.codec import encode, from_plain, read_plain
from becalm_protocol.errors import CloseCode, UnknownTypeError, WireError
from becalm_protocol.forms import SUBPROTOCOL_JSON, version_of
from becalm_protocol.handshake import AgentHello, ClientHello, Ping, Pong, Problem
from becalm_protocol.limits import MAX_NOTE_CHARS, MAX_SESSION_NS
from becalm_server.frames import Frame

Hello = TypeVar("Hello", AgentHello, ClientHello)
# Fewer and a busy network would end conversations; more and a peer that vanished would be held for long.
N_SILENT_HEARTBEATS = 3
# A peer that connects says hello at once; one that does not is a port scan.
HELLO_LIMIT_S = 5.0
# A send that waits this long has met full buffers on both sides: the peer is stuck.
SEND_LIMIT_S = 15.0
# A peer that does not even take the reason is left to the transport.
CLOSE_LIMIT_S = 0.5


class PeerGoneError(Exception):
    """The other side closed or vanished: the ordinary end of a conversation."""


class WireSocket:
    """Messages in and out of one WebSocket; of the sub-protocols on offer it takes the first that is spoken here."""

    def __init__(self, socket: WebSocket, *, spoken: Sequence[str]) -> None:
        self._socket = socket
        self._agreed = next((name for name in spoken if name in socket.scope["subprotocols"]), None)
        self.subprotocol = self._agreed or SUBPROTOCOL_JSON
        """A peer that offers none speaks the first there was."""
        self.version = version_of(self.subprotocol)

    async def greet(self, expected: type[Hello]) -> Hello | None:
        """Accept; return the hello, None where the peer was refused and told why. Raises PeerGoneError."""
        await self._socket.accept(subprotocol=self._agreed)
        try:
            hello = await self._hello(expected)
            if self.version not in hello.versions:
                raise _other_version(hello.versions, spoken=self.version)
        except WireError as exc:
            await self.close(exc.close_code, detail=exc.problem)
            return None
        return hello

    async def _hello(self, expected: type[Hello]) -> Hello:
        """Return the first message. Raises WireError where it is another one or comes too late."""
        try:
            async with asyncio.timeout(HELLO_LIMIT_S):
                message = await self.receive((expected,))
        except TimeoutError as exc:
            raise WireError(f"hello: expected one within {HELLO_LIMIT_S:.0f} s, got none") from exc
        assert isinstance(message, expected)  # noqa: S101  (receive() has checked it)
        return message

    async def receive(self, expected: tuple[type, ...]) -> Any:
        """Return the next message; unknown ones but events are skipped. Raises PeerGoneError or WireError."""
        while True:
            try:
                received = await self._socket.receive()
            except RuntimeError as exc:  # starlette's word for reading after the end
                raise PeerGoneError from exc
            if received["type"] == "websocket.disconnect":
                raise PeerGoneError
            data = received.get("bytes")
            plain = read_plain(received["text"] if data is None else data, subprotocol=self.subprotocol)
            try:
                message: object = from_plain(plain)
            except UnknownTypeError as exc:
                if _is_data(plain):
                    raise WireError(
                        "data: expected an event this server knows. Update the server", close_code=CloseCode.VERSION
                    ) from exc
                continue
            if isinstance(message, Ping | Pong):
                _check_clocks(message)
            if not isinstance(message, expected):
                names = ", ".join(sorted(cls.__name__ for cls in expected))
                raise WireError(f"message: expected one of {names}, got {type(message).__name__}")
            return message

    async def send(self, message: object) -> None:
        """Send a message. Raises PeerGoneError."""
        await self.send_frame(encode(message, subprotocol=self.subprotocol))

    async def send_frame(self, frame: Frame) -> None:
        """Send an encoded message. Raises PeerGoneError, also where the peer reads nothing for long."""
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                if isinstance(frame, bytes):
                    await self._socket.send_bytes(frame)
                else:
                    await self._socket.send_text(frame)
        except (WebSocketDisconnect, RuntimeError, TimeoutError) as exc:
            raise PeerGoneError from exc

    async def close(self, code: CloseCode, *, detail: str) -> None:
        """Say why, then close."""
        with contextlib.suppress(PeerGoneError, WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self.send(Problem(close_code=int(code), detail=detail[:MAX_NOTE_CHARS]))
                await self._socket.close(int(code))


def _check_clocks(message: Ping | Pong) -> None:
    """Raise WireError for a peer's own clock that MessagePack could not carry back, or a session beyond its cap."""
    clock_ns = message.clock_ns if isinstance(message, Pong) else None
    if not -(2**63) <= message.sent_ns < 2**63 or abs(clock_ns or 0) > MAX_SESSION_NS:
        raise WireError("heartbeat: expected 64-bit nanoseconds, got larger ones")


def _is_data(plain: Any) -> bool:
    """Tell whether a frame carries an event: skipping one would leave a hole that no repetition can fill."""
    return isinstance(plain, dict) and plain.get("type") == "data"


def _other_version(versions: tuple[int, ...], *, spoken: int) -> WireError:
    theirs = ", ".join(map(str, versions))
    return WireError(
        f"version: expected {spoken}, as the sub-protocol says, got {theirs:.60}. Update the older side",
        close_code=CloseCode.VERSION,
    )
