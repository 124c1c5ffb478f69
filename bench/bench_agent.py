"""What the agent costs beside a body: processor share and memory, with everything a person wears. Prints JSON.

python bench/bench_agent.py --seconds 60 --acc-rate-hz 200

Strap (ECG, acceleration, heart rate), belt and skin conductance over the virtual radio, a real server behind it. The
agent's process runs the radio's host side too (Bumble, in Python), which on a real machine is the system's work: the
figures are an upper limit. `parse_ms_per_s` is what its own parsers take of each second, measured on the same bytes.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from becalm_ingest.devices import Cursor, polar_choice, polar_pmd
from becalm_ingest.devices.polar_frames import Measurement
from becalm_protocol.events import SignalKind
from becalm_simulator.body import Body
from becalm_simulator.sensors.polar_stream import PMD_CONTROL, PMD_DATA
from becalm_simulator.sensors.strap import Strap

HEAVY = ("scipy", "neurokit2", "numpy", "kivy", "fastapi", "psycopg")
AGENT = (
    "import sys; from becalm_ingest.devices import polar_choice; polar_choice.WANTED_ACC_RATE_HZ = {rate_hz};"
    "from becalm_cli.main import run\n"
    "try:\n run()\n"
    "finally:\n print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
)


async def start(*words: str, stderr: int | None = None) -> asyncio.subprocess.Process:
    """Start a Python process whose output we read."""
    return await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=stderr, limit=2**20
    )


async def address_in(process: asyncio.subprocess.Process, *, after: str) -> str:
    """Return the word behind `after` in the first line that has it."""
    assert process.stdout is not None
    async with asyncio.timeout(60.0):
        async for line in process.stdout:
            _, found, rest = line.decode().partition(after)
            if found:
                return rest.split()[0]
    raise SystemExit("a part ended before it was ready")


async def measure(*, seconds: float, acc_rate_hz: int, folder: Path) -> dict[str, Any]:
    """Run the parts, and return what the agent's process took between its first samples and its end."""
    becalm, data = ("-m", "becalm_cli"), ("--data-dir", str(folder))
    server = await start(*becalm, "serve", "--port", "0", *data)
    url = await address_in(server, after="becalm server at ")
    person = await start(*becalm, "simulate", "--radio", f"unix:{folder / 'hci'}")
    radio = await address_in(person, after="--radio ")
    code = AGENT.format(rate_hz=acc_rate_hz, heavy=HEAVY)
    words = ("agent", "--radio", radio, "--server", url, "--start", "--json", *data)
    agent = await start("-c", code, *words, stderr=asyncio.subprocess.PIPE)
    await asyncio.sleep(8.0)  # found, asked and streaming
    cpu_before_s, began_s = cpu_s(agent.pid), time.monotonic()
    await asyncio.sleep(seconds)
    share = (cpu_s(agent.pid) - cpu_before_s) / (time.monotonic() - began_s)
    rss_mb = peak_rss_mb(agent.pid)
    agent.terminate()
    output, errors = await agent.communicate()
    for process in (person, server):
        process.terminate()
        await process.communicate()
    report = json.loads(output)
    return {
        "agent_cpu_pct": round(100 * share, 2),
        "agent_peak_rss_mb": round(rss_mb, 1),
        "heavy_modules_loaded": json.loads(errors.decode().strip().splitlines()[-1].replace("'", '"')),
        "received": report["received"],
        "gaps": report["gaps"],
        "trouble": report["error"],
    }


def cpu_s(pid: int) -> float:
    """Return the processor time a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss_mb(pid: int) -> float:
    """Return the most memory a process has held."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def parse_ms_per_s(acc_rate_hz: int, *, seconds: int = 60) -> float:
    """Return the milliseconds that parsing one second of a strap's ECG and acceleration takes."""
    strap = Strap(Body.from_seed(7), drift_ppb=0)
    for command in ("02 00", f"02 02 00 01 {acc_rate_hz.to_bytes(2, 'little').hex()}"):
        strap.on_write(PMD_CONTROL, bytes.fromhex(command), mtu=517, now_ns=0)
    frames = [o.data for t_s in range(seconds) for o in strap.poll(t_s * 10**9, mtu=517) if o.uuid == PMD_DATA]
    rates_hz = {SignalKind.ECG: 130.0}
    rates_hz |= dict.fromkeys(polar_choice.KINDS[Measurement.ACC], float(acc_rate_hz))
    cursors = {kind: Cursor(stream_id=kind.value, sample_rate_hz=rate_hz) for kind, rate_hz in rates_hz.items()}
    conversation = polar_pmd.Conversation(cursors)
    began_s = time.process_time()
    for n, data in enumerate(frames):
        conversation.parse(data, channel="data", received_ns=n)
    return 1000 * (time.process_time() - began_s) / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--acc-rate-hz", type=int, choices=(25, 50, 100, 200), default=200)
    arguments = parser.parse_args()
    parsing_ms = parse_ms_per_s(arguments.acc_rate_hz)
    with tempfile.TemporaryDirectory(prefix="becalm-", dir="/var/tmp" if Path("/var/tmp").is_dir() else None) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database's user has to reach it
        figures = asyncio.run(measure(seconds=arguments.seconds, acc_rate_hz=arguments.acc_rate_hz, folder=folder))
    asked = {"agent_cpu_pct": 5.0, "agent_peak_rss_mb": 120.0}
    shown = {"acc_rate_hz": arguments.acc_rate_hz, "seconds": arguments.seconds, "parse_ms_per_s": round(parsing_ms, 3)}
    print(json.dumps({**shown, **figures, "asked": asked}, indent=2))


if __name__ == "__main__":
    main()
