"""A restore gives a backup back to an empty archive, or leaves that empty."""

import asyncio
import hashlib
import json
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.server.backup.conftest import fill, fingerprint, opened

from becalm_protocol.errors import ConfigError, StorageError
from becalm_protocol.handshake import Source
from becalm_server.archive import backup
from becalm_server.archive.backup import back_up, restore
from becalm_server.archive.entrances import open_entrances
from becalm_server.archive.migrate import migrate
from becalm_server.archive.packer import pack_session
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.statements import MIGRATIONS
from becalm_server.archive.table_facts import tables


async def test_restored_archive_has_the_same_content(
    any_database_url: str, other_url: str, sensors: Any, tmp_path: Path
) -> None:
    await fill(any_database_url, sensors)
    unpacked = fingerprint(any_database_url)
    await asyncio.to_thread(pack_session, any_database_url, "one")
    assert fingerprint(any_database_url) == unpacked
    saved = await asyncio.to_thread(back_up, any_database_url, tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    back = await asyncio.to_thread(restore, other_url, tmp_path / "file")
    assert back == saved
    assert saved.n_rows["session"] == 1
    assert saved.n_rows["metrics"] == 20
    assert fingerprint(other_url) == unpacked
    async with opened(other_url) as archive:
        events = [event async for page in archive.raw_events("one") for _, _, event in page]
        assert events == [one.event for one in sensors.sent]
        assert len(await archive.trends()) == 1


async def test_restored_archive_takes_new_sessions(
    database_url: str, other_url: str, sensors: Any, tmp_path: Path
) -> None:
    await fill(database_url, sensors)
    back_up(database_url, tmp_path / "file")
    restore(other_url, tmp_path / "file")
    async with opened(other_url) as archive:
        record = SessionRecord(session_id="two", source=Source.LIVE, baseline_s=1.0, started_unix_ns=1)
        await archive.add_session(record)
        await archive.begin_session(record, streams=type(sensors)().streams)  # counters go on where they stood


async def test_an_owner_who_is_no_superuser_backs_up_and_restores(
    operators: list[str], sensors: Any, tmp_path: Path
) -> None:
    """Row security holds for the owner too, before and after, and the server enters as the role that was made."""
    await fill(operators[0], sensors)
    migrate(operators[1])
    forced = b"select relname from pg_class where relforcerowsecurity order by 1"
    with psycopg.connect(operators[1]) as connection:
        before = connection.execute(forced).fetchall()
    saved = await asyncio.to_thread(back_up, operators[0], tmp_path / "file")
    assert saved.n_rows["session"] == 1
    assert await asyncio.to_thread(restore, operators[1], tmp_path / "file") == saved
    assert fingerprint(operators[0]) == fingerprint(operators[1])
    with psycopg.connect(operators[1]) as connection:
        assert connection.execute(forced).fetchall() == before != []
    with psycopg.connect(open_entrances(operators[1]).server) as connection:
        assert connection.execute("select session_id from session").fetchall() == [("one",)]


async def test_an_owner_without_roles_restores_nothing(
    database_url: str, modest_url: str, sensors: Any, tmp_path: Path
) -> None:
    await fill(database_url, sensors)
    back_up(database_url, tmp_path / "file")
    with pytest.raises(ConfigError, match="may make roles"):
        restore(modest_url, tmp_path / "file")
    with psycopg.connect(modest_url) as connection:
        assert tables(connection) == []


async def test_the_language_of_the_database_changes_nothing(
    database_url: str, english_url: str, sensors: Any, tmp_path: Path
) -> None:
    await fill(database_url, sensors)
    with psycopg.connect(database_url) as connection:
        connection.execute("insert into session (session_id, source, baseline_s) values ('Two', 'live', 60)")
        connection.execute("insert into session (session_id, source, baseline_s) values ('t-x', 'live', 60)")
    saved = back_up(database_url, tmp_path / "file")
    assert await asyncio.to_thread(restore, english_url, tmp_path / "file") == saved
    assert back_up(english_url, tmp_path / "again").content_sha256 == saved.content_sha256


async def test_restore_into_timescale(timescale_url: str, database_url: str, sensors: Any, tmp_path: Path) -> None:
    await fill(database_url, sensors)
    back_up(database_url, tmp_path / "file")
    restore(timescale_url, tmp_path / "file")
    assert fingerprint(timescale_url) == fingerprint(database_url)


async def test_tables_of_a_later_becalm_are_saved_too(
    database_url: str, other_url: str, sensors: Any, tmp_path: Path, fetch: Any
) -> None:
    """Tables whose rows point to one another, count themselves and may not be changed once there."""
    later = """
        create table zeta (n bigint generated always as identity primary key, name text unique);
        create table alpha (n bigint references zeta, twice bigint generated always as (2 * n) stored);
        create function refuse() returns trigger language plpgsql as $$ begin raise 'append only'; end $$;
        create trigger keep before insert or delete on alpha for each row when (current_setting('a.b', true) is null)
            execute function refuse();
    """
    rows = "insert into zeta (name) values ('x'), ('y'); set a.b = 'on'; insert into alpha values (2), (1), (null)"
    await fill(database_url, sensors)
    for url, statements in ((database_url, later + rows), (other_url, later)):
        with psycopg.connect(url) as connection:
            connection.execute(statements.encode())
    back_up(database_url, tmp_path / "file")
    restore(other_url, tmp_path / "file")
    assert fingerprint(other_url) == fingerprint(database_url)
    with psycopg.connect(other_url) as connection:
        connection.execute("insert into zeta (name) values ('z')")
        assert connection.execute("select max(n) from zeta").fetchone() == (3,)
        with pytest.raises(psycopg.errors.RaiseException, match="append only"):
            connection.execute("delete from alpha")


async def test_only_an_empty_archive_is_filled(database_url: str, other_url: str, sensors: Any, tmp_path: Path) -> None:
    await fill(database_url, sensors)
    back_up(database_url, tmp_path / "file")
    before = fingerprint(database_url)
    with pytest.raises(StorageError, match="expected an empty archive, found rows in"):
        restore(database_url, tmp_path / "file")
    assert fingerprint(database_url) == before
    async with opened(other_url):
        with pytest.raises(StorageError, match="a becalm server writes to this database"):
            await asyncio.to_thread(restore, other_url, tmp_path / "file")


async def test_damage_is_found_before_anything_is_written(
    database_url: str, other_url: str, sensors: Any, tmp_path: Path
) -> None:
    await fill(database_url, sensors)
    whole, damaged = tmp_path / "file", tmp_path / "damaged"
    back_up(database_url, whole)

    def rewritten(change: Callable[[str, bytes], bytes]) -> Path:
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(damaged, "w") as new:
            for name in old.namelist():
                new.writestr(name, change(name, old.read(name)))
        return damaged

    def flip(name: str, content: bytes) -> bytes:
        return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:] if name == "tables/beat.copy" else content

    def later(name: str, content: bytes) -> bytes:
        return json.dumps({**json.loads(content), "becalm_backup": 2}).encode() if name == "manifest.json" else content

    def unknown(name: str, content: bytes) -> bytes:
        return content.replace(b"0001_pre_sessions.sql", b"0001_pre_others.sql") if name == "manifest.json" else content

    for change, sentence in (
        (flip, "damaged: the rows of beat"),
        (later, "a later becalm made"),
        (unknown, "expected migrations that this becalm knows, got 0001_pre_others.sql"),
    ):
        with pytest.raises(StorageError, match=sentence):
            restore(other_url, rewritten(change))
    damaged.write_bytes(whole.read_bytes()[:-100])
    for path, sentence in ((damaged, "made by becalm backup"), (tmp_path / "none", "cannot read")):
        with pytest.raises(StorageError, match=sentence):
            restore(other_url, path)
    restore(other_url, whole)  # none of it left a row behind


