"""Lungs and carbon dioxide: steady in habit, falling when over-breathed, rising when held."""

from dataclasses import replace

import pytest

from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.lungs import Lungs
from becalm_simulator.person import Person


def person(**traits: float) -> Person:
    usual = {"tidal_volume_l": 0.5, "dead_space_l": 0.15, "habit_breathing_rate_bpm": 14.0, "co2_store_l": 10.0}
    return replace(Person.from_seed(1), **usual | {"resting_co2_mmhg": 38.0, "chemoreflex_per_mmhg": 0.02} | traits)


def breathe(lungs: Lungs, minutes: float, *, rate_bpm: float, depth: float) -> float:
    for i in range(round(minutes * rate_bpm)):
        lungs.breathe(end_ns=ns_from_s(i * 60.0 / rate_bpm), cycle_s=60.0 / rate_bpm, depth=depth)
    return lungs.co2_mmhg


def test_habit_keeps_carbon_dioxide_where_it_is() -> None:
    assert breathe(Lungs(person()), 20.0, rate_bpm=14.0, depth=1.0) == pytest.approx(38.0, abs=1e-6)


@pytest.mark.parametrize(("rate_bpm", "depth"), [(14.0, 1.5), (6.0, 2.8), (6.0, 1.8), (25.0, 1.0)])
def test_steady_carbon_dioxide_follows_alveolar_ventilation(rate_bpm: float, depth: float) -> None:
    """The alveolar gas equation: production over alveolar ventilation."""
    alveolar = rate_bpm * (0.5 * depth - 0.15)
    expected = 38.0 * 14.0 * (0.5 - 0.15) / alveolar
    assert breathe(Lungs(person()), 60.0, rate_bpm=rate_bpm, depth=depth) == pytest.approx(expected, rel=0.01)


def test_it_takes_minutes() -> None:
    lungs = Lungs(person())
    steady = 38.0 * 14.0 * 0.35 / (14.0 * (0.75 - 0.15))
    tau_min = 10.0 / (14.0 * (0.75 - 0.15))
    level = breathe(lungs, tau_min, rate_bpm=14.0, depth=1.5)
    assert level == pytest.approx(steady + (38.0 - steady) / 2.718, abs=0.6)


def test_shallow_breaths_move_dead_space_only_and_carbon_dioxide_rises() -> None:
    assert breathe(Lungs(person()), 2.0, rate_bpm=14.0, depth=0.3) > 44.0


def test_chemistry_asks_for_less_when_there_is_less() -> None:
    lungs = Lungs(person())
    assert lungs.drive == 1.0
    breathe(lungs, 10.0, rate_bpm=14.0, depth=2.0)
    assert lungs.drive < 0.8
    breathe(lungs, 10.0, rate_bpm=14.0, depth=0.5)
    assert lungs.drive > 1.1


def test_a_tidal_volume_that_hardly_leaves_the_dead_space_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^tidal_volume_l: expected above dead_space_l \+ 0.05 \(0.35\)"):
        Lungs(person(tidal_volume_l=0.32, dead_space_l=0.3))


def lowest(body: Body, *, after_s: float) -> float:
    body.until(ns_from_s(after_s + 300.0))
    return min(b.co2_mmhg for b in body.end_tidal() if b.t_ns > after_s * NS_PER_S)


def test_over_breathing_shows_in_the_whole_body_and_soft_breaths_do_not_over_breathe() -> None:
    levels = []
    for exponent in (1.3, 0.8):
        body = Body(person(depth_exponent=exponent), seed=1)
        body.hear(Pacer(started_ns=ns_from_s(60.0), inhale_s=4.0, exhale_s=6.0))
        levels.append(lowest(body, after_s=60.0))
    assert levels[0] < 31.5
    assert levels[1] > 34.0
    over = Episode(kind=EpisodeKind.OVERBREATHING, start_ns=ns_from_s(60.0), end_ns=ns_from_s(360.0), amount=1.0)
    assert lowest(Body(person(), seed=1, episodes=[over]), after_s=60.0) < 28.0


def test_a_held_breath_raises_carbon_dioxide() -> None:
    hold = Episode(kind=EpisodeKind.HOLD, start_ns=ns_from_s(60.0), end_ns=ns_from_s(100.0))
    body = Body(person(sighs_per_hour=0.0), seed=1, episodes=[hold])
    body.until(ns_from_s(120.0))
    before = [b.co2_mmhg for b in body.end_tidal() if b.t_ns < ns_from_s(60.0)]
    after = [b.co2_mmhg for b in body.end_tidal() if b.t_ns > ns_from_s(95.0)]
    assert after[0] > before[-1] + 3.0
