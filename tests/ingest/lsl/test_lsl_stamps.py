"""Live stamps: smoothed where they are late, followed where clocks drift, and every loss of its size."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from becalm_ingest.lsl_stamps import EvenTimes, Run
from becalm_protocol.units import NS_PER_MS, NS_PER_S


def feed(even: EvenTimes, stamps_ns: Sequence[int], *, n_chunk: int) -> list[tuple[int, Run]]:
    """Return every run with the position of its chunk."""
    given_runs = []
    for start in range(0, len(stamps_ns), n_chunk):
        given_runs += [(start, run) for run in even.feed(stamps_ns[start : start + n_chunk])]
    return given_runs


def stamps(n: int, *, rate_hz: float, lost: range = range(0), began_ns: int = 5 * NS_PER_S) -> list[int]:
    return [began_ns + round(k * NS_PER_S / rate_hz) for k in range(n) if k not in lost]


@pytest.mark.parametrize("n_chunk", [1, 7, 64, 1_000])
def test_clean_stamps_are_kept(n_chunk: int) -> None:
    told = stamps(20_000, rate_hz=250)
    runs = feed(EvenTimes(250), told, n_chunk=n_chunk)
    assert all(run.n_missing == 0 for _, run in runs)
    for start, run in runs:
        assert run.last_ns == pytest.approx(told[start + run.end - 1], abs=1_000)


@settings(deadline=None, max_examples=50)
@given(n_lost=st.integers(1, 400), at=st.integers(2_000, 2_300), n_chunk=st.sampled_from([1, 5, 33, 250]))
def test_a_loss_in_even_stamps_is_found_at_its_place(n_lost: int, at: int, n_chunk: int) -> None:
    told = stamps(3_500, rate_hz=250, lost=range(at, at + n_lost))
    runs = feed(EvenTimes(250), told, n_chunk=n_chunk)
    (found,) = [(start + run.start, run.n_missing) for start, run in runs if run.n_missing]
    assert found == (at, n_lost)
    assert runs[-1][1].last_ns == pytest.approx(told[-1], abs=NS_PER_MS)


def test_bursts_stamped_at_their_arrival_are_no_loss() -> None:
    draw = random.Random(1)
    late_ns = [draw.uniform(0, 200) * NS_PER_MS for _ in range(100)]
    arrived_ns = [round((5 + (n + 1) * 73 / 130) * NS_PER_S + late_ns[n]) for n in range(100)]
    even = EvenTimes(130)
    runs = feed(even, [arrived_ns[k // 73] for k in range(73 * 100)], n_chunk=73)
    assert all(run.n_missing == 0 for _, run in runs)
    steps_ns = [after.last_ns - before.last_ns for (_, before), (_, after) in pairwise(runs[20:])]
    assert all(step_ns == pytest.approx(73 / 130 * NS_PER_S, rel=0.1) for step_ns in steps_ns)


def test_jitter_is_smoothed() -> None:
    draw = random.Random(2)
    true_ns = stamps(30_000, rate_hz=100)
    told = [t_ns + round(draw.uniform(0, 30) * NS_PER_MS) for t_ns in true_ns]
    runs = feed(EvenTimes(100), told, n_chunk=4)
    assert all(run.n_missing == 0 for _, run in runs)
    off_ms = [(run.last_ns - true_ns[start + run.end - 1]) / NS_PER_MS for start, run in runs[2_000:]]
    middle = sum(off_ms) / len(off_ms)
    assert middle == pytest.approx(15, abs=2)
    assert max(abs(off - middle) for off in off_ms) < 4


def test_a_drifting_clock_is_followed() -> None:
    told = [5 * NS_PER_S + round(k * NS_PER_S / 130.0 * (1 + 100e-6)) for k in range(130 * 600)]
    runs = feed(EvenTimes(130), told, n_chunk=5)
    assert all(run.n_missing == 0 for _, run in runs)
    assert max(abs(run.last_ns - told[start + run.end - 1]) for start, run in runs[1_000:]) < NS_PER_MS


def test_a_rate_off_by_a_percent_is_learned() -> None:
    told = [5 * NS_PER_S + round(k * NS_PER_S / 130.9) for k in range(130 * 120)]
    runs = feed(EvenTimes(130), told, n_chunk=5)
    assert sum(run.n_missing or 0 for _, run in runs) == 0
    assert abs(runs[-1][1].last_ns - told[-1]) < 5 * NS_PER_MS


def test_a_clock_that_was_set_back_begins_anew() -> None:
    even = EvenTimes(100)
    feed(even, stamps(1_000, rate_hz=100, began_ns=90 * NS_PER_S), n_chunk=10)
    (run,) = even.feed(stamps(10, rate_hz=100))
    assert run.n_missing is None
    assert run.last_ns == pytest.approx(5 * NS_PER_S + 90 * NS_PER_MS, abs=NS_PER_MS)
    assert all(run.n_missing == 0 for run in even.feed(stamps(10, rate_hz=100, began_ns=round(5.1 * NS_PER_S))))


@given(st.lists(st.lists(st.integers(-(10**15), 10**15), max_size=40), max_size=20))
def test_any_stamps_give_every_sample_once(chunks: list[list[int]]) -> None:
    even = EvenTimes(50)
    for chunk in chunks:
        runs = even.feed(chunk)
        assert [k for run in runs for k in range(run.start, run.end)] == list(range(len(chunk)))
        assert all(run.n_missing is None or run.n_missing >= 0 for run in runs)
