"""Real people played through agent, wire, server and database: all of it stored, and the same result as `analyse`."""

import asyncio
import csv
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from becalm_cli.analyse import analyse_recording

ENDS_S = 90.0
"""A bound on a hang, not a figure."""
Start = Callable[..., Any]
THREE = ("ecg", "respiration", "skin_conductance")


@asynccontextmanager
async def server(start: Start, folder: Path, *, port: int = 0) -> AsyncIterator[tuple[Any, str]]:
    """A server of its own and its address."""
    async with start("serve", "--port", port, "--data-dir", folder, "--supervised") as part:
        async with asyncio.timeout(ENDS_S):
            line = await part.process.stdout.readline()
            assert line, (await part.process.stderr.read()).decode()
        yield part, json.loads(line)["ready"]


async def replay(start: Start, *words: object) -> dict[str, Any]:
    """Play a recording to its end and return the agent's report."""
    async with start("replay", *words, "--json") as part:
        output, complaints = await part.process.communicate()
        assert part.process.returncode == 0, complaints.decode()
    report: dict[str, Any] = json.loads(output)
    return report


def excerpt(source: Path, target: Path, *, n_rows: int) -> Path:
    with gzip.open(source, "rt", encoding="utf-8") as file, target.open("w", encoding="utf-8") as out:
        out.writelines(line for line, _ in zip(file, range(n_rows + 1), strict=False))
    return target


@pytest.mark.parametrize(
    ("recording", "n_rows", "rate_hz", "stored"),
    [
        ("neurokit/resting_8min_100hz.csv.gz", 9_000, 100.0, dict.fromkeys(THREE, 9_000)),
        ("polar_h10/ecg_rr_pvc.csv.gz", 11_700, None, {"ecg": 11_700}),
    ],
)  # fmt: skip
async def test_a_real_person_replayed_is_stored_whole_and_read_as_by_analyse(
    start: Start, folder: Path, data: Path, ask: Callable[[str], Any], recording: str, n_rows: int,
    rate_hz: float | None, stored: dict[str, int],
) -> None:  # fmt: skip
    file = excerpt(data / recording, folder / "recording.csv", n_rows=n_rows)
    rate = () if rate_hz is None else ("--rate-hz", rate_hz)
    async with server(start, folder) as (_, url), asyncio.timeout(ENDS_S):
        report = await replay(start, file, *rate, "--speed", 30, "--server", url, "--data-dir", folder)
        (session,) = (await asyncio.to_thread(ask, f"{url}/v1/sessions"))["items"]
        counts = await asyncio.to_thread(ask, f"{url}/v1/sessions/{session['session_id']}/counts")
        beats = await asyncio.to_thread(ask, f"{url}/v1/sessions/{session['session_id']}/beats?limit=5000")
    for kind, n_samples in stored.items():
        assert counts["stored"][kind] == report["received"][kind] == n_samples, kind
    assert report["spooled"] == 0
    analyse_recording(file, out=folder / "out", rate_hz=rate_hz, chunk_ms=250, report=False)
    with (folder / "out" / "beats.csv").open(newline="", encoding="utf-8") as table:
        alone = [(row["t_s"], row["rr_ms"], row["flag"]) for row in csv.DictReader(table)]
    live = [
        (f"{b['t_ns'] / 1e9:.6f}", "" if b["rr_ms"] is None else f"{b['rr_ms']:.6g}", b["flag"]) for b in beats["items"]
    ]
    assert len(alone) > 60
    assert live == alone


async def test_a_killed_server_loses_nothing(start: Start, folder: Path, data: Path, ask: Callable[[str], Any]) -> None:
    file = excerpt(data / "neurokit/resting_8min_100hz.csv.gz", folder / "recording.csv", n_rows=12_000)
    async with asyncio.timeout(ENDS_S):
        async with server(start, folder) as (first, url):
            port = url.rpartition(":")[2]
            playing = asyncio.ensure_future(
                replay(start, file, "--rate-hz", 100, "--speed", 15, "--server", url, "--data-dir", folder)
            )
            while not await _n_stored(ask, url):
                await asyncio.sleep(0.1)
            first.process.kill()
        async with server(start, folder, port=int(port)) as (_, again):
            report = await playing
            sessions = (await asyncio.to_thread(ask, f"{again}/v1/sessions"))["items"]
            counts = await asyncio.to_thread(ask, f"{again}/v1/sessions/{sessions[0]['session_id']}/counts")
    assert len(sessions) == 1
    assert report["spooled"] == 0
    assert counts["stored"] == dict.fromkeys(THREE, 12_000)


async def _n_stored(ask: Callable[[str], Any], url: str) -> int:
    sessions = (await asyncio.to_thread(ask, f"{url}/v1/sessions"))["items"]
    if not sessions:
        return 0
    counts = await asyncio.to_thread(ask, f"{url}/v1/sessions/{sessions[0]['session_id']}/counts")
    return int(sum(counts["stored"].values()))
