"""A heart tells of a link or a rate only what no other change of it would explain; what arrivals then tell with it."""

import math
import random

import pytest

from becalm_signal.rate_watch import RateWatch
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


def heard(
    watch: RateWatch, *, until_s: float, rr_s: float, beats: list[float], strange_from_s: float = math.inf
) -> None:
    """Let beats be heard a fifth of a second late, each an interval after the one before, unless it is strange."""
    while beats[-1] + rr_s <= until_s - 0.2:
        beats.append(beats[-1] + rr_s)
        watch.witness.hear(beats[-1] * S, follows_on=beats[-1] < strange_from_s)


@pytest.mark.parametrize("packet_s", [0.04, 0.25, 0.56])
@pytest.mark.parametrize("pace", [0.4, 0.5, 0.6, 0.75])
@pytest.mark.parametrize("rr_s", [0.55, 0.86, 1.1])
def test_a_link_that_slows_evenly_is_no_rate_and_no_doubt_while_a_heart_goes_on(
    packet_s: float, pace: float, rr_s: float
) -> None:
    for speed in (1.2, 4.0):
        watch, radio, free_s, beats = RateWatch(), random.Random(3), 0.0, [0.0]
        for n in range(round(150 / packet_s)):
            t_s = (n + 1) * packet_s
            step_s = packet_s / (pace if 30.0 <= free_s < 50.0 else speed) * radio.uniform(0.95, 1.05)
            free_s = max(t_s + radio.expovariate(1.0 / 0.005), free_s + step_s)
            assert watch.feed(t_s * S, round(free_s * S)) == 0.0
            assert watch.is_right or free_s < 5.0 or free_s > 50.0
            heard(watch, until_s=t_s, rr_s=rr_s, beats=beats)
        assert watch.is_right


@pytest.mark.parametrize("packet_s", [0.04, 0.25])
@pytest.mark.parametrize("factor", [0.4, 0.5, 0.7])
@pytest.mark.parametrize("rr_s", [0.55, 0.86])
def test_a_rate_that_falls_by_much_is_known_as_soon_as_a_heart_tells_so(
    packet_s: float, factor: float, rr_s: float
) -> None:
    found_s = []
    for seed in range(10):
        watch, radio, beats = RateWatch(), random.Random(seed), [0.0]
        for n in range(round(40 / packet_s)):
            counted_s = (n + 1) * packet_s
            t_s = counted_s + max(0.0, counted_s - 20.0) * (1.0 / factor - 1.0)
            share = watch.feed(counted_s * S, round((t_s + radio.expovariate(1.0 / 0.01)) * S))
            if share:
                assert 1.0 / (1.0 + share) == pytest.approx(factor, rel=0.05)
                found_s.append(t_s - 20.0)
                break
            heard(watch, until_s=counted_s, rr_s=rr_s if counted_s < 20.0 else factor * rr_s, beats=beats)
    assert len(found_s) == 10
    assert sorted(found_s)[5] <= 5.5


def test_a_heart_that_has_told_of_a_link_is_not_believed_where_it_looks_strange_then() -> None:
    """Sampled at half the rate, of which every second beat is missed at first."""
    watch, beats = RateWatch(), [0.0]
    for n in range(1, 200):
        counted_s = 0.25 * n
        t_s = counted_s + max(0.0, counted_s - 20.0)
        if watch.feed(counted_s * S, round(t_s * S)):
            break
        heard(watch, until_s=counted_s, rr_s=0.86, beats=beats, strange_from_s=25.0)
    assert 11.0 < t_s - 20.0 < 15.0


@pytest.mark.parametrize(("is_heard", "doubted_s"), [(True, 2.5), (False, 4.5)])
def test_a_rate_that_falls_is_doubted_sooner_where_a_heart_contradicts(is_heard: bool, doubted_s: float) -> None:
    watch, beats = RateWatch(), [0.0]
    for n in range(1, 200):
        counted_s = 0.25 * n
        t_s = counted_s + max(0.0, counted_s - 20.0)
        watch.feed(counted_s * S, round(t_s * S))
        if t_s > 5.0 and not watch.is_right:
            break
        if is_heard:
            rr_s = 0.86 if beats[-1] < 19.0 else 0.54 if beats[-1] < 20.0 else 0.43
            heard(watch, until_s=counted_s, rr_s=rr_s, beats=beats)
    assert t_s - 20.0 == pytest.approx(doubted_s, abs=0.5)


@pytest.mark.parametrize("packet_s", [0.125, 0.25])
@pytest.mark.parametrize("rrs_s", [(0.5, 0.9), (0.5, 1.0, 0.7, 0.6, 1.1, 0.8)])
def test_a_heart_that_is_too_uneven_to_tell_does_not_make_a_slow_link_doubted_sooner(
    packet_s: float, rrs_s: tuple[float, ...]
) -> None:
    watch, at_s, n_beats, free_s = RateWatch(), 0.0, 0, 0.0
    for n in range(round(100 / packet_s)):
        t_s = (n + 1) * packet_s
        free_s = max(t_s, free_s + packet_s / (0.7 if (free_s - 30.0) % 12.0 < 3.0 else 3.0))
        assert watch.feed(t_s * S, round(free_s * S)) == 0.0
        assert watch.is_right or free_s < 5.0
        while at_s + rrs_s[n_beats % len(rrs_s)] <= t_s - 0.2:
            at_s += rrs_s[n_beats % len(rrs_s)]
            n_beats += 1
            watch.witness.hear(at_s * S, follows_on=True)


def test_a_heart_does_not_speak_for_a_rate_that_arrivals_alone_have_told() -> None:
    """Before it was known a slow link was taken for a rate, and its catching up for another."""
    watch, beats, free_s, counted_s, period_s, told = RateWatch(), [0.0], 0.0, 0.0, 0.25, []
    for n in range(1, 400):
        free_s = max(0.25 * n, free_s + (0.5 if 6.0 < free_s < 25.0 else 0.125))
        counted_s += period_s
        share = watch.feed(counted_s * S, round(free_s * S))
        if share:
            told.append((free_s, share))
            period_s *= 1.0 + share
            watch.restart()
            beats = [counted_s]
        heard(watch, until_s=counted_s, rr_s=0.86 * period_s / 0.25, beats=beats)
    assert len(told) == 3
    assert told[-1][0] < 55.0
    assert period_s == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("factor", [0.5, 0.75, 0.85])
def test_no_heart_makes_a_packet_wait_for_more_than_half_a_minute(factor: float) -> None:
    watch, beats, late_s = RateWatch(), [0.0], 0.0
    for n in range(1, 1_500):
        counted_s = 0.25 * n
        late_s = max(0.0, counted_s - 20.0) * (1.0 / factor - 1.0)
        if watch.feed(counted_s * S, round((counted_s + late_s) * S)):
            break
        heard(watch, until_s=counted_s, rr_s=0.86, beats=beats)
    assert 30.0 < late_s < 32.0
