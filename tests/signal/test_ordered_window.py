"""Medians and quartiles of the last numbers, against those of the standard library and NumPy."""

import random
import statistics

import numpy as np
import pytest

from becalm_signal.ordered_window import OrderedWindow


@pytest.mark.parametrize("n_most", [1, 4, 7])
def test_tells_of_the_last_numbers_alone(n_most: int) -> None:
    rng = random.Random(3)
    window = OrderedWindow(n_most)
    told: list[float] = []
    for _ in range(40):
        number = float(rng.randrange(6))  # with repeats
        window.append(number)
        told = [*told, number][-n_most:]
        assert len(window) == len(told)
        assert window.median() == statistics.median(told)
        quartiles = np.percentile(told, [25.0, 75.0])
        assert window.deviation() == pytest.approx((quartiles[1] - quartiles[0]) / 2.0)


def test_nothing_is_told_of_nothing() -> None:
    window = OrderedWindow(3)
    assert window.median() == 0.0
    assert window.deviation() == 0.0
