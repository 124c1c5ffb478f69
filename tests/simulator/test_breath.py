"""Breathing: by habit when nothing is heard, with the pacer within a few breaths, back to habit after it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from becalm_protocol.derived import BreathPhase
from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.breath import FULLEST, Breath, Turn
from becalm_simulator.dice import Dice
from becalm_simulator.person import Person

SEEDS = range(20)


def breathing(seed: int, **traits: float) -> Breath:
    person = replace(Person.from_seed(seed), **{"pacer_lapse_share": 0.0, "holds_per_hour": 0.0} | traits)
    return Breath(person, Dice(np.random.default_rng(seed)))


def inhalations(turns: list[Turn], *, first_s: float, last_s: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    times = [turn.t_ns / NS_PER_S for turn in turns if turn.phase is BreathPhase.IN]
    return np.asarray([t for t in times if first_s <= t < last_s])


def test_turns_alternate_and_peaks_lie_above_troughs() -> None:
    breath = breathing(1)
    breath.until(ns_from_s(300.0), arousal=0.5)
    for a, b in pairwise(breath.turns):
        assert b.t_ns > a.t_ns
        assert a.phase is not b.phase
        assert (b.level > a.level) == (a.phase is BreathPhase.IN)


@pytest.mark.parametrize("seed", SEEDS)
def test_habit_keeps_its_rate(seed: int) -> None:
    breath = breathing(seed)
    breath.until(ns_from_s(600.0), arousal=0.5)
    rate_bpm = 60.0 / np.mean(np.diff(inhalations(breath.turns, first_s=0.0, last_s=600.0)))
    assert rate_bpm == pytest.approx(Person.from_seed(seed).habit_breathing_rate_bpm, rel=0.08)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("inhale_s", "exhale_s"), [(4.0, 6.0), (5.0, 5.0), (3.0, 4.0)])
def test_the_breath_is_with_the_pacer_after_three_breaths(seed: int, inhale_s: float, exhale_s: float) -> None:
    breath, cycle_s = breathing(seed), inhale_s + exhale_s
    breath.hear(Pacer(started_ns=ns_from_s(31.0), inhale_s=inhale_s, exhale_s=exhale_s))
    breath.until(ns_from_s(200.0), arousal=0.6)
    onsets_s = inhalations(breath.turns, first_s=31.0, last_s=190.0)[3:]
    behind_s = (onsets_s - 31.0 + cycle_s / 2) % cycle_s - cycle_s / 2
    person = Person.from_seed(seed)
    assert np.max(np.abs(behind_s - person.pacer_lag_s)) < 1.0
    assert np.std(behind_s[2:]) < 0.5
    assert breath.following_at(ns_from_s(190.0)) > 0.95


def test_the_breath_returns_to_habit_when_the_pacer_is_gone() -> None:
    breath = breathing(4)
    breath.hear(Pacer(started_ns=0, inhale_s=4.0, exhale_s=6.0))
    breath.until(ns_from_s(60.0), arousal=0.5)
    breath.hear(None)
    breath.until(ns_from_s(200.0), arousal=0.5)
    assert breath.following_at(ns_from_s(100.0)) < 0.05
    assert np.mean(np.diff(inhalations(breath.turns, first_s=100.0, last_s=200.0))) < 7.0


def test_a_pacer_that_has_not_begun_is_not_followed() -> None:
    heard, alone = breathing(9), breathing(9)
    heard.hear(Pacer(started_ns=ns_from_s(50.0), inhale_s=4.0, exhale_s=6.0))
    heard.until(ns_from_s(49.0), arousal=0.5)
    alone.until(ns_from_s(49.0), arousal=0.5)
    common = [turn for turn in alone.turns if turn.t_ns < ns_from_s(49.0)]
    assert heard.turns[: len(common)] == common


def test_slow_breaths_are_deeper() -> None:
    depths = []
    for pacer in (None, Pacer(started_ns=0, inhale_s=4.0, exhale_s=6.0)):
        breath = breathing(3)
        breath.hear(pacer)
        breath.until(ns_from_s(300.0), arousal=0.5)
        levels = [turn.level for turn in breath.turns if turn.phase is BreathPhase.OUT and not turn.is_sigh]
        depths.append(np.median(levels))
    assert depths[1] > 1.3 * depths[0]


def test_sighs_are_rare_and_deep() -> None:
    breath = breathing(6)
    breath.until(ns_from_s(4 * 3600.0), arousal=0.5)
    sighs = [turn for turn in breath.turns if turn.is_sigh]
    assert 0.5 * Person.from_seed(6).sighs_per_hour < len(sighs) / 4 < 1.6 * Person.from_seed(6).sighs_per_hour
    assert min(turn.level for turn in sighs) > 1.6


def test_one_volume_and_many_volumes_agree() -> None:
    breath = breathing(8)
    breath.until(ns_from_s(60.0), arousal=0.5)
    t_ns = np.arange(0, 60 * NS_PER_S, 77_777_777, dtype=np.int64)
    np.testing.assert_allclose(breath.volume(t_ns), [breath.volume_at(int(t)) for t in t_ns], atol=1e-12)


def test_a_free_exhalation_ends_in_rest() -> None:
    breath = breathing(8, pause_share=0.3)
    breath.until(ns_from_s(60.0), arousal=0.5)
    exhalations = [(a, b) for a, b in pairwise(breath.turns[2:]) if b.phase is BreathPhase.IN]
    for a, b in exhalations:
        assert b.rest_before_ns == pytest.approx(0.3 * (b.t_ns - a.t_ns), rel=1e-6)
        assert breath.volume_at(b.t_ns - b.rest_before_ns) == breath.volume_at(b.t_ns - 1) == b.level


def test_an_asked_hold_lasts_until_its_end() -> None:
    breath = breathing(8)
    breath.until(ns_from_s(20.0), arousal=0.5)
    breath.hold_until(ns_from_s(45.0))
    breath.until(ns_from_s(60.0), arousal=0.5)
    onsets = inhalations(breath.turns, first_s=30.0, last_s=60.0)
    assert onsets[0] == pytest.approx(45.0, abs=1e-6)
    assert breath.volume_at(ns_from_s(35.0)) == breath.volume_at(ns_from_s(44.0))


def test_some_hold_their_breath_on_their_own() -> None:
    breath = breathing(8, holds_per_hour=30.0, pause_share=0.0)
    breath.until(ns_from_s(4 * 3600.0), arousal=0.5)
    held_s = [turn.rest_before_ns / NS_PER_S for turn in breath.turns if turn.rest_before_ns]
    assert 20 < len(held_s) / 4 < 40
    assert min(held_s) >= 3.0
    assert max(held_s) <= 9.0


def test_attention_slips_as_often_as_the_person_says() -> None:
    breath = breathing(5, pacer_lapse_share=0.2)
    breath.hear(Pacer(started_ns=0, inhale_s=4.0, exhale_s=6.0))
    breath.until(ns_from_s(3600.0), arousal=0.5)
    cycle_s = np.diff(inhalations(breath.turns, first_s=60.0, last_s=3600.0))
    assert 0.1 < np.mean(np.abs(cycle_s - 10.0) > 1.5) < 0.6


def test_breaths_get_deeper_with_chemical_drive_up_to_full_lungs() -> None:
    depths = []
    for drive in (1.0, 1.5, 20.0):
        breath = breathing(3, sighs_per_hour=0.0)
        breath.until(ns_from_s(300.0), arousal=0.5, drive=drive)
        depths.append(np.median([turn.level for turn in breath.turns if turn.phase is BreathPhase.OUT]))
    assert depths[1] == pytest.approx(1.5 * depths[0], rel=0.06)
    assert depths[2] == pytest.approx(FULLEST, rel=0.06)


def test_slow_breaths_are_no_deeper_than_is_comfortable() -> None:
    breath = breathing(3, sighs_per_hour=0.0, deepest_breath=2.0, depth_exponent=1.6)
    breath.hear(Pacer(started_ns=0, inhale_s=6.0, exhale_s=9.0))
    breath.until(ns_from_s(600.0), arousal=0.5)
    late = [turn.level for turn in breath.turns[20:] if turn.phase is BreathPhase.OUT]
    assert np.median(late) == pytest.approx(2.0, rel=0.06)
