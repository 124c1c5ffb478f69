import shutil
from pathlib import Path

import psycopg
import pytest

from becalm_protocol.errors import StorageError
from becalm_server.archive.migrate import migrate
from becalm_server.archive.statements import MIGRATIONS, SQL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_pre_first.sql").write_text("create table first (n int); insert into first values (1);")
    return tmp_path


def test_every_file_is_applied_once(database_url: str, folder: Path) -> None:
    assert migrate(database_url, folder=folder).applied == ("0001_pre_first.sql",)
    (folder / "0002_pre_second.sql").write_text("alter table first add column m int;")
    assert migrate(database_url, folder=folder).applied == ("0002_pre_second.sql",)
    assert migrate(database_url, folder=folder).applied == ()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select * from first").fetchall() == [(1, None)]


def test_changed_file_is_refused(database_url: str, folder: Path) -> None:
    migrate(database_url, folder=folder)
    (folder / "0001_pre_first.sql").write_text("create table other (n int);")
    with pytest.raises(StorageError, match="was changed after"):
        migrate(database_url, folder=folder)


def test_failed_file_leaves_nothing_behind(database_url: str, folder: Path) -> None:
    (folder / "0002_pre_second.sql").write_text("create table second (n int); select 1/0;")
    with pytest.raises(StorageError, match="division by zero"):
        migrate(database_url, folder=folder)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select to_regclass('second')").fetchone() == (None,)
    (folder / "0002_pre_second.sql").write_text("create table second (n int);")
    assert migrate(database_url, folder=folder).applied == ("0002_pre_second.sql",)


def test_overlay_waits_for_the_extension(database_url: str, folder: Path) -> None:
    shutil.copy(MIGRATIONS / "0002_pre_hypertables.timescale.sql", folder)
    migrated = migrate(database_url, folder=folder)
    assert migrated.timescale.startswith("absent")
    assert migrated.applied == ("0001_pre_first.sql",)


def test_unreachable_database_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="expected to bring its schema up to date"):
        migrate(f"postgresql://nobody@/none?host={tmp_path}", folder=tmp_path)


def test_every_statement_has_a_name_and_is_used() -> None:
    sources = "".join(path.read_text() for path in MIGRATIONS.parent.parent.rglob("*.py"))
    assert len(SQL) > 30
    assert [name for name in SQL if f'"{name}"' not in sources] == []
