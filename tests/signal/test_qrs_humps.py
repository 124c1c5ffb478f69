"""Humps of energy, and how loud it has been lately."""

import random
from itertools import chain, pairwise

import pytest

from becalm_signal.qrs_humps import Energy, MeanEnergy

RATE_HZ = 130.0


def test_the_mean_is_of_the_last_four_seconds_or_of_what_is_kept_of_them() -> None:
    mean = MeanEnergy(100.0)
    mean.feed([9.0] * 100)
    mean.feed([1.0] * 300)
    assert mean.value == pytest.approx(3.0)
    mean.forget(3.4)
    assert mean.value == pytest.approx((9.0 + 6.0 * 1.0) / 7.0)
    mean.forget(1.2)
    assert mean.value == pytest.approx(1.0)
    mean.forget(0.0)
    assert mean.value == pytest.approx(1.0), "half a second is always kept"


def test_there_is_no_mean_before_half_a_second() -> None:
    mean = MeanEnergy(100.0)
    mean.feed([1.0] * 49)
    assert mean.value == 0.0


def test_the_energy_is_that_of_a_box_whatever_came_before_it_and_however_it_is_cut() -> None:
    rng = random.Random(3)
    samples = [rng.gauss(0.0, 10.0) for _ in range(650)]
    samples[300] = 2e9
    whole, slopes = Energy(RATE_HZ).run(samples)
    n_box = round(0.09 * RATE_HZ)
    for k in range(n_box, len(samples)):
        off = 1e-5 if k < 450 else 1e-9  # what rounding left of the spike is forgotten with it
        assert whole[k] == pytest.approx(sum(slopes[k + 1 - n_box : k + 1]), abs=off)
    cut, ends = Energy(RATE_HZ), sorted(rng.sample(range(1, 650), 40))
    pieces = [cut.run(samples[begin:end])[0] for begin, end in pairwise([0, *ends, 650])]
    assert list(chain.from_iterable(pieces)) == whole
