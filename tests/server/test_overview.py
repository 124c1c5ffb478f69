"""What an overview keeps of a window: held against all samples, one by one."""

import asyncio
import math
import random
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive import overview, packed_rows
from becalm_server.archive.packer import pack_session
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SampleStream, SessionRecord
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.writes import StreamMark, Write

RATE_HZ = 100
PERIOD_NS = NS_PER_S // RATE_HZ
ECG = StreamInfo(
    stream_id="s", kind=SignalKind.ECG, unit="uV", unit_per_count=1.0, sample_rate_hz=float(RATE_HZ),
    clock=Clock.SESSION, device="file",
)  # fmt: skip
RR = StreamInfo(
    stream_id="rr", kind=SignalKind.RR, unit="1/1024 s", unit_per_count=1.0, clock=Clock.ARRIVAL, device="strap"
)
Sample = tuple[int, int]


def blocks_of(samples: dict[int, int], *, dice: random.Random) -> list[SampleBlock]:
    """Samples by position in blocks of odd lengths; some lie in holes that no block may reach over."""
    positions = sorted(samples)
    found = []
    while positions:
        n = 1
        while n < len(positions) and n < dice.randint(1, 80) and positions[n] == positions[0] + n:
            n += 1
        last_ns = (positions[0] + n - 1) * PERIOD_NS
        found.append(
            SampleBlock(
                stream_id="s", received_ns=last_ns, first_sample_idx=positions[0], sensor_ns=last_ns,
                counts=tuple(samples[k] for k in positions[:n]),
            )
        )  # fmt: skip
        positions = positions[n:]
    return found


@asynccontextmanager
async def archive_with(url: str, blocks: Sequence[SampleBlock]) -> AsyncIterator[Archive]:
    async with open_own_archive(url) as archive, asyncio.TaskGroup() as group:
        writing = group.create_task(archive.writer.run())
        record = SessionRecord(
            session_id="one", source=Source.REPLAY, baseline_s=60.0, started_unix_ns=1_763_855_970 * NS_PER_S + 123_000
        )
        await archive.add_session(record)
        await archive.begin_session(record, streams=[ECG, RR])
        await send(archive, blocks)
        await archive.end_session("one", duration_ns=1)
        yield archive
        writing.cancel()


async def send(archive: Archive, blocks: Sequence[SampleBlock], *, n_before: int = 0) -> None:
    for n, block in enumerate(blocks, start=n_before + 1):
        raw = to_row(block, seq=n, arrival_idx=n)
        mark = StreamMark(stream_id="s", seq=n, n_duplicates=0)
        archive.writer.put_nowait(Write(session_id="one", raw=raw, marks=(mark,), queued_ns=time.monotonic_ns()))
    await archive.writer.wait_drained()


