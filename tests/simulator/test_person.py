"""People: seeded, plausible, and refused by name when impossible."""

from dataclasses import fields, replace

import pytest

from becalm_simulator.person import RANGES, Person


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


def test_a_population_is_plausible() -> None:
    people = [Person.from_seed(seed) for seed in range(400)]
    rates = [person.resting_heart_rate_bpm for person in people]
    assert 59 < sum(rates) / len(rates) < 65
    breaths = [person.habit_breathing_rate_bpm for person in people]
    assert 13 < sum(breaths) / len(breaths) < 15
    with_ectopy = sum(person.ectopic_share > 0 for person in people) / len(people)
    assert 0.08 < with_ectopy < 0.22
