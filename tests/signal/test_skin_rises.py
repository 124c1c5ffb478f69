"""Rises of a cleaned signal that is made of known ones."""

import math
from collections.abc import Callable

import pytest

from becalm_signal.skin_rises import MAX_RISE_S, Rise, RiseFinder

RATE_HZ = 8.0
RISE_TAU_S, DECAY_TAU_S = 0.5, 5.0


def answer_us(since_s: float) -> float:
    """Return a response of about 0.7 uS that sets off at 0."""
    return math.exp(-since_s / DECAY_TAU_S) - math.exp(-since_s / RISE_TAU_S) if since_s > 0.0 else 0.0


def rises(level_us: Callable[[float], float], *, seconds: float = 60.0) -> list[Rise]:
    finder = RiseFinder(RATE_HZ)
    found = (finder.step(level_us(at / RATE_HZ)) for at in range(round(seconds * RATE_HZ)))
    return [rise for rise in found if rise is not None]


def test_a_rise_goes_from_its_foot_to_its_peak() -> None:
    (rise,) = rises(lambda t_s: 4.0 + answer_us(t_s - 20.0))
    assert rise.foot / RATE_HZ == pytest.approx(20.0, abs=0.2)
    peak_s = math.log(DECAY_TAU_S / RISE_TAU_S) * RISE_TAU_S * DECAY_TAU_S / (DECAY_TAU_S - RISE_TAU_S)
    assert rise.peak / RATE_HZ == pytest.approx(20.0 + peak_s, abs=0.2)
    assert rise.peak_us - rise.foot_us == pytest.approx(answer_us(peak_s), rel=0.02)


def test_each_response_of_a_level_that_rises_fast_by_itself_has_a_rise_of_its_own() -> None:
    def level_us(t_s: float) -> float:  # 3 uS more within half a minute, as in fright
        by_itself_us = 3.0 * (1.0 - math.exp(-max(0.0, t_s - 18.0) / 15.0))
        return 4.0 + by_itself_us + sum(answer_us(t_s - at_s) for at_s in (20.0, 26.5, 33.0))

    found = [rise for rise in rises(level_us) if rise.steep_us_s > 0.3]
    assert [round(rise.onset(RATE_HZ) / RATE_HZ) for rise in found] == pytest.approx([20, 26, 33], abs=1)
    assert all((rise.peak - rise.foot) / RATE_HZ <= MAX_RISE_S for rise in found)


def test_what_a_level_rises_evenly_is_told_as_rising_by_itself() -> None:
    found = rises(lambda t_s: 4.0 + 0.15 * max(0.0, min(t_s, 40.0) - 10.0))
    assert [rise.by_itself_us_s for rise in found] == pytest.approx([0.15] * len(found))
    assert all(rise.peak / RATE_HZ > 38.0 for rise in found)


@pytest.mark.parametrize("apart_s", [1.1, 1.3, 1.6])
def test_a_response_on_the_flank_of_another_is_no_level_that_rises_by_itself(apart_s: float) -> None:
    def level_us(t_s: float) -> float:
        return 4.0 + 0.02 * max(0.0, t_s - 10.0) + answer_us(t_s - 20.0) + answer_us(t_s - 20.0 - apart_s)

    first, second = rises(level_us, seconds=30.0)[-2:]
    assert second.foot == first.peak
    assert 0.019 < second.by_itself_us_s < 0.5
    assert second.peak_us - second.foot_us > 0.2 + second.by_itself_us_s * (second.peak - second.foot) / RATE_HZ
