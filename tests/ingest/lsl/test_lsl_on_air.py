"""Real LSL outlets on loopback: into a session, lost and back, beside one another, in their units and times."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest.agent import AgentSettings, run_agent
from becalm_ingest.ensemble import Ensemble
from becalm_ingest.formats.signals import parse_choice
from becalm_ingest.lsl_source import LslStreams
from becalm_ingest.session import Session
from becalm_ingest.spool import Spool
from becalm_ingest.spool_stream import SpooledSession
from becalm_protocol.events import (
    Clock,
    Gap,
    GapReason,
    RawEvent,
    RrBlock,
    SampleBlock,
    SignalKind,
    StreamState,
    StreamStatus,
)
from becalm_protocol.handshake import Source as SourceKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S

MakeOutlet = Callable[..., Any]


class Bench:
    """A session and what came into it."""

    def __init__(self, source: Any, *, spool: Spool) -> None:
        spooled = SpooledSession(
            session_id="s", started_unix_ns=0, started_monotonic_ns=time.monotonic_ns(), source=SourceKind.LIVE
        )
        spool.begin(spooled)
        self.source, self.spool = source, spool
        self.began_ns = time.monotonic_ns() - 60 * NS_PER_S
        self.session = Session(session_id="s", spool=spool, now_ns=lambda: time.monotonic_ns() - self.began_ns)
        self.events: list[RawEvent] = []
        take = self.session.put

        def put(event: RawEvent) -> None:
            self.events.append(event)
            take(event)

        self.session.put = put  # type: ignore[method-assign]

    def of(self, kind: SignalKind) -> list[RawEvent]:
        ids = {s.info.stream_id for s in self.spool.sessions["s"].streams.values() if s.info.kind is kind}
        return [event for event in self.events if event.stream_id in ids]

    def counts(self, kind: SignalKind) -> list[int]:
        return [count for event in self.of(kind) if isinstance(event, SampleBlock) for count in event.counts]

    def info(self, kind: SignalKind) -> Any:
        return next(s.info for s in self.spool.sessions["s"].streams.values() if s.info.kind is kind)


@asynccontextmanager
async def running(source: Any, tmp_path: Path) -> AsyncIterator[Bench]:
    spool = Spool(tmp_path / "spool.db", quota_bytes=50_000_000)
    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            task = group.create_task(source.run())
            yield Bench(source, spool=spool)
            task.cancel()
    finally:
        spool.close()


def ready(source: Any, n: int) -> Callable[[], bool]:
    return lambda: sum(s.state is StreamState.READY for s in source.sensors()) == n


async def until(is_true: Callable[[], object]) -> None:
    async with asyncio.timeout(10.0):
        while not is_true():  # noqa: ASYNC110 - another thread's library gives nothing to await
            await asyncio.sleep(0.01)


async def test_samples_arrive_in_their_unit_at_their_time(lsl: Any, make_outlet: MakeOutlet, tmp_path: Path) -> None:
    outlet = make_outlet("Amp", "EXG", rate_hz=130, channels=[("ECG", "millivolts"), ("EDA", "uS"), ("Trigger", "")])
    source = LslStreams(devices=("lsl:amp",))
    async with running(source, tmp_path) as bench:
        await until(ready(source, 2))
        await source.begin(bench.session)
        began_s = lsl.local_clock()
        outlet.push([[0.001 * k, 2.0, 7.0] for k in range(200)], began_s=began_s)
        await until(lambda: len(bench.counts(SignalKind.ECG)) == 200)
        await source.end()
    info = bench.info(SignalKind.ECG)
    assert (info.unit, info.sample_rate_hz, info.clock, info.device) == ("uV", 130.0, Clock.DEVICE, "Amp")
    assert bench.counts(SignalKind.ECG) == [100 * k for k in range(200)]
    assert set(bench.counts(SignalKind.SKIN_CONDUCTANCE)) == {20_000}
    blocks = [event for event in bench.of(SignalKind.ECG) if isinstance(event, SampleBlock)]
    for block in blocks:
        last = block.first_sample_idx + len(block.counts) - 1
        true_ns = round((began_s + last / 130) * NS_PER_S) - bench.began_ns
        assert block.sensor_ns == pytest.approx(true_ns, abs=NS_PER_MS)
    assert not [event for event in bench.events if isinstance(event, Gap)]
    statuses = [event.state for event in bench.of(SignalKind.ECG) if isinstance(event, StreamStatus)]
    assert statuses == [StreamState.STREAMING, StreamState.ENDED]


async def test_losses_and_values_that_are_no_numbers_are_gaps(
    lsl: Any, make_outlet: MakeOutlet, tmp_path: Path
) -> None:
    outlet = make_outlet("Ring", "GSR", rate_hz=100, channels=[("GSR", "microsiemens")])
    source = LslStreams(devices=("lsl",))
    async with running(source, tmp_path) as bench:
        await until(ready(source, 1))
        await source.begin(bench.session)
        began_s = lsl.local_clock() - 20
        outlet.push([[1.0]] * 1_500, began_s=began_s)
        outlet.push([[2.0]] * 100, began_s=began_s, first=1_540)
        outlet.push([[float("nan")]] * 30 + [[3.0]] * 70, began_s=began_s, first=1_640)
        await until(lambda: len(bench.counts(SignalKind.SKIN_CONDUCTANCE)) == 1_670)
        await source.end()
    gaps = [event for event in bench.of(SignalKind.SKIN_CONDUCTANCE) if isinstance(event, Gap)]
    assert [(gap.n_missing, gap.reason) for gap in gaps] == [
        (40, GapReason.SENSOR_SILENT),
        (30, GapReason.NOT_A_NUMBER),
    ]
    positions = [event for event in bench.of(SignalKind.SKIN_CONDUCTANCE) if isinstance(event, SampleBlock)]
    assert positions[-1].first_sample_idx + len(positions[-1].counts) == 1_740


async def test_a_stream_that_ends_and_comes_back_is_a_gap_of_its_length(
    lsl: Any, make_outlet: MakeOutlet, tmp_path: Path
) -> None:
    channels = [("Resp", "V")]
    outlet = make_outlet("Belt", "Respiration", rate_hz=50, channels=channels)
    source = LslStreams(devices=("lsl:Belt",))
    async with running(source, tmp_path) as bench:
        await until(ready(source, 1))
        await source.begin(bench.session)
        began_s = lsl.local_clock() - 30
        outlet.push([[0.5]] * 300, began_s=began_s)
        await until(lambda: len(bench.counts(SignalKind.RESPIRATION)) == 300)
        outlet.close()
        await until(lambda: any(s.state is StreamState.LOST for s in source.sensors()))
        assert source.trouble is not None
        assert "Belt is gone" in source.trouble
        outlet = make_outlet("Belt", "Respiration", rate_hz=50, channels=channels)
        await until(lambda: outlet.outlet.have_consumers() and source.trouble is None)
        outlet.push([[0.7]] * 50, began_s=began_s, first=800)
        await until(lambda: len(bench.counts(SignalKind.RESPIRATION)) == 350)
        await source.end()
    (gap,) = [event for event in bench.of(SignalKind.RESPIRATION) if isinstance(event, Gap)]
    assert (gap.n_missing, gap.reason) == (500, GapReason.LINK_LOST)
    states = [event.state for event in bench.of(SignalKind.RESPIRATION) if isinstance(event, StreamStatus)]
    assert states == [StreamState.STREAMING, StreamState.LOST, StreamState.STREAMING, StreamState.ENDED]


async def test_intervals_and_a_choice_of_the_person(lsl: Any, make_outlet: MakeOutlet, tmp_path: Path) -> None:
    beats = make_outlet("Strap", "RR", rate_hz=0, channels=[("RR", "ms")])
    raw = make_outlet("BioSemi", "EEG", rate_hz=200, channels=[("EX1", ""), ("EX2", "")], form="int32")
    first = LslStreams(devices=("lsl:Strap",))
    second = LslStreams(devices=("lsl:BioSemi",), choices=(parse_choice("EX2=ecg:uV"),))
    source = Ensemble([first, second])
    async with running(source, tmp_path) as bench:
        await until(ready(source, 2))
        await source.begin(bench.session)
        for rr_ms in (812.0, 799.0, 1_024.0):
            beats.outlet.push_sample([rr_ms])
        raw.push([[5, k - 50] for k in range(100)], began_s=lsl.local_clock() - 1)
        await until(lambda: len(bench.counts(SignalKind.ECG)) == 100)
        await until(lambda: sum(isinstance(event, RrBlock) for event in bench.events) == 3)
        await source.end()
    assert bench.counts(SignalKind.ECG) == list(range(-50, 50))
    assert [e.rr_1024 for e in bench.events if isinstance(e, RrBlock)] == [(831,), (818,), (1_049,)]
    assert {sensor.device for sensor in source.sensors()} == {"Strap", "BioSemi"}
    assert all("clock to" in (sensor.model or "") for sensor in source.sensors())


async def test_a_stream_that_nobody_can_tell_is_said(lsl: Any, make_outlet: MakeOutlet, tmp_path: Path) -> None:
    outlet = make_outlet("Box", "misc", rate_hz=10, channels=[("a", "V"), ("b", "V")])
    source = LslStreams(devices=("lsl:box",))
    assert "No LSL stream with box" in (source.trouble or "")
    async with running(source, tmp_path):
        await until(lambda: "#1 'a' (V, 10 Hz); #2 'b' (V, 10 Hz)" in (source.trouble or ""))
        assert "--signal" in (source.trouble or "")
        outlet.close()
        outlet = make_outlet("Box", "misc", rate_hz=10, channels=[("ECG", "V")])  # mended at its sender
        await until(ready(source, 1))
    outlet.close()


async def test_an_agent_reads_the_laboratory_without_a_radio(
    lsl: Any, make_outlet: MakeOutlet, wire: Any, tmp_path: Path
) -> None:
    outlet = make_outlet("Agent's amp", "ECG", rate_hz=100, channels=[("ECG", "uV")])
    settings = AgentSettings(server_url=wire.url, data_dir=tmp_path, devices=("lsl:agent's amp",), start_now=True)
    stop = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running_agent = group.create_task(run_agent(settings, stop=stop))
        await until(lambda: outlet.outlet.have_consumers())
        began_s = lsl.local_clock()
        outlet.push([[float(k)] for k in range(200)], began_s=began_s)
        await until(lambda: sum(len(block.counts) for block in wire.events(SampleBlock)) == 200)
        stop.set()
    report = running_agent.result()
    assert report.received == {"ecg": 200}
    assert [stream.device for opened in wire.opened for stream in opened.streams][-1] == "Agent's amp"
