"""What an hour of all raw signals takes, and how fast it is read: packed rows against a row a sample. Prints JSON.

python bench/bench_storage.py [--hours 1] [--sessions 500]
A virtual person wears a strap (ECG 130 Hz in packets of 73; an interval a beat), a belt (25 Hz), a skin sensor (8 Hz)
that sends each sample by itself, as the belt does. Packets leave every 30 ms at most and are stamped 0.3 ms late.
Embedded PostgreSQL; also TimescaleDB where BECALM_TEST_TIMESCALE_URL is set, with its columnstore.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import psycopg

from becalm_protocol.derived import PIPELINE_VERSION, Metrics, SlowMetrics
from becalm_protocol.events import Clock, RawEvent, RrBlock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.packer import pack_session
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.trend_row import keep_trend
from becalm_server.archive.writes import StreamMark, Write
from becalm_simulator.body import Body

TIMESCALE_VARIABLE = "BECALM_TEST_TIMESCALE_URL"
CONNECTION_INTERVAL_NS = 30_000_000
# What Linux and the event loop add to a stamp: 0.27 ms in the middle, now and then above 1 ms.
STAMP_LATENCY = (12.5, 0.8)
N_BUCKETS = 1_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
N_TIMES = 7
N_OVERVIEWS = 60
SESSION_ID = "5" * 32
ASKED = {
    "plain_mb_an_hour": 2.7, "columnstore_mb_an_hour": 1.4, "overview_ms": 15, "overview_kb": 60, "trends_ms": 100,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--sessions", type=int, default=500, help="sessions of 20 minutes for the trends")
    choices = parser.parse_args()
    seconds = round(choices.hours * 3600)
    streams, events = recording(seconds)
    found: dict[str, Any] = {"hours": choices.hours, "asked": ASKED}
    found["n_samples"] = sum(len(one.counts) for one in events if isinstance(one, SampleBlock))
    found["n_events"] = len(events)
    with tempfile.TemporaryDirectory(prefix="becalm-bench-") as folder:
        Path(folder).chmod(0o711)
        database = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        try:
            found["plain"] = asyncio.run(measure(database.start(), streams, events, choices=choices))
        finally:
            database.stop()
    if admin_url := os.environ.get(TIMESCALE_VARIABLE):
        name = f"becalm_bench_{secrets.token_hex(4)}"
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(f"create database {name}".encode())
        url = urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
        try:
            found["timescale"] = asyncio.run(measure(url, streams, events, choices=choices))
        finally:
            with psycopg.connect(admin_url, autocommit=True) as admin:
                admin.execute(f"drop database {name} with (force)".encode())
    print(json.dumps(found, indent=1))


def recording(seconds: int) -> tuple[list[StreamInfo], list[RawEvent]]:
    """Return the streams of a virtual person and all events in the order of their arrival."""
    body, dice = Body.from_seed(3), random.Random(3)
    body.until((seconds + 1) * NS_PER_S)
    noise = np.random.default_rng(3)
    streams = [
        info(SignalKind.ECG, "uV", 1.0, 130.0, Clock.DEVICE),
        info(SignalKind.RESPIRATION, "N", 0.001, 25.0, Clock.ARRIVAL),
        info(SignalKind.SKIN_CONDUCTANCE, "uS", 0.0001, 8.0, Clock.ARRIVAL),
    ]
    signals: tuple[tuple[StreamInfo, Callable[[Any], Any], float, int], ...] = (
        (streams[0], body.ecg_uv, 8.0, 73),
        (streams[1], body.force_n, 0.012, 1),
        (streams[2], body.conductance_us, 0.002, 1),
    )
    events: list[RawEvent] = []
    for stream, signal, noise_sd, n_a_packet in signals:
        t_ns = np.arange(round(seconds * (stream.sample_rate_hz or 1)), dtype=np.int64)
        t_ns = t_ns * NS_PER_S // round(stream.sample_rate_hz or 1)
        pieces = [signal(part) for part in np.array_split(t_ns, max(1, seconds // 10))]
        values = np.concatenate(pieces) + noise_sd * noise.standard_normal(len(t_ns))
        events += packets(stream, t_ns, np.rint(values / stream.unit_per_count).astype(int), n_a_packet, dice)
    rr = info(SignalKind.RR, "1/1024 s", 1.0, None, Clock.ARRIVAL)
    beats = [beat for beat in body.beats() if beat.t_ns < seconds * NS_PER_S]
    events += [
        RrBlock(
            stream_id=rr.stream_id, received_ns=stamped(beat.t_ns, dice), rr_1024=(round(beat.rr_s * 1024),),
            heart_rate_bpm=round(60 / beat.rr_s), in_contact=True,
        )
        for beat in beats
    ]  # fmt: skip
    return [*streams, rr], sorted(events, key=lambda event: event.received_ns)


def info(kind: SignalKind, unit: str, unit_per_count: float, rate_hz: float | None, clock: Clock) -> StreamInfo:
    return StreamInfo(
        stream_id=secrets.token_hex(16), kind=kind, unit=unit, unit_per_count=unit_per_count, sample_rate_hz=rate_hz,
        clock=clock, device="bench",
    )  # fmt: skip


def packets(stream: StreamInfo, t_ns: Any, counts: Any, n_a_packet: int, dice: random.Random) -> Iterator[RawEvent]:
    for first in range(0, len(counts) - n_a_packet + 1, n_a_packet):
        last_ns = int(t_ns[first + n_a_packet - 1])
        yield SampleBlock(
            stream_id=stream.stream_id, received_ns=stamped(last_ns, dice), first_sample_idx=first,
            sensor_ns=599_616_000_000_000_000 + last_ns if stream.clock is Clock.DEVICE else None,
            counts=tuple(counts[first : first + n_a_packet].tolist()),
        )  # fmt: skip


def stamped(t_ns: int, dice: random.Random) -> int:
    event_ns = (t_ns // CONNECTION_INTERVAL_NS + 1) * CONNECTION_INTERVAL_NS
    return event_ns + round(dice.lognormvariate(*STAMP_LATENCY))


async def measure(url: str, streams: list[StreamInfo], events: list[RawEvent], *, choices: Any) -> dict[str, Any]:
    async with open_own_archive(url) as archive, asyncio.TaskGroup() as group:
        writing = group.create_task(archive.writer.run())
        began_s = time.perf_counter()
        await fill(archive, streams, events)
        found: dict[str, Any] = {"write_s": round(time.perf_counter() - began_s, 1), "timescale": archive.timescale}
        has_timescale = archive.timescale.startswith("active")
        with psycopg.connect(url, autocommit=True) as connection:
            found |= await asyncio.to_thread(store, connection, url, has_timescale, choices.hours)
            compare(connection, found, streams, events, hours=choices.hours, has_timescale=has_timescale)
            found |= await read(archive, connection, streams[0], hours=choices.hours)
            found |= await trends(archive, connection, n_sessions=choices.sessions)
        writing.cancel()
    return found


async def fill(archive: Archive, streams: list[StreamInfo], events: list[RawEvent]) -> None:
    record = SessionRecord(
        session_id=SESSION_ID, source=Source.LIVE, baseline_s=60.0, started_unix_ns=time.time_ns() - 86_400 * NS_PER_S
    )
    await archive.add_session(record)
    await archive.begin_session(record, streams=streams)
    seqs = dict.fromkeys((one.stream_id for one in streams), 0)
    for arrival_idx, event in enumerate(events):
        seqs[event.stream_id] += 1
        row = to_row(event, seq=seqs[event.stream_id], arrival_idx=arrival_idx)
        mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
        await archive.writer.wait_room()
        archive.writer.put_nowait(Write(session_id=SESSION_ID, raw=row, marks=(mark,), queued_ns=time.monotonic_ns()))
        if arrival_idx % 100 == 0:
            await asyncio.sleep(0)
    await archive.writer.wait_drained()
    await archive.end_session(SESSION_ID, duration_ns=1)


def store(connection: psycopg.Connection[Any], url: str, has_timescale: bool, hours: float) -> dict[str, Any]:
    """Pack the session; return megabytes an hour of each form, indexes included."""
    found = {"received_mb_an_hour": size_mb(connection, "raw_event", has_timescale) / hours}
    began_s = time.process_time()
    pack_session(url, SESSION_ID)
    found["pack_processor_s_an_hour"] = (time.process_time() - began_s) / hours
    connection.execute("vacuum raw_packed")
    found["plain_mb_an_hour"] = size_mb(connection, "raw_packed", has_timescale) / hours
    if has_timescale:
        connection.execute("select compress_chunk(one) from show_chunks('raw_packed') as one")
        found["columnstore_mb_an_hour"] = size_mb(connection, "raw_packed", has_timescale) / hours
    return {name: round(one, 3) for name, one in found.items()}


def compare(
    connection: psycopg.Connection[Any], found: dict[str, Any], streams: list[StreamInfo], events: list[RawEvent], *,
    hours: float, has_timescale: bool,
) -> None:  # fmt: skip
    """The same samples, one a row, without their packets."""
    connection.execute(
        "create table sample (stream_no integer, time timestamptz, value integer, primary key (stream_no, time))"
    )
    if has_timescale:
        connection.execute("select create_hypertable('sample', by_range('time', interval '7 days'))")
    began_s = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy("copy sample from stdin") as copy:
        for no, stream in enumerate(streams):
            for event in events:
                if isinstance(event, SampleBlock) and event.stream_id == stream.stream_id:
                    for k, count in enumerate(event.counts):
                        t_s = (event.first_sample_idx + k) / (stream.sample_rate_hz or 1)
                        stamp = BEGAN + timedelta(seconds=t_s)
                        copy.write_row((no, stamp, count))
    found["row_a_sample"] = {"write_s": round(time.perf_counter() - began_s, 1)}
    connection.execute("vacuum analyze sample")
    found["row_a_sample"]["plain_mb_an_hour"] = round(size_mb(connection, "sample", has_timescale) / hours, 2)
    if has_timescale:
        connection.execute(
            "alter table sample set (timescaledb.enable_columnstore, timescaledb.segmentby = 'stream_no',"
            " timescaledb.orderby = 'time')"
        )
        connection.execute("select compress_chunk(one) from show_chunks('sample') as one")
        found["row_a_sample"]["columnstore_mb_an_hour"] = round(size_mb(connection, "sample", True) / hours, 2)


def size_mb(connection: psycopg.Connection[Any], table: str, has_timescale: bool) -> float:
    function = "hypertable_size" if has_timescale else "pg_total_relation_size"
    row = connection.execute(f"select {function}('{table}')".encode()).fetchone()
    return 0.0 if row is None else float(row[0]) / 1e6


async def read(
    archive: Archive, connection: psycopg.Connection[Any], ecg: StreamInfo, *, hours: float
) -> dict[str, Any]:
    """An hour of ECG for a page: milliseconds and kilobytes; the same from a row a sample."""
    end_ns = round(min(1.0, hours) * 3600 * NS_PER_S)
    wall_s, processor_s = [], []
    for _ in range(N_OVERVIEWS):
        began_s, used_s = time.perf_counter(), time.process_time()
        stream = await archive.sample_stream(SESSION_ID, ecg.stream_id)
        assert stream is not None
        found = await archive.overview(stream, start_ns=0, end_ns=end_ns, n_buckets=N_BUCKETS)
        wall_s.append(time.perf_counter() - began_s)
        processor_s.append(time.process_time() - used_s)
    page = {"t_ms": [round(t_ns / 1e6) for t_ns in found.t_ns], "counts": found.counts.tolist()}
    rows_s = []
    for _ in range(3):
        began_s = time.perf_counter()
        connection.execute("select time, value from sample where stream_no = 0 order by time", binary=True).fetchall()
        rows_s.append(time.perf_counter() - began_s)
    return {
        "overview_ms": {
            "first": ms(wall_s[0]),
            "best": ms(min(wall_s)),
            "median": ms(sorted(wall_s)[N_OVERVIEWS // 2]),
            "p95": ms(sorted(wall_s)[N_OVERVIEWS * 95 // 100]),
        },
        "overview_processor_ms": ms(min(processor_s)),
        "overview_kb": round(len(json.dumps(page, separators=(",", ":"))) / 1e3, 1),
        "n_points": len(found.t_ns),
        "row_a_sample_read_ms": ms(min(rows_s)),
    }


async def trends(archive: Archive, connection: psycopg.Connection[Any], *, n_sessions: int) -> dict[str, Any]:
    """Sessions of twenty minutes, a day apart, with all indices and beats; one list of them all."""
    make_sessions(connection, n_sessions)
    connection.execute("analyze")
    began_s = time.perf_counter()
    for n in range(n_sessions):
        keep_trend(connection, f"trend {n + 1}")
    kept_s = time.perf_counter() - began_s
    asked_s, used_s = [], []
    for _ in range(N_TIMES):
        began_s, began_used_s = time.perf_counter(), time.process_time()
        rows = await archive.trends(limit=n_sessions)
        asked_s.append(time.perf_counter() - began_s)
        used_s.append(time.process_time() - began_used_s)
    began_s = time.perf_counter()
    connection.execute(
        "select session_id, practice, heart_rate_bpm_mean, heart_rate_bpm_median from metrics_day"
    ).fetchall()
    return {
        "n_trends": len(rows),
        "trends_ms": {"best": ms(min(asked_s)), "median": ms(sorted(asked_s)[N_TIMES // 2])},
        "trends_processor_ms": ms(min(used_s)),
        "keep_trend_ms": ms(kept_s / n_sessions),
        "metrics_day_ms": ms(time.perf_counter() - began_s),
    }


def make_sessions(connection: psycopg.Connection[Any], n_sessions: int) -> None:
    quick = Metrics.index_names()
    numbers = ", ".join(f"50 + 20 * random() + {k}" for k in range(len(quick)))
    slow = ", ".join(
        f"'{name}', jsonb_build_object('value', 50 + 20 * random(), 'bound', 1, 'sample_ns', 0)"
        for name in SlowMetrics.index_names()
    )
    which = "session where session_id like 'trend %%'"
    connection.execute(
        "insert into session"
        " (session_id, source, baseline_s, inhale_s, exhale_s, started_unix_ns, ended_at, duration_ns)"
        " select 'trend ' || n, 'live', 60, 4, 6, (extract(epoch from now() - n * interval '1 day') * 1e9)::bigint,"
        " now(), 1200000000000 from generate_series(1, %s) as n",
        (n_sessions,),
    )
    for statement in (
        f"insert into metrics (session_id, pipeline_version, t_ns, time, emitted_ns, {', '.join(quick)})"
        " select session_id, %s, t * 1000000000::bigint, to_timestamp(started_unix_ns / 1e9 + t), t, "
        f"{numbers} from (select * from {which}) as one cross join generate_series(1, 1200) as t",
        "insert into beat"
        " (session_id, pipeline_version, source, beat_idx, t_ns, emitted_ns, rr_ms, rr_corrected_ms, flag)"
        f" select session_id, %s, 'ecg', t, t, t, 900, 900, 'ok' from (select * from {which}) as one"
        " cross join generate_series(1, 1300) as t",
        "insert into slow_metrics (session_id, pipeline_version, t_ns, emitted_ns, indices)"
        f" select session_id, %s, t * 60000000000::bigint, t, jsonb_build_object({slow})"
        f" from (select * from {which}) as one cross join generate_series(0, 19) as t",
    ):
        connection.execute(statement.encode(), (PIPELINE_VERSION,))


def ms(seconds: float) -> float:
    return round(1e3 * seconds, 1)


if __name__ == "__main__":
    main()
