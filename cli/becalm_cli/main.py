"""The commands, their options and their help."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from becalm_cli import access, archive, bench, outlet, people
from becalm_cli.options import (
    AnnounceOption,
    DataDirOption,
    HostsOption,
    ProfileOption,
    ProxyOption,
    RadioOption,
    RateOption,
    RecordingArgument,
    ScreenServerOption,
    ServerOption,
    SignalOption,
    SupervisedOption,
)
from becalm_cli.places import DEFAULT_PORT, DEFAULT_SERVER, default_data_dir, http_url, usable_data_dir
from becalm_protocol.errors import BecalmError, ConfigError

app = typer.Typer(
    name="becalm",
    help="Watch your own arousal ebb while you breathe with a pacer. Start with: becalm demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # square brackets in help are text
)
agent_app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(agent_app, name="agent")
app.add_typer(bench.app, name="bench")
app.add_typer(outlet.app, name="outlet")
for part in (archive, access, people):
    part.add_commands(app)


@app.command()
def demo(
    *,
    client: Annotated[
        str | None, typer.Option(help="kivy, terminal or none [default: what this screen can show].")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="End so many seconds after the session began.", min=1.0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
    seed: Annotated[int, typer.Option(help="Which virtual person to meet.", min=0)] = 7,
    port: Annotated[int, typer.Option(help="Port of the server; 0 takes a free one.", min=0, max=65535)] = DEFAULT_PORT,
    data_dir: DataDirOption = None,
) -> None:
    """Run everything on this machine: a virtual person with sensors, agent, server, database and client."""
    from becalm_cli.demo import DemoSettings, run_demo

    settings = DemoSettings(
        client=client, seconds=seconds, as_json=as_json, seed=seed, port=port, data_dir=_data_dir(data_dir) / "demo"
    )
    raise typer.Exit(asyncio.run(run_demo(settings)))


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; as it is, this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = DEFAULT_PORT,
    announce: AnnounceOption = None,
    data_dir: DataDirOption = None,
    profile: ProfileOption = "wellness",
    allow_host: HostsOption = None,
    trust_proxy: ProxyOption = None,
    supervised: SupervisedOption = False,
) -> None:
    """Start the server (and its database, unless BECALM_DATABASE_URL names one)."""
    from becalm_cli.parts import run_server

    given = {"host": host, "port": port, "announce": announce, "profile": profile}
    given |= {"allowed_hosts": allow_host or (), "trust_proxy": trust_proxy}
    asyncio.run(run_server(given, data_dir=_data_dir(data_dir), supervised=supervised))


@agent_app.callback(invoke_without_command=True)
def agent(
    context: typer.Context,
    *,
    scan: Annotated[bool, typer.Option("--scan", help="List the sensors in range, then end.")] = False,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", help="Name or address of a sensor, or lsl:NAME for an LSL stream; repeat [default: any known]."
        ),
    ] = None,
    signal: SignalOption = None,
    server: ServerOption = DEFAULT_SERVER,
    start: Annotated[bool, typer.Option("--start", help="Record at once, without a client's start.")] = False,
    record: Annotated[Path | None, typer.Option(help="Also write every raw notification to this file.")] = None,
    wiring: Annotated[
        str | None, typer.Option(help="What a BITalino board carries; as sold: A2=ecg,A3=skin_conductance.")
    ] = None,
    gyroscope: Annotated[bool, typer.Option("--gyroscope", help="Movesense: also how fast the chest turns.")] = False,
    radio: RadioOption = None,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON at the end.")] = False,
    supervised: SupervisedOption = False,
) -> None:
    """Read the sensors beside the body and send what they say to the server."""
    if context.invoked_subcommand is not None:
        return
    from becalm_cli.parts import run_sensor_agent, run_sensor_scan

    if scan:
        asyncio.run(run_sensor_scan(devices=tuple(device or ()), radio=radio))
        return
    asyncio.run(
        run_sensor_agent(
            server=http_url(server), devices=tuple(device or ()), signals=tuple(signal or ()), start=start,
            record=record, wiring=wiring, gyroscope=gyroscope, radio=radio, data_dir=_data_dir(data_dir),
            as_json=as_json, supervised=supervised,
        )
    )  # fmt: skip


@agent_app.command()
def doctor(
    *,
    server: ServerOption = DEFAULT_SERVER,
    radio: RadioOption = None,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Examine Bluetooth, rights, server, clock and disk, and say what to do; exit code 1 where an agent cannot work."""
    from becalm_cli.doctor import run_doctor

    folder = data_dir or default_data_dir()
    code = asyncio.run(run_doctor(server=http_url(server), radio=radio, data_dir=folder, as_json=as_json))
    raise typer.Exit(code)


@app.command()
def client(
    *,
    kind: Annotated[str, typer.Option("--kind", help="kivy (a window) or terminal.")] = "kivy",
    server: ScreenServerOption = None,
    start: Annotated[bool, typer.Option("--start", help="Begin a session at once (terminal).")] = False,
    pair: Annotated[bool, typer.Option("--pair", help="Pair first: asks for the link that the server made.")] = False,
    supervised: SupervisedOption = False,
) -> None:
    """Open the practice screen."""
    from becalm_cli.parts import run_client

    link = access.asked_link() if pair else None
    run_client(kind=kind, server=server, pair=link, start=start, supervised=supervised)


