"""A server that speaks the real wire in this process, a made-up person's messages, and a window without a display."""

import asyncio
import ctypes.util
import json
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from becalm_kivy.kivy_setup import prepare_kivy
from becalm_protocol import codec
from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason
from becalm_protocol.events import Clock, Pacer, SignalKind, StreamInfo, StreamState
from becalm_protocol.handshake import (
    ClientHello,
    ClientWelcome,
    Ledger,
    Live,
    LiveEvent,
    Ping,
    Pong,
    Problem,
    SensorState,
    SessionPhase,
    SessionView,
    Source,
    Waveform,
)
from becalm_protocol.units import NS_PER_S, ns_from_s

# Before any test imports Kivy: no window of this machine, no file of this user.
os.environ["SDL_VIDEODRIVER"] = "offscreen"
os.environ["KIVY_HOME"] = tempfile.mkdtemp(prefix="becalm-test-kivy-")
prepare_kivy(Path(os.environ["KIVY_HOME"]))


class Person:
    """Messages about one made-up person, in session seconds."""

    pacer = Pacer(started_ns=60 * NS_PER_S, inhale_s=4.0, exhale_s=6.0)
    streams = (
        StreamInfo(
            stream_id="ecg",
            kind=SignalKind.ECG,
            unit="uV",
            unit_per_count=1.0,
            sample_rate_hz=130.0,
            clock=Clock.DEVICE,
            device="strap",
        ),
        StreamInfo(
            stream_id="belt",
            kind=SignalKind.RESPIRATION,
            unit="N",
            unit_per_count=0.01,
            sample_rate_hz=10.0,
            clock=Clock.ARRIVAL,
            device="belt",
        ),
        StreamInfo(
            stream_id="skin",
            kind=SignalKind.SKIN_CONDUCTANCE,
            unit="uS",
            unit_per_count=0.001,
            sample_rate_hz=8.0,
            clock=Clock.DEVICE,
            device="skin",
        ),
    )

    def sensors(self, state: StreamState = StreamState.STREAMING) -> tuple[SensorState, ...]:
        return tuple(
            SensorState(device=info.device, kind=info.kind, state=state, battery_pct=80) for info in self.streams
        )

    def session(
        self, phase: SessionPhase, *, session_id: str = "5e55", source: Source = Source.LIVE, has_pacer: bool = True
    ) -> SessionView:
        pacer = self.pacer if has_pacer else None
        return SessionView(
            session_id=session_id, phase=phase, source=source, baseline_s=60.0, pacer=pacer, streams=self.streams
        )

    def welcome(
        self, session: SessionView | None = None, *, agent: bool = True, sensors: tuple[SensorState, ...] | None = None
    ) -> ClientWelcome:
        return ClientWelcome(
            version=1,
            heartbeat_s=2.0,
            playout_delay_ms=900.0,
            session=session,
            sensors=self.sensors() if sensors is None else sensors,
            agent_connected=agent,
        )

    def metrics(self, t_s: float, *, arousal: float | None = 50.0, bound: float = 5.0) -> Metrics:
        t_ns = ns_from_s(t_s)

        def known(level: float) -> Index:
            return Index(value=level, bound=1.0, sample_ns=t_ns)

        index = Index(reason=Reason.BASELINE)
        if arousal is not None:
            index = Index(value=arousal, bound=bound, sample_ns=t_ns)
        return Metrics(
            t_ns=t_ns,
            emitted_ns=t_ns,
            heart_rate_bpm=known(64.0),
            rmssd_ms=known(40.0),
            breathing_rate_bpm=known(6.0),
            scl_us=known(4.2),
            scr_per_min=Index(reason=Reason.WARMING_UP),
            arousal=index,
        )

    def beat(
        self,
        t_s: float,
        *,
        idx: int,
        rr_ms: float | None = 900.0,
        confirmed: bool = True,
        flag: BeatFlag = BeatFlag.OK,
        corrected_ms: float | None = None,
    ) -> Beat:
        return Beat(
            beat_idx=idx,
            t_ns=ns_from_s(t_s),
            emitted_ns=ns_from_s(t_s),
            source=SignalKind.ECG,
            rr_ms=rr_ms,
            rr_corrected_ms=corrected_ms,
            flag=flag,
            confirmed=confirmed,
        )

    def waveform(self, kind: SignalKind, t_s: float, values: tuple[float, ...], *, rate_hz: float = 10.0) -> Waveform:
        stream_id = next(info.stream_id for info in self.streams if info.kind is kind)
        return Waveform(
            stream_id=stream_id, kind=kind, t_ns=ns_from_s(t_s), sample_period_ns=NS_PER_S / rate_hz, values=values
        )

    def live(self, event: LiveEvent, *, seq: int = 1, published_s: float | None = None) -> Live:
        if published_s is None:
            return Live(seq=seq, event=event)
        t_ns = ns_from_s(published_s)
        ledger = Ledger(sample_ns=t_ns, received_ns=t_ns, accepted_ns=t_ns, published_ns=t_ns)
        return Live(seq=seq, event=event, ledger=ledger)


@pytest.fixture
def person() -> Person:
    return Person()


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


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    thread = threading.Thread(target=desk.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield desk
    desk.server.shutdown()
    desk.server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def gl() -> None:
    """Skip where nothing can draw."""
    missing = [name for name in ("GL", "EGL") if ctypes.util.find_library(name) is None]
    if missing and os.name == "posix":
        pytest.skip(f"no lib{' and lib'.join(missing)}: apt-get install libgl1 libegl1 libgl1-mesa-dri libmtdev1")
    from becalm_kivy.screens.window import open_window

    open_window()
