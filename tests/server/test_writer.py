import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from becalm_protocol.derived import Beat, BeatFlag, HrvWindow
from becalm_protocol.errors import StorageError, UsageError
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import Source
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.writer import MAX_QUEUED, ArchiveWriter
from becalm_server.archive.writes import StreamMark, Write

COUNT_RAW = b"select count(*) as n, count(distinct (stream_id, seq)) as n_distinct from raw_event"


@asynccontextmanager
async def opened(url: str, sensors: Any, acks: list[dict[str, int]]) -> AsyncIterator[Archive]:
    async with open_own_archive(url) as archive:
        archive.writer.on_committed = acks.append
        if await archive.session("one") is None:
            record = SessionRecord(session_id="one", source=Source.LIVE, baseline_s=60.0, started_unix_ns=10**18)
            await archive.add_session(record)
            await archive.begin_session(record, streams=sensors.streams)
        writing = asyncio.ensure_future(archive.writer.run())
        try:
            yield archive
        finally:
            writing.cancel()
            await asyncio.wait([writing])


def writes(sensors: Any, seconds: range) -> list[Write]:
    found = []
    for n in seconds:
        for data in sensors.second(n):
            row = to_row(data.event, seq=data.seq, arrival_idx=data.seq)
            mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
            found.append(Write(session_id="one", raw=row, marks=(mark,), queued_ns=time.monotonic_ns()))
    return found


async def test_writes_are_idempotent(database_url: str, sensors: Any, fetch: Any) -> None:
    acks: list[dict[str, int]] = []
    async with opened(database_url, sensors, acks) as archive:
        for write in [*(batch := writes(sensors, range(5))), *batch, *batch]:
            archive.writer.put_nowait(write)
        await archive.writer.wait_drained()
        assert acks[-1] == sensors.last
        assert archive.writer.statistics()["depth"] == 0
        assert [stream.acked_seq for stream in await archive.streams("one")] == [5, 5, 5]
    assert await fetch(database_url, COUNT_RAW) == [{"n": 15, "n_distinct": 15}]


async def test_nothing_is_acknowledged_before_it_is_committed(database_url: str, sensors: Any, fetch: Any) -> None:
    seen: list[int] = []
    async with (
        opened(database_url, sensors, []) as archive,
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as reader,
    ):
        committed = asyncio.Event()

        def on_committed(_acks: dict[str, int]) -> None:
            committed.set()

        archive.writer.on_committed = on_committed
        for write in writes(sensors, range(4)):
            archive.writer.put_nowait(write)
            await committed.wait()
            committed.clear()
            cursor = await reader.execute("select count(*) from raw_event")
            row = await cursor.fetchone()
            assert row is not None
            seen.append(row[0])
    assert seen == list(range(1, 13))


async def test_derived_values_share_the_transaction_of_their_cause(database_url: str, sensors: Any, fetch: Any) -> None:
    beat = Beat(beat_idx=3, t_ns=5, emitted_ns=6, source=SignalKind.ECG, rr_ms=1.5, flag=BeatFlag.OK, confirmed=True)
    async with opened(database_url, sensors, []) as archive:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        archive.writer.put_nowait(
            Write(session_id="one", conclusions=(beat, beat), queued_ns=time.monotonic_ns(), done=done)
        )
        await done
    rows = await fetch(database_url, b"select beat_idx, rr_ms, rr_corrected_ms, flag from beat")
    assert rows == [{"beat_idx": 3, "rr_ms": 1.5, "rr_corrected_ms": None, "flag": "ok"}]


async def test_a_session_that_is_erased_meanwhile_holds_nobody_up(database_url: str, sensors: Any, fetch: Any) -> None:
    window = HrvWindow(t_ns=1, emitted_ns=2, window_s=60.0, n_beats=3, indices={})
    acks: list[dict[str, int]] = []
    async with opened(database_url, sensors, acks) as archive:
        for session_id in ("erased", "one"):
            archive.writer.put_nowait(
                Write(session_id=session_id, conclusions=(window,), queued_ns=time.monotonic_ns())
            )
        for write in writes(sensors, range(2)):
            archive.writer.put_nowait(write)
        async with asyncio.timeout(10.0):
            await archive.writer.wait_drained()
        assert acks[-1] == sensors.last
        assert archive.writer.statistics()["refused_derived"] == 0
    assert await fetch(database_url, b"select session_id from hrv_window") == [{"session_id": "one"}]


async def test_rows_that_the_database_refuses_hold_nobody_up(
    database_url: str, sensors: Any, fetch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    beat = Beat(beat_idx=3, t_ns=5, emitted_ns=6, source=SignalKind.ECG, rr_ms=1.5, flag=BeatFlag.OK, confirmed=True)
    good = HrvWindow(t_ns=1, emitted_ns=2, window_s=60.0, n_beats=3, indices={})
    odd = (replace(good, t_ns=2, n_beats=2**40), replace(beat, beat_idx=2**63))
    acks: list[dict[str, int]] = []
    async with opened(database_url, sensors, acks) as archive:
        batch = writes(sensors, range(5))
        raw = batch[7].raw
        assert raw is not None
        batch[7] = replace(batch[7], raw=replace(raw, received_ns=2**63 - 1))  # beyond every calendar
        batch[9] = replace(batch[9], conclusions=(odd[0], good, odd[1], beat))
        for write in batch:
            archive.writer.put_nowait(write)
        async with asyncio.timeout(10.0):
            await archive.writer.wait_drained()
        assert acks[-1] == sensors.last
        told = archive.writer.statistics()
        assert (told["refused_raw"], told["refused_derived"]) == (1, 2)
        assert archive.writer.trouble is None
        assert [stream.acked_seq for stream in await archive.streams("one")] == [5, 5, 5]
    assert await fetch(database_url, COUNT_RAW) == [{"n": 14, "n_distinct": 14}]
    assert await fetch(database_url, b"select t_ns from hrv_window union all select t_ns from beat order by 1") == [
        {"t_ns": 1},
        {"t_ns": 5},
    ]
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "refused 1 raw and 2 other rows for good" in line


async def test_lost_connection_is_made_again(database_url: str, sensors: Any, fetch: Any) -> None:
    acks: list[dict[str, int]] = []
    async with opened(database_url, sensors, acks) as archive:
        for n in range(6):
            for write in writes(sensors, range(n, n + 1)):
                archive.writer.put_nowait(write)
            async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
                await other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )
        await archive.writer.wait_drained()
        assert archive.writer.trouble is None
    assert acks[-1] == sensors.last
    assert await fetch(database_url, COUNT_RAW) == [{"n": 18, "n_distinct": 18}]


async def test_second_writer_is_refused(database_url: str, sensors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("becalm_server.archive.writer.CLAIM_PAUSE_S", 0.01)
    async with opened(database_url, sensors, []):
        with pytest.raises(StorageError, match="another becalm server"):
            await ArchiveWriter(database_url).open()


async def test_full_queue_makes_callers_wait() -> None:
    writer = ArchiveWriter("postgresql://nowhere")
    waiting = asyncio.ensure_future(writer.wait_room())
    await asyncio.sleep(0)
    assert waiting.done()
    for _ in range(MAX_QUEUED):
        writer.put_nowait(Write(session_id="one", queued_ns=0))
    waiting = asyncio.ensure_future(writer.wait_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    for _ in range(MAX_QUEUED):
        writer.put_nowait(Write(session_id="one", queued_ns=0))
    with pytest.raises(UsageError, match="wait for room"):
        writer.put_nowait(Write(session_id="one", queued_ns=0))
