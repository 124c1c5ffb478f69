"""`becalm invite`, `pair`, `devices` and `logins`: who else may come in."""

import asyncio
import platform
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from becalm_cli.asked_secret import SecretFileOption, asked_secret
from becalm_cli.asking import tell
from becalm_cli.keys import key_ring
from becalm_cli.options import DataDirOption, ServerOption
from becalm_cli.places import DEFAULT_SERVER, default_data_dir, http_url

audit_app = typer.Typer(help="The audit log.", no_args_is_help=True, pretty_exceptions_enable=False)


def add_commands(app: typer.Typer) -> None:
    """Give the commands of this module to the command line."""
    for command in (invite, pair, devices, logins):
        app.command()(command)
    app.add_typer(audit_app, name="audit")


@audit_app.command()
def verify(*, data_dir: DataDirOption = None) -> None:
    """Hold the audit log against its own chain: exit code 1, and a line for every entry that is not as written."""
    n_entries, findings = asyncio.run(_verified((data_dir or default_data_dir()) / "server"))
    for finding in findings:
        typer.echo(finding)
    typer.echo(f"{n_entries} entries, {'none' if not findings else len(findings)} changed, removed or put in")
    raise typer.Exit(1 if findings else 0)


async def _verified(folder: Path) -> tuple[int, list[str]]:
    from becalm_server.access.audit import verify as verified
    from becalm_server.archive.access_store import open_owners_store
    from becalm_server.archive.reach import reached
    from becalm_server.settings import ServerSettings

    with reached(ServerSettings.from_environment(data_dir=folder)) as url:
        async with open_owners_store(url) as store:
            return await verified(store, data_dir=folder)


def invite(
    *,
    role: Annotated[
        str | None,
        typer.Option(
            help="participant, clinician, agent or operator: a new account [default: one more device of your own]."
        ),
    ] = None,
    person: Annotated[str | None, typer.Option(help="Whose body or account it is [default: a new person].")] = None,
    label: Annotated[str, typer.Option(help="A word to find it again in the lists.")] = "",
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Make a one-time link with which a phone, an agent or somebody else is paired."""
    wish = {"role": role, "person_id": person, "label": label or None}
    made = tell(f"{http_url(server)}/v1/access/invitations", method="POST", body=wish)
    typer.echo(invitation_in_words(made["link"]))


def pair(
    *,
    file: SecretFileOption = None,
    label: Annotated[str, typer.Option(help="What this device is called in the list of devices.")] = "",
) -> None:
    """Pair this account on this machine with a server, by the one-time link that `becalm invite` printed."""
    typer.echo(f"Paired with {key_ring().pair(asked_link(file), label=label or platform.node())}")


def asked_link(file: Path | None = None) -> str:
    """Return a pairing link that somebody types, or that a file holds. Raises ConfigError."""
    return asked_secret("Link (http://HOST:PORT/pair#CODE)", file=file, hidden=False)


def devices(
    *,
    revoke: Annotated[str | None, typer.Option(help="Take the token of this device back, at once.")] = None,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List the paired devices, or revoke one."""
    address = f"{http_url(server)}/v1/access/devices"
    if revoke is not None:
        taken = tell(f"{address}/{quote(revoke, safe='')}", method="DELETE")
        typer.echo(f"{taken['label'] or taken['device_id']} may not come in any more")
        return
    for device in tell(address)["items"]:
        state = "revoked" if device["revoked_at"] else f"seen {(device['seen_at'] or 'never')[:16]}"
        typer.echo(f"{device['device_id']}  {device['role']:12} {state:22} {device['label']}")


def logins(
    *,
    end: Annotated[str | None, typer.Option(help="End this login, at once.")] = None,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List the logins by password that go on, or end one; `becalm password` ends all of an account."""
    address = f"{http_url(server)}/v1/access/logins"
    if end is not None:
        tell(f"{address}/{quote(end, safe='')}", method="DELETE")
        typer.echo(f"{end} is over")
        return
    for one in tell(address)["items"]:
        seen = f"since {one['created_at'][:16]}  seen {one['seen_at'][:16]}"
        typer.echo(f"{one['login_id']}  {one['role']:12} {seen}  {one['login'] or ''}".rstrip())


def invitation_in_words(link: str) -> str:
    """Return the link with its QR code, for a terminal."""
    return f"{qr_code(link)}\nPair a phone or another machine within ten minutes, once:\n{link}"


def qr_code(text: str) -> str:
    """Return a QR code of half-block characters, light on dark as most terminals are."""
    import segno

    rows = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    blocks = {(0, 0): "\u2588", (0, 1): "\u2580", (1, 0): "\u2584", (1, 1): " "}
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join("".join(blocks[bool(a), bool(b)] for a, b in zip(*pair, strict=True)) for pair in pairs)
