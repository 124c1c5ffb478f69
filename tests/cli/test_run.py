"""`run.py` on a machine that lacks something: one clear sentence each."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import venv
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run_py(tmp_path: Path) -> ModuleType:
    """A copy of run.py in a fresh folder, as after a clone."""
    for name in ("run.py", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    spec = importlib.util.spec_from_file_location("run_py", tmp_path / "run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sentence(caught: "pytest.ExceptionInfo[SystemExit]") -> str:
    said = str(caught.value.code)
    assert said.startswith("becalm: ")
    assert len(said.splitlines()) == 1
    return said


def test_an_unsupported_python_is_told_which_are(run_py: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit) as caught:
        run_py.main()
    assert "3.11 to 3.13, got 3.9" in sentence(caught)


def test_a_missing_venv_module_names_the_package(run_py: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, "ensurepip")

    monkeypatch.setattr(venv, "create", refuse)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SystemExit) as caught:
        run_py.prepare()
    assert "python3-venv" in sentence(caught)


def test_without_a_network_the_sentence_says_so(tmp_path: Path, run_py: ModuleType) -> None:
    environment = dict(os.environ, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_NO_CACHE_DIR="1")
    environment["PATH"] = os.pathsep.join(
        path for path in os.environ["PATH"].split(os.pathsep) if not (Path(path) / "uv").exists()
    )
    environment.pop("PIP_EXTRA_INDEX_URL", None)
    environment["PIP_CONFIG_FILE"] = os.devnull
    done = subprocess.run(
        [sys.executable, str(Path(str(run_py.__file__))), "--help"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "cannot be reached" in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".venv" / "becalm-stamp").exists()


def test_the_stamp_follows_the_lock(run_py: ModuleType, tmp_path: Path) -> None:
    before = run_py.fingerprint()
    lock = tmp_path / "requirements.lock"
    lock.write_text(lock.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert run_py.fingerprint() != before


def test_checks_beside_each_other_tell_what_each_found(
    run_py: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_py, "PYTHON", sys.executable)
    assert run_py.side_by_side([["platform"], ["no_such_check"], ["platform"]]) == 1
    told = capfd.readouterr()
    assert told.out.count(platform.platform()) == 2
    assert "No module named no_such_check" in told.out
    assert told.err.splitlines()[-3:] == [
        "becalm: platform: done",
        "becalm: no_such_check: failed",
        "becalm: platform: done",
    ]
    assert run_py.side_by_side([["platform"]]) == 0


def test_every_test_is_in_one_part(run_py: ModuleType) -> None:
    def has(part: list[str], name: str) -> bool:
        globs = [word.partition("=")[2] for word in part[1:]]
        return name.startswith(f"{part[0]}/") and not any(
            fnmatch(name, glob) or name.startswith(f"{glob}/") for glob in globs
        )

    names = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) > 200
    assert [name for name in names if sum(has(part, name) for part in run_py.PARTS) != 1] == []
