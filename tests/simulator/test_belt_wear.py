"""The belt: what befalls it shows while it lasts, leaves the chest's truth alone, and speech and coughs shake it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from becalm_protocol.derived import BreathPhase
from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.cough import COUGH_PERIOD_S
from becalm_simulator.episode import BELT_KINDS, Episode, EpisodeKind
from becalm_simulator.person import Person

RATE_HZ = 50
FIRST_S, LAST_S = 30.0, 60.0
T_NS = np.arange(0, 90 * RATE_HZ, dtype=np.int64) * NS_PER_S // RATE_HZ
INSIDE = (ns_from_s(FIRST_S) <= T_NS) & (ns_from_s(LAST_S) > T_NS)
Floats = NDArray[np.float64]


def living(*episodes: Episode, pacer: Pacer | None = None, **traits: float) -> Body:
    one = Body(replace(Person.from_seed(2), belt_tension_n=10.0, **traits), seed=2, episodes=episodes)
    one.hear(pacer)
    one.until(int(T_NS[-1]))
    return one


def during(kind: EpisodeKind, amount: float) -> Episode:
    return Episode(kind=kind, start_ns=ns_from_s(FIRST_S), end_ns=ns_from_s(LAST_S), amount=amount)


def force(kind: EpisodeKind, amount: float) -> tuple[Floats, Floats]:
    """Return the pull that is shown, and the same without the episode."""
    return living(during(kind, amount)).force_n(T_NS), living().force_n(T_NS)


@pytest.mark.parametrize("kind", sorted(BELT_KINDS))
def test_what_befalls_a_belt_shows_while_it_lasts_and_leaves_the_body_alone(kind: EpisodeKind) -> None:
    worn, plain = living(during(kind, 1.0)), living()
    change_n = worn.force_n(T_NS) - plain.force_n(T_NS)
    assert np.max(np.abs(change_n[INSIDE])) > 0.5
    assert np.all(change_n[~INSIDE] == 0.0)
    assert worn.turns() == plain.turns()
    assert np.array_equal(worn.impedance_ohm(T_NS), plain.impedance_ohm(T_NS))
    assert np.array_equal(worn.acceleration_mg(T_NS), plain.acceleration_mg(T_NS))


def test_a_belt_slips_at_once_by_so_much() -> None:
    worn_n, plain_n = force(EpisodeKind.BELT_SLIPPED, 4.0)
    assert (plain_n - worn_n)[INSIDE] == pytest.approx(4.0)
    nothing_n, _ = force(EpisodeKind.BELT_SLIPPED, 25.0)
    assert np.all(nothing_n[INSIDE] == 0.0)


def test_a_loose_belt_shows_a_share_of_the_breath() -> None:
    worn_n, plain_n = force(EpisodeKind.BELT_LOOSE, 0.75)
    assert np.ptp(worn_n[INSIDE]) == pytest.approx(0.25 * np.ptp(plain_n[INSIDE]))
    assert np.mean(worn_n[INSIDE]) < np.mean(plain_n[INSIDE]) - 3.0


def test_a_stuck_belt_stays_where_it_was() -> None:
    worn_n, plain_n = force(EpisodeKind.BELT_STUCK, 1.0)
    assert np.all(worn_n[INSIDE] == plain_n[INSIDE][0])


def test_a_clipped_belt_ends_flat_at_the_top_only() -> None:
    worn_n, plain_n = force(EpisodeKind.BELT_CLIPPED, 0.5)
    assert np.min(worn_n[INSIDE]) == np.min(plain_n[INSIDE])
    top_n = np.max(worn_n[INSIDE])
    assert 0.2 < np.mean(worn_n[INSIDE] == top_n) < 0.7
    assert np.max(plain_n[INSIDE]) > top_n + 0.5


def test_coughs_throw_the_belt_again_and_again_and_shake_the_rest() -> None:
    worn, plain = living(during(EpisodeKind.COUGHING, 3.0)), living()
    change_n = worn.force_n(T_NS) - plain.force_n(T_NS)
    n_coughs = int(np.sum((change_n[1:-1] > 2.0) & (change_n[1:-1] >= change_n[:-2]) & (change_n[1:-1] > change_n[2:])))
    assert n_coughs == int((LAST_S - FIRST_S) / COUGH_PERIOD_S) + 1
    assert np.max(change_n) == pytest.approx(3.0, abs=0.2)
    assert np.min(change_n) < -1.0
    for shaken, still in (
        (worn.ecg_uv(T_NS), plain.ecg_uv(T_NS)),
        (worn.acceleration_mg(T_NS)[:, 1], plain.acceleration_mg(T_NS)[:, 1]),
        (worn.impedance_ohm(T_NS), plain.impedance_ohm(T_NS)),
        (worn.pulse_au(T_NS), plain.pulse_au(T_NS)),
        (worn.conductance_us(T_NS), plain.conductance_us(T_NS)),
    ):
        assert np.std((shaken - still)[INSIDE]) > 0.0
    assert len(worn.responses()) >= len(plain.responses())


def test_an_axis_that_is_stuck_stands_still_while_the_others_move() -> None:
    stuck, plain = living(during(EpisodeKind.AXIS_STUCK, 1.0)), living()
    shown_mg, true_mg = stuck.acceleration_mg(T_NS), plain.acceleration_mg(T_NS)
    assert np.all(shown_mg[INSIDE, 2] == true_mg[INSIDE, 2][0])
    assert np.array_equal(shown_mg[:, :2], true_mg[:, :2])
    assert np.array_equal(stuck.force_n(T_NS), plain.force_n(T_NS))


def test_who_speaks_breathes_in_fast_and_out_slowly_and_follows_no_pacer() -> None:
    pacer = Pacer(started_ns=0, inhale_s=4.0, exhale_s=6.0)
    speaking, silent = living(during(EpisodeKind.TALKING, 1.0), pacer=pacer), living(pacer=pacer)
    lengths_s: dict[BreathPhase, list[float]] = {BreathPhase.IN: [], BreathPhase.OUT: []}
    for turn, after in pairwise(speaking.turns()):
        if ns_from_s(FIRST_S + 10.0) < turn.t_ns < ns_from_s(LAST_S - 10.0):
            lengths_s[turn.phase].append((after.t_ns - turn.t_ns) / NS_PER_S)
    assert max(lengths_s[BreathPhase.IN]) < 1.0
    assert min(lengths_s[BreathPhase.OUT]) >= 2.0
    assert [t for t in speaking.turns() if t.t_ns < ns_from_s(FIRST_S)] == [
        t for t in silent.turns() if t.t_ns < ns_from_s(FIRST_S)
    ]
    following = [t.following for t in speaking.turns() if ns_from_s(LAST_S - 10.0) < t.t_ns < ns_from_s(LAST_S - 3.0)]
    assert max(following) < 0.1
    assert speaking.turns()[-1].following > 0.5
