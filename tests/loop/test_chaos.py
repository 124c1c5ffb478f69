"""A short, seeded mix of faults between a real agent and a real server: the record is exact all the same."""

import asyncio
import json
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench" / "bench_chaos.py"
ENDS_S = 120.0
"""A bound on a hang, not a figure."""


async def test_a_mix_of_faults_loses_and_doubles_nothing() -> None:
    words = ("--only", "none", "--mix-seconds", "8", "--seeds", "5")
    bench = await asyncio.create_subprocess_exec(
        sys.executable, str(BENCH), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(ENDS_S):
        output, complaints = await bench.communicate()
    assert output, complaints.decode()
    (line,) = json.loads(output)["faults"].values()
    assert line["problems"] == []
    assert bench.returncode == 0
    assert line["samples"] > 300  # two seconds of three signals at the least, however busy the machine
    assert line["notes"]["faults"]
