"""Random lives: seeded, as many as asked, every kind, and nothing in the body at once."""

from itertools import pairwise

import pytest

from becalm_simulator.episode import BELT_KINDS, BODY_KINDS, DROPOUTS, ECG_KINDS, RHYTHM_KINDS, SKIN_KINDS, EpisodeKind
from becalm_simulator.population import MAX_SEED
from becalm_simulator.staging import DISTURBANCES, ELECTRODE_DISTURBANCES, seeded_disturbances, seeded_life


def test_seeded_disturbances_are_reproducible_and_as_many_as_asked() -> None:
    episodes = seeded_disturbances(4, seconds=3600.0, per_hour=200.0)
    assert episodes == seeded_disturbances(4, seconds=3600.0, per_hour=200.0)
    assert episodes != seeded_disturbances(5, seconds=3600.0, per_hour=200.0)
    assert 150 < len(episodes) < 250
    assert {e.kind for e in episodes} == {kind for kind, *_ in ELECTRODE_DISTURBANCES}
    assert seeded_disturbances(4, seconds=60.0, per_hour=0.0) == ()


def test_every_disturbance_of_a_scored_sensor_is_drawn() -> None:
    drawn = {e.kind for e in seeded_disturbances(4, seconds=3600.0, per_hour=400.0, rows=DISTURBANCES)}
    assert drawn == ECG_KINDS | BELT_KINDS | SKIN_KINDS | set(DROPOUTS.values())


def test_a_life_has_everything_in_it_one_after_the_other() -> None:
    life = seeded_life(4, seconds=24 * 3600.0, per_hour=30.0)
    assert {e.kind for e in life} == BODY_KINDS - {EpisodeKind.CALMING} | RHYTHM_KINDS
    assert all(before.end_ns <= after.start_ns for before, after in pairwise(life))
    assert life == seeded_life(4, seconds=24 * 3600.0, per_hour=30.0)
    assert 24 * 15 < len(life) < 24 * 30


@pytest.mark.parametrize(
    ("seed", "seconds", "per_hour", "named"),
    [(1, 0.0, 1.0, "seconds"), (1, 10.0, -1.0, "per_hour"), (-1, 10.0, 1.0, "seed"), (MAX_SEED + 1, 1.0, 1.0, "seed")],
)
def test_impossible_seeding_is_refused_by_name(seed: int, seconds: float, per_hour: float, named: str) -> None:
    for draw in (seeded_disturbances, seeded_life):
        with pytest.raises(ValueError, match=rf"^{named}: expected"):
            draw(seed, seconds=seconds, per_hour=per_hour)
    with pytest.raises(ValueError, match=r"^rows: expected at least one"):
        seeded_disturbances(1, seconds=1.0, per_hour=1.0, rows=())
