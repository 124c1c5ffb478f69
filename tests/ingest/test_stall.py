"""Samples counted against time after a link stood still."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_ingest.stall import StallJudge
from becalm_protocol.units import NS_PER_S


def judge(arrivals_s: Iterable[float]) -> list[int]:
    """What is found missing when one sample arrives at each of these times."""
    judged = StallJudge()
    found = [
        judged.hear(round(at_s * NS_PER_S), next_sample_idx=n) for n, at_s in enumerate(sorted(arrivals_s), start=1)
    ]
    return [n_missing for n_missing in found if n_missing]


def arrivals(rate_hz: float, *, lost: range, held_s: tuple[float, float]) -> list[float]:
    """Twelve seconds of samples; those of a standstill come at its end, unless they are lost."""
    begin_s, end_s = held_s
    times_s = [n / rate_hz for n in range(round(12 * rate_hz)) if n not in lost]
    return [end_s + 0.0005 * n if begin_s <= t_s < end_s else t_s for n, t_s in enumerate(times_s)]


@given(
    rate_hz=st.sampled_from([4.0, 8.0, 10.0, 25.0]),
    begin_s=st.floats(4.0, 6.0),
    length_s=st.floats(0.8, 3.0),
    n_lost=st.integers(0, 40),
)
def test_what_is_lost_is_found(rate_hz: float, begin_s: float, length_s: float, n_lost: int) -> None:
    """To a sample where anything is said; nothing is said of two, or of a twentieth of the time that was counted."""
    first = round(begin_s * rate_hz)
    lost = range(first, first + min(n_lost, int(length_s * rate_hz)))
    found = judge(arrivals(rate_hz, lost=lost, held_s=(begin_s, begin_s + length_s)))
    if found:
        assert len(lost) > 1
        assert abs(sum(found) - len(lost)) <= 1
    else:
        assert len(lost) <= max(3.0, 0.05 * rate_hz * (length_s + 2.5) + 1.0)


def test_packets_that_wait_a_little_are_no_standstill() -> None:
    assert judge(n / 10 + (0.3 if n % 7 == 0 else 0.0) for n in range(200)) == []


def test_a_link_that_goes_on_stuttering_is_judged_when_it_has_caught_up() -> None:
    stutter_s = [6.0 + 0.9 * (n // 9) for n in range(36)]  # nine samples at a time, none lost
    assert judge([n / 10 for n in range(50)] + [6.0] * 10 + stutter_s + [9.6 + n / 10 for n in range(40)]) == []


@pytest.mark.parametrize("history_s", [1, 2])
def test_without_a_history_nothing_is_said(history_s: int) -> None:
    judged = StallJudge()
    for n in range(10 * history_s):
        judged.hear(n * NS_PER_S // 10, next_sample_idx=n + 1)
    assert not judged.knows_rate
    assert judge([n / 10 for n in range(10 * history_s)] + [8 + n / 10 for n in range(60)]) == []
