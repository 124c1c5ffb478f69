"""The whole product over the virtual radio: the loop closes, nothing is lost, and it ends without a trace."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENDS_S = 60.0
"""A bound on a hang, not a figure."""


async def test_the_demo_closes_the_loop_and_loses_nothing(start: Callable[..., Any], folder: Path) -> None:
    words = ("demo", "--client", "terminal", "--seconds", 6, "--json", "--port", 0, "--data-dir", folder)
    async with start(*words) as demo, asyncio.timeout(ENDS_S):
        output, complaints = await demo.process.communicate()
        assert demo.process.returncode == 0, (complaints.decode(), output.decode())
        assert demo.left_behind() == []
    assert b"Sit and breathe" in complaints
    account = json.loads(output)  # and nothing else, whatever the client shows
    assert account["closed"] is True
    assert account["lost"] == account["duplicated"] == 0
    assert account["errors"] == []
    for kind in ("ecg", "respiration", "skin_conductance"):
        row = account["samples"][kind]
        assert row["sent"] == row["received"] == row["stored"] > 0, kind
    assert account["beats"]["sent"] == account["beats"]["stored"] > 0
    for kind in ("waveform", "beat", "metrics"):
        assert account["age_ms"][kind]["software"]["p95"] is not None, kind
    assert account["commit_ack_ms"]["p99"] is not None
    assert account["arousal"]["end"]["reason"] == "baseline"  # six seconds are no baseline: no number, and why


async def test_an_agent_that_stood_still_loses_nothing(start: Callable[..., Any], folder: Path) -> None:
    words = ("demo", "--client", "none", "--seconds", 12, "--port", 0, "--data-dir", folder)
    async with start(*words) as demo, asyncio.timeout(ENDS_S):
        while b"pacer" not in (line := await demo.process.stdout.readline()):
            assert line, (await demo.process.stderr.read()).decode()
        await asyncio.sleep(2)  # let the sensors stream
        agent = demo.pid_of("agent")
        os.kill(agent, signal.SIGSTOP)
        await asyncio.sleep(4)  # longer than any watchdog of a waveform
        os.kill(agent, signal.SIGCONT)
        output = await demo.process.stdout.read()
        await demo.process.wait()
    assert b"nothing lost, nothing doubled" in output
    assert demo.process.returncode == 0


async def test_ctrl_c_stops_everything(start: Callable[..., Any], folder: Path) -> None:
    async with start("demo", "--client", "none", "--port", 0, "--data-dir", folder) as demo, asyncio.timeout(ENDS_S):
        while b"pacer" not in (line := await demo.process.stdout.readline()):
            assert line, (await demo.process.stderr.read()).decode()
        demo.interrupt()
        output, complaints = await demo.process.communicate()
        assert demo.left_behind() == []
    assert b"nothing lost, nothing doubled" in output or b"Nothing was recorded." in output
    assert complaints == b""


async def test_a_killed_demo_leaves_no_process(start: Callable[..., Any], folder: Path) -> None:
    async with start("demo", "--client", "none", "--port", 0, "--data-dir", folder) as demo, asyncio.timeout(ENDS_S):
        while b"pacer" not in (line := await demo.process.stdout.readline()):
            assert line, (await demo.process.stderr.read()).decode()
        demo.process.kill()
        await demo.process.wait()
        while demo.left_behind():  # the parts notice that their standard input has ended
            await asyncio.sleep(0.05)
