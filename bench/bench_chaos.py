"""Does the record survive? A real agent, a bad network, a real server with its database; each fault alone, then a mix.

python bench/bench_chaos.py [--only "F07" ...] [--mix-seconds 60 --seeds 1 2 3] [--seconds 12]

After each run the stopped server's database is held against what was measured: sequences 1..ack each once, samples as
recorded, gaps exactly those of killed agents, derived rows equal to an uninterrupted run of the pipeline over the
archived raw events. Prints one JSON object; exit code 1 where anything was found. Linux only.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from chaos_faults import AGENT_WORDS, ALONE, SERVER_JUMPS_S, mix
from chaos_machine import Fault
from chaos_oracle import judge
from chaos_proxy import Proxy
from chaos_stage import Stage

from becalm_simulator.body import Body
from becalm_simulator.recording import write_recording

# From fair weather on: the longest back-off, what was spooled, and a database that recovers on a busy machine.
DRAIN_LIMIT_S = 90.0
RECORDING_S = 600.0
WARM_UP_S = 1.5


async def run(name: str, fault: Fault, *, seed: int, seconds: float, recording: Path, folder: Path) -> dict[str, Any]:
    """Run one fault on a fresh stage and return what became of the record."""
    dice = random.Random(seed)
    began_s = time.monotonic()
    async with Proxy(seed=seed).running() as proxy:
        stage = Stage(
            folder=folder, recording=recording, seconds=seconds, proxy=proxy,
            agent_words=AGENT_WORDS.get(name, ()), server_jumps_s=SERVER_JUMPS_S.get(name, ()),
        )  # fmt: skip
        try:
            await stage.start_server()
            await stage.start_agent()
            await asyncio.sleep(WARM_UP_S)
            await fault(stage, dice)
            fair_s = time.monotonic()
            report = await stage.finish(within_s=seconds + DRAIN_LIMIT_S)
            drained_s = time.monotonic() - fair_s
            stop_s = await stage.stop_server()
        except TimeoutError as exc:
            where = traceback.extract_tb(exc.__traceback__)[1].name
            return {"problems": [f"{where} never came to an end"], **_told(stage)}
        finally:
            await stage.clear()
    verdict = await judge(folder, recording=recording, n_agent_kills=stage.n_agent_kills)
    if report.get("spooled"):
        verdict["problems"].append(f"the spool still holds {report['spooled']} events")
    if "problem" in stage.notes:
        verdict["problems"].append(stage.notes.pop("problem"))
    times = {"took_s": time.monotonic() - began_s, "until_all_stored_s": drained_s, "server_stop_s": stop_s}
    return {**verdict, **_told(stage), **{key: round(took_s, 1) for key, took_s in times.items()}}


def _told(stage: Stage) -> dict[str, Any]:
    counts = stage.proxy.counts
    done = {"agent_kills": stage.n_agent_kills, "server_kills": stage.n_server_kills}
    network = {"connections": counts.connections, "cuts": counts.cuts, "stalls": counts.stalls, **counts.tampered}
    return {**done, "network": network, "notes": stage.notes}


async def run_all(arguments: argparse.Namespace, *, folder: Path) -> dict[str, Any]:
    """Run what was chosen, one after the other."""
    body = Body.from_seed(arguments.seeds[0])
    recording = write_recording(body, seconds=RECORDING_S, directory=folder)
    chosen: list[tuple[str, Fault, int, float]] = [
        (name, fault, arguments.seeds[0], arguments.seconds)
        for name, fault in ALONE.items()
        if not arguments.only or any(word in name for word in arguments.only)
    ]
    if arguments.mix_seconds:
        mixed_s = arguments.mix_seconds

        async def mixed(stage: Stage, dice: random.Random) -> None:
            await mix(stage, dice, seconds=mixed_s)

        chosen += [(f"mix {seed}", mixed, seed, mixed_s) for seed in arguments.seeds]
    lines: dict[str, Any] = {}
    for number, (name, fault, seed, seconds) in enumerate(chosen):
        place = folder / str(number)
        place.mkdir(mode=0o711)
        lines[name] = await run(name, fault, seed=seed, seconds=seconds, recording=recording, folder=place)
        print(f"{name}: {lines[name]['problems'] or 'exact'}", file=sys.stderr, flush=True)
    return lines


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="words of the faults to run; `none` runs the mix alone")
    parser.add_argument("--seconds", type=float, default=12.0, help="of session, while a fault does its harm")
    parser.add_argument("--mix-seconds", type=float, default=60.0, help="0: no mix")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="becalm-chaos-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the database's user has to reach it
        lines = asyncio.run(run_all(arguments, folder=folder))
    n_wrong = sum(bool(line["problems"]) for line in lines.values())
    told = {"runs": len(lines), "wrong": n_wrong, "faults": lines}
    asked = "sequences 1..ack each once, samples as recorded, gaps = killed agents, derived rows as uninterrupted"
    print(json.dumps({"bench": "chaos", "asked": asked, **told}, indent=1))
    return int(bool(n_wrong))


if __name__ == "__main__":
    sys.exit(main())
