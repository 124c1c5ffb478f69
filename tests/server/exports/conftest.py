"""A session in the archive, with everything that a session can hold, and its exports."""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any

import pytest

from becalm_protocol.derived import (
    Beat,
    BeatFlag,
    Breath,
    BreathPause,
    BreathPhase,
    BreathTurn,
    HrvWindow,
    Index,
    Metrics,
    Reason,
    SignalQuality,
    SkinRecovery,
    SkinResponse,
    SlowMetrics,
)
from becalm_protocol.events import (
    Battery,
    Clock,
    Dropped,
    Gap,
    GapReason,
    Pacer,
    Phase,
    PhaseChange,
    RawEvent,
    RrBlock,
    SampleBlock,
    SignalKind,
    StreamInfo,
    StreamState,
    StreamStatus,
)
from becalm_protocol.handshake import Source
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.raw_rows import to_row
from becalm_server.archive.records import SessionRecord
from becalm_server.archive.snapshot import open_snapshot
from becalm_server.archive.store import open_own_archive
from becalm_server.archive.writes import StreamMark, Write
from becalm_server.exports.__main__ import make
from becalm_server.exports.content import Content

STARTED_UNIX_NS = 1_763_800_000_250_000_000
DEVICE_EPOCH_NS = 815_000_000_123_456_789


class Recording:
    """Twenty seconds and more of a person with two straps, a belt, a skin sensor and an optical one."""

    session_id = "6f1c0b4e9d2a4c7f8e3b5a1d7c9e2f40"
    started_unix_ns = STARTED_UNIX_NS

    def __init__(self) -> None:
        self.ecg = stream(SignalKind.ECG, "uV", 1.0, 130.0, clock=Clock.DEVICE, device='Anna\'s <H10> & "belt"; 1µ')
        self.ecg_2 = stream(SignalKind.ECG, "uV", 2.44140625, 128.0, device="=cmd|' /C calc'!A0")
        self.rr = stream(SignalKind.RR, "1/1024 s", 1.0, None, device=self.ecg.device)
        self.belt = stream(SignalKind.RESPIRATION, "N", 0.01, 10.0, device="Gürtel 春")
        self.skin = stream(SignalKind.SKIN_CONDUCTANCE, "uS", 0.0001, 8.0, clock=Clock.SESSION)
        self.light = stream(SignalKind.PPG_1, "au", 1.0, 55.0)
        self.ppi = stream(SignalKind.PPI, "1/1024 s", 1.0, None)
        self.streams = (self.ecg, self.ecg_2, self.rr, self.belt, self.skin, self.light, self.ppi)
        self.events: list[RawEvent] = []
        self.conclusions: list[Any] = []

    def counts_of(self, info: StreamInfo) -> list[int]:
        """Every count that was stored of a stream, repeated ones once."""
        kept: dict[int, int] = {}
        for event in self.events:
            if isinstance(event, SampleBlock) and event.stream_id == info.stream_id:
                kept |= {event.first_sample_idx + k: count for k, count in enumerate(event.counts)}
        return [kept[idx] for idx in sorted(kept)]

    def sampled(self, info: StreamInfo, *, seconds: range, per_block: int, true_hz: float, low: int, high: int) -> None:
        """Add blocks whose samples rise through `low` to `high`; `true_hz`: what the device really does."""
        rate_hz = info.sample_rate_hz or 1.0
        first, end = round(seconds.start * rate_hz), round(seconds.stop * rate_hz)
        for start in range(first, end, per_block):
            idx = range(start, min(start + per_block, end))
            t_ns = round(idx[-1] * NS_PER_S / true_hz)
            counts = tuple(low + (k * 7919) % (high - low + 1) for k in idx)
            stamp_ns = {Clock.DEVICE: DEVICE_EPOCH_NS + t_ns, Clock.SESSION: t_ns, Clock.ARRIVAL: None}[info.clock]
            self.events.append(
                SampleBlock(
                    stream_id=info.stream_id, received_ns=t_ns + 30_000_000, first_sample_idx=start,
                    sensor_ns=stamp_ns, counts=counts,
                )
            )  # fmt: skip

    def fill(self) -> None:
        """Everything: rates that are not the nominal ones, a gap, a repeat, a wide range, all derived values."""
        self.sampled(self.ecg, seconds=range(0, 40), per_block=73, true_hz=130.16, low=-3_000, high=3_000)
        self.sampled(self.ecg, seconds=range(60, 90), per_block=73, true_hz=130.16, low=-3_000, high=3_000)
        self.sampled(self.ecg_2, seconds=range(2, 80), per_block=16, true_hz=128.0, low=-32_768, high=20_000)
        self.sampled(self.belt, seconds=range(0, 90), per_block=1, true_hz=10.0, low=200, high=1_200)
        self.sampled(self.skin, seconds=range(0, 90), per_block=8, true_hz=8.0, low=10_000, high=99_000)
        self.sampled(self.light, seconds=range(0, 90), per_block=11, true_hz=55.0, low=-(2**22), high=2**22)
        self.events.append(self.events[5])  # as it happens after a broken link
        for n in range(60):
            self.events.append(
                RrBlock(stream_id=self.rr.stream_id, received_ns=(n + 2) * NS_PER_S, rr_1024=(900 + n, 870)[: n % 3],
                        heart_rate_bpm=66, in_contact=True if n % 2 else None)
            )  # fmt: skip
            self.events.append(
                RrBlock(stream_id=self.ppi.stream_id, received_ns=(n + 2) * NS_PER_S, rr_1024=(880 + n,),
                        error_ms=(n,), usable=(n % 2 == 0,))
            )  # fmt: skip
        self.events += [
            Gap(stream_id=self.ecg.stream_id, received_ns=60 * NS_PER_S, start_ns=40 * NS_PER_S,
                end_ns=60 * NS_PER_S, reason=GapReason.LINK_LOST),
            StreamStatus(stream_id=self.ecg.stream_id, received_ns=41 * NS_PER_S, state=StreamState.LOST),
            Battery(stream_id=self.belt.stream_id, received_ns=5 * NS_PER_S, level_pct=81),
            Dropped(stream_id=self.skin.stream_id, received_ns=6 * NS_PER_S, problem="-1 = odd, got 00 ff"),
        ]  # fmt: skip
        self.events.sort(key=lambda event: event.received_ns)
        self.conclusions = list(conclusions())


