"""The spool: in order, without a hole, across restarts, full disks and broken files."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_protocol.codec import decode_msgpack
from becalm_protocol.errors import StorageError, UsageError
from becalm_protocol.events import (
    Clock,
    Gap,
    GapReason,
    RawEvent,
    SampleBlock,
    SignalKind,
    StreamInfo,
)
from becalm_protocol.handshake import Source

ECG, EDA = "e" * 32, "f" * 32


def info(stream_id: str) -> StreamInfo:
    return StreamInfo(
        stream_id=stream_id,
        kind=SignalKind.ECG,
        unit="uV",
        unit_per_count=1.0,
        sample_rate_hz=130.0,
        clock=Clock.DEVICE,
        device="strap",
    )


def block(n: int, *, stream_id: str = ECG, n_samples: int = 3) -> SampleBlock:
    return SampleBlock(stream_id=stream_id, received_ns=n, first_sample_idx=n, counts=(n,) * n_samples)


def begin(spool: Spool, *streams: str) -> None:
    spool.begin(SpooledSession(session_id="s", started_unix_ns=10**18, started_monotonic_ns=77, source=Source.LIVE))
    for stream_id in streams or (ECG,):
        spool.add_stream("s", info(stream_id))


def held(spool: Spool, stream_id: str = ECG) -> list[tuple[int, RawEvent]]:
    rows: list[tuple[int, RawEvent]] = []
    after_seq = 0
    while found := spool.pending(stream_id, after_seq=after_seq, upto_seq=10**9):
        rows += [(seq, decode_msgpack(body)) for seq, body in found]
        after_seq = found[-1][0]
    return rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent" / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    spool = Spool(path)
    begin(spool, ECG, EDA)
    yield spool
    spool.close()


def test_each_stream_counts_from_1_without_a_hole(spool: Spool) -> None:
    for n in range(200):
        spool.put_nowait(block(n))
        if n % 3 == 0:
            spool.put_nowait(block(n, stream_id=EDA))
    spool.flush()
    assert held(spool) == [(n + 1, block(n)) for n in range(200)]
    assert [seq for seq, _ in held(spool, EDA)] == list(range(1, 68))
    assert spool.n_unacked == 267


def test_an_acknowledgement_drops_everything_up_to_it(spool: Spool) -> None:
    for n in range(5):
        spool.put_nowait(block(n))
    spool.flush()
    assert spool.ack(ECG, 3)
    assert not spool.ack(ECG, 2)
    assert [seq for seq, _ in held(spool)] == [4, 5]
    with pytest.raises(ValueError, match="at most 5"):
        spool.ack(ECG, 6)
    assert not spool.ack("unknown", 1)


def test_nothing_is_sent_before_it_is_on_disk(spool: Spool, path: Path) -> None:
    spool.put_nowait(block(0))
    assert held(spool) == []
    spool.flush()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM event").fetchone() == (1,)
    other.close()
    assert len(held(spool)) == 1


def test_each_commit_wakes_the_sender(spool: Spool) -> None:
    woken: list[int] = []
    spool.on_commit = lambda: woken.append(spool.sessions["s"].streams[ECG].last_seq)
    spool.put_nowait(block(0))
    spool.put_nowait(block(1))
    assert woken == []
    spool.flush()
    spool.flush()
    assert woken == [2]


def test_events_of_no_open_session_are_a_mistake(spool: Spool) -> None:
    with pytest.raises(UsageError):
        spool.put_nowait(block(0, stream_id="unknown"))
    spool.finish("s")
    with pytest.raises(UsageError):
        spool.put_nowait(block(0))


def test_a_killed_process_loses_nothing_that_was_flushed(path: Path) -> None:
    first = Spool(path)
    begin(first, ECG, EDA)
    for n in range(4):
        first.put_nowait(block(n))
    first.flush()
    first.ack(ECG, 1)
    second = Spool(path)  # the first was never closed
    session = second.sessions["s"]
    assert (session.started_unix_ns, session.started_monotonic_ns) == (10**18, 77)
    assert session.opening().streams == (info(ECG), info(EDA))
    assert held(second) == [(n + 1, block(n)) for n in range(1, 4)]
    second.mark_restart(ECG, now_ns=50)
    second.flush()
    assert held(second)[-1] == (
        5,
        Gap(stream_id=ECG, received_ns=50, start_ns=3, end_ns=50, reason=GapReason.AGENT_RESTART),
    )
    second.close()


def test_the_last_number_survives_when_everything_was_acknowledged(path: Path) -> None:
    first = Spool(path)
    begin(first)
    first.put_nowait(block(9))
    first.flush()
    first.ack(ECG, 1)
    first.close()
    second = Spool(path)
    stream = second.sessions["s"].streams[ECG]
    assert (stream.last_seq, stream.acked_seq, stream.newest_ns) == (1, 1, 9)
    second.close()


def test_after_a_power_cut_numbers_go_on_from_where_the_server_stands(path: Path) -> None:
    first = Spool(path)
    begin(first)
    for n in range(3):
        first.put_nowait(block(n))
    first.close()
    second = Spool(path)
    second.mark_restart(ECG, now_ns=9)
    second.put_nowait(block(10))
    second.resume(ECG, acked_seq=7)  # the server has 4 to 7, which the disk forgot
    assert [(seq, type(event)) for seq, event in held(second)] == [(8, Gap), (9, SampleBlock)]
    assert second.sessions["s"].streams[ECG].last_seq == 9
    second.close()


def test_a_server_that_lost_what_it_had_gets_a_gap_in_its_place(spool: Spool) -> None:
    for n in range(6):
        spool.put_nowait(block(n))
    spool.flush()
    spool.ack(ECG, 4)
    spool.resume(ECG, acked_seq=1)
    rows = held(spool)
    assert [(seq, type(event)) for seq, event in rows] == [(2, Gap), (3, SampleBlock), (4, SampleBlock)]
    assert [event.received_ns for _, event in rows] == [block(n).received_ns for n in (3, 4, 5)]
    spool.put_nowait(block(7))
    spool.flush()
    assert held(spool)[-1] == (5, block(7))


def test_a_server_ahead_of_what_was_ever_sent_is_refused(spool: Spool) -> None:
    with pytest.raises(ValueError, match="at most 0"):
        spool.resume(ECG, acked_seq=5)


def test_full_gives_one_gap_and_an_alarm_and_then_goes_on(path: Path) -> None:
    spool = Spool(path, quota_bytes=400_000)
    begin(spool, ECG, EDA)
    n = 0
    while spool.n_refused == 0 and n < 10_000:
        spool.put_nowait(block(n, n_samples=60))
        spool.flush()
        n += 1
    n_kept = len(held(spool))
    for late in range(n, n + 50):
        spool.put_nowait(block(late, n_samples=60))
        spool.flush()
    assert spool.alarm is not None
    assert len(held(spool)) == n_kept > 100
    spool.ack(ECG, n_kept)
    assert spool.alarm is None
    spool.put_nowait(block(99_999))
    spool.flush()
    assert held(spool) == [
        (
            n_kept + 1,
            Gap(
                stream_id=ECG,
                received_ns=n + 49,
                start_ns=n - 2,
                end_ns=n + 49,
                reason=GapReason.SPOOL_FULL,
            ),
        ),
        (n_kept + 2, block(99_999)),
    ]
    assert spool.n_refused == 51
    spool.close()


def test_a_gap_of_a_full_disk_survives_a_restart(path: Path) -> None:
    spool = Spool(path, quota_bytes=200_000)
    begin(spool)
    n = 0
    while spool.n_refused == 0 and n < 10_000:
        spool.put_nowait(block(n, n_samples=60))
        spool.flush()
        n += 1
    last_seq = spool.sessions["s"].streams[ECG].last_seq
    spool.close()
    again = Spool(path, quota_bytes=200_000)
    again.resume(ECG, acked_seq=last_seq)
    assert [type(event) for _, event in held(again)] == [Gap]
    again.close()


def test_a_broken_file_is_set_aside_and_a_new_one_taken(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1_000)
    spool = Spool(path)
    assert spool.alarm is not None
    assert "broken" in spool.alarm
    assert len(list(path.parent.glob("spool.broken-*.db"))) == 1
    begin(spool)
    spool.put_nowait(block(0))
    spool.flush()
    assert len(held(spool)) == 1
    spool.close()


def test_a_file_that_breaks_under_way_is_replaced_and_the_loss_is_a_gap(path: Path) -> None:
    spool = Spool(path)
    begin(spool)
    for n in range(2_000):
        spool.put_nowait(block(n, n_samples=60))
    spool.flush()
    spool.ack(ECG, 10)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xee" * (path.stat().st_size - 4096))
    generation = spool.generation
    spool.pending(ECG, after_seq=10, upto_seq=2_000)
    assert spool.generation == generation + 1
    spool.put_nowait(block(5_000))
    spool.resume(ECG, acked_seq=40)  # 11 to 40 had reached the server before
    (seq, gap), (next_seq, after) = held(spool)
    assert (seq, next_seq, type(gap), type(after)) == (41, 42, Gap, SampleBlock)
    assert isinstance(gap, Gap)
    assert (gap.start_ns, gap.end_ns) == (block(9).received_ns, block(1_999).received_ns)  # all that may be missing
    spool.close()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError, match="choose another data folder"):
        Spool(blocked / "spool.db")


def test_a_session_is_forgotten_with_all_it_has(spool: Spool, path: Path) -> None:
    spool.put_nowait(block(0))
    spool.flush()
    spool.finish("s")
    spool.forget("s")
    spool.forget("s")
    with sqlite3.connect(path) as other:
        for table in ("session", "stream", "event"):
            assert other.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    other.close()
    assert spool.n_unacked == 0
