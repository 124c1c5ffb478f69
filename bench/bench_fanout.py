"""One session to many clients: how late, what stalled ones cost the others, memory, half-open peers, coming back.

python bench/bench_fanout.py [--clients 50] [--stalled 10] [--seconds 20] [--idle 500]

A real server process with its database and pipeline; agent and clients in this process. Ages run from the agent's hand
to the client, both networks and the pipeline included. Prints one JSON object with the figures asked. Linux only.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from chaos_proxy import Proxy
from chaos_stage import rss_mb
from fanout_parts import Arrivals, Body, client, connect, latencies_ms, percentile, read

from becalm_client.feed import Feed, Told
from becalm_protocol.codec import encode_json
from becalm_protocol.forms import SUBPROTOCOL_JSON
from becalm_protocol.handshake import AgentHello, Live

ASKED = {
    "p99_ms": 100,
    "stalled_moves_p99_by_pct": 20,
    "connection_kb": 64,
    "half_open_s": 15,
    "resume_s": 2,
}
SETTLE_S = 3.0
N_ROUNDS = 3
N_RESUMES = 10
LIMIT_S = 60.0


async def measure(arguments: argparse.Namespace, *, folder: Path) -> dict[str, Any]:
    """Start a server and take every figure, one after the other."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "becalm_cli", "serve", "--port", "0", "--data-dir", str(folder), "--supervised",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        http_url = json.loads(await server.stdout.readline())["ready"]
        url = http_url.replace("http://", "ws://")
        os.environ["BECALM_TOKEN"] = (folder / "server" / "operator_token").read_text(encoding="ascii")
        figures: dict[str, Any] = {}
        async with Body(url).streaming() as body:
            await asyncio.sleep(SETTLE_S)
            figures |= await fan_out(url, body, arguments)
            figures["publish_to_socket_ms"] = (await asyncio.to_thread(_health, http_url))["publish_ms"]
            figures |= await memory(url, server.pid, n_idle=arguments.idle)
            figures |= await half_open(url, http_url)
            figures |= await resume(url)
        figures["half_open_agent_s"] = await half_open_agent(url, http_url)
    finally:
        if server.returncode is None:
            server.terminate()
            await server.wait()
    return figures


async def fan_out(url: str, body: Body, arguments: argparse.Namespace) -> dict[str, Any]:
    """Ages at many clients, in turns without and with others that never read."""
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        arrivals: Arrivals = []
        links = [await stack.enter_async_context(client(url)) for _ in range(arguments.clients)]
        readers = [group.create_task(read(link, arrivals)) for link in links]
        for _ in range(N_ROUNDS):
            alone.append(await _ages(arrivals, body, seconds=arguments.seconds))
            async with AsyncExitStack() as stalled:
                for _ in range(arguments.stalled):
                    link = await stalled.enter_async_context(client(url, rcvbuf_bytes=4_096))
                    link.transport.pause_reading()
                beside.append(await _ages(arrivals, body, seconds=arguments.seconds))
        for reader in readers:
            reader.cancel()
    p99_alone, p99_beside = (statistics.median(percentile(one, 99) for one in many) for many in (alone, beside))
    return {
        "clients": arguments.clients,
        "frames": sum(map(len, alone)) + sum(map(len, beside)),
        "p50_ms": statistics.median(percentile(one, 50) for one in alone),
        "p99_ms": p99_alone,
        "stalled_clients": arguments.stalled,
        "p99_beside_stalled_ms": p99_beside,
        "stalled_moves_p99_by_pct": round(100 * (p99_beside / p99_alone - 1), 1),
        "p99_of_each_round_ms": [[percentile(one, 99) for one in many] for many in (alone, beside)],
    }


async def _ages(arrivals: Arrivals, body: Body, *, seconds: float) -> list[float]:
    arrivals.clear()
    since_ns = time.monotonic_ns()
    await asyncio.sleep(seconds)
    return latencies_ms(list(arrivals), began_ns=body.began_ns, since_ns=since_ns)


