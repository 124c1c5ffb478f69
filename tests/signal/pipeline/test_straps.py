"""A strap's own beats in the whole pipeline: alone, and silent beside an ECG."""

from typing import Any

import pytest

from becalm_protocol.derived import Beat, Metrics, Reason
from becalm_protocol.events import (
    Clock,
    RrBlock,
    SignalKind,
    StreamInfo,
    StreamState,
    StreamStatus,
)
from becalm_signal.pipeline import Pipeline


def strap(rr_1024: tuple[int, ...], *, t_s: float, in_contact: bool | None = None) -> RrBlock:
    return RrBlock(stream_id="rr", received_ns=round(t_s * 1e9), rr_1024=rr_1024, in_contact=in_contact)


RR_INFO = StreamInfo(
    stream_id="rr", kind=SignalKind.RR, unit="1/1024 s", unit_per_count=1.0, clock=Clock.ARRIVAL, device="strap"
)


def test_a_strap_alone_gives_beats_at_once_and_metrics(run_events: Any) -> None:
    events = [strap((830, 790 + 9 * (k % 7)), t_s=1.6 * (k + 1)) for k in range(60)]
    pipeline = Pipeline([RR_INFO])
    first = pipeline.feed(events[0])
    assert [event.t_ns for event in first if isinstance(event, Beat) and not event.confirmed][-1] == 1_600_000_000
    derived = run_events([RR_INFO], events)
    last = [event for event in derived if isinstance(event, Metrics)][-1]
    assert last.heart_rate_bpm.value == pytest.approx(60_000 / 800.0, abs=3.0)
    assert last.rmssd_ms.value is not None
    assert last.breathing_rate_bpm.reason is Reason.WARMING_UP  # intervals may tell it one day


def test_with_an_ecg_about_the_strap_is_silent_until_the_ecg_is_lost(body: list[Any], cut_blocks: Any) -> None:
    streams = [body[0].info, RR_INFO]
    pipeline = Pipeline(streams)
    ecg = cut_blocks(body[0], [65] * 80)
    rr_times = [0.9 * k for k in range(1, 90)]
    out: list[Any] = []
    lost = StreamStatus(stream_id=body[0].info.stream_id, received_ns=40_000_000_000, state=StreamState.LOST)
    events = sorted(
        [*ecg, lost, *(strap((900 + 40 * (k % 2),), t_s=t) for k, t in enumerate(rr_times))],
        key=lambda event: event.received_ns,
    )
    for event in events:
        out += pipeline.feed(event)
    out += pipeline.finish()
    rr_beats = [event for event in out if isinstance(event, Beat) and event.source is SignalKind.RR]
    assert rr_beats
    assert min(beat.emitted_ns for beat in rr_beats) > 38_000_000_000
    late = [event for event in out if isinstance(event, Metrics) and event.t_ns > 50_000_000_000]
    assert late[-1].heart_rate_bpm.value == pytest.approx(60_000 / 898.4, abs=1.5)
    assert late[-1].rmssd_ms.value is not None, "the strap was followed all along"
