"""Agents and clients for `bench_load.py`, cheap enough not to be what is measured: precomputed signals, no spool.

They speak the real protocol over real sockets, in processes of their own: `python load_parts.py agents|clients` reads
one JSON line of wishes and prints one of figures.
"""

import asyncio
import json
import math
import os
import random
import secrets
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from becalm_protocol.codec import decode, encode_json, encode_msgpack
from becalm_protocol.envelope import seal
from becalm_protocol.events import Clock, SignalKind, StreamInfo
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK
from becalm_protocol.handshake import (
    Ack,
    CloseSession,
    OpenSession,
    Ping,
    Pong,
    SessionClosed,
    SessionOpened,
    Source,
    StreamAck,
)
from becalm_protocol.live import Subscribe

FRAMES_PER_S = 4
# Sensor to agent takes some time; and a packet that ended on a tick exactly would wait for the next one.
RADIO_NS = 20_000_000
NS = 1_000_000_000
LOOP_S = 60
SIGNALS = (
    (SignalKind.ECG, "uV", 1.0, 130),
    (SignalKind.RESPIRATION, "N", 0.01, 25),
    (SignalKind.SKIN_CONDUCTANCE, "uS", 0.001, 8),
)


def percentile(values: Sequence[float], share_pct: float) -> float | None:
    """Return the value that `share_pct` of them do not exceed."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share_pct / 100))], 1) if ordered else None


def signal(kind: SignalKind, rate_hz: int, *, dice: random.Random) -> list[int]:
    """Return a minute of a calm person's counts."""
    beat_s, breath_s = dice.uniform(0.75, 1.0), dice.uniform(4.5, 7.0)
    counts, beat_at_s, next_s = [], 0.3, 0.3 + beat_s
    for n in range(LOOP_S * rate_hz):
        t_s = n / rate_hz
        swing = math.sin(2 * math.pi * t_s / breath_s)
        if t_s > next_s - 0.3:
            beat_at_s, next_s = next_s, next_s + beat_s * (1 + 0.05 * swing)
        if kind is SignalKind.ECG:
            since_s = t_s - beat_at_s
            level = 1000 * math.exp(-((since_s / 0.012) ** 2)) + 180 * math.exp(-(((since_s - 0.25) / 0.05) ** 2))
            counts.append(round(level + 60 * swing + dice.gauss(0, 12)))
        elif kind is SignalKind.RESPIRATION:
            counts.append(round(700 + 300 * swing + dice.gauss(0, 4)))
        else:
            counts.append(round(5_000 + 400 * math.sin(2 * math.pi * t_s / LOOP_S) + dice.gauss(0, 3)))
    return counts


class Stream:
    """One signal: its blocks precomputed but for number and time, and what is not acknowledged yet."""

    def __init__(
        self, kind: SignalKind, unit: str, scale: float, rate_hz: int, *, counts: list[int], n_block: int
    ) -> None:
        self.info = StreamInfo(
            stream_id=secrets.token_hex(16), kind=kind, unit=unit, unit_per_count=scale, sample_rate_hz=float(rate_hz),
            clock=Clock.ARRIVAL, device="bench",
        )  # fmt: skip
        self.seq = 0
        self.first = 0
        self.sent: deque[tuple[int, int]] = deque()
        self.n_block = n_block
        self.rate_hz = rate_hz
        self._counts = counts

    def block(self, tick: int, *, received_ns: int) -> bytes | None:
        """Return the next frame, all samples up to the end of tick number `tick`; None where there are none."""
        end = self.first + self.n_block if self.n_block else (tick + 1) * self.rate_hz // FRAMES_PER_S
        if end == self.first:
            return None
        size = len(self._counts)
        counts = [self._counts[n % size] for n in range(self.first, end)]
        self.seq += 1
        event = {
            "type": "sample_block", "stream_id": self.info.stream_id, "received_ns": received_ns,
            "first_sample_idx": self.first, "counts": counts,
        }  # fmt: skip
        self.first = end
        self.sent.append((self.seq, time.monotonic_ns()))
        return seal(msgspec.msgpack.encode({"type": "data", "seq": self.seq, "event": event}))

    def acked(self, seq: int, *, now_ns: int) -> list[float]:
        """Return how long the newly acknowledged took, in milliseconds."""
        took = []
        while self.sent and self.sent[0][0] <= seq:
            took.append((now_ns - self.sent.popleft()[1]) / 1e6)
        return took


