"""One function for each part that a command starts: server, agent, replay, client, virtual person."""

import asyncio
import json
import logging
import re
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from becalm_cli.access import invitation_in_words
from becalm_cli.asking import require_server
from becalm_cli.keys import announce_own_server, key_ring, token_for, token_source, withdraw_own_server
from becalm_cli.places import DEFAULT_SERVER, http_url
from becalm_cli.process import stop_on_signals, tell_parent, terminate_with_parent
from becalm_protocol.errors import ConfigError, LinkError
from becalm_protocol.pairing import no_token

if TYPE_CHECKING:
    from becalm_ingest.devices import Family


async def run_server(given: dict[str, Any], *, data_dir: Path, supervised: bool) -> None:
    """Serve until told to stop, with the settings that were given."""
    from becalm_server.access.first_start import OPERATOR_TOKEN_FILE
    from becalm_server.logs import configure_logs
    from becalm_server.serve import serve
    from becalm_server.settings import ServerSettings

    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        announce_own_server(url, token_file=settings.data_dir / OPERATOR_TOKEN_FILE)
        if supervised:
            tell_parent("ready", url)
        else:
            typer.echo(f"becalm server at {url} - API at {url}/docs - Ctrl-C stops it")

    # A supervisor shows our last words to a person: those are about trouble, not about requests.
    configure_logs(level=logging.WARNING if supervised else logging.INFO)

    def on_invitation(link: str) -> None:
        if not supervised:
            typer.echo(invitation_in_words(link))

    settings = ServerSettings.from_environment(data_dir=data_dir / "server", **given)
    try:
        stop = stop_on_signals(supervised=supervised)
        await serve(settings, on_ready=on_ready, on_invitation=on_invitation, stop=stop)
    finally:
        for url in urls:
            withdraw_own_server(url)


async def run_sensor_scan(*, devices: tuple[str, ...], radio: str | None) -> None:
    """List the sensors in range; where LSL alone is asked for, the streams on the network. Raises LinkError."""
    if devices and all(device.partition(":")[0] == "lsl" for device in devices):
        await _run_stream_scan()
        return
    from becalm_ingest.link import scan

    async with AsyncExitStack() as stack:
        try:
            found = await scan(backend=await radio_backend(radio, stack))
        except LinkError as exc:
            more = "" if radio else "; becalm agent doctor tells more"
            raise LinkError(exc.problem, advice=f"{exc.advice}{more}") from exc
    for sensor in found:
        typer.echo(f"{sensor.name:24} {sensor.address:20} {sensor.rssi_dbm:4} dBm  {sensor.family}")
    if not found:
        typer.echo("No sensor found. Put it on (a dry strap sleeps), bring it near, close other apps that use it.")


async def _run_stream_scan() -> None:
    from becalm_ingest.lsl import look

    found = await asyncio.to_thread(look, within_s=2.0)
    for stream in found:
        told = f"{stream.sample_rate_hz:g} Hz" if stream.sample_rate_hz else "odd times"
        typer.echo(f"lsl:{stream.name:24} {stream.kind:20} {told:>12}  {stream.host}")
    if not found:
        typer.echo("No LSL stream found. Start it at its sender, in the same network.")


async def run_sensor_agent(
    *,
    server: str,
    devices: tuple[str, ...],
    signals: tuple[str, ...],
    start: bool,
    record: Path | None,
    wiring: str | None,
    gyroscope: bool,
    radio: str | None,
    data_dir: Path,
    as_json: bool,
    supervised: bool,
) -> None:
    """Run the agent until told to stop, then report."""
    from becalm_cli.agent_view import AgentView
    from becalm_ingest.agent import AgentSettings, run_agent

    async with AsyncExitStack() as stack:
        settings = AgentSettings(
            server_url=server,
            token=token_source(server),
            data_dir=data_dir / "agent",
            devices=devices,
            signals=signals,
            start_now=start,
            record_path=record,
            families=own_families(wiring=wiring, gyroscope=gyroscope),
            backend=await radio_backend(radio, stack),
        )
        stop = stop_on_signals(supervised=supervised)
        if supervised:
            tell_parent("ready", True)
        on_report = None if supervised or as_json else stack.enter_context(AgentView()).show
        report = await run_agent(settings, stop=stop, on_report=on_report)
    _tell_report(report.as_dict(), as_json=as_json, supervised=supervised)


def own_families(*, wiring: str | None, gyroscope: bool) -> "tuple[Family, ...]":
    """Return the device families that the options change. Raises ConfigError."""
    from becalm_ingest.devices import bitalino, bitalino_wiring, movesense

    boards = () if wiring is None else (bitalino.family(bitalino_wiring.parse_wiring(wiring)),)
    return (*boards, *((movesense.family(with_gyroscope=True),) if gyroscope else ()))


