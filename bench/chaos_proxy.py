"""A network between an agent and a server that can be made as bad as one likes, all in user space.

`Weather` is what every connection meets; `cut`, and the `Tamper` of WebSocket frames, hit those of the moment. What is
held back comes later or never, as with TCP: bytes are never lost out of the middle of a living connection.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chaos_frames import Tamper

CHUNK_BYTES = 4_096
# A Wi-Fi router holds about this much before it makes its sender wait.
MAX_HELD_CHUNKS = 64


@dataclass(kw_only=True)
class Weather:
    """How the network is now. Times in seconds."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    stall_share: float = 0.0
    """Share of chunks before which nothing moves for `stalls_s`, as when a packet is lost and sent again."""
    stalls_s: tuple[float, float] = (0.2, 0.2)
    is_sliced: bool = False
    """Chunks come in pieces of any size."""
    bytes_per_s: float = 0.0
    """0: as fast as it goes."""
    held: frozenset[str] = frozenset()
    """Directions (up, down) in which nothing passes."""
    is_down: bool = False
    """Nobody gets through, and who was through is cut."""


@dataclass(kw_only=True)
class Counts:
    """What the network did."""

    connections: int = 0
    cuts: int = 0
    stalls: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    tampered: dict[str, int] = field(default_factory=dict)


class Proxy:
    """Passes connections on to 127.0.0.1:`target_port`; 0 as long as there is no server."""

    def __init__(self, *, seed: int) -> None:
        self.weather = Weather()
        self.counts = Counts()
        self.target_port = 0
        self.port = 0
        self._dice = random.Random(seed)
        self._links: set[_Link] = set()
        self._turned = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        """Listen on a free port."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, limit=CHUNK_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await server.wait_closed()

    def change(self, weather: Weather) -> None:
        """Let the weather turn."""
        self.weather = weather
        self._turned.set()
        if weather.is_down:
            self.cut()

    async def wait_open(self, way: str) -> None:
        """Wait until something passes in this direction."""
        while way in self.weather.held:
            self._turned.clear()
            await self._turned.wait()

    def cut(self) -> None:
        """Reset every connection, in the middle of whatever it carries."""
        for link in list(self._links):
            self.counts.cuts += 1
            link.reset()

    def tamper(self, kind: str, *, n: int = 1) -> None:
        """Have the next frames from the agent be doubled, lost, swapped or damaged."""
        for link in self._links:
            link.tamper.plan(kind, n=n)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts.connections += 1
        if self.weather.is_down:
            _reset(writer)
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target_port, limit=CHUNK_BYTES)
        except OSError:
            _reset(writer)
            return
        link = _Link(self, here=(reader, writer), there=there, dice=random.Random(self._dice.random()))
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)
            link.reset()


class _Link:
    """One connection through the proxy."""

    def __init__(
        self,
        proxy: Proxy,
        *,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        dice: random.Random,
    ) -> None:
        self.tamper = Tamper(proxy.counts.tampered, dice=dice)
        self._proxy = proxy
        self._here = here
        self._there = there
        self._dice = dice

    async def run(self) -> None:
        """Pass bytes on in both directions until one side is gone."""
        ways = {
            asyncio.create_task(self._pass("up", self._here[0], self._there[1])),
            asyncio.create_task(self._pass("down", self._there[0], self._here[1])),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def reset(self) -> None:
        """End both halves with a reset."""
        for _, writer in (self._here, self._there):
            _reset(writer)

    async def _pass(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_HELD_CHUNKS)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(reader, queue))
            with contextlib.suppress(ConnectionError, OSError):
                while True:
                    due_s, chunk = await queue.get()
                    await asyncio.sleep(max(0.0, due_s - loop.time()))
                    if not chunk:
                        break
                    await self._send(way, chunk, writer)
            reading.cancel()

    async def _read(self, reader: asyncio.StreamReader, queue: "asyncio.Queue[tuple[float, bytes]]") -> None:
        loop = asyncio.get_running_loop()
        chunk = b"?"
        while chunk:
            try:
                chunk = await reader.read(CHUNK_BYTES)
            except (ConnectionError, OSError):
                chunk = b""
            weather = self._proxy.weather
            delay_s = max(0.0, self._dice.gauss(weather.delay_s, weather.jitter_s)) if weather.delay_s else 0.0
            await queue.put((loop.time() + delay_s, chunk))

    async def _send(self, way: str, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        counts, weather = self._proxy.counts, self._proxy.weather
        if weather.stall_share and self._dice.random() < weather.stall_share:
            counts.stalls += 1
            await asyncio.sleep(self._dice.uniform(*weather.stalls_s))
        if way == "up":
            chunk = self.tamper.pass_on(chunk)
            counts.bytes_up += len(chunk)
        else:
            counts.bytes_down += len(chunk)
        for piece in self._slices(chunk):
            await self._proxy.wait_open(way)
            writer.write(piece)
            await writer.drain()
            if weather.bytes_per_s:
                await asyncio.sleep(len(piece) / weather.bytes_per_s)

    def _slices(self, chunk: bytes) -> list[bytes]:
        if not self._proxy.weather.is_sliced or len(chunk) < 2:
            return [chunk]
        at = self._dice.randrange(1, len(chunk))
        return [chunk[:at], chunk[at:]]


def _reset(writer: asyncio.StreamWriter) -> None:
    plug = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