class Agent:
    """One body, from opening to close."""

    def __init__(self, wish: dict[str, Any], n: int, templates: list[list[list[int]]]) -> None:
        self._wish = wish
        self._n = n
        template = templates[n % len(templates)]
        if wish["batch"]:
            counts = [(7919 * k) % 60_001 - 30_000 for k in range(2 * wish["batch"])]
            self.streams = [Stream(SignalKind.ECG, "uV", 1.0, 1_000, counts=counts, n_block=wish["batch"])]
        else:
            self.streams = [
                Stream(*one, counts=counts, n_block=0) for one, counts in zip(SIGNALS, template, strict=True)
            ]
        self.session_id = secrets.token_hex(16)
        self.began_ns = 0
        self.ack_ms: list[float] = []
        self.trouble: str | None = None
        self._opened = asyncio.Event()
        self._closed = asyncio.Event()
        self._by_id = {stream.info.stream_id: stream for stream in self.streams}

    async def run(self, started: asyncio.Barrier, stop: asyncio.Event) -> None:
        """Stream until told to stop, then close."""
        try:
            async with connect(f"{self._wish['url']}/v1/ingest", SUBPROTOCOL_2_MSGPACK) as link:
                await link.send(seal(msgspec.msgpack.encode(hello("agent_hello", agent_id=secrets.token_hex(8)))))
                hearing = asyncio.ensure_future(self._hear(link))
                self.began_ns = time.monotonic_ns()
                opening = OpenSession(
                    session_id=self.session_id, started_unix_ns=time.time_ns(), source=Source.LIVE,
                    streams=tuple(stream.info for stream in self.streams),
                )  # fmt: skip
                await link.send(seal(encode_msgpack(opening)))
                await self._opened.wait()
                await started.wait()
                await (self._pump(link, stop) if self._wish["batch"] else self._stream(link, stop))
                last = tuple(StreamAck(stream_id=one.info.stream_id, seq=one.seq) for one in self.streams)
                await link.send(seal(encode_msgpack(CloseSession(session_id=self.session_id, last=last))))
                await self._closed.wait()
                hearing.cancel()
        except (websockets.ConnectionClosed, OSError) as exc:
            self.trouble = str(exc)
            self._opened.set()
            self._closed.set()

    async def _stream(self, link: ClientConnection, stop: asyncio.Event) -> None:
        # Bodies do not breathe in step: each begins somewhere within a tick.
        tick = (time.monotonic_ns() - self.began_ns) * FRAMES_PER_S // NS
        for stream in self.streams:
            stream.first = (tick + 1) * stream.rate_hz // FRAMES_PER_S
        while not stop.is_set():
            tick += 1
            due_ns = self.began_ns + (tick + 1) * NS // FRAMES_PER_S + RADIO_NS
            await asyncio.sleep((due_ns - time.monotonic_ns()) / 1e9)
            received_ns = time.monotonic_ns() - self.began_ns
            for stream in self.streams:
                frame = stream.block(tick, received_ns=received_ns)
                if frame is not None:
                    await link.send(frame)

    async def _pump(self, link: ClientConnection, stop: asyncio.Event) -> None:
        """As fast as the credit allows."""
        (stream,) = self.streams
        while not stop.is_set():
            if len(stream.sent) >= self._wish["credit"]:
                await asyncio.sleep(0.002)
                continue
            frame = stream.block(0, received_ns=time.monotonic_ns() - self.began_ns)
            assert frame is not None
            await link.send(frame)

    async def _hear(self, link: ClientConnection) -> None:
        try:
            async for frame in link:
                assert isinstance(frame, bytes)
                message: Any = decode(frame, subprotocol=SUBPROTOCOL_2_MSGPACK)
                if isinstance(message, Ack):
                    now_ns = time.monotonic_ns()
                    for ack in message.acks:
                        self.ack_ms += self._by_id[ack.stream_id].acked(ack.seq, now_ns=now_ns)
                elif isinstance(message, Ping):
                    clock_ns = time.monotonic_ns() - self.began_ns
                    await link.send(seal(encode_msgpack(Pong(sent_ns=message.sent_ns, clock_ns=clock_ns))))
                elif isinstance(message, SessionOpened):
                    self._opened.set()
                elif isinstance(message, SessionClosed):
                    self._closed.set()
        except websockets.ConnectionClosed as exc:
            self.trouble = str(exc)
        self._opened.set()
        self._closed.set()


def hello(kind: str, **fields: Any) -> dict[str, Any]:
    """Return a hello, with the token where the server has one."""
    token = os.environ.get("BECALM_TOKEN")
    return {"type": kind, "versions": [2], **fields, **({"token": token} if token else {})}


def connect(url: str, subprotocol: str) -> "websockets.connect":
    """Return a connection to come."""
    return websockets.connect(
        url, subprotocols=[websockets.Subprotocol(subprotocol)], compression=None, proxy=None, ping_interval=None,
        max_queue=256, close_timeout=1,
    )  # fmt: skip


