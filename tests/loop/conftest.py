"""Whole-product fixtures: real processes, real sockets, a folder the database may use, and no process left behind."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARK = "BECALM_TEST_MARK"


@pytest.fixture
def data() -> Path:
    """The folder of real recordings, or a skip that says why."""
    folder = Path(os.environ.get("BECALM_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real recordings are not at {folder.name}; set BECALM_DATA to their folder")
    return folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder with a short path that PostgreSQL's unprivileged user can reach too."""
    path = Path(tempfile.mkdtemp(prefix="becalm-", dir="/var/tmp" if Path("/var/tmp").is_dir() else None))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A becalm process under test."""

    process: asyncio.subprocess.Process
    mark: str

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def pid_of(self, command: str) -> int:
        """The process that runs `becalm COMMAND` for this one."""
        (pid,) = (pid for pid, line in self._family().items() if f" {command} " in line)
        return pid

    def left_behind(self) -> list[str]:
        """Command lines of living processes that this one started."""
        return list(self._family().values())

    def _family(self) -> dict[int, str]:
        left = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                environment = (path / "environ").read_bytes()
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if f"{MARK}={self.mark}".encode() in environment and state not in "ZX":
                left[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return left


Start = Callable[..., Any]


@pytest.fixture
def start() -> Start:
    """Run `becalm WORDS`; killed at the end of the block if it still runs."""

    @asynccontextmanager
    async def started(*words: object) -> AsyncIterator[Part]:
        mark = uuid.uuid4().hex
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "becalm_cli", *map(str, words),
            env=dict(os.environ, **{MARK: mark}),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield Part(process=process, mark=mark)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return started


@pytest.fixture
def ask(folder: Path) -> Callable[[str], Any]:
    """Ask the server whose data are in `folder` over HTTP, as its operator where it has written a token."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    key = folder / "server" / "operator_token"

    def get_json(url: str) -> Any:
        request = urllib.request.Request(url)
        if key.exists():
            request.add_header("Authorization", f"Bearer {key.read_text(encoding='ascii').strip()}")
        with opener.open(request, timeout=10) as answer:
            return json.loads(answer.read())

    return get_json


@pytest.fixture
def run_becalm() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run `becalm WORDS` to its end."""

    def call(*words: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "becalm_cli", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return call