def thinned(samples: dict[int, int], *, start_ns: int, end_ns: int, n_buckets: int) -> list[Sample]:
    """The same by the definition, slowly."""
    buckets: dict[int, list[Sample]] = {}
    borders = [start_ns + (end_ns - start_ns) * k // n_buckets for k in range(n_buckets + 1)]
    for position, count in sorted(samples.items()):
        t_ns = position * PERIOD_NS
        if start_ns <= t_ns < end_ns:
            buckets.setdefault(bisect_right(borders, t_ns), []).append((t_ns, count))
    found: set[Sample] = set()
    for bucket_samples in buckets.values():
        lowest = min(count for _, count in bucket_samples)
        highest = max(count for _, count in bucket_samples)
        found |= {bucket_samples[0], bucket_samples[-1]}
        found.add(next(one for one in bucket_samples if one[1] == lowest))
        found.add(next(one for one in bucket_samples if one[1] == highest))
    return sorted(found)


def a_minute_with_a_hole(*, wide: bool = False) -> dict[int, int]:
    dice = random.Random(4)
    scale = 100_000 if wide else 1_000
    beat = [round(scale * math.sin(k / 9) + dice.gauss(0, 30)) for k in range(60 * RATE_HZ)]
    return {k: count for k, count in enumerate(beat) if not 2_000 <= k < 2_345}


async def told(archive: Archive, **window: int) -> list[Sample]:
    found = await archive.overview(await ecg_of(archive), **window)
    return list(zip(found.t_ns.tolist(), found.counts.tolist(), strict=True))


async def ecg_of(archive: Archive) -> SampleStream:
    stream = await archive.sample_stream("one", "s")
    assert stream is not None
    return stream


@pytest.mark.parametrize("wide", [False, True])
async def test_first_last_and_extremes_survive(any_database_url: str, wide: bool) -> None:
    samples = a_minute_with_a_hole(wide=wide)
    windows = [
        {"start_ns": start_ns, "end_ns": end_ns, "n_buckets": n_buckets}
        for start_ns, end_ns in ((0, 60 * NS_PER_S), (7_123_456_789, 31_000_000_001), (-NS_PER_S, 100 * NS_PER_S))
        for n_buckets in (1, 7, 100, 3_000)
    ]
    async with archive_with(any_database_url, blocks_of(samples, dice=random.Random(1))) as archive:
        before = [await told(archive, **window) for window in windows]
        await asyncio.to_thread(pack_session, any_database_url, "one")
        after = [await told(archive, **window) for window in windows]
        placed = (await archive.overview(await ecg_of(archive), **windows[0])).placed
    expected = [thinned(samples, **window) for window in windows]
    assert after == expected
    assert before == expected  # here every block arrives with its last sample
    assert placed


async def test_long_windows_are_read_in_pieces(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MAX_PIECE_NS", 5 * NS_PER_S)
    samples = a_minute_with_a_hole()
    async with archive_with(database_url, blocks_of(samples, dice=random.Random(2))) as archive:
        await asyncio.to_thread(pack_session, database_url, "one")
        for n_buckets in (1, 3, 50, 333):
            window = {"start_ns": 1, "end_ns": 59 * NS_PER_S, "n_buckets": n_buckets}
            assert await told(archive, **window) == thinned(samples, **window)


async def test_rows_of_every_age_are_read_alike(any_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second a row, as becalm once packed; some seconds a row; and what is not packed yet."""
    samples = a_minute_with_a_hole()
    blocks = blocks_of(samples, dice=random.Random(3))
    third = len(blocks) // 3
    dice = random.Random(4)
    async with archive_with(any_database_url, blocks[:third]) as archive:
        with monkeypatch.context() as patch:
            patch.setattr(packed_rows, "_SPANS_S", (1,))
            await asyncio.to_thread(pack_session, any_database_url, "one")
        await send(archive, blocks[third : 2 * third], n_before=third)
        await asyncio.to_thread(pack_session, any_database_url, "one")
        await send(archive, blocks[2 * third :], n_before=2 * third)
        for _ in range(30):
            start_ns = dice.randrange(-NS_PER_S, 59 * NS_PER_S)
            end_ns = start_ns + dice.choice((1, NS_PER_S // 3, 7 * NS_PER_S, 61 * NS_PER_S))
            window = {"start_ns": start_ns, "end_ns": end_ns, "n_buckets": dice.choice((1, 2, 13, 200, 1_000))}
            assert await told(archive, **window) == thinned(samples, **window), window


async def test_arrival_places_what_is_not_packed(database_url: str) -> None:
    async with archive_with(database_url, blocks_of({0: 5, 1: 6}, dice=random.Random(2))) as archive:
        found = await archive.overview(await ecg_of(archive), start_ns=0, end_ns=NS_PER_S, n_buckets=3)
    assert (found.placed, found.counts.tolist()) == (False, [5, 6])


async def test_there_is_none_of_intervals_nor_of_unknown_streams(database_url: str) -> None:
    async with archive_with(database_url, []) as archive:
        window = {"start_ns": 0, "end_ns": 1, "n_buckets": 1}
        assert await archive.sample_stream("one", "rr") is None
        assert await archive.sample_stream("one", "nobody's") is None
        assert await archive.sample_stream("two", "s") is None
        assert await told(archive, **window) == []
        with pytest.raises(ValueError, match="after start_ns"):
            await archive.overview(await ecg_of(archive), start_ns=1, end_ns=1, n_buckets=1)
