"""The agent: settings, and the two things it does, streaming from sensors and playing a recording."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from becalm_ingest.conductor import Conductor, OnReport
from becalm_ingest.devices import Family
from becalm_ingest.ensemble import Ensemble
from becalm_ingest.formats.signals import OPTION, parse_choice
from becalm_ingest.player import Player
from becalm_ingest.replay import read_recording
from becalm_ingest.report import AgentReport
from becalm_ingest.source import Source
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.errors import BecalmError, ConfigError
from becalm_protocol.events import value
from becalm_protocol.handshake import Source as SourceKind
from becalm_protocol.pairing import TokenSource, no_token

if TYPE_CHECKING:
    from becalm_ingest.link import Backend

_REPLAY_CHUNK_MS = 100


@value
class AgentSettings:
    """How to run an agent."""

    server_url: str
    token: TokenSource = no_token
    """What to show to the server."""
    data_dir: Path
    devices: tuple[str, ...] = ("auto",)
    """Names or addresses of sensors; `auto` takes every known one in range; `lsl` and `lsl:NAME` are LSL streams."""
    signals: tuple[str, ...] = ()
    """Which channel of an LSL stream is which: LABEL=KIND or LABEL=KIND:UNIT."""
    start_now: bool = False
    """Open a session at once instead of waiting for a client to press start."""
    record_path: Path | None = None
    """Write raw notifications to this file."""
    backend: "Backend | None" = None
    """None: the Bluetooth of this machine."""
    quota_bytes: int = DEFAULT_QUOTA_BYTES
    families: tuple[Family, ...] = ()
    """Device families as this person has them, such as a board wired in a way of its own."""


async def run_agent(settings: AgentSettings, *, stop: asyncio.Event, on_report: OnReport | None = None) -> AgentReport:
    """Stream from sensors until `stop` is set; what the server has not acknowledged stays on disk.

    Raises StorageError and ConfigError; radio and network trouble is reported and retried.
    """
    conductor = Conductor(
        _source(settings),
        server_url=settings.server_url,
        token=settings.token,
        data_dir=settings.data_dir,
        quota_bytes=settings.quota_bytes,
        start_now=settings.start_now,
    )
    return await _run(conductor, stop=stop, on_report=on_report)


async def run_replay(
    settings: AgentSettings,
    path: Path,
    *,
    rate_hz: float | None,
    speed: float,
    stop: asyncio.Event,
    signals: tuple[str, ...] = (),
    on_report: OnReport | None = None,
) -> AgentReport:
    """Play a recording through spool and uplink as a session of its own; returns when all of it is stored.

    `signals` say which is which (LABEL=KIND); `speed` 0 is as fast as the server acknowledges. Raises RecordingError,
    StorageError and ConfigError.
    """
    recording = read_recording(path, rate_hz=rate_hz, chunk_ms=_REPLAY_CHUNK_MS, signals=signals)
    player = Player(recording, speed=speed)
    conductor = Conductor(
        player,
        server_url=settings.server_url,
        token=settings.token,
        data_dir=settings.data_dir,
        quota_bytes=settings.quota_bytes,
        start_now=True,
        source_kind=SourceKind.REPLAY,
        session_clock=player.now_ns,
    )
    return await _run(conductor, stop=stop, on_report=on_report)


def _source(settings: AgentSettings) -> Source:
    """Return what the agent reads; only what is asked for is imported and started on this machine."""
    choices = tuple(parse_choice(text) for text in settings.signals)
    if any(choice.transfer for choice in choices):
        raise ConfigError(
            "expected a unit for a live stream, got a transfer; transfers are for recordings", setting=OPTION
        )
    streams = tuple(device for device in settings.devices if device == "lsl" or device.startswith("lsl:"))
    sensors = tuple(device for device in settings.devices if device not in streams)
    sources: list[Source] = []
    if sensors or not streams:
        from becalm_ingest.sensors import Sensors  # bleak takes a tenth of a second, and replay has no use for it

        sources.append(
            Sensors(
                devices=sensors,
                backend=settings.backend,
                record_path=settings.record_path,
                families=settings.families,
            )
        )
    if streams:
        from becalm_ingest.lsl_source import LslStreams

        sources.append(LslStreams(devices=streams, choices=choices))
    return sources[0] if len(sources) == 1 else Ensemble(sources)


async def _run(conductor: Conductor, *, stop: asyncio.Event, on_report: OnReport | None) -> AgentReport:
    try:
        return await conductor.run(stop=stop, on_report=on_report)
    except* BecalmError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
