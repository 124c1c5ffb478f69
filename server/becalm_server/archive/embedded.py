"""The embedded database: one PostgreSQL as a child of this process, private to it, gone when it is gone."""

import asyncio
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode

import psycopg

from becalm_protocol.errors import ConfigError, StorageError
from becalm_server.archive import data_folder
from becalm_server.archive.binaries import RunAs, choose_user, find_binaries, reachable_binaries

log = logging.getLogger(__name__)

DATABASE = "becalm"
OWNER = "becalm"
# A warm start takes 0.1 s, crash recovery of a busy hour a few seconds.
START_LIMIT_S = 60.0
# Fast shutdown writes a checkpoint; after that the immediate kind, which the next start recovers from.
STOP_LIMIT_S = 2.0
INITDB_LIMIT_S = 120.0
# sockaddr_un holds 108 bytes including the name `.s.PGSQL.5432.lock` in the folder.
MAX_SOCKET_FOLDER_BYTES = 85
MAX_LOG_BYTES = 1_000_000
RESTART_PAUSE_S = 0.2
POLL_S = 0.1
_WINDOWS = sys.platform == "win32"


class EmbeddedPostgres:
    """One cluster below `root`. start() blocks for 0.1 s (first time 1 s); supervise() restarts a crashed database."""

    def __init__(self, root: Path, *, durable: bool = True, binaries: Path | None = None) -> None:
        self._root = root.absolute()
        self._data = self._root / "data"
        self._durable = durable
        self._binaries = binaries
        self._run_as: RunAs | None = None
        self._sockets = self._root / "run"
        self._port = 5432
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._log: IO[bytes] | None = None
        self.n_restarts = 0

    @property
    def url(self) -> str:
        """Connection URL of the becalm database."""
        return self._url(DATABASE)

    @property
    def pid(self) -> int | None:
        """Process id of the running database."""
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Prepare the folders, make the cluster the first time, start it and return its URL."""
        self._prepare()
        try:
            if not (self._data / "PG_VERSION").exists():
                self._initdb()
            data_folder.stop_orphan(self._data)
            self._launch()
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Shut the database down and release the folder; safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            # PostgreSQL: SIGINT is a fast, clean shutdown, SIGQUIT an immediate one.
            stops = [signal.SIGTERM] if _WINDOWS else [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]
            for number in stops:
                if process.poll() is None:
                    process.send_signal(number)
                    _wait_exit(process)
        if self._sockets.parent != self._root:
            shutil.rmtree(self._sockets, ignore_errors=True)
        for handle in (self._lock, self._log):
            if handle is not None:
                handle.close()
        self._lock = self._log = None

    async def supervise(self) -> None:
        """Start the database again whenever it dies; runs until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            process = self._process
            if process is None or process.poll() is None:
                continue
            log.error("the embedded database ended with code %s; starting it again", process.returncode)
            self.n_restarts += 1
            await asyncio.sleep(RESTART_PAUSE_S)  # its orphaned back ends notice within milliseconds and let go
            if self._process is process:
                self._launch()

    def _prepare(self) -> None:
        self._run_as = choose_user()
        data_folder.make_folder(self._root, mode=0o711 if self._run_as else 0o700, run_as=None)
        data_folder.check_entry(self._root, run_as=self._run_as)
        self._lock = data_folder.lock_folder(self._root)
        if len(os.fsencode(self._sockets)) > MAX_SOCKET_FOLDER_BYTES:
            self._sockets = Path(tempfile.mkdtemp(prefix="becalm-pg-"))
        for folder in (self._data, self._sockets):
            data_folder.make_folder(folder, mode=0o700, run_as=self._run_as)
        found = self._binaries or find_binaries()
        self._binaries = reachable_binaries(found, run_as=self._run_as, copy_to=self._root / "programs")
        log_path = self._root / "server.log"
        if log_path.exists() and log_path.stat().st_size > MAX_LOG_BYTES:
            log_path.unlink()
        self._log = log_path.open("ab")

    def _initdb(self) -> None:
        password = secrets.token_urlsafe(24)
        data_folder.write_secret(self._root / "password", password, run_as=None)
        for_initdb = self._sockets / "password"
        data_folder.write_secret(for_initdb, password, run_as=self._run_as)
        command = [str(self._program("initdb")), "-D", str(self._data), "-U", OWNER, "-E", "UTF8", "--locale=C"]
        command += ["-A", "scram-sha-256", f"--pwfile={for_initdb}", *([] if self._durable else ["-N"])]
        try:
            made = subprocess.run(
                command, capture_output=True, timeout=INITDB_LIMIT_S, check=False, **self._process_options()
            )
        finally:
            for_initdb.unlink()
        if made.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise StorageError(f"database: cannot create it in {self._data}: {_last_line(made.stderr)}")

    def _launch(self) -> None:
        if _WINDOWS:  # no Unix sockets there: loopback and a free port, with the password
            self._port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1" if _WINDOWS else "",
            "port": str(self._port),
            "unix_socket_directories": "" if _WINDOWS else str(self._sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "40",
            "shared_buffers": "32MB",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_error_statement": "panic",  # statements carry health data; they stay out of the log
            "logging_collector": "off",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
        }
        command = [str(self._program("postgres")), "-D", str(self._data)]
        command += [part for name, text in options.items() for part in ("-c", f"{name}={text}")]
        guard = shutil.which("setpriv")  # Linux: the database shuts down cleanly even when we are killed
        if guard:
            command = [guard, "--pdeathsig", "INT", *command]
        # A session of its own: Ctrl-C in a terminal must not reach the database before we have drained into it.
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, start_new_session=True, **self._process_options()
        )

    def _wait_ready(self) -> None:
        give_up_s = time.monotonic() + START_LIMIT_S
        while time.monotonic() < give_up_s:
            if self._process is None or self._process.poll() is not None:
                raise StorageError(f"database: PostgreSQL did not start: {self._last_log_line()}")
            try:
                with psycopg.connect(self._url("postgres"), autocommit=True, connect_timeout=5) as connection:
                    known = connection.execute("select from pg_database where datname = %s", (DATABASE,)).fetchone()
                    if known is None:
                        connection.execute(f"create database {DATABASE}")
                    return
            except psycopg.OperationalError:
                time.sleep(0.01)  # socket not there yet, or recovery under way
        raise StorageError(f"database: not ready after {START_LIMIT_S:.0f} s: {self._last_log_line()}")

    def _process_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "cwd": str(self._root)}
        if self._run_as:
            options |= {"user": self._run_as.uid, "group": self._run_as.gid, "extra_groups": []}
        return options

    def _program(self, name: str) -> Path:
        if self._binaries is None:
            raise ConfigError("PostgreSQL's programs were not looked for yet", setting="database_url")
        return self._binaries / name

    def _url(self, database: str) -> str:
        return _url_of(
            self._root, database=database, host="127.0.0.1" if _WINDOWS else str(self._sockets), port=self._port
        )

    def _last_log_line(self) -> str:
        try:
            return _last_line((self._root / "server.log").read_bytes()[-4096:])
        except OSError as exc:
            return f"its log is unreadable ({exc.strerror})"


def running_url(root: Path) -> str | None:
    """Return the URL of a cluster below `root` that another process of ours runs; None where none answers."""
    try:
        _pid, _data, _started, port, sockets, *_more = (root / "data" / "postmaster.pid").read_text().splitlines()
        url = _url_of(root, database=DATABASE, host=sockets or "127.0.0.1", port=int(port))
        with psycopg.connect(url, connect_timeout=5):
            return url
    except (OSError, ValueError, psycopg.Error):
        return None


def _url_of(root: Path, *, database: str, host: str, port: int) -> str:
    password = quote((root / "password").read_text(), safe="")
    return f"postgresql://{OWNER}:{password}@/{database}?{urlencode({'host': host, 'port': port})}"


def _wait_exit(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        log.warning("the embedded database is slow to stop; asking harder")


def _last_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "fatal" in line.lower() or "No space" in line]
    line = (telling or lines or ["it gave no reason"])[-1]
    sentence = re.sub(r"^.*?(FATAL|ERROR|error): +", "", line)[:300]
    return f"{sentence}. The disk is full: free some space" if "No space left" in line else sentence


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
