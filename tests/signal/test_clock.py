"""Positions to time: exact for recordings, steady for drifting devices, honest when a clock jumps."""

import random
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo
from becalm_signal.clock import RecordingClock, clock_for
from becalm_signal.device_clock import DeviceClock
from becalm_signal.packet_clock import ArrivalClock

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
    assert np.all(np.abs(settled - 20.0) < 4.0)


def fed(clock: DeviceClock | ArrivalClock, packets: Iterable[SampleBlock]) -> list[bool]:
    return [clock.accept(packet) for packet in packets]


def errors_ms(clock: DeviceClock, packets: list[SampleBlock], *, rate_hz: float = 130.16) -> list[float]:
    """Return session time minus truth at the end of each packet."""
    found = []
    for packet in packets:
        clock.accept(packet)
        last = packet.first_sample_idx + 72
        found.append((clock.session_ns(last) - last * NS / rate_hz) / 1e6)
    return found


def stamped(packet: SampleBlock, *, by_ns: int) -> SampleBlock:
    return replace(packet, sensor_ns=(packet.sensor_ns or 0) + by_ns)


@pytest.mark.parametrize("by_ns", [-(10**18), -561_000_000, 3 * NS, 10**18])
def test_one_odd_stamp_moves_nothing(by_ns: int) -> None:
    packets = strap_packets()[:100]
    odd = [stamped(p, by_ns=by_ns) if k == 50 else p for k, p in enumerate(packets)]
    plain, bent = DeviceClock(130.0), DeviceClock(130.0)
    assert all(fed(plain, packets))
    assert all(fed(bent, odd))
    for at in range(49 * 73, 100 * 73, 37):
        assert bent.stream_ns(at) == pytest.approx(plain.stream_ns(at), abs=1e6)
        assert bent.session_ns(at) == pytest.approx(plain.session_ns(at), abs=3e6)


@pytest.mark.parametrize("epoch_ns", [-599_000_000_000_000_000, 40 * NS])
def test_a_clock_that_is_set_without_a_break_goes_on(epoch_ns: int) -> None:
    clock = DeviceClock(130.0)
    packets = [stamped(p, by_ns=epoch_ns) if k >= 300 else p for k, p in enumerate(strap_packets())]
    errors = errors_ms(clock, packets)
    assert all(abs(error - 20.0) < 3.0 for error in errors[290:])
    assert clock.stream_ns(310 * 73) - clock.stream_ns(290 * 73) == pytest.approx(20 * 73 * NS / 130.16, abs=2e6)


def test_a_clock_that_is_reset_while_the_strap_was_off_starts_anew() -> None:
    clock = DeviceClock(130.0)
    packets = strap_packets()
    back = [replace(stamped(p, by_ns=-(10**17)), first_sample_idx=p.first_sample_idx - 20 * 73) for p in packets[120:]]
    assert fed(clock, [*packets[:100], *back]) == [*[True] * 100, False, *[True] * len(back[1:])]
    last = back[-1].first_sample_idx + 72
    assert (clock.session_ns(last) - (last + 20 * 73) * NS / 130.16) / 1e6 == pytest.approx(20.0, abs=3.0)


def test_lost_samples_that_nobody_counted_are_a_break_on_the_same_clock() -> None:
    clock = DeviceClock(130.0)
    packets = strap_packets()
    after = [replace(p, first_sample_idx=p.first_sample_idx - 10 * 73) for p in packets[310:]]
    assert fed(clock, [*packets[:300], *after[:40]]) == [*[True] * 300, False, *[True] * 39]
    last = after[39].first_sample_idx + 72
    assert (clock.session_ns(last) - (last + 10 * 73) * NS / 130.16) / 1e6 == pytest.approx(20.0, abs=3.0)


