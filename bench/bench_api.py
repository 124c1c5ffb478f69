"""What a page waits for: an hour's overview of each stream, a zoomed window, trends over 500 sessions, over real HTTP.

Prints one JSON object; each figure has its comparison beside it: the same read from every raw sample or metric.
`--minutes 60 --sessions 500` are the default.
"""

import argparse
import asyncio
import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from bench_exports import SESSION_ID, fill

from becalm_protocol.events import SampleBlock
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.store import open_own_archive
from becalm_server.archive.upkeep import Upkeep
from becalm_server.serve import serve
from becalm_server.settings import ServerSettings

N_ASKED = 40
N_BUCKETS = 800
ASKED = {"overview_ms": 15, "overview_kb": 60, "trends_ms": 100}
METRICS_A_SESSION = 1_200
_CLONE = (
    """insert into session (session_id, source, baseline_s, inhale_s, exhale_s, started_unix_ns, ended_at, duration_ns)
    select session_id || n, source, 60, 4, 6, started_unix_ns - n * 86400000000000, ended_at, duration_ns
    from session, generate_series(1, %(n)s) as n where session_id = %(session_id)s""",
    """insert into trend (session_id, pipeline_version, ended_at, n_intervals, accepted_share, subsidence, indices)
    select session_id || n, pipeline_version, ended_at, n_intervals, accepted_share, subsidence, indices
    from trend, generate_series(1, %(n)s) as n where session_id = %(session_id)s""",
    """insert into metrics
    select (jsonb_populate_record(metrics, jsonb_build_object(
        'session_id', session_id || n, 'time', time - n * interval '1 day'))).*
    from metrics, generate_series(1, %(n)s) as n
    where session_id = %(session_id)s and t_ns <= %(n_metrics)s::bigint * 1000000000""",
    "analyze",
)
_FROM_METRICS = """select session_id, practice, sum(n_seconds), avg(heart_rate_bpm_mean), avg(rmssd_ms_mean),
    avg(breathing_rate_bpm_mean), avg(scl_us_mean), avg(scr_per_min_mean), avg(arousal_mean)
    from metrics_day group by 1, 2"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--sessions", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="becalm-bench-") as folder:
        Path(folder).chmod(0o711)
        database = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        url = database.start()
        try:
            print(json.dumps(asyncio.run(measured(url, Path(folder), given)), indent=1))
        finally:
            database.stop()


async def measured(url: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    seconds = round(given.minutes * 60)
    await fill(url, seconds)
    async with open_own_archive(url) as archive:
        await Upkeep(archive).once(settled_s=0.0)
        comparison = {"whole_read_ms": await raw_reads(archive)}
    clone(url, given.sessions - 1)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = ServerSettings(port=0, data_dir=folder, database_url=url)
    serving = asyncio.ensure_future(serve(settings, on_ready=ready.set_result, stop=stop))
    try:
        address = (await ready).removeprefix("http://")
        token = await asyncio.to_thread((folder / "operator_token").read_text)
        told = await asyncio.to_thread(ask_all, address, seconds, token)
    finally:
        stop.set()
        await serving
    trends_ms = timed(lambda: psycopg.connect(url).execute(_FROM_METRICS).fetchall(), n=3)["p50_ms"]
    return {
        "minutes": given.minutes, "sessions": given.sessions, "asked": ASKED, **told,
        "comparison": comparison | {"trends_from_metrics_ms": trends_ms},
    }  # fmt: skip


class Asking:
    """One connection that stays open, as a browser's does."""

    def __init__(self, address: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(address)
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> bytes:
        """Return the body of an answer."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: expected 200, got {answer.status} {body[:200]!r}")
        return body

    def close(self) -> None:
        """Leave."""
        self._connection.close()


def ask_all(address: str, seconds: int, token: str) -> dict[str, Any]:
    connection = Asking(address, token)
    streams = json.loads(connection.get(f"/v1/sessions/{SESSION_ID}/streams"))["items"]
    windows: dict[str, Any] = {}
    for one in streams:
        if one["sample_rate_hz"] is None:
            continue
        path = f"/v1/sessions/{SESSION_ID}/streams/{one['stream_id']}"
        zoom = f"start_ns={seconds * 500_000_000}&end_ns={seconds * 500_000_000 + 10_000_000_000}"
        windows[one["kind"]] = {
            "overview_json": asked(connection, f"{path}/overview?n_buckets={N_BUCKETS}"),
            "overview_bytes": asked(connection, f"{path}/overview?n_buckets={N_BUCKETS}&form=counts"),
            "ten_seconds_of_samples": asked(connection, f"{path}/samples?{zoom}"),
        }
    trends = {
        "all_indices": asked(connection, "/v1/trends", n=8),
        "two_indices": asked(connection, "/v1/trends?indices=rmssd_ms,arousal"),
    }
    connection.close()
    return {"windows": windows, "trends": trends}


def asked(connection: Asking, path: str, *, n: int = N_ASKED) -> dict[str, float]:
    size = len(connection.get(path))  # the first one also opens the server's connections
    return timed(lambda: connection.get(path), n=n) | {"kb": round(size / 1_000, 1)}


def timed(work: Callable[[], Any], *, n: int) -> dict[str, float]:
    took_ms = []
    for _ in range(n):
        began_s = time.perf_counter()
        work()
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    return {"p50_ms": round(statistics.median(took_ms), 1), "min_ms": round(min(took_ms), 1)}


async def raw_reads(archive: Any) -> dict[str, float]:
    """Read every event of the session and take the extremes of each stream, as a page without overviews would."""
    began_s = time.perf_counter()
    counts: dict[str, list[Any]] = {}
    async for page in archive.raw_events(SESSION_ID):
        for _, _, event in page:
            if isinstance(event, SampleBlock):
                counts.setdefault(event.stream_id, []).append(event.counts)
    for blocks in counts.values():
        np.concatenate(blocks)
    return {"all_streams": round((time.perf_counter() - began_s) * 1e3, 1)}


def clone(url: str, n_sessions: int) -> None:
    """Add sessions like the first, a day apart."""
    told = {"n": n_sessions, "session_id": SESSION_ID, "n_metrics": METRICS_A_SESSION}
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _CLONE:
            connection.execute(statement.encode(), told if "%(" in statement else None)


if __name__ == "__main__":
    main()
