"""Subsidence: how far and how fast arousal fell, and when that cannot be told."""

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from becalm_protocol.derived import Index, Metrics, Reason
from becalm_protocol.events import Pacer, Phase, PhaseChange
from becalm_signal.arousal import Arousal, Reading
from becalm_signal.interval_log import IntervalLog
from becalm_signal.slow_board import Moment
from becalm_signal.subsidence import MAX_POINTS, USUAL_FALL, Subsidence, _bound

BEGUN = 60
REST = PhaseChange(t_ns=0, phase=Phase.BASELINE)
PRACTICE = PhaseChange(
    t_ns=BEGUN * 10**9,
    phase=Phase.PRACTICE,
    pacer=Pacer(started_ns=BEGUN * 10**9, inhale_s=4.0, exhale_s=6.0),
)
Course = Callable[[float], float | None]


def moment(second: int, value: float | None, *, bound: float, phase: PhaseChange) -> Moment:
    nothing = Index(reason=Reason.NO_SENSOR)
    arousal = Index(reason=Reason.NOISY) if value is None else Index(value=value, bound=bound)
    metrics = Metrics(
        t_ns=second * 10**9,
        emitted_ns=second * 10**9,
        heart_rate_bpm=nothing,
        rmssd_ms=nothing,
        breathing_rate_bpm=nothing,
        scl_us=nothing,
        scr_per_min=nothing,
        arousal=arousal,
    )
    return Moment(
        now_ns=second * 10**9,
        heart=None,
        intervals=IntervalLog(),
        breath=None,
        metrics=metrics,
        phase=phase,
        bad={},
    )


def live(course: Course, *, seconds: int, bound: float = 3.0, scatter: float = 0.0) -> list[dict[str, Index]]:
    """Live through practice; the course is of true arousal, shown as it is: smoothed over 30 s, with some scatter."""
    section, dice = Subsidence(), random.Random(1)
    told, smooth = [], 50.0
    for second in range(0, BEGUN + seconds + 1, 5):
        value = course(max(0.0, second - BEGUN))
        shown = None
        if value is not None:
            smooth += (1.0 - math.exp(-5.0 / 30.0)) * (value - smooth)
            shown = smooth + scatter * dice.gauss(0.0, 1.0)
        phase = PRACTICE if second >= BEGUN else REST
        told.append(section.indices(moment(second, shown, bound=bound, phase=phase)))
    return told


@pytest.mark.parametrize("half_life_s", [30.0, 60.0, 120.0])
def test_a_fall_is_told_with_its_half_life(half_life_s: float) -> None:
    told = live(lambda t: 50.0 - 25.0 * (1.0 - 0.5 ** (t / half_life_s)), seconds=600, scatter=0.7)[-1]
    fell, half_life = told["subsidence"], told["half_life_s"]
    assert fell.value is not None
    assert fell.bound is not None
    assert 10.0 < fell.value < 25.0
    assert fell.bound < fell.value
    assert half_life.value is not None
    assert half_life.bound is not None
    assert abs(half_life.value - half_life_s) <= half_life.bound < half_life.value


def test_a_rise_is_told_and_has_no_half_life() -> None:
    told = live(lambda t: 50.0 + 25.0 * (1.0 - 0.5 ** (t / 60.0)), seconds=400)[-1]
    assert told["subsidence"].value is not None
    assert told["subsidence"].value < -10.0
    assert told["half_life_s"].reason is Reason.CANNOT_TELL


@pytest.mark.parametrize(("fall", "bound"), [(0.0, 3.0), (4.0, 8.0), (20.0, 30.0)])
def test_what_the_bounds_do_not_carry_cannot_be_told(fall: float, bound: float) -> None:
    told = live(lambda t: 50.0 - fall * min(1.0, t / 200.0), seconds=400, bound=bound, scatter=1.0)[-1]
    assert told["subsidence"].reason is Reason.CANNOT_TELL
    assert told["half_life_s"].reason is Reason.CANNOT_TELL


def test_swings_as_large_as_the_fall_cannot_be_told() -> None:
    calm = live(lambda t: 50.0 - 8.0 * min(1.0, t / 360.0), seconds=360, bound=2.0)[-1]
    assert calm["subsidence"].value is not None
    # Two whole swings lie between the first minute and the last.
    swings = live(
        lambda t: 50.0 - 8.0 * min(1.0, t / 360.0) + 25.0 * math.sin(t / 150.0 * math.tau), seconds=360, bound=2.0
    )[-1]
    assert swings["subsidence"].reason is Reason.CANNOT_TELL


