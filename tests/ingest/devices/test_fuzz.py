"""A short pass of the fuzzing bench over every family: nothing but events or DeviceDataError."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from becalm_ingest.devices import FAMILIES, Family

BENCH = Path(__file__).resolve().parents[3] / "bench" / "bench_fuzz.py"
N_EXECUTIONS = 2_000


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_broken_notifications_do_no_harm(family: Family) -> None:
    command = [sys.executable, str(BENCH), "--executions", str(N_EXECUTIONS), "--family", family.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)["targets"]
    assert set(told) == {family.name, *([f"{family.name} survey"] if family.survey else [])}
    for target in told.values():
        assert target["executions"] == N_EXECUTIONS
        assert target["failures"] == 0


def test_a_family_that_is_not_there() -> None:
    command = [sys.executable, str(BENCH), "--family", "kettle"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "unknown family" in done.stderr
