"""A belt that sticks is told from a breath that is held, a moving body from a heart that pulsates, a jump from both."""

import numpy as np
import pytest

from becalm_signal.breath_wear import JumpWatch, MotionWatch, NoiseWatch
from becalm_signal.quality import Segment


def stuck_after_s(samples: list[float], *, rate_hz: float) -> float | None:
    watch = NoiseWatch(unit_per_count=0.001)
    n_segment = round(0.5 * rate_hz)
    for end in range(n_segment, len(samples), n_segment):
        watch.judge(Segment(samples[end - n_segment : end]))
        if watch.is_stuck:
            return (end - 1) / rate_hz
    return None


def test_noise_that_is_gone_is_a_stuck_sensor_and_noise_that_stays_a_hold() -> None:
    rng = np.random.default_rng(1)
    t_s = np.arange(25 * 40) / 25.0
    breath = np.where(t_s < 25.0, np.sin(2 * np.pi * 0.25 * t_s), 0.0)
    held = breath + rng.normal(0.0, 0.012, len(t_s))
    assert stuck_after_s(held.tolist(), rate_hz=25.0) is None
    stuck = np.where(t_s < 25.0, held, held[0])
    assert 26.5 < (stuck_after_s(stuck.tolist(), rate_hz=25.0) or 0.0) < 28.0


def test_a_sensor_without_noise_is_never_called_stuck_here() -> None:
    t_s = np.arange(25 * 60) / 25.0
    samples = np.where(t_s < 30.0, np.round(20.0 * np.sin(2 * np.pi * 0.1 * t_s)) * 0.001, 0.0)
    assert stuck_after_s(samples.tolist(), rate_hz=25.0) is None


def test_movement_is_sudden_and_pulsation_is_not() -> None:
    rng = np.random.default_rng(2)
    t_s = np.arange(25 * 90) / 25.0
    pulsating = np.sin(2 * np.pi * 0.25 * t_s) + 0.4 * np.sin(2 * np.pi * 1.2 * t_s)
    moving = pulsating + np.where((t_s > 60.0) & (t_s < 70.0), rng.normal(0.0, 1.5, len(t_s)), 0.0)
    watch = MotionWatch(25.0)
    told = np.array([watch.step(float(x), swing=2.0) for x in moving])
    assert not told[: 25 * 60].any()
    assert told[25 * 62 : 25 * 70].all()
    assert not told[25 * 76 :].any()


def test_what_lasts_is_movement_only_where_it_hides_breath() -> None:
    rng = np.random.default_rng(3)
    t_s = np.arange(25 * 150) / 25.0
    breath = np.sin(2 * np.pi * 0.25 * t_s) + rng.normal(0.0, 0.01, len(t_s))
    for size, is_movement in ((0.35, False), (1.5, True)):
        watch = MotionWatch(25.0)
        noisy = breath + np.where(t_s > 60.0, rng.normal(0.0, size, len(t_s)), 0.0)
        told = np.array([watch.step(float(x), swing=2.0) for x in noisy])
        assert told[25 * 65 : 25 * 85].all()
        assert told[25 * 105 :].all() if is_movement else not told[25 * 105 :].any()


def test_who_moves_again_after_movement_became_usual_is_moving() -> None:
    rng = np.random.default_rng(5)
    t_s = np.arange(25 * 145) / 25.0
    moves = ((t_s > 60.0) & (t_s < 120.0)) | (t_s > 125.0)
    size = np.where(t_s < 120.0, 0.35, 0.9)
    shown = np.sin(2 * np.pi * 0.25 * t_s) + rng.normal(0.0, 0.01, len(t_s)) + moves * rng.normal(0.0, size)
    watch = MotionWatch(25.0)
    told = np.array([watch.step(float(x), swing=2.0) for x in shown])
    assert not told[25 * 105 : 25 * 125].any()
    assert told[25 * 130 :].all()


def test_who_moved_for_long_and_has_been_still_since_is_judged_as_who_never_moved() -> None:
    rng = np.random.default_rng(7)
    t_s = np.arange(25 * 700) / 25.0
    moved = (t_s > 60.0) & (t_s < 120.0)
    swelling = 0.08 * np.exp(np.clip((t_s - 420.0) / 100.0, 0.0, 2.2))
    noise = rng.normal(0.0, 1.0, len(t_s))
    told = []
    for size in (np.where(moved, 0.4, swelling), swelling):
        watch = MotionWatch(25.0)
        shown = np.sin(2 * np.pi * 0.25 * t_s) + size * noise
        told.append([watch.step(float(x), swing=2.0) for x in shown])
    assert any(told[0][25 * 60 : 25 * 90])
    assert told[0][25 * 420 :] == told[1][25 * 420 :]
    assert not any(told[1])


@pytest.mark.parametrize("size", [0.6, 2.0, 200.0])
def test_movement_is_over_a_second_after_its_last_jerk(size: float) -> None:
    rng = np.random.default_rng(6)
    t_s = np.arange(25 * 75) / 25.0
    moves = (t_s > 60.0) & (t_s < 68.0)
    shown = np.sin(2 * np.pi * 0.25 * t_s) + rng.normal(0.0, 0.01, len(t_s)) + moves * rng.normal(0.0, size, len(t_s))
    watch = MotionWatch(25.0)
    told = np.array([watch.step(float(x), swing=2.0) for x in shown])
    assert told[25 * 63 : 25 * 68].all()
    assert not told[round(25 * 69.5) :].any()


def jumps_s(samples: list[float], *, rate_hz: float, swing: float) -> list[float]:
    watch = JumpWatch(rate_hz)
    found = []
    for n, x in enumerate(samples):
        watch.passed.append(x)
        if n % round(rate_hz / 2.0) == 0 and watch.judge(swing=swing):
            found.append(n / rate_hz)
    return found


@pytest.mark.parametrize("rate_hz", [10.0, 25.0, 49.0])
def test_a_jump_is_seen_within_half_a_second_and_neither_breath_nor_noise_is_one(rate_hz: float) -> None:
    rng = np.random.default_rng(4)
    t_s = np.arange(round(60 * rate_hz)) / rate_hz
    breath = np.sin(2 * np.pi * 0.3 * t_s) + 0.1 * np.sin(2 * np.pi * 1.2 * t_s)
    for noise in (0.0, 0.02, 0.5):
        noisy = breath + rng.normal(0.0, noise, len(t_s))
        assert jumps_s(noisy.tolist(), rate_hz=rate_hz, swing=2.0) == []
    stepped = breath + np.where(t_s > 30.0, 1.0, 0.0)
    assert len(found := jumps_s(stepped.tolist(), rate_hz=rate_hz, swing=2.0)) >= 1
    assert all(30.0 <= t_s < 31.2 for t_s in found)
    assert jumps_s(stepped.tolist(), rate_hz=rate_hz, swing=0.0) == []
