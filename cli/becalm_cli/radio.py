"""`becalm bench radio`: seeded faults on virtual radios, held against what the server has stored in the end."""

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from becalm_cli.process import worker_pool
from becalm_cli.radio_account import StoredStream
from becalm_cli.radio_plan import WearerPlan, plan_sha256, plan_wearers
from becalm_cli.radio_score import RadioScore
from becalm_cli.radio_wear import Wearer, WearerLog
from becalm_server.access.first_start import OPERATOR_TOKEN_FILE
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.serve import serve
from becalm_server.settings import ServerSettings

# Agents that begin in one moment would all scan in one moment; people come one after the other.
BEGIN_APART_S = 0.5
MAX_BEATS = 1_000_000


def bench_radio(*, n_faults: int, n_wearers: int, seed: int) -> dict[str, Any]:
    """Return what became of every notification, how soon sensors came back, and how true the time stayed.

    The plan depends on the arguments only; what happens in real time does not repeat to the bit.
    Raises ConfigError for a seed that has not so many people after it.
    """
    plans = plan_wearers(n_faults=n_faults, n_wearers=n_wearers, seed=seed)
    began_s = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="becalm-radio-"))
    folder.chmod(0o711)  # the database may run under an account of its own
    try:
        logs, server_cpu_s = asyncio.run(_practise(plans, folder=folder))
        score = RadioScore()
        asyncio.run(_read_back(logs, folder=folder, score=score))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "plan": {
            "faults": n_faults,
            "wearers": len(plans),
            "seed": seed,
            "sha256": plan_sha256(plans),
            "note": "the plan repeats to the bit; what happens in real time does not",
        },
        **score.report(),
        "took": {
            "took_s": round(time.perf_counter() - began_s, 1),
            "server_cpu_s": round(server_cpu_s, 1),
            "wearers_cpu_s": round(sum(log.cpu_s for log in logs), 1),
            "cores": os.cpu_count(),
            "load_average_1_min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        },
    }


async def _practise(plans: tuple[WearerPlan, ...], *, folder: Path) -> tuple[list[WearerLog], float]:
    """Run one server and every wearer against it; return their logs and the server's processor time."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    ready: asyncio.Future[str] = loop.create_future()
    settings = ServerSettings(port=0, data_dir=folder / "server")
    cpu_s = time.process_time()
    with worker_pool(len(plans)) as pool:
        async with asyncio.TaskGroup() as group:
            server = group.create_task(serve(settings, on_ready=ready.set_result, stop=stop), name="server")
            server.add_done_callback(lambda _: ready.cancel())  # it ended before it was ready
            url = await ready
            token = (settings.data_dir / OPERATOR_TOKEN_FILE).read_text(encoding="ascii")
            try:
                logs = await asyncio.gather(
                    *(
                        loop.run_in_executor(pool, wear, plan, url, token, str(folder / f"wearer-{plan.wearer}"))
                        for plan in plans
                    )
                )
            finally:
                stop.set()
    return list(logs), time.process_time() - cpu_s


def wear(plan: WearerPlan, server_url: str, token: str, folder: str) -> WearerLog:
    """Run one wearer in this process."""
    place = Path(folder)
    place.mkdir()
    time.sleep(BEGIN_APART_S * plan.wearer)
    return asyncio.run(Wearer(plan, server_url=server_url, token=token, folder=place).run())


async def _read_back(logs: list[WearerLog], *, folder: Path, score: RadioScore) -> None:
    """Start the database again, as the next day would, and hold each session against what was heard."""
    database = EmbeddedPostgres(folder / "server" / "postgres")
    url = await asyncio.to_thread(database.start)
    try:
        async with open_own_archive(url) as archive:
            for log in logs:
                streams = await _stored_streams(archive, log.session_id)
                beats, _ = await archive.page(
                    "select_beats", session_id=log.session_id, since_ns=-(2**62), limit=MAX_BEATS
                )
                score.add(log, streams=streams, beats=[(row["source"], row["t_ns"]) for row in beats])
    finally:
        await asyncio.to_thread(database.stop)


async def _stored_streams(archive: Archive, session_id: str) -> list[StoredStream]:
    records = await archive.streams(session_id)
    streams = {record.info.stream_id: StoredStream(info=record.info) for record in records}
    async for page in archive.raw_events(session_id):
        for seq, _, event in page:
            streams[event.stream_id].seqs.append(seq)
            streams[event.stream_id].events.append(event)
    return list(streams.values())
