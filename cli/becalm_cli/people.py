"""`becalm people`, `accounts`, `grants`, `consents`, `erase`, `password`: who may see whom, what is kept of them."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from becalm_cli.asked_secret import SecretFileOption, asked_secret
from becalm_cli.asking import tell
from becalm_cli.export import save_answer
from becalm_cli.options import ServerOption
from becalm_cli.places import DEFAULT_SERVER, http_url
from becalm_protocol.errors import ConfigError

# Everything of a person goes session by session; an hour of signals takes the database some tens of milliseconds.
ERASE_LIMIT_S = 330.0
PersonOption = Annotated[str | None, typer.Option(help="Identifier of a person [default: your own].")]


def add_commands(app: typer.Typer) -> None:
    """Give the commands of this module to the command line."""
    for command in (people, accounts, grants, consents, erase, password):
        app.command()(command)


def people(
    *,
    export: Annotated[
        Path | None, typer.Option(help="Save everything that is kept about a person as one zip in this file.")
    ] = None,
    person: PersonOption = None,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List the people whose sessions you may see, or save everything about one of them."""
    if export is not None:
        n_bytes = save_answer(_at(server, "people", _person(server, person), "export"), out=export)
        typer.echo(f"{n_bytes} bytes: {export}")
        return
    if person is not None:
        raise ConfigError("expected --export FILE with it, got --person alone", setting="--person")
    for one in tell(_at(server, "people"))["items"]:
        typer.echo(f"{one['person_id']}  {_day(one['created_at'])}  {one['label'] or ''}".rstrip())


def accounts(
    *,
    disable: Annotated[str | None, typer.Option(help="Let this account in no more, at once.")] = None,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List who may come in, or let one of them in no more."""
    if disable is not None:
        tell(_at(server, "access", "accounts", disable), method="DELETE")
        typer.echo(f"{disable} may not come in any more")
        return
    for one in tell(_at(server, "access", "accounts"))["items"]:
        state = "disabled" if one["disabled_at"] else one["login"] or "-"
        typer.echo(
            f"{one['account_id']}  {one['role']:12} {one['person_id'] or '-':32}  {state}  {one['label']}".rstrip()
        )


def grants(
    *,
    person: PersonOption = None,
    to: Annotated[str | None, typer.Option(help="Let this clinician's account see the person.")] = None,
    until: Annotated[datetime | None, typer.Option(help="When that ends by itself (UTC) [default: never].")] = None,
    withdraw: Annotated[str | None, typer.Option(help="Take this grant back, at once.")] = None,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List which clinicians may see a person, or change that."""
    until_at = f"{until.isoformat()}Z" if until else None
    wish = None if to is None else {"clinician_id": to, "until_at": until_at}
    address = _at(server, "people", _person(server, person), "grants")
    _list_or_change(address, wish=wish, withdraw=withdraw, in_words=_grant_in_words)


def consents(
    *,
    person: PersonOption = None,
    agree: Annotated[str | None, typer.Option(help="storage, clinician_access or export.")] = None,
    text: Annotated[
        str | None, typer.Option(help="With --agree: version of the words that the person was shown.")
    ] = None,
    withdraw: Annotated[str | None, typer.Option(help="Take the consent to this purpose back, at once.")] = None,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List what a person agreed to, or keep that they agree, or no more."""
    if agree is not None and text is None:
        raise ConfigError("expected the version of the words that the person was shown: --text", setting="--agree")
    wish = None if agree is None else {"purpose": agree, "text_version": text}
    address = _at(server, "people", _person(server, person), "consents")
    _list_or_change(address, wish=wish, withdraw=withdraw, in_words=_consent_in_words)


def erase(
    *,
    person: Annotated[str | None, typer.Option(help="Erase everything of this person.")] = None,
    session: Annotated[str | None, typer.Option(help="Erase this session alone.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Erase a person or a session, here and at their agents, also while it runs. For good: backups alone keep it."""
    if (person is None) == (session is None):
        raise ConfigError("expected one of --person and --session, got both or none", setting="erase")
    kind, wanted = ("sessions", session) if session else ("people", person)
    if not yes and typer.prompt(f"Type the identifier once more to erase it for good ({wanted})", err=True) != wanted:
        raise ConfigError("expected the same identifier once more, got another; nothing was erased", setting="erase")
    told = tell(_at(server, kind, str(wanted)), method="DELETE", limit_s=ERASE_LIMIT_S)
    more = f", {told['n_sessions']} sessions" if "n_sessions" in told else ""
    typer.echo(f"erased {wanted}{more}")


def password(
    login: Annotated[str, typer.Argument(help="Name to log in with.")],
    *,
    file: SecretFileOption = None,
    old_file: Annotated[
        Path | None,
        typer.Option("--old-from", help="The same for the password until now; of one input it comes first."),
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Choose how to log in from a browser; logins of before are over."""
    wish: dict[str, Any] = {"login": login}
    if old_file is not None or (file is None and sys.stdin.isatty()):
        old = asked_secret("Password until now (none: Enter)", file=old_file, hidden=True, may_be_empty=True)
        wish["old_password"] = old or None
    wish["password"] = asked_secret("New password, 12 characters or more", file=file, hidden=True, twice=True)
    tell(_at(server, "access", "me", "password"), method="POST", body=wish)
    typer.echo(f"{login} logs in with it from now on")


def _at(server: str, *parts: str) -> str:
    return "/".join([f"{http_url(server)}/v1", *(quote(part, safe="") for part in parts)])


def _person(server: str, person: str | None) -> str:
    if person is not None:
        return person
    me = tell(_at(server, "access", "me"))
    if me["person_id"] is None:
        raise ConfigError("expected a person to be named: this account has none of its own", setting="--person")
    return str(me["person_id"])


def _list_or_change(
    address: str, *, wish: dict[str, Any] | None, withdraw: str | None, in_words: Callable[[dict[str, Any]], str]
) -> None:
    """Add to what a person let others do, take one of it back, or list it; say in words what came of it."""
    if wish is not None:
        items = [tell(address, method="POST", body=wish)]
    elif withdraw is not None:
        items = [tell(f"{address}/{quote(withdraw, safe='')}", method="DELETE")]
    else:
        items = tell(address)["items"]
    for one in items:
        typer.echo(in_words(one))


def _grant_in_words(one: dict[str, Any]) -> str:
    ended = f"withdrawn {_day(one['withdrawn_at'])}" if one["withdrawn_at"] else None
    until = f"until {_day(one['until_at'])}" if one["until_at"] else "until withdrawn"
    waits = "" if one["in_force"] or ended else " (not in force: see becalm consents)"
    return f"{one['grant_id']}  clinician {one['clinician_id']}  {ended or until}{waits}"


def _consent_in_words(one: dict[str, Any]) -> str:
    state = f"withdrawn {_day(one['withdrawn_at'])}" if one["withdrawn_at"] else "in force"
    return f"{one['purpose']:16} {_day(one['given_at'])}  words {one['text_version']}  {state}"


def _day(moment: str) -> str:
    return moment[:10]
