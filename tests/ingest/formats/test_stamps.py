"""Stamps of samples: the rate, what was lost, and what was merely late."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.formats.stamps import even


def stamps_s(n: int, *, rate_hz: float, lost: tuple[tuple[int, int], ...] = (), jitter_s: float = 0.0) -> list[float]:
    """`lost` samples (position, number) are left out; every stamp is late by up to `jitter_s`."""
    draw = random.Random(3)
    kept = [k for k in range(n) if not any(at <= k < at + number for at, number in lost)]
    return [100.0 + k / rate_hz + draw.uniform(0, jitter_s) for k in kept]


@given(
    rate_hz=st.floats(4, 1_000),
    at=st.integers(200, 700),
    n_lost=st.integers(1, 2_000),
    ppm=st.floats(-200, 200),
)
def test_one_loss_in_clean_stamps_is_found_at_its_place(rate_hz: float, at: int, n_lost: int, ppm: float) -> None:
    told = even(stamps_s(3_500, rate_hz=rate_hz, lost=((at, n_lost),)), nominal_hz=rate_hz * (1 + ppm * 1e-6))
    assert [(s.start, s.end) for s in told.stretches] == [(0, at), (at, 3_500 - n_lost)]
    assert told.period_s == pytest.approx(1 / rate_hz, rel=1e-5)
    assert (told.stretches[1].t_s - told.stretches[0].t_s) * rate_hz == pytest.approx(at + n_lost, abs=0.01)
    assert told.jitter_p95_s < 1e-6


def test_many_losses() -> None:
    lost = tuple((at, 1 + at % 7) for at in range(1_000, 20_000, 1_000))
    told = even(stamps_s(21_000, rate_hz=250, lost=lost), nominal_hz=250)
    assert len(told.stretches) == len(lost) + 1


@pytest.mark.parametrize("jitter_s", [0.001, 0.02, 0.2])
def test_late_stamps_are_no_loss(jitter_s: float) -> None:
    told = even(sorted(stamps_s(10_000, rate_hz=100, jitter_s=jitter_s)), nominal_hz=100)
    assert len(told.stretches) == 1
    assert told.period_s == pytest.approx(0.01, rel=1e-4)
    assert jitter_s * 0.1 < told.jitter_p95_s < jitter_s


def test_a_clock_that_was_set_begins_a_new_stretch() -> None:
    first = [50.0 + k / 100 for k in range(1_000)]
    told = even(first + [20.0 + k / 100 for k in range(1_000)], nominal_hz=100)
    assert [s.start for s in told.stretches] == [0, 1_000]
    assert [s.t_s for s in told.stretches] == pytest.approx([50.0, 20.0])


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_few_samples(n: int) -> None:
    told = even([5.0 + k / 10 for k in range(n)], nominal_hz=10)
    assert [(s.start, s.end) for s in told.stretches] == [(0, n)]
    assert told.period_s == pytest.approx(0.1)
