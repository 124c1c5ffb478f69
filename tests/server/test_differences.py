import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_server.archive.differences import compare_events, compare_index

TIMES = st.lists(st.integers(0, 10_000), max_size=20).map(sorted)


def test_index_differs_where_both_speak() -> None:
    before = {1: 10.0, 2: 10.0, 3: None, 4: 10.0, 5: None, 9: 3.0}
    now = {1: 10.0 + 1e-12, 2: 12.0, 3: 5.0, 4: None, 5: None, 7: 1.0, 8: 2.0}
    found = compare_index(before, now)
    assert (found.n_compared, found.n_differ, found.n_shown_anew, found.n_withheld_anew) == (5, 3, 1, 1)
    assert (found.largest, found.median) == (2.0, 2.0)


def test_median_is_of_those_that_differ() -> None:
    before = dict.fromkeys(range(6), 0.0)
    found = compare_index(before, {0: 0.0, 1: 1.0, 2: -2.0, 3: 10.0, 4: 0.0, 5: 0.0})
    assert (found.n_differ, found.largest, found.median) == (3, 10.0, 2.0)
    same = compare_index(before, before)
    assert (same.n_compared, same.n_differ, same.largest, same.median) == (6, 0, None, None)


@pytest.mark.parametrize(
    ("before", "now", "added", "lost"),
    [
        ([], [], 0, 0),
        ([100, 200], [101, 199], 0, 0),
        ([100, 200], [100], 0, 1),
        ([100], [100, 104], 1, 0),
        ([100, 200, 300], [106, 200, 400], 2, 2),
    ],
)
def test_events_pair_one_to_one(before: list[int], now: list[int], added: int, lost: int) -> None:
    found = compare_events(before, now, tolerance_ns=5)
    assert (found.n_before, found.n_now, found.n_added, found.n_lost) == (len(before), len(now), added, lost)


@given(before=TIMES, now=TIMES)
def test_what_is_there_was_there_or_is_added(before: list[int], now: list[int]) -> None:
    found = compare_events(before, now, tolerance_ns=50)
    assert found.n_before - found.n_lost + found.n_added == found.n_now
    assert compare_events(before, before, tolerance_ns=0).n_added == 0
    back = compare_events(now, before, tolerance_ns=50)
    assert (back.n_added, back.n_lost) == (found.n_lost, found.n_added)
