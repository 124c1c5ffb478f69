"""Draw the pictures of the manual: the real window without a display, fed over the real wire by a made-up person.

python docs/make_screenshots.py [folder]
"""

import asyncio
import contextlib
import math
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from becalm_kivy.kivy_setup import prepare_kivy
from becalm_kivy.preferences import PreferenceFile, Preferences
from becalm_kivy.servers import Keys, Servers
from becalm_protocol import codec
from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason
from becalm_protocol.events import Clock, Pacer, SignalKind, StreamInfo, StreamState, StreamStatus
from becalm_protocol.handshake import (
    ClientHello,
    ClientWelcome,
    Ledger,
    Live,
    LiveEvent,
    Ping,
    Pong,
    SensorState,
    SessionPhase,
    SessionView,
    Source,
    Waveform,
)
from becalm_protocol.units import NS_PER_S, ns_from_s

BASELINE_S = 60.0
NO_KEYS = Keys(token=lambda _url: None, pair=lambda _link: "")
PACER = Pacer(started_ns=ns_from_s(BASELINE_S), inhale_s=4.0, exhale_s=6.0)
SENSOR_LAG_S = 0.3
"""How long a sample takes from the skin to the server."""
LONGEST_S = 60.0
"""What was before the picture comes in pieces: a waveform of the wire has 2,048 samples at most."""
SHARPNESS = 2
"""Pixels for each dp, as on a phone."""
STREAMS = {
    SignalKind.ECG: StreamInfo(
        stream_id="ec" * 16, kind=SignalKind.ECG, unit="uV", unit_per_count=1.0, sample_rate_hz=130.0,
        clock=Clock.DEVICE, device="SIM-HR 0001",
    ),
    SignalKind.RESPIRATION: StreamInfo(
        stream_id="be" * 16, kind=SignalKind.RESPIRATION, unit="N", unit_per_count=0.01, sample_rate_hz=10.0,
        clock=Clock.ARRIVAL, device="SIM-BELT 0001",
    ),
    SignalKind.SKIN_CONDUCTANCE: StreamInfo(
        stream_id="5c" * 16, kind=SignalKind.SKIN_CONDUCTANCE, unit="uS", unit_per_count=0.001, sample_rate_hz=8.0,
        clock=Clock.DEVICE, device="SIM-EDA 0001",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture: where in the session, what is shown, and since when a sensor is away."""

    name: str
    at_s: float
    show_curves: bool = False
    show_numbers: bool = False
    belt_lost_s: float | None = None


SCENES = (
    Scene(name="practice", at_s=283.2, show_curves=True),
    Scene(name="calibrating", at_s=22.0),
    Scene(name="sensor_lost", at_s=251.0, show_curves=True, belt_lost_s=18.0),
    Scene(name="numbers", at_s=254.5, show_numbers=True),
)
KEPT = {"practice", "sensor_lost"}


def breath(t_s: float) -> float:
    """Belt force: free and quick at first, with the pacer afterwards; asymmetric, each breath a little different."""
    if t_s < BASELINE_S:
        return 8 + 1.6 * math.sin(2 * math.pi * t_s / 4.1) + 0.3 * math.sin(t_s)
    within_s = (t_s - BASELINE_S) % 10
    n_breath = (t_s - BASELINE_S) // 10
    depth = 4.2 + 0.5 * math.sin(1.7 * n_breath)
    share = within_s / 4 if within_s < 4 else 1 + (within_s - 4) / 6
    return 8 + depth * (0.5 - 0.5 * math.cos(math.pi * share)) + 0.06 * math.sin(9 * t_s)


def heart_rate_bpm(t_s: float) -> float:
    """Swings with the breath and falls a little over practice."""
    swing = 1.2 * (breath(t_s - 0.4) - 10)
    return 66 + 9 * math.exp(-max(0, t_s - BASELINE_S) / 110) + swing + 0.9 * math.sin(0.31 * t_s)


def skin_us(t_s: float) -> float:
    """A slow fall with small responses."""
    level = 4.1 + 1.9 * math.exp(-max(0, t_s - BASELINE_S) / 120)
    for onset_s, size_us in ((238, 0.32), (246, 0.12), (259, 0.21), (271, 0.10), (205, 0.4), (221, 0.25), (229, 0.1)):
        since_s = t_s - onset_s
        if since_s > 0:
            level += (
                size_us * 2.3 * (math.exp(-since_s / 4.5) - math.exp(-since_s / 0.9)) * (1 - math.exp(-since_s / 0.7))
            )
    return level


def arousal(t_s: float) -> float:
    """Ebbs while breathing goes on."""
    return 36 + 21 * math.exp(-max(0, t_s - BASELINE_S) / 100) + 1.5 * math.sin(0.05 * t_s)


def person(scene: Scene, begin_s: float, end_s: float) -> Iterator[LiveEvent]:
    """Everything a server sends for a stretch of the session."""
    belt_end_s = end_s if scene.belt_lost_s is None else min(end_s, scene.at_s - scene.belt_lost_s)
    for kind, stop_s in ((SignalKind.RESPIRATION, belt_end_s), (SignalKind.SKIN_CONDUCTANCE, end_s)):
        if (signal := waveform(kind, begin_s, stop_s)) is not None:
            yield signal
    for beat_idx, beat_s in enumerate(BEATS_S):
        if begin_s <= beat_s < end_s and beat_idx:
            yield beat(beat_idx)
    for quarter in range(math.ceil(begin_s * 4), math.ceil(end_s * 4)):
        yield metrics(quarter / 4)


def beat(beat_idx: int) -> Beat:
    """One confirmed beat."""
    t_ns, rr_ms = ns_from_s(BEATS_S[beat_idx]), 1000 * (BEATS_S[beat_idx] - BEATS_S[beat_idx - 1])
    return Beat(
        beat_idx=beat_idx, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.ECG, rr_ms=rr_ms, rr_corrected_ms=rr_ms,
        flag=BeatFlag.OK, confirmed=True,
    )  # fmt: skip


def waveform(kind: SignalKind, begin_s: float, end_s: float) -> Waveform | None:
    """One stretch of a sampled signal, None where it holds no sample."""
    rate_hz = STREAMS[kind].sample_rate_hz or 1.0
    curve = breath if kind is SignalKind.RESPIRATION else skin_us
    first, last = math.ceil(begin_s * rate_hz), math.ceil(end_s * rate_hz)
    if last <= first:
        return None
    return Waveform(
        stream_id=STREAMS[kind].stream_id, kind=kind, t_ns=ns_from_s(first / rate_hz),
        sample_period_ns=NS_PER_S / rate_hz, values=tuple(curve(idx / rate_hz) for idx in range(first, last)),
    )  # fmt: skip


def beat_times(end_s: float) -> list[float]:
    """Beats of the whole session."""
    times = [0.4]
    while times[-1] < end_s:
        times.append(times[-1] + 60 / heart_rate_bpm(times[-1]))
    return times


BEATS_S = beat_times(300)


def metrics(t_s: float) -> Metrics:
    """The indices of one moment."""
    t_ns = ns_from_s(t_s)

    def known(level: float, bound: float) -> Index:
        return Index(value=level, bound=bound, sample_ns=t_ns)

    in_baseline = t_s < BASELINE_S
    return Metrics(
        t_ns=t_ns, emitted_ns=t_ns, heart_rate_bpm=known(heart_rate_bpm(t_s), 1.2),
        rmssd_ms=Index(reason=Reason.TOO_FEW_BEATS) if in_baseline else known(41, 5),
        breathing_rate_bpm=known(14.6 if in_baseline else 6.0, 0.2), scl_us=known(skin_us(t_s), 0.02),
        scr_per_min=known(5, 1), arousal=Index(reason=Reason.BASELINE) if in_baseline else known(arousal(t_s), 6),
    )  # fmt: skip


class SceneServer:
    """Speaks the live protocol as if the session had begun `at_s` ago."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._started_ns = time.monotonic_ns() - ns_from_s(scene.at_s)

    async def speak(self, socket: ServerConnection) -> None:
        """Serve one client."""
        async with asyncio.TaskGroup() as group:
            streaming: asyncio.Task[None] | None = None
            async for data in socket:
                message: object = codec.decode(data)
                if isinstance(message, ClientHello):
                    streaming = group.create_task(self._greet(socket), name="person")
                elif isinstance(message, Ping):
                    pong = Pong(sent_ns=message.sent_ns, clock_ns=time.monotonic_ns() - self._started_ns)
                    await socket.send(codec.encode_json(pong))
            if streaming is not None:
                streaming.cancel()

    async def _greet(self, socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._send_session(socket)

    async def _send_session(self, socket: ServerConnection) -> None:
        self._started_ns = time.monotonic_ns() - ns_from_s(self._scene.at_s)
        phase = SessionPhase.BASELINE if self._scene.at_s < BASELINE_S else SessionPhase.PRACTICE
        session = SessionView(
            session_id="0" * 32, phase=phase, source=Source.LIVE, baseline_s=BASELINE_S, pacer=PACER,
            streams=tuple(STREAMS.values()),
        )  # fmt: skip
        sensors = tuple(
            SensorState(device=info.device, kind=kind, state=StreamState.STREAMING, battery_pct=battery_pct)
            for (kind, info), battery_pct in zip(STREAMS.items(), (87, 64, None), strict=True)
        )
        welcome = ClientWelcome(
            version=1, heartbeat_s=2.0, playout_delay_ms=900.0, session=session, sensors=sensors, agent_connected=True
        )
        await socket.send(codec.encode_json(welcome))
        if self._scene.belt_lost_s is not None:
            lost = StreamStatus(
                stream_id=STREAMS[SignalKind.RESPIRATION].stream_id, received_ns=0, state=StreamState.LOST
            )
            await socket.send(codec.encode_json(Live(seq=1, event=lost)))
        await self._stream(socket)

    async def _stream(self, socket: ServerConnection) -> None:
        begin_s, seq = 0.0, 1
        while True:
            now_s = (time.monotonic_ns() - self._started_ns) / NS_PER_S - SENSOR_LAG_S
            end_s = min(now_s, begin_s + LONGEST_S)
            for event in person(self._scene, begin_s, end_s):
                seq += 1
                await socket.send(codec.encode_json(Live(seq=seq, event=event, ledger=_ledger(event))))
            begin_s = end_s
            await asyncio.sleep(0.1 if end_s == now_s else 0.0)


def _ledger(event: LiveEvent) -> Ledger | None:
    if not isinstance(event, Metrics):
        return None
    t_ns = event.t_ns
    return Ledger(sample_ns=t_ns, received_ns=t_ns, accepted_ns=t_ns, published_ns=t_ns)


@asynccontextmanager
async def scene_server(scene: Scene) -> AsyncIterator[str]:
    """Serve one scene on a free port."""
    async with serve(SceneServer(scene).speak, "127.0.0.1", 0, compression=None, close_timeout=0.2) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}"


async def draw(scene: Scene, folder: Path) -> str:
    """Draw one scene into `folder` and return the name that the window gave the file."""
    from kivy.core.window import Window

    from becalm_kivy.screens.becalm_app import BecalmApp

    preference_file = PreferenceFile(Path(tempfile.mkdtemp()) / "client.json")
    preference_file.write(Preferences(show_curves=scene.show_curves, show_numbers=scene.show_numbers))
    async with scene_server(scene) as url, asyncio.TaskGroup() as group:
        app = BecalmApp(Servers(url, NO_KEYS), preference_file=preference_file)
        reading = group.create_task(app.follow())
        window = group.create_task(app.async_run(async_lib="asyncio"))
        await asyncio.sleep(1.4)  # a picture needs a second for its scales to come to rest
        Window.canvas.ask_update()
        made: str = Window.screenshot(name=str(folder / f"{scene.name}.png"))
        app.stop()
        await window
        reading.cancel()
    return made


def main(folder: Path, names: set[str]) -> None:
    """Draw the scenes called `names`."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        if scene.name in names:
            wanted = folder / f"{scene.name}.png"
            Path(asyncio.run(draw(scene, folder))).replace(wanted)
            sys.stdout.write(f"{wanted}\n")


if __name__ == "__main__":
    os.environ["SDL_VIDEODRIVER"] = "offscreen"
    os.environ["KIVY_METRICS_DENSITY"] = str(SHARPNESS)
    prepare_kivy(Path(tempfile.mkdtemp()))
    from becalm_kivy.screens.window import open_window

    open_window(n_pixels_per_dp=SHARPNESS)
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"), set(sys.argv[2:]) or KEPT)
