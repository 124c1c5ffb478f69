"""Positions to time: exact for recordings, steady for drifting devices, honest when a clock jumps."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_signal.clock import ArrivalClock, DeviceClock, LowerEnvelope, RecordingClock, clock_for

NS = 1_000_000_000


def block(first: int, n: int, *, sensor_ns: int | None, received_ns: int) -> SampleBlock:
    return SampleBlock(
        stream_id="s", received_ns=received_ns, first_sample_idx=first, sensor_ns=sensor_ns, counts=(0,) * n
    )


@pytest.mark.parametrize(
    ("clock", "kind"),
    [(Clock.SESSION, RecordingClock), (Clock.DEVICE, DeviceClock), (Clock.ARRIVAL, ArrivalClock)],
)
def test_each_clock_has_its_mapping(clock: Clock, kind: type) -> None:
    info = StreamInfo(
        stream_id="s",
        kind=SignalKind.ECG,
        unit="uV",
        unit_per_count=1.0,
        sample_rate_hz=130.0,
        clock=clock,
        device="d",
    )
    assert type(clock_for(info)) is kind


@given(first_n=st.integers(1, 2048), rate_hz=st.sampled_from([100.0, 125.0, 130.0, 360.0, 1000.0]))
def test_a_recording_has_the_same_times_whatever_its_first_block(first_n: int, rate_hz: float) -> None:
    start_ns = 7_000
    clock = RecordingClock(rate_hz)
    last_ns = start_ns + round((first_n - 1) * NS / rate_hz)
    clock.accept(block(0, first_n, sensor_ns=last_ns, received_ns=last_ns))
    for at in (0, 1, 999, 12_345):
        assert clock.session_ns(at) == start_ns + round(at * NS / rate_hz)


def test_a_recording_anchors_anew_after_a_gap() -> None:
    clock = RecordingClock(100.0)
    clock.accept(block(0, 100, sensor_ns=990_000_000, received_ns=990_000_000))
    clock.restart()
    clock.accept(block(100, 10, sensor_ns=61_090_000_000, received_ns=61_090_000_000))
    assert clock.session_ns(100) == 61_000_000_000


def strap_packets(*, rate_hz: float = 130.16, drift: float = 50e-6, seed: int = 1) -> list[SampleBlock]:
    """Ten minutes of a strap: 73 samples a packet, its own clock, latency of 20 ms and an exponential tail."""
    rng = random.Random(seed)
    packets = []
    for k in range(1000):
        true_ns = round((73 * (k + 1) - 1) * NS / rate_hz)
        sensor_ns = 599_616_000_000_000_000 + round(true_ns * (1 + drift))
        latency_ns = 20_000_000 + round(rng.expovariate(1 / 40e6))
        packets.append(block(73 * k, 73, sensor_ns=sensor_ns, received_ns=true_ns + latency_ns))
    return packets


def test_intervals_of_a_device_do_not_feel_the_radio() -> None:
    clock = DeviceClock(130.0)
    errors_ns = []
    for packet in strap_packets():
        assert clock.accept(packet)
        last = packet.first_sample_idx + 72
        if packet.first_sample_idx > 73:
            interval_ns = clock.stream_ns(last) - clock.stream_ns(last - 110.5)
            errors_ns.append(interval_ns - 110.5 * NS / 130.16)
    assert max(abs(error) for error in errors_ns) < 100_000


def test_session_time_of_a_device_settles_near_its_lowest_latency() -> None:
    clock = DeviceClock(130.0)
    offsets_ms = []
    before_ns = 0
    for packet in strap_packets():
        clock.accept(packet)
        last = packet.first_sample_idx + 72
        now_ns = clock.session_ns(last)
        assert now_ns > before_ns
        before_ns = now_ns
        offsets_ms.append((now_ns - last * NS / 130.16) / 1e6)
    settled = np.array(offsets_ms[40:])
    assert np.all(np.abs(settled - 20.0) < 15.0)


def test_a_device_clock_that_runs_back_starts_anew() -> None:
    clock = DeviceClock(130.0)
    packets = strap_packets()
    assert clock.accept(packets[0])
    assert clock.accept(packets[1])
    odd = block(146, 73, sensor_ns=5, received_ns=packets[2].received_ns)
    assert not clock.accept(odd)
    assert clock.session_ns(218) == packets[2].received_ns


def test_arrivals_teach_the_true_rate() -> None:
    rng = random.Random(4)
    clock = ArrivalClock(10.0)
    for k in range(1500):
        true_ns = round(k * 1.01 * NS / 10.0)
        clock.accept(block(k, 1, sensor_ns=None, received_ns=true_ns + 15_000_000 + round(rng.expovariate(1 / 20e6))))
    assert clock.stream_ns(1499) - clock.stream_ns(1399) == pytest.approx(10.1 * NS, rel=2e-3)
    assert abs(clock.session_ns(1499) - 1499 * 1.01 * NS / 10.0 - 15e6) < 150e6


def test_the_envelope_moves_no_faster_than_crystals_drift() -> None:
    envelope = LowerEnvelope()
    before = envelope.feed(0, 50_000_000)
    for k in range(1, 200):
        now_ns = 15 * NS + k * NS
        after = envelope.feed(float(now_ns), now_ns + (10_000_000 if k % 2 else 90_000_000))
        if k > 1:
            assert abs(after - before) <= 1.1 * 200e-6 * NS
        before = after
