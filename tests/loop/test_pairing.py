"""Somebody else's device comes in as the manual says: invite, pair, be listed, be sent away."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

ENDS_S = 90.0
"""A bound on a hang, not a figure."""
Run = Callable[..., "CompletedProcess[str]"]


async def test_a_device_is_invited_paired_listed_and_sent_away(
    start: Any, run_becalm: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BECALM_DATA_DIR", str(folder))
    async with start("serve", "--port", 0, "--data-dir", folder, "--supervised") as part, asyncio.timeout(ENDS_S):
        line = await part.process.stdout.readline()
        assert line, (await part.process.stderr.read()).decode()
        server = json.loads(line)["ready"]

        async def becalm(*words: object) -> "CompletedProcess[str]":
            return await asyncio.to_thread(run_becalm, *words)

        invited = await becalm("invite", "--server", server)
        assert invited.returncode == 0, invited.stderr
        link = tmp_path / "link"
        link.write_text(invited.stdout.splitlines()[-1], encoding="utf-8")
        monkeypatch.setenv("BECALM_DATA_DIR", str(tmp_path / "elsewhere"))
        assert "becalm pair" in (await becalm("devices", "--server", server)).stderr
        paired = await becalm("pair", "--from", link, "--label", "kitchen phone")
        assert (paired.returncode, paired.stdout) == (0, f"Paired with {server}\n"), paired.stderr
        again = await becalm("pair", "--from", link)
        assert again.returncode != 0
        assert "becalm invite" in again.stderr or "another" in again.stderr, again.stderr
        (device,) = [
            row for row in (await becalm("devices", "--server", server)).stdout.splitlines() if "kitchen" in row
        ]
        gone = await becalm("devices", "--server", server, "--revoke", device.split()[0])
        assert "kitchen phone may not come in any more" in gone.stdout
        assert (await becalm("devices", "--server", server)).returncode != 0
