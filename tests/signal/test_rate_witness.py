"""A heart tells of a link or a rate only what no other change of it would explain."""

import math
import random

import pytest

from becalm_signal.rate_witness import Cause, RateWitness

S = 1_000_000_000
STEADY = [0.86, 0.85, 0.87, 0.84, 0.86, 0.88, 0.86, 0.85, 0.84, 0.86]
BIGEMINY = [0.6, 1.1] * 5


def asked(
    before: list[float], after: list[float], share: float, *, late_s: float = 0.1, strange: int = 0
) -> Cause | None:
    """Return what a heart says of packets that came later since its beat between both; the newest beats are strange."""
    witness, at_s = RateWitness(), 0.0
    witness.hear(0.0, follows_on=False)
    rrs = [*before, *after]
    for n, rr_s in enumerate(rrs):
        at_s += rr_s
        witness.hear(at_s * S, follows_on=n < len(rrs) - strange)
    return witness.cause(since_ns=sum(before) * S, now_ns=(at_s + late_s) * S, share=share)


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0, 1.5])
def test_intervals_that_stay_in_samples_are_a_link(share: float) -> None:
    assert [asked(STEADY, STEADY[:n], share) for n in range(5)] == [Cause.OPEN] * 4 + [Cause.LINK]


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0, 1.5])
def test_intervals_that_shrink_as_much_as_the_pace_are_a_rate(share: float) -> None:
    shrunk = [rr_s / (1.0 + share) for rr_s in STEADY]
    assert [asked(STEADY, shrunk[:n], share) for n in range(1, 4)] == [None, Cause.RATE, Cause.RATE]


def test_a_heart_that_does_something_else_does_not_tell() -> None:
    assert asked(STEADY, [0.6, 0.59, 0.61, 0.6], 1.0) is None
    assert asked(STEADY, [1.3, 1.3, 1.3, 1.3], 1.0) is None


@pytest.mark.parametrize("after", [STEADY[:4], [rr_s / 1.06 for rr_s in STEADY[:4]]])
def test_a_pace_that_is_hardly_another_is_left_to_arrivals(after: list[float]) -> None:
    assert asked(STEADY, after, 0.06) is None


@pytest.mark.parametrize("share", [0.3, 1.0, 1.5])
def test_an_uneven_heart_does_not_tell_of_a_link(share: float) -> None:
    assert asked(BIGEMINY, BIGEMINY[:8], share) is None
    assert asked(BIGEMINY, [0.85] * 8, share) is None


def test_beats_missed_at_half_the_rate_are_no_link() -> None:
    assert asked(STEADY, [0.86, 0.84], 1.0) is Cause.OPEN
    assert asked(STEADY, [0.86, 0.84, 0.43], 1.0) is None
    assert asked(STEADY, [0.86, 0.84, 0.43, 0.42, 0.43], 1.0) is Cause.RATE


def test_a_heart_that_is_not_known_yet_does_not_tell() -> None:
    assert asked(STEADY[:7], STEADY[:4], 1.0) is None
    assert RateWitness().cause(since_ns=0.0, now_ns=1.0, share=1.0) is None


@pytest.mark.parametrize(("rrs_s", "is_steady"), [(STEADY, True), (BIGEMINY, False), (STEADY[:7], False)])
def test_a_heart_is_steady_where_one_beat_missed_would_show(rrs_s: list[float], *, is_steady: bool) -> None:
    witness, at_s = RateWitness(), 0.0
    witness.hear(0.0, follows_on=False)
    for rr_s in [*rrs_s, 0.4, 0.4, 0.4]:
        at_s += rr_s
        witness.hear(at_s * S, follows_on=True)
    assert witness.is_steady(sum(rrs_s) * S + 1.0) is is_steady


def test_nobody_waits_for_a_heart_that_is_no_longer_heard() -> None:
    assert asked(STEADY, STEADY[:2], 1.0, late_s=1.6) is Cause.OPEN
    assert asked(STEADY, STEADY[:2], 1.0, late_s=1.8) is None


def test_one_beat_that_follows_on_nothing_is_waited_through_and_strange_ones_are_not() -> None:
    assert asked(STEADY, STEADY[:3], 1.0, strange=1) is Cause.OPEN
    assert asked(STEADY, STEADY[:6], 1.0, strange=1) is Cause.LINK
    assert asked(STEADY, STEADY[:6], 1.0, strange=2) is None


def test_what_was_heard_before_a_restart_does_not_count() -> None:
    witness = RateWitness()
    for n in range(20):
        witness.hear(0.86 * n * S, follows_on=True)
    assert witness.cause(since_ns=8.6 * S, now_ns=17.0 * S, share=1.0) is Cause.LINK
    witness.restart()
    assert witness.cause(since_ns=8.6 * S, now_ns=17.0 * S, share=1.0) is None


def test_a_beat_that_is_not_later_is_passed_over() -> None:
    witness = RateWitness()
    for n in range(20):
        for _ in range(2):
            witness.hear(0.86 * n * S, follows_on=True)
    assert witness.cause(since_ns=8.6 * S, now_ns=17.0 * S, share=1.0) is Cause.LINK


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_steady_heart_is_seldom_wrong(share: float) -> None:
    """Of hearts that wander by 4 % and breathe by another 4 %, while the pace changes."""
    told = []
    for seed in range(300):
        rng = random.Random(seed)
        level, phase, rrs = 0.86, rng.uniform(0.0, 6.28), []
        for n in range(16):
            level *= math.exp(rng.gauss(0.0, 0.01))
            rrs.append(level * (1.0 + 0.04 * math.sin(phase + 1.3 * n) + rng.gauss(0.0, 0.01)))
        told.append(
            (asked(rrs[:10], rrs[10:], share), asked(rrs[:10], [rr_s / (1.0 + share) for rr_s in rrs[10:]], share))
        )
    assert {link for link, _ in told} <= {Cause.LINK, None}
    assert {rate for _, rate in told} <= {Cause.RATE, None}
    assert sum(link is Cause.LINK for link, _ in told) > 270
    assert sum(rate is Cause.RATE for _, rate in told) > 270