def conclusions() -> list[Any]:
    found: list[Any] = [
        PhaseChange(t_ns=0, phase=Phase.BASELINE),
        PhaseChange(t_ns=30 * NS_PER_S, phase=Phase.PRACTICE,
                    pacer=Pacer(started_ns=30 * NS_PER_S, inhale_s=4.0, exhale_s=6.0)),
        SignalQuality(t_ns=NS_PER_S, emitted_ns=NS_PER_S, kind=SignalKind.ECG, caution=Reason.POWERLINE),
        SignalQuality(t_ns=3 * NS_PER_S, emitted_ns=4 * NS_PER_S, kind=SignalKind.ECG, reason=Reason.NOISY),
        BreathPause(t_ns=50 * NS_PER_S, end_ns=55 * NS_PER_S, emitted_ns=56 * NS_PER_S, source=SignalKind.RESPIRATION),
        HrvWindow(t_ns=60 * NS_PER_S, emitted_ns=61 * NS_PER_S, window_s=60.0, n_beats=70,
                  indices={"HRV_RMSSD": 31.25}, withheld={"rsa": "too short"}),
    ]  # fmt: skip
    t_ns = 0
    for n in range(90):
        rr_ms = 900.0 + 10.0 * (n % 7) + 1 / 3
        t_ns += round(rr_ms * 1e6)
        flag = BeatFlag.FIRST if n in (0, 40) else BeatFlag.ECTOPIC if n == 20 else BeatFlag.OK
        interval_ms = None if flag is BeatFlag.FIRST else rr_ms
        found.append(
            Beat(beat_idx=n, t_ns=t_ns, emitted_ns=t_ns + 10**9, source=SignalKind.ECG, rr_ms=interval_ms, flag=flag,
                 rr_corrected_ms=interval_ms, confirmed=True, t_error_ms=1.5)
        )  # fmt: skip
        if n % 3 == 0:
            found.append(Beat(beat_idx=n // 3, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.RR, rr_ms=800.0,
                              rr_corrected_ms=800.0, flag=BeatFlag.OK, confirmed=True))  # fmt: skip
    for n in range(8):
        at_ns = 10 * n * NS_PER_S + 123_456
        found += [
            BreathTurn(t_ns=at_ns, emitted_ns=at_ns, phase=BreathPhase.IN, source=SignalKind.RESPIRATION),
            BreathTurn(t_ns=at_ns + 4 * NS_PER_S, emitted_ns=at_ns, phase=BreathPhase.OUT),
            Breath(t_ns=at_ns, emitted_ns=at_ns, breathing_rate_bpm=6.0, depth=1.25, source=SignalKind.RESPIRATION),
            SkinResponse(onset_ns=at_ns, peak_ns=at_ns + NS_PER_S, emitted_ns=at_ns, amplitude_us=0.0625 * (n + 1)),
        ]
    found.append(SkinRecovery(onset_ns=123_456, recovered_ns=5 * NS_PER_S, emitted_ns=5 * NS_PER_S))
    return found + _metrics()


