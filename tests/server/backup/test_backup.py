"""A backup is the archive at one moment, whole or not there: what comes in meanwhile, who may make it, where it is."""

import asyncio
import errno
import os
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
from tests.server.backup.conftest import opened, writes

from becalm_protocol.errors import StorageError
from becalm_protocol.handshake import Source
from becalm_server.archive.backup import back_up, restore
from becalm_server.archive.migrate import migrate
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.table_facts import tables


def test_rows_that_may_be_hidden_are_no_smaller_backup(operators: list[str], tmp_path: Path) -> None:
    migrate(operators[0])
    with psycopg.connect(operators[0]) as connection:
        connection.execute("create policy less on session as restrictive using (session_id <> 'one')")
    with pytest.raises(StorageError, match="row security that may hide some of session"):
        back_up(operators[0], tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


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
