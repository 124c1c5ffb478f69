import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason, SlowMetrics
from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.derived_rows import Conclusion
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.trend_row import keep_trend_at
from becalm_server.archive.upkeep import Upkeep
from becalm_server.archive.writes import Write

NO_SENSOR = Index(reason=Reason.NO_SENSOR)
# Half a minute before midnight UTC, so that a session may lie in two days.
STARTED_UNIX_NS = 1_763_855_970 * NS_PER_S


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Archive]:
    async with open_own_archive(url) as archive, asyncio.TaskGroup() as group:
        writing = group.create_task(archive.writer.run())
        yield archive
        writing.cancel()


async def keep_session(archive: Archive, conclusions: Iterable[Conclusion], **record: Any) -> str:
    given = {"session_id": "one", "source": Source.LIVE, "baseline_s": 60.0, "inhale_s": 4.0, "exhale_s": 6.0}
    session = SessionRecord(**{**given, "started_unix_ns": STARTED_UNIX_NS - 3600 * NS_PER_S, **record})
    await archive.add_session(session)
    write = Write(session_id=session.session_id, conclusions=tuple(conclusions), queued_ns=time.monotonic_ns())
    archive.writer.put_nowait(write)
    await archive.writer.wait_drained()
    await archive.end_session(session.session_id, duration_ns=200 * NS_PER_S)
    return session.session_id


def told(value: float | None) -> Index:
    return Index(reason=Reason.NOISY) if value is None else Index(value=value, bound=1.0, sample_ns=0)


def seconds_of(heart_rates: Sequence[float | None]) -> Iterable[Metrics]:
    absent = dict.fromkeys(Metrics.index_names(), NO_SENSOR)
    for n, bpm in enumerate(heart_rates, start=1):
        yield Metrics(
            t_ns=n * NS_PER_S, emitted_ns=n * NS_PER_S, arousal_from=None, **{**absent, "heart_rate_bpm": told(bpm)}
        )


def five_seconds_of(sdnns: Sequence[float], *, subsidence: Index) -> Iterable[SlowMetrics]:
    absent = dict.fromkeys(SlowMetrics.index_names(), NO_SENSOR)
    for n, sdnn_ms in enumerate(sdnns, start=1):
        some: dict[str, Any] = {**absent, "sdnn_ms": told(sdnn_ms), "subsidence": subsidence}
        yield SlowMetrics(t_ns=5 * n * NS_PER_S, emitted_ns=5 * n * NS_PER_S, **some)


def beat(n: int, *, source: SignalKind, flag: BeatFlag) -> Beat:
    rr_ms = None if flag is BeatFlag.FIRST else 900.0
    return Beat(beat_idx=n, t_ns=n, emitted_ns=n, source=source, rr_ms=rr_ms, flag=flag, confirmed=True)


def expected_part(values: Sequence[float | None]) -> dict[str, Any]:
    known = [one for one in values if one is not None]
    mean, median = round(statistics.fmean(known), 4), round(statistics.median(known), 4)
    return {"n": len(known), "mean": pytest.approx(mean, abs=2e-4), "median": pytest.approx(median, abs=2e-4)}


async def test_trend_tells_each_part_of_a_session(any_database_url: str) -> None:
    dice = random.Random(1)
    heart_rates = [None if n % 7 == 0 else dice.uniform(50, 90) for n in range(200)]
    sdnns = [dice.uniform(20, 60) for _ in range(40)]
    flags = [BeatFlag.FIRST, *[BeatFlag.OK] * 9, BeatFlag.EXTRA, BeatFlag.ECTOPIC]
    conclusions: list[Conclusion] = [
        *seconds_of(heart_rates),
        *five_seconds_of(sdnns, subsidence=told(7.5)),
        *(beat(n, source=SignalKind.ECG, flag=flag) for n, flag in enumerate(flags)),
        beat(0, source=SignalKind.RR, flag=BeatFlag.OK),
    ]
    async with opened(any_database_url) as archive:
        await keep_session(archive, conclusions)
        await Upkeep(archive).once()
        (trend,) = await archive.trends()
    assert trend["indices"] == {
        "heart_rate_bpm": {
            "baseline": expected_part(heart_rates[:59]),
            "practice": expected_part(heart_rates[59:]),
        },
        "sdnn_ms": {"baseline": expected_part(sdnns[:11]), "practice": expected_part(sdnns[11:])},
    }
    assert (trend["n_intervals"], trend["accepted_share"]) == (11, pytest.approx(9 / 11))
    assert trend["subsidence"]["value"] == 7.5
    assert trend["duration_ns"] == 200 * NS_PER_S


