"""Many bodies at once on this machine: how late clients see metrics, how late agents are acknowledged, what is lost.

python bench/bench_load.py [--sessions 100] [--seconds 30] [--find-most]
python bench/bench_load.py --takeover [--sessions 20]
python bench/bench_load.py --ingest-alone

A real server with its own database and pipelines; agents and clients in two processes of their own, each session with
one client that sees everything. ECG at 130 Hz, breathing at 25 Hz and skin conductance at 8 Hz, each four frames a
second: twelve frames a second and session. `metric` is the age of a metrics frame at its client, by its ledger, from
the newest sample behind it; the 20 ms of the radio before the agent are in it. `ack` runs from the agent's hand to the
acknowledgement after the commit. Lost is what the database does not have of what was sent, event by event. `takeover`
is the longest time that a client heard no metrics while the processes of the pipelines were killed; a quarter second of
it is the pace of metrics. Prints one JSON object with the figures asked. Linux only.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from process_tree import tree_usage

from becalm_server.serve import LIVE_PIPELINE, serve
from becalm_server.settings import ServerSettings

ASKED = {
    "sessions": 100,
    "metric_p50_ms": 150,
    "metric_p99_ms": 500,
    "ack_p99_ms": 250,
    "lost": 0,
    "takeover_ms": 1_500,
    "ingest_alone_batches_per_s": 2_000,
}
SETTLE_S = 8.0
RAMP_S_PER_SESSION = 0.03
HERE = Path(__file__).parent
# 2,048 samples of 16 bits.
BATCH_SAMPLES = 2_048


class Part:
    """A process of `load_parts.py`: a line in, a line out."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def playing(cls, name: str, **wish: Any) -> AsyncIterator["Part"]:
        """Start a part with its wishes; it ends with the block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "load_parts.py"), name, limit=2**24,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        part = cls(process)
        try:
            await part.say(**wish)
            yield part
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def say(self, **told: Any) -> None:
        """Tell the part a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        await self._process.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        """Return the part's next line."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise SystemExit("a part of the bench ended early")
        return dict(json.loads(line))


async def trial(
    url: str, server_pid: int, *, n: int, seconds: float, batch: int = 0, kills: bool = False
) -> dict[str, Any]:
    """Run `n` sessions for so long and return what it was like; `kills`: the pipelines' processes, in the middle."""
    ws_url = url.replace("http://", "ws://")
    wish = {"url": ws_url, "n": n, "seed": n, "ramp_s": n * RAMP_S_PER_SESSION, "batch": batch, "credit": 64}
    async with Part.playing("agents", **wish) as agents:
        sessions = (await agents.hear())["sessions"]
        async with Part.playing("clients", url=ws_url, sessions=[] if batch else sessions) as clients:
            await clients.hear()
            await asyncio.sleep(SETTLE_S)
            before, began_s = tree_usage(server_pid), time.monotonic()
            await agents.say()
            await clients.say()
            await asyncio.sleep(seconds / 2)
            for pid in [pid for pid, usage in before.items() if kills and usage.name == "pipelines"]:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(seconds / 2)
            after, took_s = tree_usage(server_pid), time.monotonic() - began_s
            await agents.say()
            await clients.say()
            seen, sent = await clients.hear(), await agents.hear()
    n_lost = await asyncio.to_thread(_n_lost, url, sent.pop("sent"))
    cpu: dict[str, float] = {}
    for pid, usage in after.items():
        spent_s = usage.cpu_s - (before[pid].cpu_s if pid in before else 0.0)
        cpu[usage.name] = round(cpu.get(usage.name, 0.0) + spent_s / took_s, 3)
    return {
        "sessions": n,
        **{name: seen[name] for name in seen if name.startswith(("metric_p", "path"))},
        **{name: sent[name] for name in sent if name.startswith("ack")},
        "lost": n_lost,
        "troubles": sent["troubles"],
        "clients_gone": seen["clients_gone"],
        "longest_silence_ms": seen["longest_silence_ms"],
        "frames_in_per_s": sent["frames_per_s"],
        "frames_out_per_s": seen["frames_per_s"],
        "metrics_per_s": seen["metrics_per_s"],
        "cpu_cores": {**cpu, "bench agents": sent["cpu_cores"], "bench clients": seen["cpu_cores"]},
        "cpu_cores_of_server": round(sum(cpu.values()), 2),
    }


