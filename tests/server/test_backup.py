"""A backup is the archive at one moment; a restore gives it back to an empty one, or leaves that empty."""

import asyncio
import errno
import hashlib
import json
import os
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
from tests.server.conftest import admin_url_of, drop_database

from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason
from becalm_protocol.errors import ConfigError, StorageError
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive import backup
from becalm_server.archive.backup import back_up, restore
from becalm_server.archive.content_hash import content_hashes
from becalm_server.archive.entrances import open_entrances
from becalm_server.archive.migrate import migrate
from becalm_server.archive.packer import pack_session
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.statements import MIGRATIONS
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.table_facts import tables
from becalm_server.archive.upkeep import Upkeep
from becalm_server.archive.writes import StreamMark, Write


def a_database(cluster: Any, name: str, *, how: str = "") -> Iterator[str]:
    with psycopg.connect(admin_url_of(cluster), autocommit=True) as admin:
        admin.execute(f"create database {name} {how}".encode())
    yield cluster.url.replace("@/becalm?", f"@/{name}?")
    drop_database(admin_url_of(cluster), name)


@pytest.fixture
def other_url(cluster: Any) -> Iterator[str]:
    """A database that was never migrated."""
    yield from a_database(cluster, "other_host")


@pytest.fixture
def old_url(cluster: Any) -> Iterator[str]:
    """Another one."""
    yield from a_database(cluster, "old_host")


@pytest.fixture
def english_url(cluster: Any) -> Iterator[str]:
    """A database that sorts as a dictionary does: small letters before the same in capitals."""
    try:
        yield from a_database(cluster, "english", how="template template0 locale_provider icu icu_locale 'en-US'")
    except psycopg.errors.FeatureNotSupported as exc:
        pytest.skip(f"this PostgreSQL knows no language: {exc}")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Archive]:
    async with open_own_archive(url) as archive, asyncio.TaskGroup() as group:
        writing = group.create_task(archive.writer.run())
        yield archive
        await archive.writer.wait_drained()
        writing.cancel()


def writes(sensors: Any, seconds: range) -> list[Write]:
    no_sensor = Index(reason=Reason.NO_SENSOR)
    found = []
    for n in seconds:
        for k, data in enumerate(sensors.second(n)):
            row = to_row(data.event, seq=data.seq, arrival_idx=3 * n + k)
            mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
            found.append(Write(session_id="one", raw=row, marks=(mark,), queued_ns=time.monotonic_ns()))
        told = Metrics(
            t_ns=n * NS_PER_S, emitted_ns=n * NS_PER_S,
            **dict.fromkeys(Metrics.index_names(), no_sensor) | {"arousal": Index(value=n / 3, bound=0.1, sample_ns=n)},
        )  # fmt: skip
        beat = Beat(
            beat_idx=n, t_ns=n, emitted_ns=n, source=SignalKind.ECG, rr_ms=n / 7, flag=BeatFlag.OK, confirmed=True
        )
        found.append(Write(session_id="one", conclusions=(told, beat), queued_ns=time.monotonic_ns()))
    return found


async def fill(url: str, sensors: Any, *, n_seconds: int = 20) -> None:
    async with opened(url) as archive:
        record = SessionRecord(
            session_id="one", source=Source.LIVE, baseline_s=60.0, started_unix_ns=1_763_855_970 * NS_PER_S
        )
        await archive.add_session(record)
        await archive.begin_session(record, streams=sensors.streams)
        for write in writes(sensors, range(n_seconds)):
            archive.writer.put_nowait(write)
        await archive.writer.wait_drained()
        await archive.end_session("one", duration_ns=1)
        await archive.put_report("one", body='{"ö": 1}')
        await Upkeep(archive).once()


def fingerprint(url: str) -> dict[str, str]:
    with psycopg.connect(url, options="-c default_transaction_isolation=repeatable\\ read") as connection:
        return content_hashes(connection)


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


def test_rows_that_may_be_hidden_are_no_smaller_backup(operators: list[str], tmp_path: Path) -> None:
    migrate(operators[0])
    with psycopg.connect(operators[0]) as connection:
        connection.execute("create policy less on session as restrictive using (session_id <> 'one')")
    with pytest.raises(StorageError, match="row security that may hide some of session"):
        back_up(operators[0], tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


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


def test_texts_are_sorted_by_their_bytes_in_every_table(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        facts = {table.name: table for table in tables(connection)}
        connection.execute("create table keyless (n int, name text)")
        keyless = next(table for table in tables(connection) if table.name == "keyless")
        assert facts["beat"].select().as_string().endswith(
            ' order by "session_id" collate "C", "pipeline_version" collate "C", "source" collate "C", "beat_idx"'
        )  # fmt: skip
        assert keyless.select().as_string().endswith(' order by "n", "name" collate "C"')
        for table in facts.values():
            connection.execute(table.select())


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


async def test_backup_while_events_come_in_is_one_moment(
    database_url: str, other_url: str, sensors: Any, tmp_path: Path
) -> None:
    """Whatever it holds is whole: acknowledged events are there, and none that was not yet acknowledged."""
    async with opened(database_url) as archive, asyncio.TaskGroup() as group:
        record = SessionRecord(session_id="one", source=Source.LIVE, baseline_s=60.0, started_unix_ns=10**18)
        await archive.add_session(record)
        await archive.begin_session(record, streams=sensors.streams)
        saving = group.create_task(asyncio.to_thread(back_up, database_url, tmp_path / "file"))
        for n in range(2_000):
            for write in writes(sensors, range(n, n + 1)):
                archive.writer.put_nowait(write)
            await archive.writer.wait_drained()
            if saving.done():
                break
    assert n > 1
    restore(other_url, tmp_path / "file")
    with psycopg.connect(other_url) as connection:
        rows = connection.execute(
            "select acked_seq, count(seq), coalesce(max(seq), 0) from stream left join raw_event using (stream_id)"
            " group by stream_id, acked_seq"
        ).fetchall()
    assert len(rows) == 3
    assert all(acked_seq == n_events == last_seq for acked_seq, n_events, last_seq in rows)


def test_a_left_over_draft_changes_neither_owner_nor_place(database_url: str, tmp_path: Path) -> None:
    draft, elsewhere = tmp_path / "file.part", tmp_path / "elsewhere"
    draft.write_bytes(b"")
    draft.chmod(0o666)
    back_up(database_url, tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    elsewhere.write_bytes(b"mine")
    draft.symlink_to(elsewhere)
    back_up(database_url, tmp_path / "file")
    assert elsewhere.read_bytes() == b"mine"
    assert not (tmp_path / "file").is_symlink()


def test_a_good_backup_stays_until_the_next_is_on_the_disk(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "file").write_bytes(b"good")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        back_up(database_url, tmp_path / "file")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"good")]


def test_database_that_is_away_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the database refused"):
        back_up(f"postgresql://nobody@/none?host={tmp_path}", tmp_path / "file")
    with pytest.raises(StorageError, match="cannot write"):
        back_up("postgresql://nobody@/none", tmp_path / "none" / "file")
    assert list(tmp_path.iterdir()) == []
