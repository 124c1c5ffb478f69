"""The command line speaks to a newcomer: help for every command, one sentence for every mistake."""

import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Becalm = Callable[..., "CompletedProcess[str]"]
ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "serve", "agent", "client", "replay", "analyse", "simulate", "bench")


def sentence(done: "CompletedProcess[str]") -> str:
    """The one line on standard error of an expected failure."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("becalm: ")
    return line


def test_help_lists_every_command(becalm: Becalm) -> None:
    done = becalm("--help")
    assert done.returncode == 0
    assert all(re.search(rf"\b{command}\b", done.stdout) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(becalm: Becalm, command: str) -> None:
    done = becalm(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout) > 200


def test_a_busy_port_is_one_sentence(becalm: Becalm) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = sentence(becalm("demo", "--client", "none", "--port", port))
        assert str(port) in said
        assert "--port" in said
        assert str(port) in sentence(becalm("serve", "--port", port))


def test_an_unwritable_data_folder_is_one_sentence(becalm: Becalm, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = sentence(becalm("demo", "--client", "none", "--port", 0, "--data-dir", tmp_path / "file" / "data"))
    assert "data folder" in said
    assert "--data-dir" in said


def test_an_unknown_client_lists_the_known_ones(becalm: Becalm) -> None:
    said = sentence(becalm("demo", "--client", "hologram"))
    assert "kivy, terminal, none" in said


def test_a_window_without_a_screen_is_one_sentence(becalm: Becalm, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    said = sentence(becalm("demo", "--client", "kivy", "--port", 0))
    assert "--client terminal" in said


def test_a_replay_without_a_server_says_how_to_start_one(becalm: Becalm, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("time_s,eda_us\n" + "".join(f"{i / 10},4.0\n" for i in range(50)))
    said = sentence(becalm("replay", file, "--server", "http://127.0.0.1:9"))
    assert "becalm serve" in said


@pytest.mark.parametrize("server", ["ftp://a", "http://", "", ":::bad", "localhost:99999", "http://a..b:1"])
def test_an_impossible_server_address_is_one_sentence(becalm: Becalm, server: str) -> None:
    assert "--server" in sentence(becalm("client", "--kind", "terminal", "--server", server))


def test_the_installed_command_speaks_in_sentences_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["becalm"].partition(":")
    start = f"from {module} import {function}; {function}()"  # what the installed script consists of
    command = [sys.executable, "-c", start, "client", "--kind", "hologram"]
    assert "--kind" in sentence(subprocess.run(command, capture_output=True, text=True, timeout=240, check=False))


def test_a_virtual_person_is_written_with_the_truth_and_read_back(becalm: Becalm, tmp_path: Path) -> None:
    done = becalm("simulate", "--seed", 3, "--csv", tmp_path / "person", "--minutes", 1)
    assert done.returncode == 0, done.stderr
    analysed = becalm("analyse", tmp_path / "person" / "recording.csv", "--out", tmp_path / "out", "--no-report")
    assert analysed.returncode == 0, analysed.stderr
    true_beats = (tmp_path / "person" / "truth_beats.csv").read_text(encoding="utf-8").splitlines()[1:]
    found = (tmp_path / "out" / "beats.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert abs(len(true_beats) - len(found)) <= 2


@pytest.mark.parametrize("radio", ["nothing", "unix:", "tcp:localhost", "usb:0", "file:/dev/null"])
def test_an_impossible_radio_is_one_sentence(becalm: Becalm, radio: str) -> None:
    assert "--radio: expected unix:PATH or tcp:HOST:PORT" in sentence(becalm("agent", "--scan", "--radio", radio))


def test_an_unknown_sensor_to_wear_lists_those_there_are(becalm: Becalm) -> None:
    line = sentence(becalm("simulate", "--wear", "strap,hat"))
    assert "--wear: expected some of strap, belt, skin, optical" in line
    assert line.endswith("got strap,hat")