async def test_session_over_midnight_has_the_mean_of_all_of_it(any_database_url: str) -> None:
    heart_rates = [60.0 + n for n in range(50)]
    async with opened(any_database_url) as archive:
        await keep_session(archive, seconds_of(heart_rates), started_unix_ns=STARTED_UNIX_NS)
        await Upkeep(archive).once()
        (trend,) = await archive.trends()
    part = trend["indices"]["heart_rate_bpm"]["baseline"]
    assert (part["n"], part["mean"]) == (50, statistics.fmean(heart_rates))
    days = (heart_rates[:29], heart_rates[29:])
    assert part["median"] == pytest.approx(sum(len(day) * statistics.median(day) for day in days) / 50)


async def test_recording_without_a_pacer_has_no_practice(any_database_url: str) -> None:
    async with opened(any_database_url) as archive:
        await keep_session(archive, seconds_of([60.0] * 100), source=Source.REPLAY, inhale_s=None, exhale_s=None)
        await Upkeep(archive).once()
        (trend,) = await archive.trends()
    assert trend["indices"] == {"heart_rate_bpm": {"baseline": {"n": 100, "mean": 60.0, "median": 60.0}}}


async def test_session_that_ends_again_keeps_its_first_end(database_url: str) -> None:
    async with opened(database_url) as archive:
        first = await archive.session(await keep_session(archive, ()))
        again = await archive.end_session("one", duration_ns=300 * NS_PER_S)
    assert first is not None
    assert again is not None
    assert (again.ended_at, again.duration_ns) == (first.ended_at, 300 * NS_PER_S)


async def test_session_that_is_derived_again_is_counted_again(any_database_url: str) -> None:
    async with opened(any_database_url) as archive:
        await keep_session(archive, seconds_of([60.0] * 10))
        await Upkeep(archive).once()
        late = tuple(seconds_of([60.0] * 10 + [80.0] * 10))
        archive.writer.put_nowait(Write(session_id="one", conclusions=late, queued_ns=time.monotonic_ns()))
        await archive.writer.wait_drained()
        await asyncio.to_thread(keep_trend_at, archive.entrances.owner, "one")
        (trend,) = await archive.trends()
    assert trend["indices"]["heart_rate_bpm"]["baseline"] == {"n": 20, "mean": 70.0, "median": 70.0}


async def test_running_session_is_in_no_trend(database_url: str) -> None:
    async with opened(database_url) as archive:
        record = SessionRecord(session_id="x", source=Source.LIVE, baseline_s=1.0, started_unix_ns=STARTED_UNIX_NS)
        await archive.add_session(record)
        await Upkeep(archive).once()
        assert await archive.trends() == []