async def agents(wish: dict[str, Any]) -> dict[str, Any]:
    """Run agents; tells their sessions on a line of its own before it waits for the word to stop."""
    dice = random.Random(wish["seed"])
    templates = (
        [[signal(kind, rate, dice=dice) for kind, _, _, rate in SIGNALS] for _ in range(4)]
        if not wish["batch"]
        else [[]]
    )
    everyone = [Agent(wish, n, templates) for n in range(wish["n"])]
    started, stop = asyncio.Barrier(wish["n"] + 1), asyncio.Event()
    tasks = []
    for agent in everyone:
        tasks.append(asyncio.ensure_future(agent.run(started, stop)))
        await asyncio.sleep(dice.uniform(0.2, 1.8) * wish["ramp_s"] / wish["n"])
    await started.wait()
    say({"sessions": [[agent.session_id, agent.began_ns] for agent in everyone]})
    await heard()  # settled: what counts begins now
    for agent in everyone:
        agent.ack_ms.clear()
    n_before, cpu_s, began_s = (
        sum(one.seq for a in everyone for one in a.streams),
        time.process_time(),
        time.monotonic(),
    )
    await heard()
    n_sent, took_s = sum(one.seq for a in everyone for one in a.streams) - n_before, time.monotonic() - began_s
    cpu_s = time.process_time() - cpu_s
    ack_ms = [ms for agent in everyone for ms in agent.ack_ms]
    stop.set()
    async with asyncio.timeout(120):
        await asyncio.gather(*tasks)
    return {
        "ack_p50_ms": percentile(ack_ms, 50), "ack_p99_ms": percentile(ack_ms, 99), "n_acked": len(ack_ms),
        "frames_per_s": round(n_sent / took_s, 1), "cpu_cores": round(cpu_s / took_s, 3),
        "troubles": sorted({agent.trouble for agent in everyone if agent.trouble}),
        "sent": {agent.session_id: {one.info.stream_id: one.seq for one in agent.streams} for agent in everyone},
    }  # fmt: skip


_METRICS = b'"type":"metrics"'


class Ledgered(msgspec.Struct):
    """What a client looks at in a frame."""

    ledger: dict[str, int]


async def clients(wish: dict[str, Any]) -> dict[str, Any]:
    """Run a client for each session given, and measure the age of every metrics frame by its ledger."""
    ages_ms: list[float] = []
    path_ms: list[float] = []
    longest_ms: dict[str, float] = {}
    n_frames = 0
    reader = msgspec.json.Decoder(Ledgered)

    async def follow(session_id: str, began_ns: int) -> None:
        nonlocal n_frames
        async with connect(f"{wish['url']}/v1/live", SUBPROTOCOL_2_JSON) as link:
            await link.send(json.dumps(hello("client_hello", client="bench")))
            await link.recv()
            await link.send(encode_json(Subscribe(session_id=session_id)))
            heard_ns = 0
            while True:
                frame = await link.recv(decode=False)
                n_frames += 1
                if _METRICS in frame:
                    now_ns = time.monotonic_ns() - began_ns
                    ledger = reader.decode(frame).ledger
                    ages_ms.append((now_ns - ledger["sample_ns"]) / 1e6)
                    path_ms.append((now_ns - ledger["received_ns"]) / 1e6)
                    silence_ms = (now_ns - heard_ns) / 1e6 if heard_ns else 0.0
                    longest_ms[session_id], heard_ns = max(silence_ms, longest_ms.get(session_id, 0.0)), now_ns
                elif b'"type":"ping"' in frame:
                    ping: Any = decode(frame.decode())
                    await link.send(encode_json(Pong(sent_ns=ping.sent_ns)))

    tasks = [asyncio.ensure_future(follow(session_id, began_ns)) for session_id, began_ns in wish["sessions"]]
    say({"ready": len(tasks)})
    await heard()
    ages_ms.clear()
    path_ms.clear()
    longest_ms.clear()
    n_frames, cpu_s, began_s = 0, time.process_time(), time.monotonic()
    await heard()
    took_s = time.monotonic() - began_s
    n_gone = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "metric_p50_ms": percentile(ages_ms, 50), "metric_p99_ms": percentile(ages_ms, 99),
        "path_p50_ms": percentile(path_ms, 50), "path_p99_ms": percentile(path_ms, 99),
        "metrics_per_s": round(len(ages_ms) / took_s, 1), "frames_per_s": round(n_frames / took_s, 1),
        "cpu_cores": round((time.process_time() - cpu_s) / took_s, 3), "clients_gone": n_gone,
        "longest_silence_ms": round(max(longest_ms.values(), default=0.0)),
    }  # fmt: skip


def say(told: dict[str, Any]) -> None:
    """Tell the bench a line."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


async def heard() -> dict[str, Any]:
    """Return the bench's next line."""
    line = await asyncio.to_thread(sys.stdin.readline)
    return dict(json.loads(line))


async def main() -> None:
    """Play the part that was asked for."""
    part = {"agents": agents, "clients": clients}[sys.argv[1]]
    say(await part(await heard()))


class NullPipeline:
    """Concludes nothing: what is left is the way of the raw events."""

    def __init__(self, streams: Any) -> None:
        del streams

    def feed(self, event: Any) -> tuple[()]:
        """Take one event."""
        del event
        return ()

    def finish(self) -> tuple[()]:
        """Tell nothing."""
        return ()


if __name__ == "__main__":
    asyncio.run(main())
