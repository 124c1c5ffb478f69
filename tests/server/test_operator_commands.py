"""The commands about people against a running server: what they change is so, what they refuse is a sentence."""

import asyncio
import json
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.access.conftest import paired
from typer.testing import CliRunner

from becalm_cli.main import app
from becalm_protocol.errors import ConfigError

Run = Callable[..., Awaitable[str]]
PASSWORD = "a long line of words"


@pytest.fixture
def run(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command as whoever holds a token, the operator by default; what it prints."""

    async def call(*words: str, token: str | None = None, typed: str = "", server_url: str | None = server.url) -> str:
        monkeypatch.setenv("BECALM_DATA_DIR", str(tmp_path / "own"))
        monkeypatch.setenv("BECALM_TOKEN", token or server.token)
        where = ("--server", server_url) if server_url else ()
        done = await asyncio.to_thread(CliRunner().invoke, app, [*words, *where], input=typed)
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return call


async def test_a_participant_shares_and_takes_back(server: Any, http: httpx.AsyncClient, run: Run) -> None:
    ann, doctor = [await paired(server, http, role=role) for role in ("participant", "clinician")]
    token = ann["token"]
    told = await run("grants", "--to", doctor["account_id"], "--until", "2099-01-01", token=token)
    assert "until 2099-01-01 (not in force: see becalm consents)" in told
    assert "in force" in await run("consents", "--agree", "clinician_access", "--text", "7", token=token)
    (line,) = (await run("grants", token=token)).splitlines()
    assert line.endswith(f"clinician {doctor['account_id']}  until 2099-01-01")
    assert ann["person_id"] in await run("people", token=doctor["token"])
    assert "withdrawn" in await run("grants", "--withdraw", line.split()[0], token=token)
    assert await run("people", token=doctor["token"]) == ""
    assert "withdrawn" in await run("consents", "--withdraw", "clinician_access", token=token)
    assert "words 7  withdrawn" in await run("consents", "--person", ann["person_id"])  # the operator's list


async def test_a_password_comes_by_standard_input_or_a_file(
    server: Any, http: httpx.AsyncClient, run: Run, tmp_path: Path
) -> None:
    ann = await paired(server, http, role="participant")
    file = tmp_path / "old"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    assert (
        await run("password", "ann", token=ann["token"], typed=f"{PASSWORD}\n") == "ann logs in with it from now on\n"
    )
    with pytest.raises(ConfigError, match="not right"):
        await run("password", "ann", token=ann["token"], typed="another line of words\n")
    await run("password", "ann", "--old-from", str(file), token=ann["token"], typed="another line of words\n")
    async with server.stranger() as browser:
        for password, status in ((PASSWORD, 401), ("another line of words", 200)):
            answer = await browser.post("/v1/access/login", json={"login": "ann", "password": password})
            assert answer.status_code == status
    assert " ann" in await run("accounts")
    with pytest.raises(ConfigError, match="expected a line with it"):
        await run("password", "ann", token=ann["token"], typed="")


async def test_an_account_is_disabled_and_a_device_revoked(server: Any, http: httpx.AsyncClient, run: Run) -> None:
    ann, ben = [await paired(server, http, role="participant") for _ in range(2)]
    assert "may not come in any more" in await run("accounts", "--disable", ann["account_id"])
    assert "may not come in any more" in await run("devices", "--revoke", ben["device_id"])
    for one in (ann, ben):
        async with server.http(one["token"]) as gone:
            assert (await gone.get("/v1/access/me")).status_code == 401
    with pytest.raises(ConfigError, match=r"There is no device 'a b\?c'"):
        await run("devices", "--revoke", "a b?c")
    with pytest.raises(ConfigError, match="may not manage here"):
        await run("accounts", token=(await paired(server, http, role="clinician"))["token"])


async def test_nothing_is_erased_by_mistake(server: Any, http: httpx.AsyncClient, run: Run) -> None:
    ann = await paired(server, http, role="participant")
    for words, typed, sentence in (
        (("--person", ann["person_id"]), "no\n", "nothing was erased"),
        (("--person", ann["person_id"], "--session", "x"), "", "one of --person and --session"),
        ((), "", "one of --person and --session"),
        (("--session", "x", "--yes"), "", "There is no session 'x'"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            await run("erase", *words, typed=typed)
    assert ann["person_id"] in await run("people")
    typed = f"{ann['person_id']}\n"
    assert f"erased {ann['person_id']}, 0 sessions" in await run("erase", "--person", ann["person_id"], typed=typed)
    assert ann["person_id"] not in await run("people")


async def test_a_link_is_no_word_of_a_command(
    server: Any, http: httpx.AsyncClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("pair",), ("pair", "--from", str(tmp_path / "link"))):
        link = (await http.post("/v1/access/invitations", json={"role": "participant"})).json()["link"]
        (tmp_path / "link").write_text(link, encoding="utf-8")
        typed = "" if "--from" in words else f"{link}\n"
        assert await run(*words, typed=typed, server_url=None) == f"Paired with {server.url}\n"
    monkeypatch.delenv("BECALM_TOKEN")
    kept = [json.dumps(file.read_text()) for file in (tmp_path / "own").rglob("*") if file.is_file()]
    assert any("becalm-device-" in one for one in kept)
    with pytest.raises(SystemExit):
        await run("pair", "http://127.0.0.1:1/pair#code", server_url=None)


async def test_a_login_is_ended(server: Any, http: httpx.AsyncClient, run: Run) -> None:
    ann = await paired(server, http, role="participant")
    await run("password", "ann", "--from", "-", token=ann["token"], typed=f"{PASSWORD}\n")
    async with server.stranger() as browser:
        wish = {"login": "ann", "password": PASSWORD}
        told = (await browser.post("/v1/access/login", json=wish)).json()
    (line,) = (await run("logins", token=ann["token"])).splitlines()
    assert line.endswith("  ann")
    assert line.split()[0] in await run("logins", "--end", line.split()[0])  # the operator may, too
    assert await run("logins", token=ann["token"]) == ""
    async with server.http(told["access_token"]) as me:
        assert (await me.get("/v1/access/me")).status_code == 401


async def test_everything_about_a_person_is_saved(
    server: Any, http: httpx.AsyncClient, run: Run, tmp_path: Path
) -> None:
    ann = await paired(server, http, role="participant")
    file = tmp_path / "ann.zip"
    told = await run("people", "--export", str(file), token=ann["token"])
    assert told == f"{file.stat().st_size} bytes: {file}\n"
    assert file.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(file) as whole:
        assert json.loads(whole.read("person.json"))[0]["person_id"] == ann["person_id"]
    with pytest.raises(ConfigError, match="There is no person"):
        await run("people", "--export", str(tmp_path / "other.zip"), "--person", "somebody", token=ann["token"])
