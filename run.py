#!/usr/bin/env python3
"""One command: makes `.venv` on first use, installs the locked libraries and becalm, then hands over.

python3 run.py demo          the whole product on this machine
python3 run.py test          every check that CI runs (words after `test` go to pytest alone)
python3 run.py COMMAND ...   any other becalm command (`--help` lists them)

Standard library only, and readable by old Pythons, so that an unsupported one is told so in words.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
ENV = ROOT / ".venv"
PYTHON = ENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = ENV / "becalm-stamp"
LOG = ENV / "install.log"
OLDEST, NEWEST = (3, 11), (3, 13)
PARTS = (
    ["tests/server", "--ignore-glob=tests/server/test_[l-z]*", "--ignore-glob=tests/server/[f-z]*/*"],
    ["tests/server", "--ignore-glob=tests/server/test_[a-k]*", "--ignore-glob=tests/server/[a-e]*/*"],
    ["tests", "--ignore=tests/server"],
)
"""Tests that take about as long; those of the server wait for its processes most of the time."""
NETWORK_WORDS = ("Connection", "ConnectError", "name resolution", "error sending request", "dns", "from versions: none")
"""What pip and uv write when no index answers."""


def main() -> None:
    """Prepare the environment, then become the command asked for."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = "%d.%d" % sys.version_info[:2]  # noqa: UP031 (an f-string would need a newer Python to say so)
        fail("becalm needs Python 3.11 to 3.13, got " + found + ": run this with another, e.g. python3.12 run.py demo")
    words = sys.argv[1:] or ["--help"]
    if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != fingerprint():
        prepare()
    if words[0] == "test":
        sys.exit(test(words[1:]))
    command = [str(PYTHON), "-m", "becalm_cli", *words]
    if os.name == "nt":  # exec on Windows would detach from the console
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def fingerprint() -> str:
    """Return what the environment must have been made from."""
    made_from = [sys.version, str(ROOT)] + [
        (ROOT / name).read_text(encoding="utf-8") for name in ("requirements.lock", "pyproject.toml")
    ]
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()


def prepare() -> None:
    """Make `.venv` and install the lock and becalm into it."""
    say("preparing .venv (first start, or the libraries changed) ...")
    uv = shutil.which("uv")
    try:
        STAMP.unlink(missing_ok=True)
        if uv:
            make = [uv, "venv", "-q", "--clear", "--python", sys.executable, str(ENV)]
            subprocess.run(make, check=True, capture_output=True)
            install = [uv, "pip", "install", "-q", "--python", str(PYTHON)]
        else:
            venv.create(ENV, with_pip=True, clear=True)
            install = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input"]
    except (subprocess.CalledProcessError, ImportError):
        fail("this Python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv")
    except OSError as exc:
        fail(f"cannot write {exc.filename or ENV}: {exc.strerror}; run from a folder that you may write to")
    run_install([*install, "--require-hashes", "-r", str(ROOT / "requirements.lock")])
    run_install([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    STAMP.write_text(fingerprint(), encoding="utf-8")


def run_install(command: list[str]) -> None:
    """Run one installation step; on failure say in one sentence what is wrong."""
    with LOG.open("a", encoding="utf-8") as log:
        code = subprocess.call(command, stdout=log, stderr=subprocess.STDOUT)
    if code == 0:
        return
    said = LOG.read_text(encoding="utf-8", errors="replace")
    if any(word in said for word in NETWORK_WORDS):
        fail("the package index cannot be reached: connect this machine to the network and start again")
    fail(f"installing the libraries failed; what the installer said is in {LOG}")


def test(pytest_words: list[str]) -> int:
    """Run the checks; return the exit code of the first that fails."""
    if pytest_words:
        return subprocess.call([str(PYTHON), "-m", "pytest", *pytest_words], cwd=ROOT)
    for check in (["ruff", "check"], ["ruff", "format", "--check"]):
        say(" ".join(check))
        code = subprocess.call([str(PYTHON), "-m", *check], cwd=ROOT)
        if code:
            return code
    return side_by_side([["pytest", "-q", *part] for part in PARTS] + [["mypy"]])


def side_by_side(checks: list[list[str]]) -> int:
    """Run checks at once, each telling what it found when it is done; return the exit code of the first that fails."""
    with contextlib.ExitStack() as files:
        running = []
        for check in checks:
            say(" ".join(check))
            told = files.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen([str(PYTHON), "-m", *check], cwd=ROOT, stdout=told, stderr=subprocess.STDOUT)
            running.append((check, process, told))
        codes = []
        for check, process, told in running:
            codes.append(process.wait())
            say(f"{' '.join(check)}: {'failed' if codes[-1] else 'done'}")
            told.seek(0)
            shutil.copyfileobj(told, sys.stdout.buffer)
            sys.stdout.flush()
    return next((code for code in codes if code), 0)


def say(text: str) -> None:
    """Tell the person what is going on."""
    print(f"becalm: {text}", file=sys.stderr, flush=True)


def fail(sentence: str) -> NoReturn:
    """End with one clear sentence."""
    sys.exit(f"becalm: {sentence}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # while the libraries are installed: the next start begins anew
        sys.exit(130)