async def radio_backend(radio: str | None, stack: AsyncExitStack) -> Any:
    """Return the classes of a virtual radio, or of this machine's Bluetooth. Raises ConfigError."""
    from becalm_ingest.link import Backend

    if radio is None:
        return Backend()
    if not re.fullmatch(r"unix:.+|tcp:.+:\d{1,5}", radio):
        raise ConfigError(
            f"expected unix:PATH or tcp:HOST:PORT, as becalm simulate shows it, got {radio}", setting="--radio"
        )
    from becalm_simulator.bleak_backend import open_radio

    classes = await stack.enter_async_context(open_radio(radio))
    return Backend(scanner=classes.scanner, client=classes.client, adapter=classes.adapter)


def _tell_report(report: dict[str, Any], *, as_json: bool, supervised: bool) -> None:
    if supervised:
        tell_parent("report", report)
    elif as_json:
        typer.echo(json.dumps(report, indent=2))


async def run_recording(
    file: Path,
    *,
    rate_hz: float | None,
    signals: tuple[str, ...],
    speed: float,
    server: str,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Play a recording through the agent's whole path."""
    from becalm_cli.agent_view import AgentView
    from becalm_ingest.agent import AgentSettings, run_replay

    await asyncio.to_thread(require_server, server)
    settings = AgentSettings(server_url=server, token=token_source(server), data_dir=data_dir / "replay")
    stop = stop_on_signals(supervised=False)
    with ExitStack() as stack:
        on_report = None if as_json else stack.enter_context(AgentView()).show
        report = await run_replay(
            settings, file, rate_hz=rate_hz, signals=signals, speed=speed, stop=stop, on_report=on_report
        )
    _tell_report(report.as_dict(), as_json=as_json, supervised=False)


def run_client(*, kind: str, server: str | None, pair: str | None, start: bool, supervised: bool) -> None:
    """Open the window or the terminal view. Raises ConfigError for another kind or a screen that cannot show it."""
    if pair is not None:
        server = key_ring().pair(pair, label=f"becalm {kind}")
    url = None if server is None else http_url(server)
    if kind == "kivy":
        from becalm_kivy.app import run_app
        from becalm_kivy.servers import CLIENT_NAME, Keys

        if supervised:
            terminate_with_parent()
        run_app(url, keys=Keys(token=token_for, pair=partial(key_ring().pair, label=CLIENT_NAME)))
    elif kind == "terminal":
        asyncio.run(_run_terminal(url or http_url(DEFAULT_SERVER), start=start))
    else:
        raise ConfigError(f"expected kivy or terminal, got {kind}", setting="--kind")


async def _run_terminal(server: str, *, start: bool) -> None:
    from becalm_kivy.terminal import run_terminal

    await run_terminal(server, token=token_source(server), stop=stop_on_signals(supervised=False), start=start)


async def run_virtual_person(
    *, radio: str | None, server: str | None, seed: int, wear: str | None, faults: list[str], supervised: bool
) -> None:
    """Offer a virtual person's sensors until told to stop, then report the truth. Raises ConfigError."""
    from becalm_simulator.faults import parse_fault
    from becalm_simulator.sensors.wardrobe import USUAL
    from becalm_simulator.simulate import SimulatorSettings, run_simulator

    stop = stop_on_signals(supervised=supervised)

    def on_ready(agent_radio: str) -> None:
        if supervised:
            tell_parent("ready", agent_radio)
        else:
            typer.echo(f"Virtual sensors are on the air: becalm agent --radio {agent_radio}")

    def on_server(is_there: bool) -> None:
        told = "is there: the person hears its pacer" if is_there else "does not answer: the person breathes freely"
        if not supervised:
            typer.echo(f"The server at {server} {told}", err=True)

    settings = SimulatorSettings(
        seed=seed,
        radio=radio,
        server_url=server,
        token=no_token if server is None else token_source(server),
        faults=tuple(parse_fault(line) for line in faults),
        wear=USUAL if wear is None else tuple(wear.split(",")),
    )
    report = await run_simulator(settings, on_ready=on_ready, stop=stop, on_server=on_server)
    _tell_report(report.as_dict(), as_json=not supervised, supervised=supervised)


def write_virtual_person(folder: Path, *, seed: int, minutes: float) -> Path:
    """Write a recording of a quiet minute and practice, with its truth; return its path. Raises RecordingError."""
    from becalm_cli.score import PACER
    from becalm_simulator.body import Body
    from becalm_simulator.recording import write_recording

    body = Body.from_seed(seed)
    body.hear(PACER)
    return write_recording(body, seconds=60.0 * minutes, directory=folder)
