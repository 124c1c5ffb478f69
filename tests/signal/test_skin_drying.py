"""What drying electrodes may have taken from a level: by how fast it falls and for how long."""

from collections.abc import Callable

import pytest

from becalm_protocol.units import ns_from_s
from becalm_signal.skin_drying import DryingWatch


def dried_us(level_us: Callable[[float], float], *, seconds: int, hidden: range = range(0)) -> list[float]:
    """Return what may have dried, every half second; no levels come while they are hidden."""
    watch = DryingWatch()
    moments_s = [half / 2.0 for half in range(2 * seconds) if half // 2 not in hidden]
    return [watch.step(ns_from_s(t_s), level_us(t_s)) for t_s in moments_s]


def test_a_slow_fall_may_be_the_electrodes_and_is_forgotten_minutes_later() -> None:
    told_us = dried_us(lambda t_s: 5.0 * (1.0 - 0.1 * min(max(t_s - 100.0, 0.0), 60.0) / 60.0), seconds=300)
    assert told_us[2 * 95] == 0.0
    assert 0.5 <= told_us[2 * 165] <= 1.0
    assert told_us[-1] == 0.0


def test_electrodes_that_dry_on_while_the_skin_rises_are_in_the_doubt() -> None:
    def level_us(t_s: float) -> float:
        skin_us = 5.0 + (0.02 * (t_s % 40.0) if t_s % 40.0 < 20.0 else 0.4)  # rises for 20 s, rests for 20
        return skin_us * (1.0 - 0.15 * t_s / 100.0)

    assert dried_us(level_us, seconds=100)[-1] >= 0.8 * 5.4 * 0.15


def test_a_level_that_only_rises_says_nothing_of_drying() -> None:
    assert dried_us(lambda t_s: 3.0 + 0.01 * t_s, seconds=100)[-1] == 0.0


def test_no_more_is_taken_for_drying_than_electrodes_can_lose() -> None:
    told_us = dried_us(lambda t_s: 6.0 if t_s < 40.0 else 4.0, seconds=60)
    assert told_us[-1] <= 4.0 * 0.2  # a fifth a minute


def test_electrodes_dry_on_where_nothing_is_measured() -> None:
    told_us = dried_us(lambda t_s: 5.0 * (1.0 - 0.15 * t_s / 90.0), seconds=90, hidden=range(30, 70))
    assert told_us[-1] == pytest.approx(5.0 * 0.15, rel=0.25)


def test_time_that_runs_back_takes_nothing_away() -> None:
    watch = DryingWatch()
    for t_s in range(150, 0, -10):
        assert watch.step(ns_from_s(float(t_s)), 5.0 - 0.01 * t_s) >= 0.0
    assert watch.step(ns_from_s(15.0), 4.5) > 0.0