def _metrics() -> list[Any]:
    withheld = Index(reason=Reason.TOO_FEW_BEATS)
    found: list[Any] = []
    for n in range(1, 91):
        told = Index(value=60.0 + n / 8, bound=0.5, sample_ns=n * NS_PER_S)
        given = {name: told if n > 10 else withheld for name in Metrics.index_names()} | {"scl_us": withheld}
        made_of = ("heart_rate_bpm", "scr_per_min") if n > 10 else None
        found.append(Metrics(t_ns=n * NS_PER_S, emitted_ns=n * NS_PER_S, arousal_from=made_of, **given))
        if n % 5 == 0:
            slow: dict[str, Any] = {name: told if n > 40 else withheld for name in SlowMetrics.index_names()}
            found.append(SlowMetrics(t_ns=n * NS_PER_S, emitted_ns=n * NS_PER_S, **slow, heart_source=SignalKind.ECG))
    return found


def stream(
    kind: SignalKind, unit: str, unit_per_count: float, rate_hz: float | None, *, clock: Clock = Clock.ARRIVAL,
    device: str = "Sensor of tests",
) -> StreamInfo:  # fmt: skip
    stream.n += 1  # type: ignore[attr-defined]
    return StreamInfo(
        stream_id=f"{stream.n:032x}", kind=kind, unit=unit, unit_per_count=unit_per_count,  # type: ignore[attr-defined]
        sample_rate_hz=rate_hz, clock=clock, device=device,
    )  # fmt: skip


stream.n = 0  # type: ignore[attr-defined]
Store = Callable[[Recording], Awaitable[str]]
MakeExport = Callable[..., bytes]


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def store(database_url: str) -> Store:
    """Put a recording into the archive as the server does; returns the session's identifier."""

    async def put(recording: Recording) -> str:
        session_id, seqs = recording.session_id, dict.fromkeys((info.stream_id for info in recording.streams), 0)
        record = SessionRecord(
            session_id=session_id, source=Source.LIVE, baseline_s=60.0, started_unix_ns=recording.started_unix_ns
        )
        async with open_own_archive(database_url) as archive:
            await archive.add_session(record)
            await archive.begin_session(record, streams=recording.streams)
            writing = asyncio.ensure_future(archive.writer.run())
            for arrival_idx, event in enumerate(recording.events):
                seqs[event.stream_id] += 1
                row = to_row(event, seq=seqs[event.stream_id], arrival_idx=arrival_idx)
                mark = StreamMark(stream_id=row.stream_id, seq=row.seq, n_duplicates=0)
                await archive.writer.wait_room()
                archive.writer.put_nowait(_write(session_id, raw=row, marks=(mark,)))
            for conclusion in recording.conclusions:
                archive.writer.put_nowait(_write(session_id, conclusions=(conclusion,)))
            await archive.writer.wait_drained()
            await archive.end_session(session_id, duration_ns=90 * NS_PER_S)
            writing.cancel()
            await asyncio.wait([writing])
        return session_id

    return put


def _write(session_id: str, **parts: Any) -> Write:
    return Write(session_id=session_id, queued_ns=time.monotonic_ns(), **parts)


@pytest.fixture
def export(database_url: str) -> MakeExport:
    """The bytes of an export, made as the export process makes them."""

    def made(session_id: str, export_format: str, *, device_names: bool = False) -> bytes:
        file = io.BytesIO()
        wish = {"session_id": session_id, "format": export_format, "device_names": device_names}
        make({"url": database_url, "people": None, **wish}, file)
        return file.getvalue()

    return made


@pytest.fixture
def open_content(database_url: str) -> Any:
    @contextmanager
    def opened(session_id: str) -> Any:
        with open_snapshot(database_url, session_id) as snapshot, Content(snapshot, device_names=True) as content:
            yield content

    return opened


@pytest.fixture
async def session_id(store: Store, recording: Recording) -> str:
    """A stored session that holds everything."""
    recording.fill()
    return await store(recording)


@pytest.fixture
async def empty_session_id(store: Store, recording: Recording) -> str:
    """A stored session whose sensors never said anything."""
    return await store(recording)
