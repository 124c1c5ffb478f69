import pytest

from becalm_kivy.summary import N_MAX, Outcome, Summary, SummaryBook
from becalm_protocol.derived import Index, Reason
from becalm_protocol.units import NS_PER_S


def summary(levels: list[float], *, bound: float = 5.0, first_s: int = 60) -> Summary:
    book = SummaryBook()
    for second, level in enumerate(levels, start=first_s):
        book.add(Index(value=level, bound=bound, sample_ns=0), t_ns=second * NS_PER_S)
    return book.close(practice_started_ns=60 * NS_PER_S, ended_ns=(first_s + len(levels)) * NS_PER_S)


def test_a_clear_fall_has_eased() -> None:
    told = summary([60.0] * 100 + [40.0] * 100)
    assert told.outcome is Outcome.EASED
    assert told.start is not None
    assert told.end is not None
    assert (told.start.value, told.end.value) == (60.0, 40.0)
    assert told.practice_s == pytest.approx(200)


def test_a_clear_rise_is_told_too() -> None:
    assert summary([40.0] * 100 + [60.0] * 100).outcome is Outcome.MORE_ACTIVE


def test_within_its_bounds_one_cannot_tell() -> None:
    assert summary([52.0] * 100 + [46.0] * 100, bound=5.0).outcome is Outcome.CANNOT_TELL


def test_less_than_three_minutes_cannot_carry_it() -> None:
    told = summary([60.0] * 90 + [40.0] * 89)
    assert (told.outcome, told.start) == (Outcome.TOO_SHORT, None)


def test_who_joined_late_has_not_seen_the_start() -> None:
    assert summary([60.0] * 100 + [40.0] * 100, first_s=120).outcome is Outcome.START_NOT_SEEN


def test_no_practice_at_all() -> None:
    assert SummaryBook().close(practice_started_ns=None, ended_ns=NS_PER_S).outcome is Outcome.NO_PRACTICE


def test_withheld_values_count_for_nothing_and_seconds_count_once() -> None:
    book = SummaryBook()
    for quarter in range(4 * 200):
        book.add(Index(value=50.0, bound=1.0, sample_ns=0), t_ns=quarter * NS_PER_S // 4)
        book.add(Index(reason=Reason.NOISY), t_ns=quarter * NS_PER_S // 4)
    assert len(book.close(practice_started_ns=0, ended_ns=200 * NS_PER_S).curve) == 200


def test_memory_is_bounded() -> None:
    assert len(summary([50.0] * (N_MAX + 50)).curve) == N_MAX


def test_the_comparison_of_the_pipeline_counts_more_than_the_edges() -> None:
    def told(subsidence: Index) -> Outcome:
        book = SummaryBook()
        for second in range(200):
            book.add(Index(value=60.0 - second / 10.0, bound=2.0), t_ns=second * NS_PER_S)
        book.compare(subsidence)
        book.compare(Index(reason=Reason.WARMING_UP))  # nothing to compare, nothing forgotten
        return book.close(practice_started_ns=0, ended_ns=200 * NS_PER_S).outcome

    assert told(Index(reason=Reason.CANNOT_TELL)) is Outcome.CANNOT_TELL
    assert told(Index(value=12.0, bound=5.0)) is Outcome.EASED
    assert told(Index(value=-12.0, bound=5.0)) is Outcome.MORE_ACTIVE
    assert told(Index(reason=Reason.SENSOR_LOST)) is Outcome.EASED
