"""Session life end to end: a fake source, the real spool, a real WebSocket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.conductor import Conductor
from becalm_ingest.devices import Cursor, StreamTemplate
from becalm_ingest.report import AgentReport
from becalm_ingest.session import Session
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.events import Clock, Gap, GapReason, SampleBlock, SignalKind, StreamState
from becalm_protocol.handshake import AgentStatus, Problem, SensorState, StartSession, StopSession

TEMPLATE = StreamTemplate(
    kind=SignalKind.RESPIRATION,
    unit="N",
    unit_per_count=0.001,
    sample_rate_hz=10.0,
    clock=Clock.ARRIVAL,
    late_after_s=1.6,
    lost_after_s=3.0,
)


class FakeBelt:
    """A source whose samples the test gives."""

    trouble: str | None = None

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.session: Session | None = None
        self.cursor: Cursor | None = None
        self.n_begun = 0
        self.n = 0
        self.hangs = False
        self.finished = asyncio.Event()

    def sensors(self) -> tuple[SensorState, ...]:
        state = StreamState.STREAMING if self.session else StreamState.READY
        return (SensorState(device="belt", kind=SignalKind.RESPIRATION, state=state, battery_pct=88),)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def begin(self, session: Session) -> None:
        self.session, self.cursor = session, session.cursor(TEMPLATE, device="belt")
        self.n_begun += 1

    async def end(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self.session = None

    async def wait_finished(self) -> None:
        await self.finished.wait()

    def breathe(self, n: int = 1) -> None:
        assert self.session is not None
        assert self.cursor is not None
        for _ in range(n):
            for event in self.cursor.block((self.n,), received_ns=self.session.now_ns()):
                self.session.put(event)
            self.n += 1


@contextlib.asynccontextmanager
async def running(
    wire: Any, folder: Path, *, start_now: bool = False, belt: FakeBelt | None = None
) -> AsyncIterator[tuple[FakeBelt, asyncio.Event, "asyncio.Task[AgentReport]"]]:
    belt = belt or FakeBelt()
    conductor = Conductor(
        belt, server_url=wire.url, data_dir=folder, quota_bytes=DEFAULT_QUOTA_BYTES, start_now=start_now
    )
    stop = asyncio.Event()
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as group:
        task = group.create_task(conductor.run(stop=stop))
        yield belt, stop, task
        stop.set()
        await task


def values(wire: Any) -> list[int]:
    return [count for block in wire.events(SampleBlock) for count in block.counts]


async def test_idle_until_started_then_drained_closed_and_idle_again(wire: Any, tmp_path: Path) -> None:
    async with running(wire, tmp_path) as (belt, _, _):
        await wire.until(lambda: wire.statuses)
        assert wire.statuses[-1].sensors[0].state is StreamState.READY
        assert wire.opened == []
        for n, session_id in enumerate(("one", "two"), start=1):
            await wire.tell(StartSession(session_id=session_id))
            await wire.until(lambda: belt.session)
            belt.breathe(5)
            await wire.tell(StopSession(session_id=session_id))
            await wire.until(lambda n=n: len(wire.closed) == n)
        assert belt.n_begun == 2
    assert values(wire) == list(range(10))
    assert len({info.stream_id for opened in wire.opened for info in opened.streams}) == 2


async def test_a_repeated_start_is_the_same_session(wire: Any, tmp_path: Path) -> None:
    async with running(wire, tmp_path) as (belt, _, _):
        await wire.until(lambda: wire.statuses)
        for _ in range(3):
            await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: wire.opened)
        belt.breathe()
        await wire.until(lambda: values(wire))
    assert belt.n_begun == 1


async def test_a_second_start_ends_the_first_session(wire: Any, tmp_path: Path) -> None:
    async with running(wire, tmp_path) as (belt, _, _):
        await wire.until(lambda: wire.statuses)
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: wire.opened)
        belt.breathe(3)
        await wire.tell(StartSession(session_id="two"))
        await wire.until(lambda: belt.n_begun == 2)
        belt.breathe(2)
        await wire.tell(StopSession(session_id="two"))
        await wire.until(lambda: len(wire.closed) == 2)
    assert sorted(values(wire)) == list(range(5))


async def test_each_event_goes_out_at_once(wire: Any, tmp_path: Path) -> None:
    async with running(wire, tmp_path, start_now=True) as (belt, _, _):
        await wire.until(lambda: wire.opened)
        for n in range(1, 30):
            belt.breathe()
            async with asyncio.timeout(0.5):  # no timer may stand between the callback and the wire
                await wire.until(lambda n=n: len(values(wire)) == n)


async def test_the_report_counts_everything(wire: Any, tmp_path: Path) -> None:
    async with running(wire, tmp_path, start_now=True) as (belt, stop, task):
        await wire.until(lambda: wire.opened)
        belt.breathe(20)
        stop.set()
        report = await task
    (stream,) = report.streams
    assert (stream.n_received, stream.n_events, stream.n_sent, stream.n_acked, stream.n_spooled) == (20, 20, 20, 20, 0)
    assert report.received == {"respiration": 20}
    assert report.commit_ack.p99_ms is not None
    assert report.trouble is None
    assert report.as_dict()["commit_ack_ms"]["p50"] > 0
    assert "respiration 20" in report.line()


async def test_without_a_server_everything_waits_for_the_next_start(
    until: Any, make_wire: Any, serve_wire: Any, tmp_path: Path
) -> None:
    away = make_wire()
    async with serve_wire(away):
        pass  # the port is free again: nobody answers there
    async with running(away, tmp_path, start_now=True) as (belt, stop, task):
        await until(lambda: belt.session)
        belt.breathe(50)
        stop.set()
        report = await task
    assert report.streams[0].n_spooled == 50
    assert report.trouble is not None
    assert "No server answers" in report.trouble
    back = make_wire()
    async with serve_wire(back), running(back, tmp_path) as (_, _, _):
        await back.until(lambda: back.closed)
    assert values(back) == list(range(50))


async def test_a_killed_agent_goes_on_with_its_session_after_a_gap(wire: Any, tmp_path: Path) -> None:
    first = FakeBelt()
    conductor = Conductor(
        first, server_url=wire.url, data_dir=tmp_path, quota_bytes=DEFAULT_QUOTA_BYTES, start_now=True
    )
    task = asyncio.get_running_loop().create_task(conductor.run(stop=asyncio.Event()))
    await wire.until(lambda: wire.opened)
    first.breathe(30)
    await wire.until(lambda: len(values(wire)) == 30)
    task.cancel()  # it ends nothing in good order
    with pytest.raises(asyncio.CancelledError):
        await task
    second = FakeBelt()
    second.n = 30
    async with running(wire, tmp_path, belt=second) as (_, _, _):
        await wire.until(lambda: len(wire.opened) == 2)
        second.breathe(5)
        await wire.until(lambda: len(values(wire)) == 35)
    assert wire.opened[0].session_id == wire.opened[1].session_id == wire.closed[0].session_id
    assert wire.opened[0].started_unix_ns == wire.opened[1].started_unix_ns
    (events,) = wire.stored.values()
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert gap.reason is GapReason.AGENT_RESTART
    blocks = [event for event in events if isinstance(event, SampleBlock)]
    assert events.index(gap) == 30
    assert all(a.first_sample_idx < b.first_sample_idx for a, b in pairwise(blocks))
    assert all(a.received_ns <= b.received_ns for a, b in pairwise(events))


async def test_a_source_that_hangs_is_cut_and_late_samples_are_not_taken(wire: Any, tmp_path: Path) -> None:
    belt = FakeBelt()
    belt.hangs = True
    async with running(wire, tmp_path, start_now=True, belt=belt) as (_, stop, task):
        await wire.until(lambda: wire.opened)
        belt.breathe(2)
        stop.set()
        async with asyncio.timeout(30.0):  # the belt itself would hang for ever
            await task
        belt.breathe()
    assert values(wire) == [0, 1]
    assert len(wire.closed) == 1


async def test_a_session_without_any_stream_is_not_opened(wire: Any, until: Any, tmp_path: Path) -> None:
    class Nobody(FakeBelt):
        async def begin(self, session: Session) -> None:
            self.session = session

    async with running(wire, tmp_path, belt=Nobody()) as (belt, _, _):
        await wire.until(lambda: wire.statuses)
        await wire.tell(StartSession(session_id="one"))
        await until(lambda: belt.session)
    assert wire.opened == []


async def test_a_source_that_ends_is_stored_before_the_agent_does(wire: Any, tmp_path: Path) -> None:
    async with running(wire, tmp_path, start_now=True) as (belt, stop, task):
        await wire.until(lambda: wire.opened)
        belt.breathe(500)
        belt.finished.set()
        report = await task
        assert not stop.is_set()
    assert values(wire) == list(range(500))
    assert report.n_spooled == 0
    assert len(wire.closed) == 1


async def test_the_pong_tells_session_time_only_within_a_session(wire: Any, tmp_path: Path) -> None:
    from becalm_protocol.handshake import Ping

    async with running(wire, tmp_path) as (belt, _, _):
        await wire.until(lambda: wire.statuses)
        await wire.tell(Ping(sent_ns=5))
        await wire.until(lambda: wire.pongs)
        assert (wire.pongs[0].sent_ns, wire.pongs[0].clock_ns) == (5, None)
        await wire.tell(StartSession(session_id="one"))
        await wire.until(lambda: belt.session)
        assert belt.session is not None
        before_ns = belt.session.now_ns()
        await wire.tell(Ping(sent_ns=6))
        await wire.until(lambda: len(wire.pongs) == 2)
        assert before_ns <= wire.pongs[1].clock_ns <= belt.session.now_ns()


@pytest.mark.parametrize("change", ["state", "battery"])
async def test_a_change_of_a_sensor_is_told_at_once(wire: Any, tmp_path: Path, change: str) -> None:
    class Changing(FakeBelt):
        told = SensorState(device="belt", kind=SignalKind.RESPIRATION, state=StreamState.READY, battery_pct=50)

        def sensors(self) -> tuple[SensorState, ...]:
            return (self.told,)

    belt = Changing()
    async with running(wire, tmp_path, belt=belt):
        await wire.until(lambda: wire.statuses)
        belt.told = SensorState(
            device="belt",
            kind=SignalKind.RESPIRATION,
            state=StreamState.LOST if change == "state" else StreamState.READY,
            battery_pct=49 if change == "battery" else 50,
        )
        belt.on_change()
        await wire.until(lambda: len(wire.statuses) == 2)
        assert wire.statuses[-1] == AgentStatus(sensors=(belt.told,))


async def test_what_the_server_says_is_shown(make_wire: Any, serve_wire: Any, tmp_path: Path) -> None:
    wire = make_wire(refuse=Problem(close_code=4400, detail="Update becalm on this computer."))
    async with serve_wire(wire), running(wire, tmp_path, start_now=True) as (_, stop, task):
        await wire.until(lambda: wire.hellos)
        await wire.link.wait_closed()
        stop.set()
        report = await task
    assert report.trouble == "Update becalm on this computer."
