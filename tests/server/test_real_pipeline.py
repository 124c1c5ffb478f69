"""The server over becalm_signal itself, cut by a restart, against the pipeline fed in one go."""

from typing import Any

import numpy as np

from becalm_protocol.derived import Beat, BreathTurn
from becalm_protocol.events import Clock, PhaseChange, RawEvent, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Data, Source
from becalm_protocol.units import NS_PER_S
from becalm_signal.neurokit_lane import session_report
from becalm_signal.pipeline import Pipeline

ECG = StreamInfo(
    stream_id="ecg-of-real-pipeline", kind=SignalKind.ECG, unit="uV", unit_per_count=1.0, sample_rate_hz=130.0,
    clock=Clock.SESSION, device="synthetic",
)  # fmt: skip
BELT = StreamInfo(
    stream_id="belt-of-real-pipeline", kind=SignalKind.RESPIRATION, unit="N", unit_per_count=0.01, sample_rate_hz=10.0,
    clock=Clock.SESSION, device="synthetic",
)  # fmt: skip
N_SECONDS = 40


def recording() -> list[Data]:
    """A synthetic person: 72 beats a minute, 12 breaths a minute, a second a block."""
    t_s = np.arange(130 * N_SECONDS) / 130.0
    phase = t_s % (60 / 72)
    ecg = np.round(1000 * np.exp(-(((phase - 0.3) / 0.012) ** 2)) + 150 * np.exp(-(((phase - 0.55) / 0.05) ** 2)))
    ecg += np.round(np.random.default_rng(1).normal(0, 12, len(ecg)))
    belt = np.round(700 + 300 * np.sin(2 * np.pi * np.arange(10 * N_SECONDS) / 10.0 / 5))
    data = []
    for n in range(N_SECONDS):
        for info, counts, rate in ((ECG, ecg, 130), (BELT, belt, 10)):
            block = SampleBlock(
                stream_id=info.stream_id,
                received_ns=(n + 1) * NS_PER_S,
                first_sample_idx=n * rate,
                counts=tuple(int(count) for count in counts[n * rate : (n + 1) * rate]),
            )
            data.append(Data(seq=n + 1, event=block))
    return data


def in_one_go(events: list[RawEvent], schedule: tuple[PhaseChange, ...]) -> list[Any]:
    pipeline = Pipeline((ECG, BELT))
    derived = [item for event in (*schedule, *events) for item in pipeline.feed(event)]
    return [*derived, *pipeline.finish()]


async def test_rows_equal_an_uninterrupted_pipeline(start_server: Any, database_url: str, fetch: Any) -> None:
    data, session_id = recording(), "8" * 32
    for part in (data[: N_SECONDS // 2], data[N_SECONDS // 2 : N_SECONDS + 9], data[N_SECONDS + 9 :]):
        async with (
            start_server(database_url, make_pipeline=Pipeline, session_report=session_report) as server,
            server.agent() as agent,
            server.http() as http,
        ):
            await agent.hello()
            await agent.open((ECG, BELT), session_id=session_id, source=Source.REPLAY)
            await agent.send(*part)
            last = {message.event.stream_id: message.seq for message in part}
            await agent.wait_acks(last)
            if part[-1] is data[-1]:
                await agent.close_session(session_id, last)
                counts = (await http.get(f"/v1/sessions/{session_id}/counts")).json()
    schedule = (PhaseChange(t_ns=0, phase="baseline"),)  # type: ignore[arg-type]
    derived = in_one_go([message.event for message in data], schedule)
    beats = [(one.beat_idx, one.t_ns, one.rr_ms) for one in derived if isinstance(one, Beat) and one.confirmed]
    turns = [(one.t_ns, one.phase.value) for one in derived if isinstance(one, BreathTurn)]
    assert len(beats) > 40
    assert len(turns) > 10
    rows = await fetch(database_url, b"select beat_idx, t_ns, rr_ms from beat order by beat_idx")
    assert [(row["beat_idx"], row["t_ns"], row["rr_ms"]) for row in rows] == beats
    rows = await fetch(database_url, b"select t_ns, kind from breath where kind <> 'breath' order by t_ns")
    assert [(row["t_ns"], row["kind"]) for row in rows] == turns
    assert counts["stored"] == {"ecg": 130 * N_SECONDS, "respiration": 10 * N_SECONDS}