@app.command()
def replay(
    file: RecordingArgument,
    *,
    speed: Annotated[
        float,
        typer.Option(help="1 is real time, 10 ten times as fast, 0 as fast as the server stores.", min=0.0, max=1000.0),
    ] = 1.0,
    rate_hz: RateOption = None,
    signal: SignalOption = None,
    server: ServerOption = DEFAULT_SERVER,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON at the end.")] = False,
) -> None:
    """Play a recording through the agent's whole path as if it were live."""
    from becalm_cli.parts import run_recording

    asyncio.run(
        run_recording(
            file, rate_hz=rate_hz, signals=tuple(signal or ()), speed=speed, server=http_url(server),
            data_dir=_data_dir(data_dir), as_json=as_json,
        )
    )  # fmt: skip


@app.command()
def analyse(
    file: RecordingArgument,
    *,
    out: Annotated[Path, typer.Option(help="Folder for beats.csv, breaths.csv, scr.csv, metrics.csv, summary.json.")],
    rate_hz: RateOption = None,
    signal: SignalOption = None,
    chunk_ms: Annotated[int, typer.Option(help="Size of the pieces the pipeline is fed.", min=1, max=3_600_000)] = 250,
    report: Annotated[bool, typer.Option(help="Add the NeuroKit2 session report to the summary.")] = True,
) -> None:
    """Run the live pipeline over a recording, as fast as it goes, and write what it found."""
    from becalm_cli.analyse import analyse_recording

    summary = analyse_recording(
        file, out=out, rate_hz=rate_hz, chunk_ms=chunk_ms, report=report, signals=tuple(signal or ())
    )
    typer.echo(f"{summary['n_beats']} beats, {summary['n_breaths']} breaths, {summary['n_scr']} skin responses: {out}")
    for note in summary["notes"]:
        typer.echo(note, err=True)
    for problem in summary["dropped"]:
        typer.echo(f"Not used: {problem}", err=True)


@app.command()
def export(
    session: Annotated[str, typer.Argument(help="Identifier of a stored session, or last for the newest.")],
    *,
    export_format: Annotated[str, typer.Option("--format", help="html, edf, csv ...: see docs/exports.md.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    device_names: Annotated[
        bool, typer.Option("--device-names", help="Keep the names that sensors call themselves.")
    ] = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Save a stored session as a file for another program."""
    from becalm_cli.export import export_session

    n_bytes = export_session(session, server=server, export_format=export_format, out=out, device_names=device_names)
    typer.echo(f"{n_bytes} bytes: {out}")


@app.command()
def simulate(
    *,
    radio: Annotated[
        str | None, typer.Option(help="HCI socket to offer: unix:PATH or tcp:127.0.0.1:PORT [default: a free one].")
    ] = None,
    server: Annotated[str | None, typer.Option("--server", help="Server whose pacer the person hears.")] = None,
    seed: Annotated[int, typer.Option(help="Which virtual person.", min=0)] = 7,
    wear: Annotated[
        str | None, typer.Option(help="Sensors to put on: strap,belt,skin or others; an unknown word lists all.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write a recording and its truth to this folder at once, with no radio.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Length of the --csv recording.", min=0.1, max=60.0)] = 5.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            help='What goes wrong: "t=60 silent 20", "t=90 drop sensor=belt"; repeat it. An unknown one lists all.',
        ),
    ] = None,
    supervised: SupervisedOption = False,
) -> None:
    """Offer a virtual person wearing virtual sensors on a virtual radio, or write their recording."""
    from becalm_cli.parts import run_virtual_person, write_virtual_person

    if csv is not None:
        for setting, given in (("--fault", fault), ("--wear", wear), ("--radio", radio), ("--server", server)):
            if given:
                raise ConfigError("is of the virtual radio, and --csv needs none; take one of the two", setting=setting)
        typer.echo(f"{write_virtual_person(csv, seed=seed, minutes=minutes)} and its truth beside it")
        return
    asyncio.run(
        run_virtual_person(
            radio=radio, server=server and http_url(server), seed=seed, wear=wear, faults=fault or [],
            supervised=supervised,
        )
    )  # fmt: skip


def _data_dir(chosen: Path | None) -> Path:
    return usable_data_dir(chosen or default_data_dir())


def run() -> None:
    """Run the command line; an expected failure is one sentence and exit code 2."""
    try:
        app(prog_name="becalm")
    except BaseExceptionGroup as group:
        expected, other = group.split(BecalmError)
        if other or expected is None:
            raise
        _fail(_first(expected))
    except BecalmError as exc:
        _fail(exc)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone: nothing left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _fail(error: BaseException) -> None:
    typer.echo(f"becalm: {error}", err=True)
    sys.exit(2)