def test_less_than_three_minutes_of_arousal_are_withheld() -> None:
    told = live(lambda t: 50.0 - 25.0 * min(1.0, t / 60.0), seconds=400)
    first = next(at for at, each in enumerate(told) if each["subsidence"].value is not None)
    assert 5 * first - BEGUN >= 180
    holes = live(lambda t: None if t > 100.0 else 50.0, seconds=600)[-1]
    assert holes["subsidence"].reason is Reason.WARMING_UP


def test_a_start_that_was_not_heard_cannot_be_compared() -> None:
    told = live(lambda t: None if t < 50.0 else 30.0, seconds=600)
    assert told[15]["subsidence"].reason is Reason.NOISY
    assert told[-1]["subsidence"].reason is Reason.CANNOT_TELL


def test_another_pacer_is_the_same_practice_and_a_rest_ends_it() -> None:
    section = Subsidence()
    for second in range(60, 360, 5):
        section.indices(moment(second, 50.0 if second < 150 else 20.0, bound=2.0, phase=PRACTICE))
    other = PhaseChange(t_ns=360 * 10**9, phase=Phase.PRACTICE, pacer=PRACTICE.pacer)
    assert section.indices(moment(360, 20.0, bound=2.0, phase=other))["subsidence"].value == pytest.approx(
        30.0, abs=2.0
    )
    rest = PhaseChange(t_ns=365 * 10**9, phase=Phase.BASELINE)
    assert section.indices(moment(365, 20.0, bound=2.0, phase=rest))["subsidence"].reason is Reason.WARMING_UP


def test_the_same_data_tell_the_same() -> None:
    def course(t: float) -> float:
        return 50.0 - 20.0 * min(1.0, t / 300.0)

    assert live(course, seconds=400, scatter=1.0) == live(course, seconds=400, scatter=1.0)


def test_hours_are_held_in_few_points() -> None:
    section = Subsidence()
    for second in range(60, 7_260, 5):
        told = section.indices(moment(second, 60.0 - 0.01 * min(second, 3_060), bound=2.0, phase=PRACTICE))
        assert len(section._points) + len(section._open) <= 2 * MAX_POINTS
    assert told["subsidence"].value == pytest.approx(29.7, abs=0.5)


@pytest.mark.parametrize("error", [2.0, 5.0, 8.0])
def test_the_interval_keeps_where_only_large_falls_are_told(error: float) -> None:
    dice = random.Random(1)
    n_told = n_kept = 0
    for _ in range(20_000):
        true = dice.gauss(0.0, USUAL_FALL)
        seen = true + dice.gauss(0.0, error)
        bound = _bound(seen, error=error)
        if abs(seen) > bound:
            n_told += 1
            n_kept += abs(seen - true) <= bound
    assert n_told > 1_000
    assert n_kept / n_told >= 0.945


def test_a_half_life_among_swings_cannot_be_told() -> None:
    def course(t: float) -> float:
        return 50.0 - 25.0 * (1.0 - math.exp(-t / 87.0))

    assert live(course, seconds=600)[-1]["half_life_s"].value is not None
    unsure = live(lambda t: course(t) + 9.0 * math.sin(t / 150.0 * math.tau), seconds=600)[-1]
    assert unsure["subsidence"].value is not None
    assert unsure["half_life_s"].reason is Reason.CANNOT_TELL


@pytest.mark.parametrize("size", [0.25, 0.5, 1.0])
def test_a_large_descent_is_told_as_surely_as_a_small_one(size: float) -> None:
    """Twelve beats a minute and 2 uS are far beyond where features stop counting."""
    arousal, section, tau_s = Arousal(), Subsidence(), 60.0
    told: list[dict[str, Index]] = []
    for second in range(BEGUN + 541):
        left = math.exp(-max(0, second - BEGUN) / tau_s)
        readings = {
            "heart_rate_bpm": Reading(70.0 + size * 12.0 * (left - 1.0), 0.5),
            "scl_us": Reading(6.0 + size * 2.0 * (left - 1.0), 0.05),
            "scr_per_min": Reading(4.0 * left, 2.0),
        }
        now = arousal.tick(second * 10**9, readings, pacing=second >= BEGUN)
        if second % 5 == 0 and now.index.value is not None and now.index.bound is not None:
            at = moment(second, now.index.value, bound=now.index.bound, phase=PRACTICE if second >= BEGUN else REST)
            told.append(section.indices(replace(at, far_arousal=now.far)))
    known = [each for each in told[37:] if each["subsidence"].value is not None]
    assert len(known) == len(told[37:])  # from three minutes of practice on
    half_life = told[-1]["half_life_s"]
    assert half_life.value is not None
    assert half_life.bound is not None
    assert abs(half_life.value - math.log(2.0) * tau_s) <= half_life.bound <= 0.6 * half_life.value
