"""The half-life of a fall: covered by its interval, told where the course shows it and not otherwise."""

import math

import numpy as np
import pytest

from becalm_signal.half_life import TAUS_S, WIDEST_RATIO, half_life, seen

TIMES_S = np.arange(15.0, 600.0, 30.0)


def wandering(dice: np.random.Generator, *, deviation: float, tau_s: float) -> np.ndarray:
    kept = math.exp(-30.0 / tau_s)
    steps = deviation * math.sqrt(1.0 - kept**2) * dice.normal(size=len(TIMES_S))
    levels = [deviation * dice.normal()]
    for step in steps[1:]:
        levels.append(kept * levels[-1] + step)
    return np.array(levels)


def falling(fall: float, tau_s: float) -> np.ndarray:
    own, smoothing = np.exp(-TIMES_S / tau_s), np.exp(-TIMES_S / 30.0)
    return 50.0 - fall * (1.0 - (tau_s * own - 30.0 * smoothing) / (tau_s - 30.0))


@pytest.mark.parametrize("tau_s", [50.0, 90.0, 150.0])
def test_the_interval_holds_the_truth_in_95_of_100_courses(tau_s: float) -> None:
    dice = np.random.default_rng(1)
    told = []
    for _ in range(150):
        error = wandering(dice, deviation=2.0, tau_s=450.0) + wandering(dice, deviation=1.0, tau_s=60.0)
        told.append(half_life(TIMES_S, falling(30.0, tau_s) + error, bound=9.0))
    known = [interval for interval in told if interval is not None]
    assert len(known) > 75
    assert np.mean([low <= math.log(2.0) * tau_s <= high for low, high in known]) >= 0.95
    assert all(high <= WIDEST_RATIO * low for low, high in known)


def test_the_deeper_the_fall_the_surer() -> None:
    error = wandering(np.random.default_rng(2), deviation=2.0, tau_s=450.0)
    widths = []
    for fall in (20.0, 40.0, 80.0):
        interval = half_life(TIMES_S, falling(fall, 60.0) + error, bound=9.0)
        assert interval is not None
        widths.append(interval[1] / interval[0])
    assert widths == sorted(widths, reverse=True)


def test_what_only_wanders_or_never_slows_has_none() -> None:
    dice = np.random.default_rng(3)
    n_told = sum(
        half_life(TIMES_S, wandering(dice, deviation=3.0, tau_s=100.0), bound=9.0) is not None for _ in range(100)
    )
    assert n_told <= 5
    assert half_life(TIMES_S, 50.0 - TIMES_S / 20.0, bound=9.0) is None


def test_a_fall_is_seen_behind_the_smoothing() -> None:
    """Against the smoothing itself, in steps of a tenth of a second."""
    for at in (0, 12, 20):
        smooth, share = 1.0, 1.0 - math.exp(-0.1 / 30.0)
        for step in range(1, 1_201):
            smooth += share * (math.exp(-0.1 * step / TAUS_S[at]) - smooth)
        assert seen(np.array([120.0]))[at, 0] == pytest.approx(smooth, abs=0.005)
