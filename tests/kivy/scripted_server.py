"""A server that speaks the real wire in this process, and one that answers every POST alike."""

import asyncio
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from becalm_protocol import codec
from becalm_protocol.handshake import (
    ClientHello,
    ClientWelcome,
    Ping,
    Pong,
    Problem,
)
from becalm_protocol.units import ns_from_s


class ScriptedServer:
    """Greets every client, answers its pings with session time, and sends what the test gives."""

    def __init__(self) -> None:
        self.session_started_ns: int | None = None
        self.welcome: ClientWelcome | None = None
        self.heartbeat_s = 0.2
        self.answers_pings = True
        self.refuses: int | None = None
        """The code that every client is sent away with."""
        self.hellos: list[ClientHello] = []
        self.pongs: asyncio.Queue[Pong] = asyncio.Queue()
        self.close_codes: asyncio.Queue[int | None] = asyncio.Queue()
        self.sockets: list[ServerConnection] = []
        self.arrivals: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin_at(self, session_s: float) -> None:
        self.session_started_ns = time.monotonic_ns() - ns_from_s(session_s)

    def session_now_ns(self) -> int | None:
        return None if self.session_started_ns is None else time.monotonic_ns() - self.session_started_ns

    async def wait_client(self) -> ServerConnection:
        async with asyncio.timeout(20.0):
            return await self.arrivals.get()

    async def send(self, message: object) -> None:
        async with asyncio.timeout(20.0):
            while not self.sockets:  # noqa: ASYNC110 - on a busy machine the client may be on its way
                await asyncio.sleep(0.01)
        for socket in self.sockets:
            await socket.send(codec.encode_json(message))

    async def speak(self, socket: ServerConnection) -> None:
        try:
            async for data in socket:
                await self._take(socket, codec.decode(data))
        except ConnectionClosed:
            pass
        finally:
            self.close_codes.put_nowait(socket.close_code)
            if socket in self.sockets:
                self.sockets.remove(socket)

    async def _take(self, socket: ServerConnection, message: object) -> None:
        match message:
            case ClientHello() if self.refuses is not None:
                await socket.send(codec.encode_json(Problem(detail="who is there?")))
                await socket.close(self.refuses)
            case ClientHello():
                self.hellos.append(message)
                welcome = self.welcome or ClientWelcome(
                    version=1, heartbeat_s=self.heartbeat_s, playout_delay_ms=900.0, agent_connected=True
                )
                await socket.send(codec.encode_json(welcome))
                self.sockets.append(socket)
                self.arrivals.put_nowait(socket)
            case Ping() if self.answers_pings:
                pong = Pong(sent_ns=message.sent_ns, clock_ns=self.session_now_ns())
                await socket.send(codec.encode_json(pong))
            case Pong():
                self.pongs.put_nowait(message)


class Desk:
    """An HTTP server that answers every POST alike, and remembers it."""

    def __init__(self) -> None:
        self.status = 201
        self.answer = json.dumps({"session_id": "5e55"}).encode()
        self.asked: list[tuple[str, Any]] = []
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                desk.asked.append((self.path, json.loads(body)))
                self.send_response(desk.status)
                self.send_header("Content-Length", str(len(desk.answer)))
                self.end_headers()
                self.wfile.write(desk.answer)

            def log_message(self, *_args: object) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