async def memory(url: str, pid: int, *, n_idle: int) -> dict[str, Any]:
    """What a connection costs the server while frames flow through it."""
    before_mb = rss_mb(pid)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        links = [await stack.enter_async_context(client(url)) for _ in range(n_idle)]
        readers = [group.create_task(read(link, [])) for link in links]
        await asyncio.sleep(SETTLE_S)
        grew_mb = rss_mb(pid) - before_mb
        for reader in readers:
            reader.cancel()
    return {"connections": n_idle, "connection_kb": round(1024 * grew_mb / n_idle, 1)}


async def half_open(url: str, http_url: str) -> dict[str, Any]:
    """How soon a client whose network is gone is noticed: it neither reads nor answers, and nobody is told."""
    async with client(url) as link:
        n_before = await asyncio.to_thread(_n_clients, http_url)
        link.transport.pause_reading()
        began_s = time.monotonic()
        async with asyncio.timeout(LIMIT_S):
            while await asyncio.to_thread(_n_clients, http_url) >= n_before:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        return {"half_open_s": round(time.monotonic() - began_s, 1)}


async def half_open_agent(url: str, http_url: str) -> float:
    """How soon an agent whose network is gone is noticed."""
    async with connect(f"{url}/v1/ingest", SUBPROTOCOL_JSON) as link:
        hello = AgentHello(versions=(1,), agent_id="half open", token=os.environ["BECALM_TOKEN"])
        await link.send(encode_json(hello))
        await link.recv()
        link.transport.pause_reading()
        began_s = time.monotonic()
        async with asyncio.timeout(LIMIT_S):
            while (await asyncio.to_thread(_health, http_url))["agent_connected"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
        link.transport.abort()
        return round(time.monotonic() - began_s, 1)


def _n_clients(http_url: str) -> int:
    return int(_health(http_url)["clients"]["clients"])


def _health(http_url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Authorization": f"Bearer {os.environ['BECALM_TOKEN']}"}
    request = urllib.request.Request(f"{http_url}/v1/health", headers=headers)
    with opener.open(request, timeout=10) as answer:
        told: dict[str, Any] = json.loads(answer.read())
    return told


async def resume(url: str) -> dict[str, Any]:
    """How long after a cut a client of ours has frames again, and whether it has them all."""
    numbers: list[int] = []
    came = asyncio.Event()

    def take(told: Told) -> None:
        if isinstance(told, Live):
            numbers.append(told.seq)
            came.set()

    took_s = []
    async with Proxy(seed=1).running() as proxy, asyncio.TaskGroup() as group:
        proxy.target_port = int(url.rpartition(":")[2])
        feed = Feed(f"ws://127.0.0.1:{proxy.port}", client_name="bench", token=lambda: os.environ["BECALM_TOKEN"])
        following = group.create_task(feed.run(take))
        for _ in range(N_RESUMES):
            await _next(came)
            await asyncio.sleep(1.0)
            proxy.cut()
            began_s = time.monotonic()
            await _next(came)
            took_s.append(time.monotonic() - began_s)
            await asyncio.sleep(5.5)  # a link that lasted: the next break starts from the shortest back-off
        following.cancel()
    holes = sum(later - sooner != 1 for sooner, later in itertools.pairwise(numbers))
    return {"resume_s": round(max(took_s), 2), "resumes": N_RESUMES, "holes_or_repeats": holes}


async def _next(came: asyncio.Event) -> None:
    came.clear()
    async with asyncio.timeout(LIMIT_S):
        await came.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--stalled", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round; there are six")
    parser.add_argument("--idle", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="becalm-fanout-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the database's user has to reach it
        figures = asyncio.run(measure(arguments, folder=folder))
    print(json.dumps({"bench": "fanout", "asked": ASKED, **figures}, indent=1))


if __name__ == "__main__":
    main()
