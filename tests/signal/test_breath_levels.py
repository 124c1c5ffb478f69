"""Levels of turns: of the belt's own signal, near where they were placed, its noise smoothed."""

import numpy as np
import pytest

from becalm_signal.breath_levels import PAST_S, TurnLevels

RATE_HZ = 25.0


def heard(samples: list[float]) -> TurnLevels:
    levels = TurnLevels(RATE_HZ)
    levels.past.extend(samples)
    return levels


def test_it_is_the_extreme_near_the_turn() -> None:
    t_s = np.arange(200) / RATE_HZ
    levels = heard((3.0 * np.sin(2 * np.pi * t_s / 4.0)).tolist())  # peaks at 1 and 5 s, troughs at 3 and 7 s
    for at_s, level in ((5.0, 3.0), (5.6, 3.0), (4.4, 3.0)):
        assert levels.at(199 - at_s * RATE_HZ, reach_s=0.75, is_peak=True) == pytest.approx(level, rel=0.02)
    assert levels.at(199 - 7.3 * RATE_HZ, reach_s=0.75, is_peak=False) == pytest.approx(-3.0, rel=0.02)


def test_a_spike_of_one_sample_is_smoothed() -> None:
    samples = [0.0] * 100
    samples[80] = 1.0
    assert heard(samples).at(19.0, reach_s=0.5, is_peak=True) < 0.4


def test_where_little_is_known_it_is_what_there_is() -> None:
    assert heard([2.0, 5.0]).at(0.0, reach_s=0.5, is_peak=True) == 5.0
    forgotten = heard([1.0] * round(PAST_S * RATE_HZ) + [4.0] * 10)
    assert forgotten.at(10 * PAST_S * RATE_HZ, reach_s=0.5, is_peak=True) == pytest.approx(1.0)
