"""Faults on the command line: staged, told in the report, and refused in one sentence each."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Becalm = Callable[..., "CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("t=1 gremlin", "kind: expected a known fault, got 'gremlin'; known are `out_of_range S`, `silent S`, `drop`"),
        ("t=1 small_mtu 3", "small_mtu N: expected 23 to 516 bytes, got 3"),
        ("t=1 drop sensor=shoe", "expected a sensor of strap, belt, skin"),
    ],
)
def test_an_impossible_fault_is_one_sentence(becalm: Becalm, line: str, said: str) -> None:
    done = becalm("simulate", "--fault", "t=2 drop", "--fault", line)
    assert done.returncode == 2
    (told,) = done.stderr.strip().splitlines()
    assert told.startswith(f"becalm: fault: `{line}`: {said}")


@pytest.mark.parametrize(
    ("option", "given"),
    [("--fault", "t=2 drop"), ("--wear", "belt"), ("--radio", "tcp:127.0.0.1:0"), ("--server", "127.0.0.1:9")],
)
def test_a_recording_has_no_radio(becalm: Becalm, tmp_path: Path, option: str, given: str) -> None:
    done = becalm("simulate", "--csv", tmp_path / "out", option, given)
    assert done.returncode == 2
    assert done.stderr.startswith(f"becalm: {option}: is of the virtual radio, and --csv needs none")
    assert not (tmp_path / "out").exists()


async def test_faults_are_staged_and_told_in_the_report() -> None:
    words = ("-m", "becalm_cli", "simulate", "--fault", "t=0 silent 0.1 sensor=belt", "--fault", "t=0 needs_bonding")
    async with asyncio.timeout(20.0):
        person = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=PIPE)
        try:
            assert person.stdout is not None
            assert b"Virtual sensors are on the air" in await person.stdout.readline()
            person.send_signal(signal.SIGINT)
            report = json.loads(await person.stdout.read())
        finally:
            if person.returncode is None:
                person.kill()
            await person.wait()
    told = [(row["fault"], row["sensor"]) for row in report["faults"]]
    assert ("t=0 silent 0.1 sensor=belt", "SIM-BELT 0001") in told
    assert {sensor for fault, sensor in told if fault == "t=0 needs_bonding"} == {
        "SIM-HR 0001",
        "SIM-BELT 0001",
        "SIM-EDA 0001",
    }
    assert set(report["lost"].values()) == {0}
