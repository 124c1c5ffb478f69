"""`/v1/sessions/{id}/export` and `becalm export` against a running server."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from becalm_protocol.errors import StorageError
from becalm_server import http_exports
from becalm_server.archive.row_security import FOR_WHOM, ForWhom
from becalm_server.archive.store import open_own_archive
from becalm_server.exports.catalogue import KINDS, ExportFormat, file_name
from becalm_server.exports.office import MAX_AT_ONCE, ExportOffice, Wish

PROBLEM = "application/problem+json"


@pytest.fixture
async def http(session_id: str, server: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server whose archive has the session."""
    async with server.http() as client:
        yield client


def path(session_id: str, export_format: str) -> str:
    return f"/v1/sessions/{session_id}/export?format={export_format}"


@pytest.mark.parametrize("export_format", [ExportFormat.EDF, ExportFormat.PARQUET, ExportFormat.HTML])
async def test_a_format_comes_whole_and_named(
    http: httpx.AsyncClient, session_id: str, export: Any, export_format: ExportFormat
) -> None:
    if export_format is ExportFormat.PARQUET:
        pytest.importorskip("pyarrow", reason="pyarrow, of the extra `parquet`, is not installed")
    response = await http.get(path(session_id, export_format.value))
    assert response.status_code == 200
    assert response.headers["content-type"] == KINDS[export_format].media_type
    name = f"becalm_{session_id}{KINDS[export_format].suffix}"
    assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["cache-control"] == "no-store"
    assert response.content == await asyncio.to_thread(export, session_id, export_format.value)


async def test_refusals_are_problems_in_words(http: httpx.AsyncClient, session_id: str) -> None:
    for address, status, words in (
        (path("none", "edf"), 404, "no session"),
        (path("%00", "edf"), 404, "no session"),
        (path("a" * 65, "edf"), 422, "session_id"),
        (path(session_id, "docx"), 422, "query.format"),
        (f"/v1/sessions/{session_id}/export", 422, "query.format"),
        (path(session_id, "edf") + "&device_names=perhaps", 422, "device_names"),
    ):
        response = await http.get(address)
        assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM), address
        assert words in response.json()["detail"]


async def test_nothing_to_export_is_a_404(empty_session_id: str, server: Any) -> None:
    async with server.http() as client:
        response = await client.get(path(empty_session_id, "kubios"))
    assert (response.status_code, response.headers["content-type"]) == (404, PROBLEM)
    assert "no interval" in response.json()["detail"]


async def test_a_reader_that_leaves_makes_room(http: httpx.AsyncClient, session_id: str) -> None:
    for _ in range(MAX_AT_ONCE + 1):
        async with http.stream("GET", path(session_id, "csv")) as response:
            assert response.status_code == 200
            await response.aiter_raw(1_000).__anext__()
    assert (await http.get(path(session_id, "kubios"))).status_code == 200


async def test_a_reader_that_takes_nothing_is_cut_off(
    session_id: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_exports, "SEND_LIMIT_S", 0.05)

    async def never(_message: Any = None) -> Any:
        await asyncio.Event().wait()

    wish = Wish(session_id=session_id, export_format=ExportFormat.KUBIOS, device_names=False)
    async with open_own_archive(database_url) as archive:
        office = ExportOffice(archive)
        for _ in range(MAX_AT_ONCE + 1):
            made = await office.make(wish)
            await http_exports.ExportResponse(made, wish=wish)({"type": "http"}, never, never)
            with pytest.raises(StorageError, match="ended early"):
                await anext(made.pieces())


@pytest.mark.parametrize("export_format", [ExportFormat.CSV, ExportFormat.KUBIOS])
async def test_an_export_holds_what_its_caller_sees(
    session_id: str, database_url: str, export_format: ExportFormat
) -> None:
    """The same file as the server's own for whose it is; for anybody else there is no such session."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("insert into person (person_id) values ('ann')")
        await connection.execute("update session set person_id = 'ann'")
    wish = Wish(session_id=session_id, export_format=export_format, device_names=False)
    async with open_own_archive(database_url) as archive:
        office = ExportOffice(archive)

        async def content() -> bytes:
            made = await office.make(wish)
            return b"".join([piece async for piece in made.pieces()])

        of_the_server = await content()
        for people in (frozenset(), frozenset({"ben"})):
            FOR_WHOM.set(ForWhom(people=people))
            with pytest.raises(StorageError, match="found nothing"):
                await content()
        FOR_WHOM.set(ForWhom(people=frozenset({"ann", "ben"})))
        assert await content() == of_the_server


async def test_more_than_fit_at_once_wait_their_turn(http: httpx.AsyncClient, session_id: str) -> None:
    several = [http.get(path(session_id, "kubios")) for _ in range(MAX_AT_ONCE + 2)]
    answers = await asyncio.gather(*several)
    assert [answer.status_code for answer in answers] == [200] * len(several)
    assert len({answer.content for answer in answers}) == 1


async def test_nothing_is_left_on_disk(
    http: httpx.AsyncClient, session_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    await asyncio.to_thread(scratch.mkdir)
    monkeypatch.setenv("TMPDIR", str(scratch))
    assert (await http.get(path(session_id, "edf"))).status_code == 200
    assert await asyncio.to_thread(lambda: list(scratch.iterdir())) == []


def test_a_file_name_is_safe_whatever_the_identifier() -> None:
    assert file_name('a/../b\\c"d\r\né', ExportFormat.EDF) == "becalm_a____b_c_d___.edf"


@pytest.fixture
def becalm(session_id: str, server: Any) -> Callable[..., Any]:
    return partial(run_becalm, server.token)


async def run_becalm(token: str, *words: object) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "becalm_cli", *map(str, words),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ | {"BECALM_TOKEN": token},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_saves_what_the_server_sends(
    becalm: Any, server: Any, session_id: str, export: Any, tmp_path: Path
) -> None:
    target = tmp_path / "out.edf"
    code, out, err = await becalm("export", "last", "--format", "edf", "--out", target, "--server", server.url)
    assert (code, err) == (0, "")
    assert target.read_bytes() == export(session_id, "edf")
    assert out == f"{target.stat().st_size} bytes: {target}\n"
    assert target.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("session", "export_format", "out", "words"),
    [
        ("none", "edf", "x.edf", "no session 'none'"),
        ("last", "docx", "x.docx", "'edf', 'xdf'"),
        ("last", "edf", "not/there/x.edf", "choose another --out"),
    ],
)
async def test_the_command_says_what_is_wrong(
    becalm: Any, server: Any, tmp_path: Path, session: str, export_format: str, out: str, words: str
) -> None:
    given = ("export", session, "--format", export_format, "--out", tmp_path / out, "--server", server.url)
    code, told, err = await becalm(*given)
    assert (code, told) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert await asyncio.to_thread(lambda: list(tmp_path.glob("x.*"))) == []


async def test_the_command_names_a_server_that_is_not_there(tmp_path: Path) -> None:
    code, _, err = await run_becalm(
        "", "export", "last", "--format", "edf", "--out", tmp_path / "x", "--server", "127.0.0.1:9"
    )
    assert code == 2
    assert "becalm serve" in err
