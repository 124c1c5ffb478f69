"""Options that several commands have."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from becalm_protocol.errors import ConfigError


def found_server(server: str | None) -> str | None:
    """Return a named server, or none, as it is, or the one that `auto` finds on the network. Raises ConfigError."""
    if server != "auto":
        return server
    from becalm_client.discovery import find_servers

    found = [one.url for one in asyncio.run(find_servers())]
    if len(found) != 1:
        told = f"got {', '.join(found)}; name one" if found else "got none; name it, or start one where others reach it"
        raise ConfigError(f"expected one becalm server that announces itself, {told}", setting="--server auto")
    typer.echo(f"becalm server at {found[0]}", err=True)
    return found[0]


ServerOption = Annotated[
    str,
    typer.Option("--server", callback=found_server, help="Address of the becalm server; auto: found on the network."),
]
ScreenServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        callback=found_server,
        help="Address of the becalm server; auto: found on the network"
        " [default: the one last paired on the screen, else this machine's].",
    ),
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder for becalm's data [default: the user's data folder].")
]
RadioOption = Annotated[
    str | None, typer.Option("--radio", help="Use a virtual radio: the address that `becalm simulate` shows.")
]
SupervisedOption = Annotated[bool, typer.Option("--supervised", hidden=True)]
RateOption = Annotated[
    float | None, typer.Option("--rate-hz", help="Samples a second, for a CSV file without a time column.")
]
SignalOption = Annotated[
    list[str] | None,
    typer.Option(
        "--signal",
        help="Which signal is which: LABEL=KIND or LABEL=KIND:UNIT (ecg, resp, eda, rr); raw counts of skin "
        "conductance: LABEL=eda:TRANSFER (bitalino ...). Repeat for more.",
    ),
]
RecordingArgument = Annotated[
    Path, typer.Argument(help="CSV, EDF, BDF, WFDB, XDF, FIT, RR text, or a file made by `becalm agent --record`.")
]
AnnounceOption = Annotated[
    bool | None, typer.Option(help="Say on the local network that it is here [default: where others can reach it].")
]
ProfileOption = Annotated[str, typer.Option("--profile", help="wellness (a household) or clinic (stricter).")]
ProxyOption = Annotated[
    str | None,
    typer.Option("--trust-proxy", help="Address of a proxy whose X-Forwarded-For and -Proto are believed."),
]
HostsOption = Annotated[
    list[str] | None, typer.Option("--allow-host", help="A further name of this server; repeat for more.")
]
