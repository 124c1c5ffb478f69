"""A wrong rate is told from arrivals; nothing that a radio does is taken for one."""

import itertools
import math
import random

import pytest

from becalm_protocol.events import Clock, SampleBlock
from becalm_signal.device_clock import DeviceClock
from becalm_signal.packet_clock import ArrivalClock
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
@pytest.mark.parametrize("label", [1.25, 2.0, 4.0])
def test_a_label_that_is_far_too_high_is_found_sooner(packet_s: float, label: float) -> None:
    found_s = []
    for seed in range(20):
        watch = RateWatch()
        for t_ns, at_ns in arrivals(seed, seconds=20, packet_s=packet_s):
            if watch.feed(t_ns / label, at_ns):
                found_s.append(at_ns / S)
                break
    assert len(found_s) == 20
    assert sorted(found_s)[10] <= 6.0


@pytest.mark.parametrize("packet_s", [0.04, 0.25, 0.56])
@pytest.mark.parametrize("factor", [1.25, 2.0])
def test_a_rate_that_rises_under_way_is_found_sooner(packet_s: float, factor: float) -> None:
    found_s = []
    for seed in range(20):
        watch, radio = RateWatch(), random.Random(seed)
        for n in range(round(40 / packet_s)):
            t_s = (n + 1) * packet_s
            counted_s = t_s + max(0.0, t_s - 20.0) * (factor - 1.0)
            share = watch.feed(counted_s * S, round((t_s + radio.expovariate(1.0 / 0.01)) * S))
            if share:
                assert t_s > 20.0
                assert 1.0 / (1.0 + share) == pytest.approx(factor, rel=0.05)
                found_s.append(t_s - 20.0)
                break
    assert len(found_s) == 20
    assert sorted(found_s)[10] <= 6.0


@pytest.mark.parametrize("packet_s", [0.04, 0.25, 0.56])
@pytest.mark.parametrize("drift", [0.97, 1.0, 1.03])
@pytest.mark.parametrize(("stall_s", "speed"), [(2.0, 1.5), (3.0, 1.4), (4.0, 1.5), (4.0, 2.0), (8.0, 2.0)])
def test_a_link_that_catches_up_slowly_is_no_rate(packet_s: float, drift: float, stall_s: float, speed: float) -> None:
    watch, radio, free_s = RateWatch(), random.Random(5), 0.0
    for n in range(round(90 / packet_s)):
        t_s = (n + 1) * packet_s
        ready_s = t_s + radio.expovariate(1.0 / 0.005)
        for stalled_s in (20.0, 55.0):
            ready_s = max(ready_s, stalled_s + stall_s) if stalled_s <= t_s < stalled_s + stall_s else ready_s
        free_s = max(ready_s, free_s + packet_s / speed * radio.uniform(0.95, 1.05))
        assert watch.feed(t_s * drift * S, round(free_s * S)) == 0.0
    assert watch.is_right


@pytest.mark.parametrize("n_samples", [8, 33, 65])
@pytest.mark.parametrize("speed", [1.07, 1.15, 1.4, 2.0, 4.0])
@pytest.mark.parametrize("stalled_s", [0.55, 1.0, 3.0])
def test_a_link_that_stalls_in_the_first_seconds_is_no_rate(n_samples: int, speed: float, stalled_s: float) -> None:
    for seed in range(4):
        radio, free_s = random.Random(seed), 0.0
        stall_s, true_hz = radio.uniform(0.3, 4.0), 130.0 * radio.uniform(0.99, 1.01)
        clock = ArrivalClock(130.0)
        for n in range(0, 40 * 130 - n_samples, n_samples):
            t_s = (n + n_samples) / true_hz
            ready_s = max(t_s + radio.expovariate(200.0), stalled_s + stall_s if t_s >= stalled_s else 0.0)
            free_s = max(ready_s, free_s + n_samples / true_hz / speed * radio.uniform(0.98, 1.02))
            clock.accept(
                SampleBlock(stream_id="ecg", received_ns=round(free_s * S), first_sample_idx=n, counts=(0,) * n_samples)
            )
            assert clock.rate_since is None


