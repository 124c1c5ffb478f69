"""`becalm backup`, `restore` and `rederive`: what an operator does with the whole archive."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from becalm_cli.places import default_data_dir
from becalm_protocol.errors import ConfigError

if TYPE_CHECKING:
    from becalm_server.archive.backup import BackedUp
    from becalm_server.archive.rederive import Rederived
    from becalm_server.settings import ServerSettings

FolderOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of becalm's data [default: the user's data folder].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_commands(app: typer.Typer) -> None:
    """Give the commands of this module to the command line."""
    for command in (backup, restore, rederive):
        app.command()(command)


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it holds health data, keep it as you keep them.")],
    *,
    data_dir: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save the whole archive as it stands at this moment; a running server goes on."""
    from becalm_server.archive.backup import back_up
    from becalm_server.archive.reach import reached

    with reached(_settings(data_dir)) as url:
        _tell(back_up(url, file), file, as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="File that `becalm backup` made.", exists=True, dir_okay=False)],
    *,
    data_dir: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill an empty archive from a backup, all of it or nothing, and hold it against the backup's fingerprint."""
    from becalm_server.archive.backup import restore as restore_archive
    from becalm_server.archive.reach import reached

    with reached(_settings(data_dir)) as url:
        _tell(restore_archive(url, file), file, as_json=as_json)


def rederive(
    session: Annotated[str | None, typer.Argument(help="Identifier of a finished session.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every finished session.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell the difference.")] = False,
    data_dir: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Derive stored sessions anew with today's pipeline, keep it beside the old values, and tell the difference."""
    from becalm_server.archive.reach import reached
    from becalm_server.archive.rederive import finished_sessions
    from becalm_server.archive.rederive import rederive as rederive_session

    if every == (session is not None):
        raise ConfigError("expected one session, or --all", setting="SESSION")
    with reached(_settings(data_dir)) as url:
        wanted = finished_sessions(url) if session is None else [session]
        found = []
        for session_id in wanted:
            found.append(rederive_session(url, session_id, dry_run=dry_run))
            if not as_json:
                _show(found[-1])
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=1))


def _settings(data_dir: Path | None) -> "ServerSettings":
    from becalm_server.settings import ServerSettings

    return ServerSettings.from_environment(data_dir=(data_dir or default_data_dir()) / "server")


def _tell(done: "BackedUp", file: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"file": str(file), **asdict(done)}, indent=1))
        return
    n_rows = sum(done.n_rows.values())
    typer.echo(f"{done.n_rows.get('session', 0)} sessions, {n_rows} rows, {done.n_bytes} bytes: {file}")
    typer.echo(f"content sha256 {done.content_sha256}")


def _show(found: "Rederived") -> None:
    kept = "kept beside them" if found.kept else "not kept"
    before = found.version_before or "none"
    typer.echo(f"session {found.session_id}: pipeline {before} -> {found.pipeline_version}, {kept}")
    for name in ("beats", "breaths", "responses"):
        events = getattr(found, name)
        typer.echo(f"  {name:24} {events.n_before:7} -> {events.n_now:<7} {events.n_added} added, {events.n_lost} lost")
    for name, index in found.indices.items():
        if index.n_differ:
            told = "" if index.largest is None else f", largest {index.largest:.6g}, median {index.median:.6g}"
            typer.echo(f"  {name:24} {index.n_differ:7} of {index.n_compared} differ{told}")
