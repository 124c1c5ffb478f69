"""The line under the quickest packets: its drift, its error, and what it does not believe."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from becalm_signal.envelope import N_BUCKETS, Envelope

NS = 1_000_000_000


def fed(envelope: Envelope, *, drift: float, n_packets: int, mean_late_ms: float = 20.0, seed: int = 3) -> float:
    """Feed packets twice a second over a clock that loses `drift` s/s; return the true offset at the last one."""
    rng = random.Random(seed)
    for k in range(1, n_packets + 1):
        true_ns = k * NS // 2
        clock_ns = true_ns * (1.0 - drift)
        envelope.feed(clock_ns, true_ns + round(rng.expovariate(1e-6 / mean_late_ms)))
    return true_ns - clock_ns


def crystal() -> Envelope:
    return Envelope(drift_sd=50e-6, drift_limit=200e-6)


@pytest.mark.parametrize("drift", [-100e-6, 0.0, 80e-6])
def test_drift_and_offset_are_found(drift: float) -> None:
    envelope = crystal()
    offset_ns = fed(envelope, drift=drift, n_packets=2400)
    assert envelope.drift == pytest.approx(drift, abs=3e-6)
    assert abs(envelope.offset_ns(1200 * NS) - offset_ns) < 1.5e6


def test_the_first_packets_say_that_little_is_known() -> None:
    envelope = crystal()
    fed(envelope, drift=0.0, n_packets=1)
    first_ns = envelope.error_ns(NS / 2)
    fed(envelope, drift=0.0, n_packets=600)
    assert first_ns > 20e6
    assert envelope.error_ns(300 * NS) < first_ns / 5


def test_the_error_grows_where_nothing_is_heard() -> None:
    envelope = crystal()
    fed(envelope, drift=0.0, n_packets=600)
    errors_ns = [envelope.error_ns((300 + 60 * k) * NS) for k in range(5)]
    assert all(after > before for before, after in pairwise(errors_ns))


def test_one_impossible_packet_does_not_bend_the_line() -> None:
    envelope = crystal()
    fed(envelope, drift=0.0, n_packets=1200)
    before_ns = envelope.offset_ns(600 * NS)
    envelope.feed(601.0 * NS, 601 * NS - 15_000_000)
    for k in range(602, 640):
        envelope.feed(float(k * NS), k * NS + 5_000_000)
    assert abs(envelope.offset_ns(640 * NS) - before_ns) < 0.5e6


@pytest.mark.parametrize("drift", [-0.1, -1e-3, 1e-3, 0.1])
def test_drift_stays_within_its_limit(drift: float) -> None:
    envelope = crystal()
    fed(envelope, drift=drift, n_packets=600)
    assert abs(envelope.drift) <= 200e-6


def test_memory_is_bounded() -> None:
    envelope = crystal()
    fed(envelope, drift=0.0, n_packets=12 * N_BUCKETS)
    assert len(envelope._buckets) == N_BUCKETS


@settings(max_examples=60, deadline=None)
@given(
    packets=st.lists(st.tuples(st.floats(-1e16, 1e16), st.integers(-(2**53), 2**53)), min_size=1, max_size=40),
)
def test_whatever_comes_gives_finite_numbers(packets: list[tuple[float, int]]) -> None:
    envelope = crystal()
    for clock_ns, received_ns in packets:
        envelope.feed(clock_ns, received_ns)
        assert abs(envelope.offset_ns(clock_ns)) < 1e18
        assert 0.0 <= envelope.error_ns(clock_ns) < 1e18
