"""What row security costs a request's reads: the same statements as the server itself and as a caller, in turns.

python bench/bench_row_security.py [--sessions 200] [--rounds 300]  one JSON object; asked: at most 1.5 times as long
"""

import argparse
import asyncio
import contextvars
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg

from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.row_security import FOR_WHOM, THE_SERVER, ForWhom
from becalm_server.archive.store import Archive, open_archive

N_PEOPLE = 10
N_BEATS = 900
N_SECONDS = 600
FILL = b"""
insert into person (person_id) select 'p' || n from generate_series(0, %(people)s - 1) n;
insert into session (session_id, person_id, source, baseline_s, started_unix_ns, ended_at, duration_ns)
select 's' || n, 'p' || n %% %(people)s, 'live', 60, 1.7e18, now(), 6e11 from generate_series(0, %(sessions)s - 1) n;
insert into stream (stream_id, session_id, position, kind, unit, unit_per_count, sample_rate_hz, clock, device)
select 't' || n, 's' || n, 0, 'ecg', 'uV', 1, 130, 'arrival', 'strap' from generate_series(0, %(sessions)s - 1) n;
insert into beat (session_id, pipeline_version, source, beat_idx, t_ns, emitted_ns, rr_ms, rr_corrected_ms, flag)
select 's' || n, '1', 'ecg', k, k * 1e9, k * 1e9, 900, 900, 'ok'
from generate_series(0, %(sessions)s - 1) n, generate_series(1, %(beats)s) k;
insert into raw_event (stream_id, seq, time, arrival_idx, form, received_ns, first_sample_idx, n_samples, body)
select 't' || n, k, now() - interval '1 day' + k * interval '1 second', k, 'i2', k * 1e9, k * 130, 130,
    decode(repeat('0102', 130), 'hex')
from generate_series(0, %(sessions)s - 1) n, generate_series(1, %(seconds)s) k;
analyze
"""
BEATS = {"session_id": "s7", "pipeline_version": "1", "since_ns": 0, "limit": N_BEATS}
ASKED: dict[str, Callable[[Archive], Awaitable[Any]]] = {
    "session": lambda archive: archive.session("s7"),
    "beats_900": lambda archive: archive.rows("select_beats", **BEATS),
    "raw_600": lambda archive: _raw(archive),
    "streams": lambda archive: archive.streams("s7"),
}


async def _raw(archive: Archive) -> int:
    return sum([len(page) async for page in archive.raw_events("s7")])


async def timed(archive: Archive, ask: Callable[[Archive], Awaitable[Any]], person: str | None) -> float:
    """Return the milliseconds of one read; `person` None: as the server itself."""

    async def once() -> float:
        FOR_WHOM.set(THE_SERVER if person is None else ForWhom(people=frozenset({person})))
        began_s = time.perf_counter()
        await ask(archive)
        return 1_000 * (time.perf_counter() - began_s)

    return await asyncio.get_running_loop().create_task(once(), context=contextvars.copy_context())


async def measure(url: str, *, rounds: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    async with open_archive(url) as archive:
        for name, ask in ASKED.items():
            server, caller = [], []
            for _ in range(rounds):  # in turns: whatever else runs on this machine meets both
                server.append(await timed(archive, ask, None))
                caller.append(await timed(archive, ask, "p7"))
            figures[name] = {
                at: {"server_ms": round(plain, 2), "caller_ms": round(judged, 2), "ratio": round(judged / plain, 2)}
                for at, plain, judged in (
                    ("median", statistics.median(server), statistics.median(caller)),
                    ("best_tenth", statistics.quantiles(server, n=10)[0], statistics.quantiles(caller, n=10)[0]),
                )
            }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="becalm-bench-") as folder:
        Path(folder).chmod(0o711)
        database = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        url = database.start()
        try:
            asyncio.run(_opened(url))
            counts = {"people": N_PEOPLE, "sessions": given.sessions, "beats": N_BEATS, "seconds": N_SECONDS}
            with psycopg.ClientCursor(psycopg.connect(url, autocommit=True)) as cursor:
                cursor.execute(FILL, counts)
            figures = asyncio.run(measure(url, rounds=given.rounds))
        finally:
            database.stop()
    print(json.dumps({"asked": {"ratio": 1.5}, "sessions": given.sessions, **figures}, indent=2))


async def _opened(url: str) -> None:
    async with open_archive(url):
        pass


if __name__ == "__main__":
    main()
