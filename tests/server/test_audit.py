"""The audit log: what it holds, and that nobody changes it unseen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from becalm_protocol.errors import StorageError
from becalm_protocol.forms import SUBPROTOCOL_2_JSON
from becalm_protocol.live import Subscribed
from becalm_server.access import audit
from becalm_server.access.audit import HEAD_FILE, UNWRITABLE, AuditTrail, Entry, is_cut, verify
from becalm_server.access.caller import Caller, Role
from becalm_server.archive.access_store import open_owners_store

ANN = Caller(account_id="a" * 32, role=Role.PARTICIPANT, person_id="p" * 32)


async def written(url: str, folder: Path, n: int = 6) -> tuple[int, list[str]]:
    async with open_owners_store(url) as store:
        trail = AuditTrail(store, data_dir=folder)
        for k in range(n):
            trail.note("read", caller=ANN, subject=f"GET /v1/sessions {k}", person_id=ANN.person_id)
            await trail.write()
        return await verify(store, data_dir=folder)


async def found(url: str, folder: Path) -> list[str]:
    async with open_owners_store(url) as store:
        return (await verify(store, data_dir=folder))[1]


def tamper(url: str, statement: bytes) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table audit_entry disable trigger all")
        connection.execute(statement)


async def test_an_untouched_log_is_whole(database_url: str, tmp_path: Path) -> None:
    assert await written(database_url, tmp_path) == (6, [])
    assert await written(database_url, tmp_path, n=3) == (9, [])


@pytest.mark.parametrize(
    "statement", [b"update audit_entry set outcome = 'x'", b"delete from audit_entry", b"truncate audit_entry"]
)
async def test_the_database_itself_refuses_changes(database_url: str, tmp_path: Path, statement: bytes) -> None:
    await written(database_url, tmp_path)
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        connection.execute(statement)


@pytest.mark.parametrize("column", ["account_id", "role", "action", "person_id", "subject", "outcome"])
async def test_a_changed_field_is_named(database_url: str, tmp_path: Path, column: str) -> None:
    await written(database_url, tmp_path)
    tamper(database_url, f"update audit_entry set {column} = 'clinician' where seq = 3".encode())
    assert await found(database_url, tmp_path) == ["entry 3: it was changed"]


async def test_a_changed_time_is_named(database_url: str, tmp_path: Path) -> None:
    await written(database_url, tmp_path)
    tamper(database_url, b"update audit_entry set at = at + interval '1 microsecond' where seq = 5")
    assert await found(database_url, tmp_path) == ["entry 5: it was changed"]


@pytest.mark.parametrize("gone", [[1], [3], [3, 4], [6], [5, 6], [1, 2, 3, 4, 5, 6]])
async def test_removed_entries_are_named(database_url: str, tmp_path: Path, gone: list[int]) -> None:
    await written(database_url, tmp_path)
    tamper(database_url, f"delete from audit_entry where seq = any(array{gone})".encode())
    assert await found(database_url, tmp_path) == [f"entry {seq}: it was removed" for seq in gone]


async def test_an_entry_put_in_is_named(database_url: str, tmp_path: Path) -> None:
    await written(database_url, tmp_path)
    tamper(
        database_url,
        b"insert into audit_entry select 7, at, account_id, role, action, person_id, subject, outcome, previous_sha256,"
        b" sha256 from audit_entry where seq = 6",
    )
    assert await found(database_url, tmp_path) == ["entry 7: it was changed"]


async def test_a_chain_made_anew_does_not_fit_what_was_noted_outside(database_url: str, tmp_path: Path) -> None:
    await written(database_url, tmp_path)
    head = (tmp_path / HEAD_FILE).read_text()
    tamper(database_url, b"truncate audit_entry")
    await written(database_url, tmp_path)  # as somebody would who knows how the chain is made
    (tmp_path / HEAD_FILE).write_text(head)
    assert await found(database_url, tmp_path) == ["entry 6: it is not the one that this server wrote"]


async def test_what_is_asked_and_refused_stands_in_the_log(server: Any, http: httpx.AsyncClient) -> None:
    person = (await http.post("/v1/people", json={"label": "window seat"})).json()
    await http.get(f"/v1/people/{person['person_id']}")
    await http.get(f"/v1/sessions/{'e' * 32}")
    log = (await http.get("/v1/audit?limit=1000")).json()["items"]
    assert [one["seq"] for one in log] == list(range(1, len(log) + 1))
    told = [(one["action"], one["subject"], one["person_id"], one["outcome"]) for one in log]
    assert ("read", f"GET /v1/people/{{person_id}} {person['person_id']}", person["person_id"], "allowed") in told
    assert any(one["subject"].startswith("POST /v1/people") and one["action"] == "manage" for one in log)
    seen = (await http.get(f"/v1/people/{person['person_id']}/audit")).json()["items"]
    assert {one["person_id"] for one in seen} == {person["person_id"]}
    assert "window seat" not in str(log)
    async with open_owners_store(server.settings.database_url) as store:
        assert (await verify(store, data_dir=server.settings.data_dir))[1] == []


@pytest.mark.parametrize("odd", ["%00", "%ED%A0%80", "~" * 9_000, "9.~"])
async def test_odd_names_do_not_stop_the_log(server: Any, http: httpx.AsyncClient, odd: str) -> None:
    assert (await http.get(f"/v1/people/{odd}")).status_code in {404, 422}
    asked = [one for one in (await http.get("/v1/audit?limit=1000")).json()["items"] if "/v1/people/" in one["subject"]]
    assert [one["person_id"] for one in asked] == [None]


@pytest.mark.parametrize("bad", ["\0", "".join(chr(256 + 7 * k % 50_000) for k in range(20_000))])
async def test_an_entry_that_the_database_refuses_blocks_no_other(database_url: str, tmp_path: Path, bad: str) -> None:
    async with open_owners_store(database_url) as store:
        trail = AuditTrail(store, data_dir=tmp_path)
        for k in range(7):
            trail.note("read", caller=ANN, subject=str(k), person_id=ANN.person_id)
        worst: Entry = trail._queue[3]
        trail._queue[3] = replace(worst, person_id=bad)
        await trail.write()
        rows = await store.rows("select_audit", after_seq=0, person_id=None, limit=100)
        assert [row["subject"] for row in rows] == ["0", "1", "2", UNWRITABLE, "4", "5", "6"]
        assert await verify(store, data_dir=tmp_path) == (7, [])


async def test_a_log_without_what_was_noted_outside_is_a_finding(database_url: str, tmp_path: Path) -> None:
    await written(database_url, tmp_path)
    (tmp_path / HEAD_FILE).unlink()
    assert [one.partition(":")[0] for one in await found(database_url, tmp_path)] == [HEAD_FILE]


async def test_a_cut_end_is_noticed_at_the_next_start_and_stays_a_finding(
    start_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with open_owners_store(database_url) as store:
        assert not await is_cut(store, data_dir=tmp_path)
        await written(database_url, tmp_path)
        assert not await is_cut(store, data_dir=tmp_path)
    tamper(database_url, b"delete from audit_entry where seq > 4")
    async with start_server(database_url) as server, server.http() as http:
        assert (await http.get("/v1/audit")).status_code == 200  # new entries take the numbers of those that are gone
        assert (await http.get("/v1/audit")).status_code == 200
    assert [one.partition(":")[0] for one in await found(database_url, tmp_path)] == ["entry 5"]


async def test_nobody_waits_for_ever_for_the_log(database_url: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(audit, "WAIT_LIMIT_S", 0.01)
    async with open_owners_store(database_url) as store:
        trail = AuditTrail(store, data_dir=tmp_path)
        trail.note("read", caller=ANN, subject="nobody writes")
        with pytest.raises(StorageError, match="audit"):
            await trail.wait_written()


async def test_a_list_and_a_live_socket_are_about_the_people_in_them(
    server: Any, http: httpx.AsyncClient, sensors: Any
) -> None:
    me = (await http.get("/v1/access/me")).json()
    async with server.agent() as agent, server.client(SUBPROTOCOL_2_JSON) as client:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        await client.hello()
        await client.wait(Subscribed)
        await http.get("/v1/sessions")
        seen = (await http.get(f"/v1/people/{me['person_id']}/audit?limit=1000")).json()["items"]
    told = [(one["subject"], one["person_id"]) for one in seen if one["action"] == "read"]
    assert (f"/v1/live {opened.session_id}", me["person_id"]) in told
    assert ("GET /v1/sessions", "everybody") in told


async def test_a_stranger_is_noted_but_cannot_fill_the_log(server: Any, http: httpx.AsyncClient) -> None:
    async with server.stranger() as stranger:
        for _ in range(9):
            assert (await stranger.get("/v1/sessions")).status_code == 401
    log = (await http.get("/v1/audit?limit=1000")).json()["items"]
    assert len([one for one in log if one["action"] == "enter"]) == 5


async def test_nobody_has_no_audit(server: Any, http: httpx.AsyncClient) -> None:
    for person_id in ("nobody", "%00"):
        assert (await http.get(f"/v1/people/{person_id}/audit")).status_code == 404