def _n_lost(url: str, sent: dict[str, dict[str, int]]) -> int:
    lost = 0
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    token = os.environ.get("BECALM_TOKEN")
    for session_id, streams in sent.items():
        request = urllib.request.Request(f"{url}/v1/sessions/{session_id}/counts")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with opener.open(request, timeout=30) as answer:
            counts = json.loads(answer.read())
        stored = {one["stream_id"]: one["n_events"] for one in counts["streams"]}
        lost += sum(abs(seq - stored.get(stream_id, 0)) for stream_id, seq in streams.items())
    return lost


def holds(figures: dict[str, Any]) -> bool:
    """Whether a trial is within what is asked."""
    latencies = [name for name in ASKED if name.endswith("_ms") and name in figures]
    within = all(figures[name] is not None and figures[name] <= ASKED[name] for name in latencies)
    complete = figures["metrics_per_s"] >= 0.98 * 4 * figures["sessions"]
    return within and complete and not figures["lost"] and not figures["troubles"] and not figures["clients_gone"]


async def find_most(url: str, server_pid: int, *, seconds: float, start: int) -> list[dict[str, Any]]:
    """Return trials whose last one that holds is the highest number of sessions, to within a twentieth."""
    trials, low, high = [], 0, None
    n = start
    while high is None or high - low > max(5, low // 20):
        trials.append(await trial(url, server_pid, n=n, seconds=seconds))
        trials[-1]["holds"] = holds(trials[-1])
        low, high = (n, high) if trials[-1]["holds"] else (low, n)
        n = (low + high) // 2 if high is not None else round(1.4 * n)
    return trials


async def measure(arguments: argparse.Namespace, *, folder: Path) -> dict[str, Any]:
    """Start a server and take the figures."""
    pipeline = "load_parts:NullPipeline" if arguments.ingest_alone else LIVE_PIPELINE
    server = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", str(folder), pipeline,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        url = (await server.stdout.readline()).decode().strip()
        key = folder / "operator_token"
        if key.is_file():
            os.environ["BECALM_TOKEN"] = key.read_text(encoding="ascii")
        if arguments.ingest_alone:
            figures = await trial(url, server.pid, n=16, seconds=arguments.seconds, batch=BATCH_SAMPLES)
            return {"batch_bytes": 2 * BATCH_SAMPLES, "batches_per_s": figures["frames_in_per_s"], **figures}
        if arguments.find_most:
            trials = await find_most(url, server.pid, seconds=arguments.seconds, start=arguments.sessions)
            return {"most": max((one["sessions"] for one in trials if one["holds"]), default=0), "trials": trials}
        if arguments.takeover:
            figures = await trial(url, server.pid, n=arguments.sessions, seconds=arguments.seconds, kills=True)
            return {"takeover_ms": figures["longest_silence_ms"], **figures}
        figures = await trial(url, server.pid, n=arguments.sessions, seconds=arguments.seconds)
        return {"holds": holds(figures), **figures}
    finally:
        if server.returncode is None:
            server.terminate()
            await server.wait()


async def run_server(folder: Path, pipeline: str) -> None:
    """Be the server, with the settings of one that an operator starts."""
    stop = asyncio.Event()
    settings = ServerSettings(port=0, data_dir=folder)
    await serve(settings, on_ready=lambda url: print(url, flush=True), stop=stop, pipeline=pipeline)


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(run_server(Path(sys.argv[2]), sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100, help="where --find-most begins")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each trial, after it has settled")
    parser.add_argument("--find-most", action="store_true", help="search the highest number that is within the figures")
    parser.add_argument("--takeover", action="store_true", help="kill the pipelines' processes in the middle")
    parser.add_argument("--ingest-alone", action="store_true", help="batches of 4 KB, a pipeline that does nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="becalm-load-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the database's user has to reach it
        figures = asyncio.run(measure(arguments, folder=folder))
    print(json.dumps({"bench": "load", "asked": ASKED, **figures}, indent=1))


if __name__ == "__main__":
    main()
