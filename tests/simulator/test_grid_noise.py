"""Noise as a function of time: the same wherever it is cut, in whatever order it is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from becalm_protocol.units import NS_PER_S
from becalm_simulator.grid_noise import BLOCK, GridNoise


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 5000), max_size=10), first_s=st.integers(0, 500))
def test_cuts_do_not_change_a_bit(cuts: list[int], first_s: int) -> None:
    t_ns = first_s * NS_PER_S + np.arange(5000, dtype=np.int64) * 7_692_307
    whole = GridNoise(3, tag=1, rate_hz=500).at(t_ns)
    noise = GridNoise(3, tag=1, rate_hz=500)
    pieces = [noise.at(piece) for piece in np.split(t_ns, sorted(cuts)) if len(piece)]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


def test_it_is_white_on_its_grid_and_straight_between() -> None:
    noise = GridNoise(3, tag=1, rate_hz=10)
    on_grid = noise.at(np.arange(3 * BLOCK, dtype=np.int64) * (NS_PER_S // 10))
    assert np.std(on_grid) == pytest.approx(1.0, abs=0.03)
    assert abs(np.corrcoef(on_grid[:-1], on_grid[1:])[0, 1]) < 0.03
    between = noise.at(np.asarray([NS_PER_S // 20], dtype=np.int64))[0]
    assert between == pytest.approx((on_grid[0] + on_grid[1]) / 2.0)


def test_another_tag_is_another_noise_and_what_was_forgotten_comes_back() -> None:
    t_ns = np.arange(100, dtype=np.int64) * NS_PER_S
    noise = GridNoise(3, tag=1, rate_hz=1)
    before = noise.at(t_ns)
    assert not np.array_equal(before, GridNoise(3, tag=2, rate_hz=1).at(t_ns))
    for block in range(20):
        noise.at(np.asarray([block * BLOCK * NS_PER_S], dtype=np.int64))
    assert np.array_equal(noise.at(t_ns), before)
