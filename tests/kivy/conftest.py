"""A server that speaks the real wire in this process and says what a test tells it to."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from becalm_protocol import codec
from becalm_protocol.handshake import ClientHello, ClientWelcome, Ping, Pong, SessionView


class ScriptedServer:
    """Greets every client, answers its pings with session time, and sends what the test gives."""

    def __init__(self) -> None:
        self.session_started_ns: int | None = None
        self.session: SessionView | None = None
        self.heartbeat_s = 0.2
        self.answers_pings = True
        self.hellos: list[ClientHello] = []
        self.pongs: asyncio.Queue[Pong] = asyncio.Queue()
        self.sockets: list[ServerConnection] = []
        self.arrivals: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def session_now_ns(self) -> int | None:
        return None if self.session_started_ns is None else time.monotonic_ns() - self.session_started_ns

    async def wait_client(self) -> ServerConnection:
        async with asyncio.timeout(4):
            return await self.arrivals.get()

    async def send(self, message: object) -> None:
        for socket in self.sockets:
            await socket.send(codec.encode_json(message))

    async def speak(self, socket: ServerConnection) -> None:
        try:
            async for data in socket:
                await self._take(socket, codec.decode(data))
        except ConnectionClosed:
            pass
        finally:
            if socket in self.sockets:
                self.sockets.remove(socket)

    async def _take(self, socket: ServerConnection, message: object) -> None:
        match message:
            case ClientHello():
                self.hellos.append(message)
                welcome = ClientWelcome(
                    version=1,
                    heartbeat_s=self.heartbeat_s,
                    playout_delay_ms=900.0,
                    session=self.session,
                    agent_connected=True,
                )
                await socket.send(codec.encode_json(welcome))
                self.sockets.append(socket)
                self.arrivals.put_nowait(socket)
            case Ping() if self.answers_pings:
                pong = Pong(sent_ns=message.sent_ns, clock_ns=self.session_now_ns())
                await socket.send(codec.encode_json(pong))
            case Pong():
                self.pongs.put_nowait(message)


@pytest.fixture
async def start_server() -> AsyncIterator[Callable[[ScriptedServer], Awaitable[Server]]]:
    async with AsyncExitStack() as servers:

        async def start(scripted: ScriptedServer) -> Server:
            server = await servers.enter_async_context(
                serve(
                    scripted.speak,
                    "127.0.0.1",
                    scripted.port,
                    subprotocols=[Subprotocol("becalm.v1.json")],
                    compression=None,
                    close_timeout=0.2,
                )
            )
            scripted.port = next(iter(server.sockets)).getsockname()[1]
            return server

        yield start


@pytest.fixture
async def scripted(start_server: Callable[[ScriptedServer], Awaitable[Server]]) -> ScriptedServer:
    server = ScriptedServer()
    await start_server(server)
    return server
