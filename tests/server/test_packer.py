"""Packed sessions give the same events as before, whatever stops the packing and whatever comes late."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from becalm_protocol.errors import StorageError
from becalm_protocol.events import Battery, Clock, Gap, GapReason, RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Data, Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive import packer
from becalm_server.archive.packer import pack_session
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.snapshot import open_snapshot
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.upkeep import Upkeep
from becalm_server.archive.writes import StreamMark, Write

SIZES = b"select (select count(*) from raw_event) as n_held, (select count(*) from raw_packed) as n_packed"


@asynccontextmanager
async def kept(url: str, sensors: Any, seconds: Sequence[int]) -> AsyncIterator[Archive]:
    """A session with these seconds in it, ended."""
    async with open_own_archive(url) as archive, asyncio.TaskGroup() as group:
        writing = group.create_task(archive.writer.run())
        record = SessionRecord(
            session_id="one", source=Source.LIVE, baseline_s=60.0, started_unix_ns=1_763_855_970 * NS_PER_S + 7
        )
        await archive.add_session(record)
        await archive.begin_session(record, streams=sensors.streams)
        await send(archive, [data for n in seconds for data in sensors.second(n)])
        yield archive
        writing.cancel()


async def send(archive: Archive, batch: Sequence[Data], *, first_arrival: int = 0) -> None:
    for arrival_idx, data in enumerate(batch, start=first_arrival):
        row = to_row(data.event, seq=data.seq, arrival_idx=arrival_idx)
        mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
        archive.writer.put_nowait(Write(session_id="one", raw=row, marks=(mark,), queued_ns=time.monotonic_ns()))
    await archive.writer.wait_drained()
    await archive.end_session("one", duration_ns=1)


async def events_of(archive: Archive) -> list[tuple[int, int, RawEvent]]:
    return [one async for page in archive.raw_events("one") for one in page]


def others(sensors: Any, received_ns: int) -> list[Data]:
    stream_id = sensors.ecg.stream_id
    gap = Gap(stream_id=stream_id, received_ns=received_ns, start_ns=0, end_ns=received_ns, reason=GapReason.LINK_LOST)
    return [sensors.data(gap), sensors.data(Battery(stream_id=stream_id, received_ns=received_ns, level_pct=3))]


async def test_packed_session_reads_as_before(any_database_url: str, sensors: Any, fetch: Any) -> None:
    async with kept(any_database_url, sensors, range(130)) as archive:
        await send(archive, others(sensors, 130 * NS_PER_S), first_arrival=390)
        await send(archive, sensors.second(130), first_arrival=392)
        before = await events_of(archive)
        counted = await archive.derived_rows("select_counts", session_id="one")
        n_rows = await asyncio.to_thread(pack_session, any_database_url, "one")
        assert await fetch(any_database_url, SIZES) == [{"n_held": 2, "n_packed": n_rows}]
        assert n_rows == 28 + 5 + 3  # ECG by five seconds, the belt by thirty, intervals by the minute
        assert await events_of(archive) == before
        assert await archive.derived_rows("select_counts", session_id="one") == counted
        with open_snapshot(any_database_url, "one") as snapshot:
            assert list(snapshot.raw_events()) == [(seq, event) for seq, _, event in before]
        assert await asyncio.to_thread(pack_session, any_database_url, "one") == 0


async def test_packing_goes_on_where_it_was_stopped(
    database_url: str, sensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packer, "PIECE_ROWS", 2)
    async with kept(database_url, sensors, range(60)) as archive:
        before = await events_of(archive)
        commit = packer._StreamPacking._commit
        left = [1, 4, 2]

        def stopped(self: Any, piece: Any, **mark: int) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise psycopg.OperationalError("the database went away")
            commit(self, piece, **mark)

        monkeypatch.setattr(packer._StreamPacking, "_commit", stopped)
        while len(left) > 1:
            with pytest.raises(StorageError, match="goes on from there"):
                await asyncio.to_thread(pack_session, database_url, "one")
            assert await events_of(archive) == before
            left.pop(0)
        monkeypatch.undo()
        assert await asyncio.to_thread(pack_session, database_url, "one") > 0
        assert await events_of(archive) == before


async def test_what_comes_late_is_packed_too(any_database_url: str, sensors: Any, fetch: Any) -> None:
    async with kept(any_database_url, sensors, range(5)) as archive:
        await asyncio.to_thread(pack_session, any_database_url, "one")
        known = list(sensors.sent)
        late = [*sensors.second(4), *sensors.second(5)]  # within the second that is packed already, and after it
        await send(archive, [*known, *late])  # the agent repeats itself: nothing may be there twice
        before = await events_of(archive)
        assert [(seq, event) for seq, _, event in before] == [(one.seq, one.event) for one in sensors.sent]
        await Upkeep(archive).once(settled_s=0.0)
        assert await events_of(archive) == before
        assert (await fetch(any_database_url, SIZES))[0]["n_held"] == 0


async def test_a_session_under_way_is_not_packed(database_url: str, sensors: Any, fetch: Any) -> None:
    async with kept(database_url, sensors, range(3)) as archive:
        await Upkeep(archive).once()
        assert (await fetch(database_url, SIZES))[0] == {"n_held": 9, "n_packed": 0}  # ended a moment ago
        with psycopg.connect(database_url) as connection:
            connection.execute("update session set ended_at = null")
        assert await asyncio.to_thread(pack_session, database_url, "one") == 0


async def test_a_session_that_cannot_be_packed_stops_no_other(database_url: str, sensors: Any, fetch: Any) -> None:
    odd = """
        insert into session (session_id, source, baseline_s, started_unix_ns, ended_at)
            values ('odd', 'live', 60, 0, now() - interval '1 day');
        insert into stream (stream_id, session_id, position, kind, unit, unit_per_count, sample_rate_hz, clock, device,
            acked_seq) values ('odd', 'odd', 0, 'ecg', 'uV', 1, 130, 'arrival', 'x', 1);
        insert into raw_event (stream_id, seq, time, arrival_idx, form, received_ns, n_samples, body)
            values ('odd', 1, now(), 0, 'of a later becalm', 0, 1, 'x');
    """
    async with kept(database_url, sensors, range(3)) as archive:
        with psycopg.connect(database_url) as connection:
            connection.execute(odd.encode())
        await Upkeep(archive).once(settled_s=0.0)
    left = await fetch(database_url, b"select stream_id from raw_event")
    assert [row["stream_id"] for row in left] == ["odd"]


async def test_two_packers_do_not_meet(database_url: str, sensors: Any) -> None:
    async with kept(database_url, sensors, range(30)) as archive:
        before = await events_of(archive)
        made = await asyncio.gather(*(asyncio.to_thread(pack_session, database_url, "one") for _ in range(3)))
        assert sum(made) == 7 + 2 + 2
        assert await events_of(archive) == before


async def test_missing_rows_stop_the_packing(database_url: str, sensors: Any, fetch: Any) -> None:
    async with kept(database_url, sensors, range(3)) as archive:
        with psycopg.connect(database_url) as connection:
            connection.execute("create rule keep as on delete to raw_event do instead nothing")
        with pytest.raises(StorageError, match="expected 3 rows to replace, found 0"):
            await asyncio.to_thread(pack_session, database_url, "one")
        assert len(await events_of(archive)) == 9
        assert (await fetch(database_url, SIZES))[0] == {"n_held": 9, "n_packed": 0}


async def test_samples_are_placed_as_the_pipeline_places_them(database_url: str, fetch: Any) -> None:
    info = StreamInfo(
        stream_id="s", kind=SignalKind.ECG, unit="uV", unit_per_count=1.0, sample_rate_hz=100.0, clock=Clock.SESSION,
        device="file",
    )  # fmt: skip
    blocks = [
        SampleBlock(
            stream_id="s", received_ns=n * NS_PER_S // 2, first_sample_idx=50 * n, counts=(n,) * 50,
            sensor_ns=(50 * n + 49) * 10_000_000,
        )
        for n in range(20)
    ]  # fmt: skip
    async with open_own_archive(database_url) as archive, asyncio.TaskGroup() as group:
        writing = group.create_task(archive.writer.run())
        record = SessionRecord(
            session_id="one", source=Source.REPLAY, baseline_s=60.0, started_unix_ns=1_763_855_970 * NS_PER_S
        )
        await archive.add_session(record)
        await archive.begin_session(record, streams=[info])
        await send(archive, [Data(seq=n + 1, event=block) for n, block in enumerate(blocks)])
        await asyncio.to_thread(pack_session, database_url, "one")
        writing.cancel()
    rows = await fetch(database_url, b"select second, placed_us from raw_packed order by second")
    began = 1_763_855_970 - 1_577_836_800
    assert [(row["second"] - began) * 1_000_000 + row["placed_us"] for row in rows] == [0, 5_000_000]
