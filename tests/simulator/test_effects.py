"""Published effects in aggregate: a seeded population against the table, row by row."""

import numpy as np
import pytest

from becalm_simulator.course import Course, first_session
from becalm_simulator.effects import Effect, effects, standardised_change

EFFECTS = effects()
# None of these people was looked at when the draws were chosen.
SEEDS = range(20_000, 20_200)


@pytest.fixture(scope="module")
def people() -> list[Course]:
    return [first_session(seed) for seed in SEEDS]


@pytest.mark.parametrize("effect", EFFECTS, ids=[effect.name for effect in EFFECTS])
def test_the_population_shows_what_was_published(people: list[Course], effect: Effect) -> None:
    found = effect.measure(people)
    assert effect.low <= found <= effect.high, f"{found:.3g} {effect.unit}, published {effect.published:g}"


def test_every_row_names_its_source_and_holds_what_was_published() -> None:
    for effect in EFFECTS:
        assert "doi:10." in effect.source
        assert effect.low <= effect.published <= effect.high
        assert effect.tolerance


def test_a_table_that_holds_for_these_people_does_not_hold_for_any(people: list[Course]) -> None:
    """The rows can fail: people whose practice is their rest show no change, no fall of CO2 and no low CO2."""
    still = [Course(person=course.person, rest=course.rest, practice=course.rest) for course in people]
    missed = [effect.name for effect in EFFECTS if not effect.low <= effect.measure(still) <= effect.high]
    assert len(missed) == 5


def test_the_standardised_change_is_that_of_the_textbook() -> None:
    before, after = np.asarray([1.0, 2.0, 3.0]), np.asarray([2.0, 4.0, 6.0])
    assert standardised_change(before, after) == pytest.approx(2.0 / np.sqrt((1.0 + 4.0) / 2.0))
