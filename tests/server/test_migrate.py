import hashlib
import shutil
from pathlib import Path

import psycopg
import pytest
from tests.server.conftest import admin_url_of, drop_database

from becalm_protocol.errors import StorageError
from becalm_server.archive.embedded import EmbeddedPostgres
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


def test_logins_of_before_were_seen_when_they_were(
    cluster: EmbeddedPostgres,
) -> None:
    """The migrations that this becalm has, on rows of one that did not know when a login was seen."""
    name = "logins_of_before"
    url, plain = cluster.url.replace("@/becalm?", f"@/{name}?"), sorted(MIGRATIONS.glob("*.sql"))
    known = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in plain
        if path.name < "0023" and not path.name.endswith(".timescale.sql")
    }
    with psycopg.connect(admin_url_of(cluster), autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
    try:
        migrate(url, known=known)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("insert into account (account_id, role) values ('a', 'operator')")
            connection.execute(
                "insert into login_family (family_id, account_id, created_at)"
                " values ('went on', 'a', '2026-01-01'), ('did not', 'a', '2026-01-02')"
            )
            connection.execute(
                "insert into refresh_token (token_sha256, family_id, created_at, expires_at)"
                " values ('1', 'went on', '2026-01-01', '2026-02-01'), ('2', 'went on', '2026-01-09', '2026-02-09')"
            )
        migrate(url)
        with psycopg.connect(url) as connection:
            seen = connection.execute(
                "select family_id, to_char(seen_at, 'DD') from login_family order by 1"
            ).fetchall()
        assert seen == [("did not", "02"), ("went on", "09")]
    finally:
        drop_database(admin_url_of(cluster), name)


def test_unreachable_database_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="expected to bring its schema up to date"):
        migrate(f"postgresql://nobody@/none?host={tmp_path}", folder=tmp_path)


def test_every_statement_has_a_name_and_is_used() -> None:
    sources = "".join(path.read_text() for path in MIGRATIONS.parent.parent.rglob("*.py"))
    assert len(SQL) > 30
    assert [name for name in SQL if f'"{name}"' not in sources] == []
