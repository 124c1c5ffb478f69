"""Ways to call the command line as a person does, and the real recordings where they are at hand."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Becalm = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def becalm(tmp_path: Path) -> Becalm:
    """Run `becalm WORDS` in a process of its own, with its data below `tmp_path`."""

    def call(*words: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "becalm_cli", *map(str, words)],
            env=dict(os.environ, BECALM_DATA_DIR=str(tmp_path / "data"), COLUMNS="200", NO_COLOR="1"),
            capture_output=True,
            text=True,
            timeout=240,  # a guard against hanging, not a measure
            check=False,
        )

    return call


@pytest.fixture
def data() -> Path:
    """The folder of real recordings, or a skip that says why."""
    folder = Path(os.environ.get("BECALM_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real recordings are not at {folder.name}; set BECALM_DATA to their folder")
    return folder
