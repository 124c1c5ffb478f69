"""Humps of energy, and how loud it has been lately."""

import pytest

from becalm_signal.qrs_humps import MeanEnergy


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
