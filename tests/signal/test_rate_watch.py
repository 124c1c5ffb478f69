"""A wrong rate is told from arrivals; nothing that a radio does is taken for one."""

import itertools
import random

import pytest

from becalm_protocol.events import Clock, SampleBlock
from becalm_signal.packet_clock import ArrivalClock, DeviceClock
from becalm_signal.rate_watch import RateWatch

S = 1_000_000_000
N = 33


def arrivals(seed: int, *, seconds: int, packet_s: float) -> list[tuple[float, int]]:
    """Return sampling time and arrival of packets over a bad radio: jitter, retries, stalls with their bursts."""
    rng = random.Random(seed)
    out, free_s, stall_s = [], 0.0, 0.0
    for n in range(round(seconds / packet_s)):
        t_s = (n + 1) * packet_s
        if rng.random() < packet_s / 60.0:
            stall_s = t_s + rng.uniform(0.5, 4.0)
        free_s = max(free_s + 0.004, t_s + rng.expovariate(1.0 / 0.03), stall_s)
        out.append((t_s * S, round(free_s * S)))
    return out


@pytest.mark.parametrize("packet_s", [0.04, 0.25, 0.56, 2.0])
@pytest.mark.parametrize("drift", [0.98, 1.0, 1.02])
def test_a_right_label_is_never_doubted(packet_s: float, drift: float) -> None:
    for seed in range(4):
        watch = RateWatch()
        shares = [watch.feed(t_ns * drift, at_ns) for t_ns, at_ns in arrivals(seed, seconds=1_800, packet_s=packet_s)]
        assert set(shares) == {0.0}


@pytest.mark.parametrize("packet_s", [0.04, 0.25, 0.56])
@pytest.mark.parametrize("label", [0.5, 0.8, 0.9, 1.1, 1.3, 2.0])
def test_a_wrong_label_is_found_within_ten_seconds(packet_s: float, label: float) -> None:
    watch = RateWatch()
    for t_ns, at_ns in arrivals(7, seconds=60, packet_s=packet_s):
        share = watch.feed(t_ns / label, at_ns)
        if share:
            break
    assert share == pytest.approx(label - 1.0, abs=0.04)
    assert t_ns <= 10 * S


@pytest.mark.parametrize("packet_s", [0.04, 0.25, 0.56])
@pytest.mark.parametrize("drift", [0.98, 1.0, 1.02])
@pytest.mark.parametrize("late_s", [0.0, 1.5])
def test_a_right_label_is_known_to_be_right_soon(packet_s: float, drift: float, late_s: float) -> None:
    """Also where the first packets waited for the link, and came all at once; a stall may make it later."""
    known_s = []
    for seed in range(40):
        watch = RateWatch()
        first_ns = round((packet_s + late_s) * S)
        for t_ns, at_ns in arrivals(seed, seconds=20, packet_s=packet_s):
            assert watch.feed(t_ns * drift, max(at_ns, first_ns)) == 0.0
            if watch.is_right:
                known_s.append((max(at_ns, first_ns) - first_ns) / S)
                break
    assert len(known_s) == 40
    assert sorted(known_s)[20] <= 4.0
    assert sorted(known_s)[35] <= 6.0


@pytest.mark.parametrize("packet_s", [0.04, 0.25, 0.56])
@pytest.mark.parametrize("label", [0.5, 0.77, 0.88, 1.12, 1.3, 2.0])
def test_a_wrong_label_is_never_taken_for_a_right_one(packet_s: float, label: float) -> None:
    for seed in range(20):
        watch = RateWatch()
        for t_ns, at_ns in arrivals(seed, seconds=60, packet_s=packet_s):
            share = watch.feed(t_ns / label, at_ns)
            assert share or not watch.is_right
            if share:
                break
        assert (1.0 + share) / label == pytest.approx(1.0, abs=0.05)


def blocks(true_hz: float, *, seconds: float, at: int = 0, t0_s: float = 0.0) -> list[SampleBlock]:
    return [
        SampleBlock(
            stream_id="ecg",
            received_ns=round((t0_s + (n + N) / true_hz) * S) + 15_000_000,
            first_sample_idx=at + n,
            sensor_ns=round((t0_s + (n + N) / true_hz) * S),
            counts=(0,) * N,
        )
        for n in range(0, round(seconds * true_hz), N)
    ]


@pytest.mark.parametrize("kind", [Clock.DEVICE, Clock.ARRIVAL])
@pytest.mark.parametrize("true_hz", [65.0, 104.0, 117.0, 143.0, 260.0])
def test_time_is_right_soon_after_a_rate_changes_under_way(kind: Clock, true_hz: float) -> None:
    clock = DeviceClock(130.0) if kind is Clock.DEVICE else ArrivalClock(130.0)
    before = blocks(130.0, seconds=20.0)
    n_before = before[-1].first_sample_idx + N
    after = blocks(true_hz, seconds=30.0, at=n_before, t0_s=n_before / 130.0)
    for block in itertools.chain(before, after):
        clock.accept(block)
        last = block.first_sample_idx + N - 1
        if block.received_ns > after[0].received_ns + 10 * S:
            assert clock.stream_ns(last) - clock.stream_ns(last - N) == pytest.approx(N * S / true_hz, rel=0.03)
            assert clock.session_ns(last) == pytest.approx(block.received_ns, abs=0.3 * S)


def test_a_doubt_about_a_rate_that_changed_lasts_until_it_is_corrected() -> None:
    clock, at_ns, known_hz = ArrivalClock(130.0), 0.2 * S, []
    for k in range(500):
        at_ns += 26 / (130.0 if k < 300 else 104.0) * S
        clock.accept(
            SampleBlock(stream_id="ecg", received_ns=round(at_ns), first_sample_idx=26 * k, counts=tuple([0] * 26))
        )
        known_hz.append(clock.rate_hz if clock.is_rate_known else None)
    doubted = known_hz.index(None, 300)
    told_again = next(rate_hz for rate_hz in known_hz[doubted:] if rate_hz is not None)
    assert told_again == pytest.approx(104.0, rel=0.02)


def test_arrivals_that_begin_anew_earlier_are_heard() -> None:
    watch = RateWatch()
    for n in range(1, 8):
        watch.feed(n * 0.25 * S, round((4_000.0 + 0.25 * n) * S))
    assert not watch.is_right
    for n in range(8, 40):
        assert watch.feed(n * 0.25 * S, round((400.0 + 0.25 * n) * S)) == 0.0
    assert watch.is_right


def test_arrivals_that_jump_to_and_fro_are_no_rate() -> None:
    watch = RateWatch()
    shares = [watch.feed(n * 0.25 * S, round((100.0 + (0.5 * n if n % 2 else -0.25 * n)) * S)) for n in range(80)]
    assert min(shares) > -0.98
