"""The two ends of a fan-out: an agent that sends one person's signals four times a second, and clients that read."""

import asyncio
import math
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import websockets
from websockets.asyncio.client import ClientConnection

from becalm_protocol.codec import decode, encode, encode_json
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK
from becalm_protocol.handshake import (
    AgentHello,
    ClientHello,
    Data,
    Live,
    OpenSession,
    Ping,
    Pong,
    SessionOpened,
    Source,
    Waveform,
)
from becalm_protocol.live import Subscribe
from becalm_protocol.units import NS_PER_MS, NS_PER_S

PERIOD_NS = NS_PER_S // 4
# Kind, unit, unit of a count, samples a second: a strap, a belt and a skin sensor.
SIGNALS = (
    (SignalKind.ECG, "uV", 1.0, 132),
    (SignalKind.RESPIRATION, "N", 0.001, 24),
    (SignalKind.SKIN_CONDUCTANCE, "uS", 0.0001, 8),
)
Arrivals = list[tuple[int, str | bytes]]
"""When a frame came, on this machine's monotonic clock, and the frame."""


def connect(url: str, subprotocol: str, *, plug: socket.socket | None = None) -> websockets.connect:
    """Connect without what would only get in the way on one machine."""
    return websockets.connect(
        url, subprotocols=[websockets.Subprotocol(subprotocol)], compression=None, proxy=None, close_timeout=0.1,
        ping_interval=None, sock=plug,
    )  # fmt: skip


class Body:
    """An agent in this process: sends blocks as time passes and answers heartbeats with its session time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.session_id = secrets.token_hex(16)
        self.began_ns = time.monotonic_ns()
        self._streams = tuple(
            StreamInfo(
                stream_id=secrets.token_hex(16), kind=kind, unit=unit, unit_per_count=unit_per_count,
                sample_rate_hz=float(rate_hz), clock=Clock.ARRIVAL, device="bench",
            )
            for kind, unit, unit_per_count, rate_hz in SIGNALS
        )  # fmt: skip

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator["Body"]:
        """Stream for as long as the block lasts."""
        async with connect(f"{self._url}/v1/ingest", SUBPROTOCOL_2_MSGPACK) as link:
            self._link = link
            await self._say(AgentHello(versions=(2,), agent_id=secrets.token_hex(8), token=os.environ["BECALM_TOKEN"]))
            await self._say(
                OpenSession(
                    session_id=self.session_id, started_unix_ns=time.time_ns(), source=Source.LIVE,
                    streams=self._streams,
                )
            )  # fmt: skip
            opened = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._listen(opened)), group.create_task(self._send(opened))]
                await opened.wait()
                yield self
                for task in tasks:
                    task.cancel()

    async def _say(self, message: object) -> None:
        await self._link.send(encode(message, subprotocol=SUBPROTOCOL_2_MSGPACK))

    async def _listen(self, opened: asyncio.Event) -> None:
        while True:
            message: object = decode(await self._link.recv())
            if isinstance(message, SessionOpened):
                opened.set()
            if isinstance(message, Ping):
                await self._say(Pong(sent_ns=message.sent_ns, clock_ns=time.monotonic_ns() - self.began_ns))

    async def _send(self, opened: asyncio.Event) -> None:
        await opened.wait()
        first = (time.monotonic_ns() - self.began_ns) // PERIOD_NS + 1
        n = 0
        while True:
            due_ns = self.began_ns + (first + n) * PERIOD_NS
            await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / NS_PER_S)
            for info in self._streams:
                n_samples = round((info.sample_rate_hz or 0) / 4)
                counts = tuple(
                    _count(info.kind, (n * n_samples + k) / (info.sample_rate_hz or 1)) for k in range(n_samples)
                )
                block = SampleBlock(
                    stream_id=info.stream_id, received_ns=time.monotonic_ns() - self.began_ns,
                    first_sample_idx=n * n_samples, counts=counts,
                )  # fmt: skip
                await self._say(Data(seq=n + 1, event=block))
            n += 1


def _count(kind: SignalKind, t_s: float) -> int:
    """A heart of 66 beats a minute, six breaths a minute, and skin that hardly changes."""
    if kind is SignalKind.ECG:
        phase_s = t_s % (60 / 66)
        return round(
            1_000 * math.exp(-(((phase_s - 0.3) / 0.012) ** 2)) + 150 * math.exp(-(((phase_s - 0.55) / 0.05) ** 2))
        )
    if kind is SignalKind.RESPIRATION:
        return round(20_000 + 4_000 * math.sin(2 * math.pi * t_s / 10))
    return round(40_000 + 200 * math.sin(2 * math.pi * t_s / 40))


@asynccontextmanager
async def client(url: str, *, rcvbuf_bytes: int | None = None) -> AsyncIterator[ClientConnection]:
    """A welcomed client that follows the session under way."""
    host, _, port = url.removeprefix("ws://").partition(":")
    plug = socket.socket()
    if rcvbuf_bytes is not None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf_bytes)
    plug.connect((host, int(port)))
    plug.setblocking(False)
    async with connect(f"{url}/v1/live", SUBPROTOCOL_2_JSON, plug=plug) as link:
        await link.send(encode_json(ClientHello(versions=(2,), client="bench", token=os.environ["BECALM_TOKEN"])))
        await link.recv()
        await link.send(encode_json(Subscribe()))
        yield link
        link.transport.abort()


async def read(link: ClientConnection, arrivals: Arrivals) -> None:
    """Note when frames come; keep the link alive. Decoding waits until nothing is measured any more."""
    with suppress(websockets.ConnectionClosed):
        while True:
            frame = await link.recv()
            arrivals.append((time.monotonic_ns(), frame))
            if '"type":"ping"' in frame[:20]:
                await link.send(encode_json(Ping(sent_ns=1)))


def latencies_ms(arrivals: Arrivals, *, began_ns: int, since_ns: int) -> list[float]:
    """Return how old each waveform was: from the agent's hand to this client, pipeline and all."""
    ages = []
    for came_ns, frame in arrivals:
        if came_ns < since_ns:
            continue
        message: object = decode(frame)
        if isinstance(message, Live) and isinstance(message.event, Waveform) and message.ledger is not None:
            ages.append((came_ns - began_ns - message.ledger.received_ns) / NS_PER_MS)
    return ages


def percentile(numbers: list[float], share_pct: float) -> float:
    """Return the number that `share_pct` of them do not exceed."""
    ordered = sorted(numbers)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share_pct / 100))], 2)
