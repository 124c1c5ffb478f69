"""The level of a little ago, held against smoothing from both sides, and what widens its bound."""

import math

import numpy as np
import pytest

from becalm_signal.skin_level import CLEAN_DELAY_S, DRYING_SHARE_PER_S, LEVEL_AGE_S, LEVEL_TAU_S, SkinLevelFilter

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


def test_a_slow_fall_may_be_the_electrodes_and_a_rise_takes_nothing_back() -> None:
    level = SkinLevelFilter(RATE_HZ, least_bound_us=0.01)
    dried_us = []
    for at in range(round(300 * RATE_HZ)):
        t_s = at / RATE_HZ
        share = 1.0 - 0.1 * min(max(t_s - 100.0, 0.0), 60.0) / 60.0
        level.step(5.0 * share + 0.3 * (t_s > 170.0))
        dried_us.append(level.told().dried_us)
    of = {second: dried_us[round(second * RATE_HZ)] for second in (95, 165, 185, 299)}
    assert of[95] == pytest.approx(0.0, abs=1e-9)
    assert of[165] == pytest.approx(0.5, rel=0.15)
    assert of[185] >= 0.4
    assert of[299] == pytest.approx(0.0, abs=0.02)


def test_electrodes_that_dry_on_while_the_skin_rises_are_in_the_doubt() -> None:
    level = SkinLevelFilter(RATE_HZ, least_bound_us=0.01)
    for at in range(round(100 * RATE_HZ)):
        t_s = at / RATE_HZ
        skin_us = 5.0 + (0.02 * (t_s % 40.0) if t_s % 40.0 < 20.0 else 0.4)  # rises for 20 s, rests for 20
        level.step(skin_us * (1.0 - 0.15 * t_s / 100.0))
        level.told()
    assert level.told().dried_us >= 0.8 * 5.4 * 0.15


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


def test_no_more_is_taken_for_drying_than_electrodes_can_lose() -> None:
    level = SkinLevelFilter(RATE_HZ, least_bound_us=0.01)
    for at in range(round(60 * RATE_HZ)):
        level.step(6.0 if at / RATE_HZ < 40.0 else 4.0)
    assert level.told().dried_us <= 6.0 * DRYING_SHARE_PER_S * 20.0
