"""Today's values beside those of an earlier pipeline, here made by altering today's by known amounts."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.server.test_real_pipeline import BELT, ECG, in_one_go, recording

from becalm_protocol.derived import PIPELINE_VERSION, HrvWindow
from becalm_protocol.errors import StorageError
from becalm_protocol.events import Pacer, Phase, PhaseChange, SignalKind
from becalm_protocol.handshake import Source, Waveform
from becalm_protocol.units import NS_PER_S
from becalm_protocol.wishes import BreathWish
from becalm_server.archive.derivation import conclusions
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.rederive import finished_sessions, rederive
from becalm_server.archive.snapshot import open_snapshot
from becalm_server.archive.store import Archive, open_own_archive
from becalm_server.archive.writes import StreamMark, Write
from becalm_signal.pipeline import Pipeline

N_SECONDS = 90
DERIVED = ("beat", "breath", "skin_response", "skin_recovery", "signal_quality", "metrics", "slow_metrics", "trend")
Told = list[dict[str, Any]]


@pytest.fixture
def stored(database_url: str, sensors: Any) -> Callable[[], None]:
    """A session with its raw events and its schedule, ended; nothing derived of it but a window."""

    async def store() -> None:
        async with open_own_archive(database_url) as archive, asyncio.TaskGroup() as group:
            writing = group.create_task(archive.writer.run())
            await keep(archive)
            writing.cancel()

    async def keep(archive: Archive) -> None:
        record = SessionRecord(
            session_id="one", source=Source.LIVE, baseline_s=30.0, inhale_s=4.0, exhale_s=6.0,
            started_unix_ns=1_763_855_970 * NS_PER_S,
        )  # fmt: skip
        await archive.add_session(record)
        await archive.begin_session(record, streams=sensors.streams)
        pacer = Pacer(started_ns=30 * NS_PER_S, inhale_s=4.0, exhale_s=6.0)
        schedule = (
            PhaseChange(t_ns=0, phase=Phase.BASELINE),
            PhaseChange(t_ns=30 * NS_PER_S, phase=Phase.PRACTICE, pacer=pacer),
            HrvWindow(t_ns=NS_PER_S, emitted_ns=NS_PER_S, window_s=60.0, n_beats=3, indices={"HRV_SDNN": 1.5}),
        )
        archive.writer.put_nowait(Write(session_id="one", conclusions=schedule, queued_ns=time.monotonic_ns()))
        for arrival_idx, data in enumerate([data for n in range(N_SECONDS) for data in sensors.second(n)]):
            row = to_row(data.event, seq=data.seq, arrival_idx=arrival_idx)
            mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
            archive.writer.put_nowait(Write(session_id="one", raw=row, marks=(mark,), queued_ns=time.monotonic_ns()))
        await archive.writer.wait_drained()
        await archive.end_session("one", duration_ns=N_SECONDS * NS_PER_S)

    return lambda: asyncio.run(store())


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def make_old(url: str) -> None:
    """What is derived becomes the work of an earlier pipeline."""
    run(url, *(f"update {table} set pipeline_version = '1'" for table in (*DERIVED, "hrv_window")))


def test_a_session_without_values_gets_today_s(database_url: str, stored: Callable[[], None]) -> None:
    stored()
    assert finished_sessions(database_url) == ["one"]
    planned = rederive(database_url, "one", dry_run=True)
    assert (planned.version_before, planned.kept) == (None, False)
    with open_snapshot(database_url, "one") as snapshot:
        assert list(snapshot.rows("select_metrics")) == []
    done = rederive(database_url, "one", dry_run=False)
    assert done.beats.n_now == done.beats.n_added > 80
    with open_snapshot(database_url, "one") as snapshot:
        assert snapshot.versions == [PIPELINE_VERSION]
        assert len(list(snapshot.rows("select_beats"))) == done.beats.n_now
    again = rederive(database_url, "one", dry_run=False)
    assert again.version_before == PIPELINE_VERSION
    assert (again.beats.n_added, again.beats.n_lost) == (0, 0)
    assert [name for name, index in again.indices.items() if index.n_differ] == []


def test_the_difference_is_what_was_altered(database_url: str, stored: Callable[[], None], fetch: Any) -> None:
    stored()
    rederive(database_url, "one", dry_run=False)
    make_old(database_url)
    known = "heart_rate_bpm is not null"
    run(
        database_url,
        f"update metrics set heart_rate_bpm = heart_rate_bpm + 2 where t_ns in (select t_ns from metrics where {known}"
        " order by t_ns limit 3)",
        f"update metrics set heart_rate_bpm = heart_rate_bpm - 5 where t_ns in (select t_ns from metrics where {known}"
        " order by t_ns desc limit 1)",
        f"update metrics set heart_rate_bpm = null where t_ns in (select t_ns from metrics where {known}"
        " order by t_ns limit 2 offset 5)",
        "delete from beat where beat_idx in (7, 8)",
        "insert into beat select session_id, pipeline_version, source, 999, t_ns + 300000000, emitted_ns, rr_ms,"
        " rr_corrected_ms, flag from beat where beat_idx = 20",
    )
    before = asyncio.run(fetch(database_url, b"select * from metrics order by t_ns"))
    found = rederive(database_url, "one", dry_run=False)
    assert (found.version_before, found.pipeline_version) == ("1", PIPELINE_VERSION)
    index = found.indices["heart_rate_bpm"]
    assert (index.n_differ, index.n_shown_anew, index.n_withheld_anew) == (6, 2, 0)
    assert index.largest == pytest.approx(5.0)
    assert index.median == pytest.approx(2.0)
    assert (found.beats.n_added, found.beats.n_lost) == (2, 1)
    assert [name for name, one in found.indices.items() if one.n_differ] == ["heart_rate_bpm"]
    old = asyncio.run(fetch(database_url, b"select * from metrics where pipeline_version = '1' order by t_ns"))
    assert old == before


async def pages(url: str) -> tuple[Told, Told, Told]:
    async with open_own_archive(url) as archive:
        wish: dict[str, Any] = {"session_id": "one", "since_ns": -1, "limit": 1_000}
        metrics, _ = await archive.page("select_metrics", **wish)
        windows, _ = await archive.page("select_windows", **wish)
        return metrics, windows, await archive.derived_rows("count_beats", session_id="one")


def test_the_newest_values_are_shown(database_url: str, stored: Callable[[], None]) -> None:
    stored()
    rederive(database_url, "one", dry_run=False)
    make_old(database_url)
    run(database_url, "update metrics set heart_rate_bpm = 1", "delete from beat where beat_idx > 50")
    metrics, windows, beats = asyncio.run(pages(database_url))
    assert {row["heart_rate_bpm"] for row in metrics} == {1}
    assert {row["pipeline_version"] for row in metrics} == {"1"}
    assert (len(windows), beats[0]["n_beats"]) == (1, 51)
    rederive(database_url, "one", dry_run=False)
    metrics, windows, beats = asyncio.run(pages(database_url))
    assert {row["pipeline_version"] for row in metrics} == {PIPELINE_VERSION}
    assert beats[0]["n_beats"] > 80
    assert len(windows) == 1  # made while the session ran, by the pipeline of then
    with open_snapshot(database_url, "one") as snapshot:
        assert snapshot.pipeline_version == PIPELINE_VERSION
        assert len(list(snapshot.rows("select_windows"))) == 1


def test_a_session_under_way_is_left_alone(database_url: str, stored: Callable[[], None]) -> None:
    stored()
    run(database_url, "update session set ended_at = null")
    with pytest.raises(StorageError, match="it is under way"):
        rederive(database_url, "one", dry_run=True)
    with pytest.raises(StorageError, match="found nothing"):
        rederive(database_url, "two", dry_run=True)
    assert finished_sessions(database_url) == []


class WishedSnapshot:
    """A recording with a wish that came in the middle of it."""

    streams = (ECG, BELT)

    def __init__(self, wish: BreathWish) -> None:
        self._wish = wish

    def rows(self, statement: str, **_more: Any) -> list[dict[str, Any]]:
        source = self._wish.source
        told = {"arrival_idx": 30, "t_ns": self._wish.t_ns, "source": None if source is None else source.value}
        return [told] if statement == "select_wishes" else []

    def raw_events(self) -> list[Any]:
        return [(message.seq, message.event) for message in recording()]


def test_wish_counts_from_its_own_time_on() -> None:
    wish = BreathWish(t_ns=15 * NS_PER_S, source=SignalKind.ECG)
    snapshot: Any = WishedSnapshot(wish)
    events: list[Any] = [message.event for message in recording()]
    live = [*events[:30], wish, *events[30:]]  # its first second-long blocks are those of second 15
    expected = [item for item in in_one_go(live, ()) if not isinstance(item, Waveform)]
    assert list(conclusions(snapshot, make_pipeline=Pipeline)) == expected
    assert expected != [item for item in in_one_go(events, ()) if not isinstance(item, Waveform)]
