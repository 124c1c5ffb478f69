"""Databases to save and to restore into, and an archive with something in it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from tests.server.conftest import admin_url_of, drop_database

from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.content_hash import content_hashes
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.upkeep import Upkeep
from becalm_server.archive.writes import StreamMark, Write


def a_database(cluster: Any, name: str, *, how: str = "") -> Iterator[str]:
    with psycopg.connect(admin_url_of(cluster), autocommit=True) as admin:
        admin.execute(f"create database {name} {how}".encode())
    yield cluster.url.replace("@/becalm?", f"@/{name}?")
    drop_database(admin_url_of(cluster), name)


@pytest.fixture
def other_url(cluster: Any) -> Iterator[str]:
    """A database that was never migrated."""
    yield from a_database(cluster, "other_host")


@pytest.fixture
def old_url(cluster: Any) -> Iterator[str]:
    """Another one."""
    yield from a_database(cluster, "old_host")


@pytest.fixture
def english_url(cluster: Any) -> Iterator[str]:
    """A database that sorts as a dictionary does: small letters before the same in capitals."""
    try:
        yield from a_database(cluster, "english", how="template template0 locale_provider icu icu_locale 'en-US'")
    except psycopg.errors.FeatureNotSupported as exc:
        pytest.skip(f"this PostgreSQL knows no language: {exc}")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Archive]:
    async with open_own_archive(url) as archive, asyncio.TaskGroup() as group:
        writing = group.create_task(archive.writer.run())
        yield archive
        await archive.writer.wait_drained()
        writing.cancel()


def writes(sensors: Any, seconds: range) -> list[Write]:
    no_sensor = Index(reason=Reason.NO_SENSOR)
    found = []
    for n in seconds:
        for k, data in enumerate(sensors.second(n)):
            row = to_row(data.event, seq=data.seq, arrival_idx=3 * n + k)
            mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
            found.append(Write(session_id="one", raw=row, marks=(mark,), queued_ns=time.monotonic_ns()))
        told = Metrics(
            t_ns=n * NS_PER_S, emitted_ns=n * NS_PER_S, arousal_from=("heart_rate_bpm", "scl_us"),
            **dict.fromkeys(Metrics.index_names(), no_sensor) | {"arousal": Index(value=n / 3, bound=0.1, sample_ns=n)},
        )  # fmt: skip
        beat = Beat(
            beat_idx=n, t_ns=n, emitted_ns=n, source=SignalKind.ECG, rr_ms=n / 7, flag=BeatFlag.OK, confirmed=True
        )
        found.append(Write(session_id="one", conclusions=(told, beat), queued_ns=time.monotonic_ns()))
    return found


async def fill(url: str, sensors: Any, *, n_seconds: int = 20) -> None:
    async with opened(url) as archive:
        record = SessionRecord(
            session_id="one", source=Source.LIVE, baseline_s=60.0, started_unix_ns=1_763_855_970 * NS_PER_S
        )
        await archive.add_session(record)
        await archive.begin_session(record, streams=sensors.streams)
        for write in writes(sensors, range(n_seconds)):
            archive.writer.put_nowait(write)
        await archive.writer.wait_drained()
        await archive.end_session("one", duration_ns=1)
        await archive.put_report("one", body='{"ö": 1}')
        await Upkeep(archive).once()


def fingerprint(url: str) -> dict[str, str]:
    with psycopg.connect(url, options="-c default_transaction_isolation=repeatable\\ read") as connection:
        return content_hashes(connection)
