"""A breath's length from its halves: within its bound, of usual halves only."""

import random
from itertools import accumulate

import pytest

from becalm_protocol.derived import BreathPhase, BreathTurn
from becalm_signal.breath_halves import HalfBreaths


def turns(lengths_s: list[float], *, from_s: float = 0.0, first: BreathPhase = BreathPhase.IN) -> list[BreathTurn]:
    """Return turns with these halves between them; the first half begins with `first`."""
    second = BreathPhase.OUT if first is BreathPhase.IN else BreathPhase.IN
    at_ns = [round(t_s * 1e9) for t_s in accumulate(lengths_s, initial=from_s)]
    return [BreathTurn(t_ns=t_ns, emitted_ns=t_ns, phase=(first, second)[k % 2]) for k, t_ns in enumerate(at_ns)]


def known(*, inhale_s: float = 1.6, exhale_s: float = 2.4) -> HalfBreaths:
    """Return what has heard five breaths before a break."""
    halves = HalfBreaths()
    for turn in turns([inhale_s, exhale_s] * 5):
        halves.turn(turn)
    halves.forget()
    return halves


@pytest.mark.parametrize(("first", "half_s"), [(BreathPhase.IN, 1.6), (BreathPhase.OUT, 2.4)])
def test_one_half_like_those_before_the_break_tells_the_whole(first: BreathPhase, half_s: float) -> None:
    halves = known()
    for turn in turns([half_s], from_s=60.0, first=first):
        assert halves.length() is None
        halves.turn(turn)
    length = halves.length()
    assert length is not None
    assert length.s == pytest.approx(4.0)
    assert 0.6 < length.error_s < 2.0


def test_more_halves_tell_more() -> None:
    halves, errors_s = known(), []
    for turn in turns([1.6, 2.4, 1.6, 2.4], from_s=60.0):
        halves.turn(turn)
        length = halves.length()
        errors_s += [length.error_s] if length is not None else []
    assert len(errors_s) == 4
    assert errors_s == sorted(errors_s, reverse=True)


def test_a_longer_half_may_be_the_first_of_its_length() -> None:
    lengths = []
    for half_s in (1.6, 2.4):
        halves = known()
        for turn in turns([half_s], from_s=60.0):
            halves.turn(turn)
        length = halves.length()
        assert length is not None
        lengths.append(length)
    usual, longer = lengths
    assert longer.s == pytest.approx(6.0)
    assert longer.error_s > 1.4 * usual.error_s
    assert longer.s - longer.error_s < (4.0 + 4.0 + 6.0) / 3.0


def test_what_no_chest_does_is_not_usual() -> None:
    halves = HalfBreaths()
    for turn in turns([1.6, 2.4] * 5 + [0.04] * 11):
        halves.turn(turn)
    halves.forget()
    for turn in turns([1.6], from_s=60.0):
        halves.turn(turn)
    length = halves.length()
    assert length is not None
    assert length.s == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("half_s", [0.7, 3.0, 5.6])
def test_a_half_unlike_those_before_is_no_half(half_s: float) -> None:
    halves = known()
    for turn in turns([half_s], from_s=60.0):
        halves.turn(turn)
    assert halves.length() is None


def test_without_breaths_before_the_break_or_after_a_turn_that_was_missed_nothing_is_told() -> None:
    fresh, torn = HalfBreaths(), known()
    for turn in turns([1.6, 2.4], from_s=60.0):
        fresh.turn(turn)
    assert fresh.length() is None
    for turn in (*turns([1.6], from_s=60.0), *turns([], from_s=64.0, first=BreathPhase.OUT)):
        torn.turn(turn)
    assert torn.length() is None


def test_the_bound_holds_the_mean_of_the_last_three_breaths() -> None:
    rng, n_told, n_held = random.Random(4), 0, 0
    for _ in range(300):
        breaths = [(rng.gauss(1.6, 0.15), rng.gauss(2.4, 0.3)) for _ in range(14)]
        halves = HalfBreaths()
        for turn in turns([half for breath in breaths[:9] for half in breath]):
            halves.turn(turn)
        halves.forget()
        for turn in turns([breaths[-1][0]], from_s=100.0):
            halves.turn(turn)
        length = halves.length()
        if length is not None:
            true_s = sum(map(sum, breaths[-3:])) / 3
            n_told, n_held = n_told + 1, n_held + (abs(length.s - true_s) <= length.error_s)
    assert n_told > 280
    assert n_held >= 0.95 * n_told
