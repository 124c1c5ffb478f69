"""Random numbers in blocks: reproducible, and one stream does not disturb the other."""

import numpy as np
import pytest

from becalm_simulator.dice import BLOCK, Dice


def dice(seed: int = 1) -> Dice:
    return Dice(np.random.default_rng(seed))


def test_the_same_seed_gives_the_same_numbers_over_many_blocks() -> None:
    one, other = dice(), dice()
    assert [one.normal() for _ in range(3 * BLOCK)] == [other.normal() for _ in range(3 * BLOCK)]
    assert dice(2).normal() != dice(3).normal()


def test_one_stream_does_not_disturb_the_other() -> None:
    alone, mixed = dice(), dice()
    expected = [alone.normal() for _ in range(10)]
    found = []
    for _ in range(10):
        mixed.uniform()
        found.append(mixed.normal())
    assert found == expected


def test_numbers_are_distributed_as_said() -> None:
    one = dice()
    normals = np.asarray([one.normal() for _ in range(20_000)])
    assert np.mean(normals) == pytest.approx(0.0, abs=0.03)
    assert np.std(normals) == pytest.approx(1.0, abs=0.03)
    evens = np.asarray([one.between(3.0, 9.0) for _ in range(20_000)])
    assert 3.0 <= evens.min() < 3.01
    assert 8.99 < evens.max() < 9.0
    assert np.mean(evens) == pytest.approx(6.0, abs=0.05)