async def test_trends_are_of_one_person_since_a_time_newest_first(database_url: str, fetch: Any) -> None:
    async with opened(database_url) as archive:
        for n in range(4):
            started_unix_ns = STARTED_UNIX_NS + n * 86_400 * NS_PER_S
            await keep_session(archive, (), session_id=str(n), started_unix_ns=started_unix_ns)
        with psycopg.connect(database_url) as connection:
            connection.execute("insert into person (person_id) values ('ann')")
            connection.execute("update session set person_id = 'ann' where session_id <> '2'")
        await Upkeep(archive).once()

        async def found(*who: list[str], **how: Any) -> list[str]:
            return [row["session_id"] for row in await archive.trends(*who, **how)]

        assert await found() == ["3", "2", "1", "0"]
        assert await found(["ann"]) == ["3", "1", "0"]
        assert await found(["ann"], limit=2) == ["3", "1"]
        assert await found(since=datetime.fromtimestamp(STARTED_UNIX_NS // NS_PER_S + 86_400, UTC)) == ["3", "2", "1"]
        assert await found(["bob"]) == []


async def test_indices_are_kept_as_long_as_the_operator_wants(any_database_url: str) -> None:
    counts = "select (select count(*) from metrics), (select count(*) from slow_metrics), (select count(*) from beat)"
    async with opened(any_database_url) as archive:
        for session_id in ("old", "new"):
            conclusions: list[Conclusion] = [
                *seconds_of([60.0] * 10),
                *five_seconds_of([30.0] * 2, subsidence=told(1.0)),
                beat(0, source=SignalKind.ECG, flag=BeatFlag.OK),
            ]
            await keep_session(archive, conclusions, session_id=session_id)
        with psycopg.connect(any_database_url) as connection:
            connection.execute("update session set ended_at = now() - interval '8 days' where session_id = 'old'")
            for metrics_days, left in ((None, (20, 4, 2)), (9, (20, 4, 2)), (7, (10, 2, 2))):
                connection.commit()
                await Upkeep(archive, metrics_days=metrics_days).once()
                assert connection.execute(counts).fetchone() == left
        assert {row["session_id"] for row in await archive.trends()} == {"old", "new"}


class CountedUpkeep(Upkeep):
    def __init__(self, archive: Archive) -> None:
        super().__init__(archive)
        self.done = asyncio.Semaphore(0)

    async def once(self, **choices: Any) -> None:
        await super().once(**choices)
        self.done.release()


async def test_a_job_that_hangs_holds_nothing_up(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(database_url) as archive:
        await keep_session(archive, seconds_of([60.0]))
        upkeep = Upkeep(archive, job_limit_s=0.3)
        rows = archive.rows

        async def found(statement: str, **wish: Any) -> Any:
            return [{"session_id": "one"}] if statement == "select_untrended" else await rows(statement, **wish)

        with psycopg.connect(database_url) as connection, monkeypatch.context() as patch:
            connection.execute("lock table trend in access exclusive mode")
            patch.setattr(archive, "rows", found)  # the look itself would wait for the lock too
            async with asyncio.timeout(20):
                await upkeep.once()
        await Upkeep(archive).once()
        assert len(await archive.trends()) == 1


async def test_sessions_that_always_fail_starve_nobody(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = """
        update session set ended_at = now() - interval '8 days';
        create function refuse() returns trigger language plpgsql as $$ begin raise 'kept'; end $$;
        create trigger refuse before delete on metrics for each row when (old.session_id <> '2')
            execute function refuse();
    """
    kept = "select distinct session_id from metrics order by session_id"
    async with opened(database_url) as archive:
        for n in range(3):
            await keep_session(archive, seconds_of([60.0]), session_id=str(n))
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(refusing.encode())
            await Upkeep(archive).once()
            monkeypatch.setattr("becalm_server.archive.upkeep.MAX_FOUND", 1)
            upkeep = Upkeep(archive, metrics_days=7)
            for _ in range(3):
                await upkeep.once()
            assert connection.execute(kept).fetchall() == [("0",), ("1",)]
            connection.execute("drop trigger refuse on metrics")
            for _ in range(3):
                await upkeep.once()
            assert connection.execute(kept).fetchall() == []


async def test_upkeep_runs_at_once_and_when_a_session_ends(database_url: str) -> None:
    async with opened(database_url) as archive, asyncio.TaskGroup() as group:
        upkeep = CountedUpkeep(archive)
        working = group.create_task(upkeep.run())
        async with asyncio.timeout(20):
            await upkeep.done.acquire()
            await keep_session(archive, seconds_of([60.0]))
            await upkeep.done.acquire()
        assert len(await archive.trends()) == 1
        working.cancel()
