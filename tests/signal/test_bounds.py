"""What every bound rests on."""

import math

import numpy as np
import pytest

from becalm_signal.bounds import Z_95, of_count


@pytest.mark.parametrize("p", [0.001, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("n", [3, 10, 40])
def test_a_count_that_may_be_off_by_so_many_is_within_its_bound(n: int, p: float) -> None:
    """Each of n may be counted too much, each of n too little."""
    rng = np.random.default_rng(6)
    off = rng.binomial(n, p, 40_000) - rng.binomial(n, p, 40_000)
    bound = of_count(math.sqrt(2.0 * n * p * (1.0 - p)))
    assert np.mean(np.abs(off) <= bound) >= 0.945


def test_it_is_no_wider_than_the_next_whole_number() -> None:
    for deviation in (0.0, 0.2, 0.6, 1.0, 3.0):
        assert Z_95 * deviation <= of_count(deviation) < Z_95 * deviation + 1.0