def test_samples_that_came_twice_are_a_break() -> None:
    clock = DeviceClock(130.0)
    packets = strap_packets()
    after = [replace(p, first_sample_idx=p.first_sample_idx + 73) for p in packets[300:]]
    verdicts = fed(clock, [*packets[:300], replace(packets[299], first_sample_idx=300 * 73), *after])
    assert verdicts[:300] == [True] * 300
    assert verdicts[300:].count(False) == 1
    assert not verdicts[300 + verdicts[300:].index(False)]
    assert 300 + verdicts[300:].index(False) <= 301


def test_a_gap_keeps_the_clock_and_its_drift() -> None:
    clock = DeviceClock(130.0)
    packets = strap_packets(drift=80e-6)
    errors_ms(clock, packets[:500])
    clock.restart()
    after = errors_ms(clock, packets[900:920])
    assert all(abs(error - 20.0) < 4.0 for error in after), after


@pytest.mark.parametrize("stamp_ns", [None, 0, 599_616_000_000_000_000])
def test_stamps_that_are_no_clock_are_counted_over(stamp_ns: int | None) -> None:
    clock = DeviceClock(130.0)
    packets = [replace(p, sensor_ns=stamp_ns) for p in strap_packets()]
    verdicts = fed(clock, packets)
    assert verdicts.count(False) == 1
    assert verdicts.index(False) < 12
    last = packets[-1].first_sample_idx + 72
    assert (clock.session_ns(last) - last * NS / 130.16) / 1e6 == pytest.approx(20.0, abs=10.0)


def test_the_stated_error_covers_the_truth_and_shrinks() -> None:
    clock = DeviceClock(130.0)
    n_covered, stated_ms = 0, []
    for packet in strap_packets(drift=80e-6):
        clock.accept(packet)
        last = packet.first_sample_idx + 72
        stated_ms.append(clock.error_ns(last) / 1e6)
        n_covered += abs((clock.session_ns(last) - last * NS / 130.16) / 1e6 - 20.0) <= stated_ms[-1]
    assert n_covered >= 950
    assert stated_ms[0] > 20.0
    assert stated_ms[-1] < 3.0


def test_a_stall_and_its_burst_do_not_move_the_mapping() -> None:
    packets = strap_packets()
    stalled = [
        replace(p, received_ns=max(p.received_ns, packets[407].received_ns + k)) if 400 <= k < 408 else p
        for k, p in enumerate(packets)
    ]
    errors = errors_ms(DeviceClock(130.0), stalled)
    assert all(abs(error - 20.0) < 2.0 for error in errors[395:430])


def test_nothing_is_measured_after_it_arrived_however_wrong_the_rate() -> None:
    clock = ArrivalClock(50.0)
    for k in range(2000):
        received_ns = round(k * NS / 25.0)
        clock.accept(block(k, 1, sensor_ns=None, received_ns=received_ns))
        assert clock.session_ns(k) <= received_ns + clock.error_ns(k) + 1e6


def test_arrivals_teach_the_true_rate() -> None:
    rng = random.Random(4)
    clock = ArrivalClock(10.0)
    for k in range(1500):
        true_ns = round(k * 1.01 * NS / 10.0)
        clock.accept(block(k, 1, sensor_ns=None, received_ns=true_ns + 15_000_000 + round(rng.expovariate(1 / 20e6))))
    assert clock.stream_ns(1499) - clock.stream_ns(1399) == pytest.approx(10.1 * NS, rel=2e-3)
    assert abs(clock.session_ns(1499) - 1499 * 1.01 * NS / 10.0 - 15e6) < 150e6


@pytest.mark.parametrize("n_piece", [1, 7, 20])
def test_a_packet_that_comes_in_pieces_at_once_is_one_packet(n_piece: int) -> None:
    whole, cut = ArrivalClock(130.0), ArrivalClock(130.0)
    for packet in strap_packets()[:40]:
        whole.accept(packet)
        for at in range(0, len(packet.counts), n_piece):
            piece = packet.counts[at : at + n_piece]
            cut.accept(replace(packet, first_sample_idx=packet.first_sample_idx + at, counts=piece))
        middle = packet.first_sample_idx + len(packet.counts) // 2
        assert cut.session_ns(middle) == pytest.approx(whole.session_ns(middle), abs=15e6)