def test_a_slow_link_that_was_taken_for_a_rate_is_doubted_as_soon_as_it_is_none() -> None:
    clock, free_s, doubted_s = ArrivalClock(130.0), 0.0, []
    for n in range(N, 60 * 130, N):
        free_s = max(n / 130.0, free_s + (2.0 if free_s < 8.0 else 0.1) * N / 130.0)
        clock.accept(
            SampleBlock(stream_id="ecg", received_ns=round(free_s * S), first_sample_idx=n - N, counts=(0,) * N)
        )
        if clock.rate_hz < 100.0 and free_s > 8.5 and not clock.is_rate_known:
            doubted_s.append(free_s)
        assert clock.rate_hz > 100.0 or free_s < 10.0 or not clock.is_rate_known
    assert doubted_s
    assert clock.rate_hz == pytest.approx(130.0, rel=0.05)


def test_a_hole_does_not_make_a_wrong_label_right() -> None:
    for hole_s in (0.5, 1.0, 1.5, 2.0, 2.5):
        watch = RateWatch()
        for n in range(1, 60):
            late_s = hole_s if n > 6 else 0.0
            share = watch.feed(0.5 * n * S, round((0.25 * n + late_s) * S))
            assert share or not watch.is_right
            if share:
                break


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
def test_a_right_label_is_known_soon_over_a_link_that_is_late_by_a_fifth_of_a_second_now_and_then(
    packet_s: float,
) -> None:
    known_s = []
    for seed in range(40):
        watch, radio, free_s = RateWatch(), random.Random(seed), 0.0
        for n in range(round(20 / packet_s)):
            t_s = (n + 1) * packet_s
            free_s = max(free_s + 0.004, t_s + radio.expovariate(100.0) + 0.2 * (radio.random() < 0.3))
            assert watch.feed(t_s * S, round(free_s * S)) == 0.0
            if watch.is_right:
                known_s.append(free_s)
                break
    assert len(known_s) == 40
    assert sorted(known_s)[20] <= 4.0
    assert sorted(known_s)[37] <= 6.0


@pytest.mark.parametrize("label", [0.955, 0.965, 1.035, 1.045])
def test_a_rate_that_is_still_to_be_learned_is_not_known(label: float) -> None:
    clock, known = ArrivalClock(130.0 * label), False
    for block in blocks(130.0, seconds=60.0):
        clock.accept(block)
        known = clock.is_rate_known
        if known:
            last = block.first_sample_idx + N - 1
            assert clock.stream_ns(last) - clock.stream_ns(last - N) == pytest.approx(N * S / 130.0, rel=0.035)
    assert known


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


@pytest.mark.parametrize("kind", [Clock.DEVICE, Clock.ARRIVAL])
@pytest.mark.parametrize("true_hz", [65.0, 260.0])
def test_a_clock_knows_since_when_a_rate_holds(kind: Clock, true_hz: float) -> None:
    clock = DeviceClock(130.0) if kind is Clock.DEVICE else ArrivalClock(130.0)
    before = blocks(130.0, seconds=20.0)
    n_before = before[-1].first_sample_idx + N
    for block in before:
        assert clock.accept(block)
    for block in blocks(true_hz, seconds=10.0, at=n_before, t0_s=n_before / 130.0):
        clock.accept(block)
        if clock.rate_since is not None:
            assert clock.rate_hz == pytest.approx(true_hz, rel=0.03)
            assert n_before <= clock.rate_since <= min(n_before + true_hz + N + 2, block.first_sample_idx - N)
            assert clock.accept(block)
            assert clock.rate_since is None
            return
    pytest.fail("the rate was not found")


@pytest.mark.parametrize("kind", [Clock.DEVICE, Clock.ARRIVAL])
def test_a_label_that_was_never_right_says_so_of_everything_that_came(kind: Clock) -> None:
    clock = DeviceClock(260.0) if kind is Clock.DEVICE else ArrivalClock(260.0)
    since = [clock.rate_since for block in blocks(130.0, seconds=6.0) if not clock.accept(block)]
    assert clock.rate_hz == pytest.approx(130.0, rel=0.03)
    assert since[-1] == (0 if kind is Clock.DEVICE else -math.inf)


@pytest.mark.parametrize("kind", [Clock.DEVICE, Clock.ARRIVAL])
def test_positions_and_times_are_each_others_inverse(kind: Clock) -> None:
    clock = DeviceClock(130.0) if kind is Clock.DEVICE else ArrivalClock(130.0)
    for block in blocks(132.0, seconds=20.0):
        clock.accept(block)
    for at in (-100, 5, 1_000, 1_234.5, 2_000, 4_000):
        assert clock.position(clock.session_ns(at)) == pytest.approx(at, abs=1e-3)


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
