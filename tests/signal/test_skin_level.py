"""The level of a little ago, held against smoothing from both sides, and what widens its bound."""

import math

import numpy as np
import pytest

from becalm_signal.skin_level import CLEAN_DELAY_S, LEVEL_AGE_S, LEVEL_TAU_S, SkinLevelFilter

RATE_HZ = 8.0


def both_ways(samples: np.ndarray) -> np.ndarray:
    keep = math.exp(-1.0 / (LEVEL_TAU_S * RATE_HZ))

    def one_way(x: np.ndarray) -> np.ndarray:
        out, level = np.empty_like(x), x[0]
        for at, value in enumerate(x):
            level = keep * level + (1.0 - keep) * value
            out[at] = level
        return out

    return one_way(one_way(samples)[::-1])[::-1]


def test_the_level_is_that_of_its_age_as_seen_from_both_sides() -> None:
    t_s = np.arange(round(180 * RATE_HZ)) / RATE_HZ
    samples = 5.0 + 0.4 * np.sin(2.0 * math.pi * t_s / 45.0)
    truth = both_ways(samples)
    level = SkinLevelFilter(RATE_HZ, least_bound_us=0.01)
    for at, x in enumerate(samples.tolist()):
        level.step(x)
        told = level.told()
        assert told.age_s <= LEVEL_AGE_S + CLEAN_DELAY_S
        if 60.0 < t_s[at] < 150.0:
            true_us = np.interp(t_s[at] - told.age_s, t_s, truth)
            assert abs(told.level_us - true_us) < 0.04
            assert abs(told.level_us - true_us) <= told.bound_us


def test_a_first_sample_is_told_at_once() -> None:
    level = SkinLevelFilter(RATE_HZ, least_bound_us=0.01)
    level.step(4.0)
    assert level.told().level_us == pytest.approx(4.0)
    assert level.told().age_s == CLEAN_DELAY_S


def test_after_bad_contact_the_way_back_to_the_level_before_is_in_the_bound() -> None:
    level = SkinLevelFilter(RATE_HZ, least_bound_us=0.01)
    for _ in range(round(60 * RATE_HZ)):
        level.step(4.0)
        level.told()
    level.restart()
    for at in range(round(20 * RATE_HZ)):  # an electrode that was moved, and creeps back
        level.step(4.0 + 0.8 * math.exp(-at / RATE_HZ))
        told = level.told()
        assert abs(told.level_us - 4.0) <= told.bound_us
    assert told.bound_us < 0.1
