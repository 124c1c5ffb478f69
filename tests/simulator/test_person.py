"""People: seeded, plausible, and refused by name when impossible."""

from dataclasses import fields, replace

import numpy as np
import pytest

from becalm_simulator.body import Body
from becalm_simulator.lungs import Lungs
from becalm_simulator.person import Person
from becalm_simulator.traits import RANGES


def test_the_same_seed_is_the_same_person_and_another_is_another() -> None:
    assert Person.from_seed(3) == Person.from_seed(3)
    assert Person.from_seed(3) != Person.from_seed(4)


def test_every_trait_has_a_range() -> None:
    assert set(RANGES) == {field.name for field in fields(Person)}


@pytest.mark.parametrize("trait", sorted(RANGES))
def test_a_trait_out_of_range_is_refused_by_name(trait: str) -> None:
    low, high = RANGES[trait]
    for impossible in (low - 0.01, high + 0.01, float("nan")):
        with pytest.raises(ValueError, match=rf"^{trait}: expected"):
            replace(Person.from_seed(1), **{trait: impossible})


def test_a_thousand_people_are_all_possible_and_none_is_like_another() -> None:
    people = [Person.from_seed(seed) for seed in range(1000)]
    assert len(set(people)) == 1000
    for person in people:
        Lungs(person)  # every draw leaves room between tidal volume and dead space


def test_practice_helps_many_not_all_and_alarms_some() -> None:
    people = [Person.from_seed(seed) for seed in range(600)]
    changes = np.asarray([person.arousal_practised - person.arousal_everyday for person in people])
    assert 0.25 < np.mean(changes < -0.15) < 0.45
    assert 0.15 < np.mean(np.abs(changes) < 0.03) < 0.4
    assert 0.05 < np.mean(changes > 0.05) < 0.18


def test_rare_rhythms_are_rare() -> None:
    people = [Person.from_seed(seed) for seed in range(1000)]
    assert 0.05 < np.mean([person.ectopic_share > 0 for person in people]) < 0.2
    assert 0.002 < np.mean([person.fibrillation_share > 0 for person in people]) < 0.03


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_an_impossible_seed_is_refused_by_name(seed: int) -> None:
    for make in (Person.from_seed, Body.from_seed):
        with pytest.raises(ValueError, match=r"^seed: expected 0 to 9223372036854775807"):
            make(seed)
    with pytest.raises(ValueError, match=r"^seed: expected"):
        Body(Person.from_seed(1), seed=seed)