async def test_what_comes_back_otherwise_is_not_kept(
    database_url: str, other_url: str, sensors: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = """
        create table later (n int primary key);
        create function other() returns trigger language plpgsql as $$ begin new.n = new.n + 1; return new; end $$;
        create trigger other before insert on later for each row execute function other();
    """
    await fill(database_url, sensors)
    migrate(other_url)
    for url, more in ((database_url, "insert into later values (7)"), (other_url, "")):
        with psycopg.connect(url) as connection:
            connection.execute((later + more).encode())
    back_up(database_url, tmp_path / "file")
    monkeypatch.setattr(backup, "_without_triggers", nullcontext)
    with pytest.raises(StorageError, match="later did not come back as it was"):
        restore(other_url, tmp_path / "file")
    monkeypatch.undo()
    restore(other_url, tmp_path / "file")  # nothing of it was there


def test_a_backup_of_an_older_becalm_is_brought_up_to_date(old_url: str, other_url: str, tmp_path: Path) -> None:
    plain = sorted(path for path in MIGRATIONS.glob("*.sql") if not path.name.endswith(".timescale.sql"))
    known = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in plain[:-1]}
    assert set(migrate(old_url, known=known).applied) == set(known)
    with psycopg.connect(old_url) as connection:
        connection.execute("insert into session (session_id, source, baseline_s) values ('old', 'live', 60)")
    back_up(old_url, tmp_path / "file")
    restore(other_url, tmp_path / "file")
    assert migrate(other_url).applied == ()
    with psycopg.connect(other_url) as connection:
        assert connection.execute("select session_id from session").fetchall() == [("old",)]
