"""The folder of the embedded database: its owner, its lock, its secret, and a database left behind in it."""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO

from becalm_protocol.errors import ConfigError, StorageError
from becalm_server.archive.binaries import RunAs

ORPHAN_LIMIT_S = 10.0


def make_folder(folder: Path, *, mode: int, run_as: RunAs | None) -> None:
    """Make a folder with this mode and owner. Raises ConfigError where that is not allowed."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        if folder.stat().st_uid == _own_uid():
            folder.chmod(mode)
        if run_as is not None:
            os.chown(folder, run_as.uid, run_as.gid)
        if run_as is None and not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "it is not writable")
    except OSError as exc:
        raise ConfigError(
            f"cannot use {folder}: {exc.strerror}. Choose a folder you may write to", setting="data_dir"
        ) from exc


def check_entry(folder: Path, *, run_as: RunAs | None) -> None:
    """Raise ConfigError where the account of the database cannot walk down to `folder`."""
    if run_as is None:
        return
    for step in (folder, *folder.parents):
        facts = step.stat()
        shift = 6 if facts.st_uid == run_as.uid else 3 if facts.st_gid == run_as.gid else 0
        if not (facts.st_mode >> shift) & 1:
            raise ConfigError(
                f"as root the database runs as the account {run_as.name}, which cannot enter {step} "
                f"(mode {facts.st_mode & 0o777:04o}). Choose a folder such as /var/lib/becalm, "
                "start becalm as an ordinary user, or set BECALM_DATABASE_URL",
                setting="data_dir",
            )


def lock_folder(root: Path) -> IO[str]:
    """Return a handle that keeps the folder ours until it is closed or we die."""
    try:
        handle = (root / "lock").open("a+")
    except OSError as exc:
        raise ConfigError(
            f"cannot use {root}: {exc.strerror}. Choose a folder you may write to", setting="data_dir"
        ) from exc
    try:
        _lock(handle)
    except OSError as exc:
        handle.close()
        raise ConfigError(
            f"{root} is in use by another becalm server. Stop that one, or choose another folder", setting="data_dir"
        ) from exc
    return handle


def write_secret(path: Path, secret: str, *, run_as: RunAs | None) -> None:
    """Write a file that only its owner can read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret)
        if run_as is not None:
            os.chown(path, run_as.uid, run_as.gid)
    except OSError as exc:
        raise StorageError(f"database: cannot write {path}: {exc.strerror}") from exc


def stop_orphan(data: Path) -> None:
    """End a database that outlived a killed server, and clear what a dead one left; the folder's lock is ours."""
    pid_file = data / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return
    give_up_s = time.monotonic() + ORPHAN_LIMIT_S
    if _is_ours(pid, data):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
    while _any_alive(pid, data) and time.monotonic() < give_up_s:
        time.sleep(0.02)
    if _any_alive(pid, data):
        raise StorageError(f"database: a PostgreSQL (process {pid}) still runs on {data}. Stop it, then start again")
    # A killed postmaster may stay a zombie where nothing reaps orphans; PostgreSQL would take it for alive.
    pid_file.unlink(missing_ok=True)
    if len(lines) > 4 and lines[4]:
        (Path(lines[4]) / f".s.PGSQL.{lines[3]}.lock").unlink(missing_ok=True)


def _any_alive(pid: int, data: Path) -> bool:
    """Tell whether the postmaster or any of its back ends still works in this folder."""
    if not Path("/proc/self").exists():
        return _is_ours(pid, data)
    return any(_is_ours(int(entry.name), data) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _is_ours(pid: int, data: Path) -> bool:
    process = Path("/proc") / str(pid)
    if Path("/proc/self").exists():
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            return state not in "ZX" and (process / "cwd").resolve(strict=True) == data.resolve()
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _own_uid() -> int:
    return 0 if sys.platform == "win32" else os.geteuid()


def _lock(handle: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
