"""`becalm agent doctor` as a person runs it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Becalm = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def no_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Bluetooth, whatever this one has."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")


@pytest.mark.usefixtures("no_bus")
def test_a_machine_without_bluetooth_is_told_what_to_do(becalm: Becalm) -> None:
    done = becalm("agent", "doctor", "--server", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "good  Python" in done.stdout
    assert "BAD   server" in done.stdout
    assert "-> Start it: becalm serve" in done.stdout
    assert done.stdout.endswith("see to what is BAD.\n")


@pytest.mark.usefixtures("no_bus")
def test_the_json_says_the_same(becalm: Becalm) -> None:
    done = becalm("agent", "doctor", "--server", "http://127.0.0.1:9", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["well"] is False
    subjects = {finding["subject"]: finding for finding in told["findings"]}
    assert subjects["data folder"]["verdict"] == "good"
    assert subjects["server"]["advice"]


@pytest.mark.usefixtures("no_bus")
def test_a_scan_without_bluetooth_points_to_the_doctor(becalm: Becalm) -> None:
    done = becalm("agent", "--scan")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith("becalm agent doctor tells more")


def test_a_virtual_radio_that_is_not_there_is_told(becalm: Becalm, tmp_path: Path) -> None:
    done = becalm("agent", "doctor", "--radio", f"unix:{tmp_path / 'nobody'}", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert "BlueZ version" not in findings
    assert findings["sensors"]["verdict"] == "bad"
    assert done.returncode == 1


def test_an_impossible_radio_is_one_sentence(becalm: Becalm) -> None:
    done = becalm("agent", "doctor", "--radio", "nonsense")
    assert done.returncode == 2
    assert "--radio" in done.stderr


def test_the_agent_itself_still_takes_its_options(becalm: Becalm) -> None:
    done = becalm("agent", "--scan", "--radio", "nonsense")
    assert done.returncode == 2
    assert "--radio" in done.stderr
    assert "doctor" in becalm("agent", "--help").stdout
