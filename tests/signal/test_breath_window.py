"""The rate of the last breaths: within its bound of the true one, of breaths that follow on each other, or none."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
import pytest

from becalm_protocol.derived import Breath, BreathPause, BreathPhase, BreathTurn, Index, Reason
from becalm_protocol.events import SignalKind
from becalm_signal.breath_halves import HalfBreaths
from becalm_signal.breath_turns import BreathEvent, BreathMaker, TurnAt
from becalm_signal.breath_window import BreathWindow
from becalm_simulator.body import Body

NS = 10**9
BELT = SignalKind.RESPIRATION


def events(onsets_s: Sequence[float], *, inhale_share: float = 0.4, source: SignalKind = BELT) -> list[BreathEvent]:
    """Return turns and breaths of a chest that begins to breathe in at these times, and out in between."""
    found: list[BreathEvent] = []
    for k, onset_s in enumerate(onsets_s):
        onset_ns = round(onset_s * NS)
        found.append(BreathTurn(t_ns=onset_ns, emitted_ns=onset_ns, phase=BreathPhase.IN, source=source))
        if k > 0:
            found.append(breath(onsets_s[k - 1], onset_s, source=source))
        if k + 1 < len(onsets_s):
            out_ns = round((onset_s + inhale_share * (onsets_s[k + 1] - onset_s)) * NS)
            found.append(BreathTurn(t_ns=out_ns, emitted_ns=out_ns, phase=BreathPhase.OUT, source=source))
    return found


def breath(from_s: float, to_s: float, *, source: SignalKind = BELT) -> Breath:
    return Breath(
        t_ns=round(from_s * NS),
        emitted_ns=round(to_s * NS),
        breathing_rate_bpm=60.0 / (to_s - from_s),
        depth=1.0,
        source=source,
    )


def even(n: int, *, period_s: float, from_s: float = 0.0) -> list[float]:
    return [from_s + k * period_s for k in range(n)]


def heard(told: Iterable[BreathEvent], *, source: SignalKind = BELT) -> BreathWindow:
    window = BreathWindow(source)
    for event in told:
        window.apply(event)
    return window


def rate(window: BreathWindow, at_s: float) -> Index:
    return window.rate(round(at_s * NS))


@pytest.mark.parametrize("source", [BELT, SignalKind.ECG])
def test_rate_is_sixty_over_the_mean_of_the_last_three_breaths(source: SignalKind) -> None:
    onsets_s = list(accumulate([9.0, 4.0, 5.0, 6.0], initial=2.0))
    window = BreathWindow(source)
    for event in events(onsets_s[:3], source=source):
        window.apply(event)
        assert rate(window, 16.0).reason is Reason.WARMING_UP
    told = rate(heard(events(onsets_s, source=source), source=source), 27.0)
    assert told.value == pytest.approx(12.0)
    assert told.sample_ns == 26 * NS


@pytest.mark.parametrize(("turn_sd_share", "least"), [(0.0, 0.98), (0.02, 0.98), (0.05, 0.95)])
@pytest.mark.parametrize("seed", [51_000, 51_001, 51_002])
def test_the_bound_holds_the_rate_of_a_person_whose_turns_are_seen_roughly(
    seed: int, turn_sd_share: float, least: float
) -> None:
    body, rng = Body.from_seed(seed), np.random.default_rng(seed)
    body.until(900 * NS)
    turns = body.turns()
    onsets_s = [turn.t_ns / NS for turn in turns if turn.phase is BreathPhase.IN]
    usual_ns = round(float(np.median(np.diff(onsets_s))) * NS)
    maker, window, held = BreathMaker(), BreathWindow(BELT), []
    for turn in turns:
        seen_ns = turn.t_ns + round(turn_sd_share * usual_ns * float(rng.standard_normal()))
        at = TurnAt(seen_ns, turn.level, turn.phase is BreathPhase.OUT)
        for event in maker.turn(at, source=BELT, emitted_ns=seen_ns):
            window.apply(event)
        told = window.rate(seen_ns)
        past_s = [onset_s for onset_s in onsets_s if onset_s <= turn.t_ns / NS]
        if told.value is not None and told.bound is not None:
            held.append(abs(told.value - 180.0 / (past_s[-1] - past_s[-4])) <= told.bound)
    assert len(held) > 200
    assert np.mean(held) >= least


def test_uneven_breaths_have_a_wide_bound_and_chaos_has_no_rate() -> None:
    calm, uneven = (heard(events(list(accumulate(s, initial=0.0)))) for s in ([4.0] * 4, [4.0, 3.0, 5.0, 4.0]))
    bounds = [rate(window, 16.5).bound or 0.0 for window in (calm, uneven)]
    assert 0.0 < 3.0 * bounds[0] < bounds[1] < 15.0
    chaos = heard(events(list(accumulate([4.0, 0.7, 9.0, 1.0], initial=0.0))))
    assert rate(chaos, 15.0).reason is Reason.NOISY


def test_an_inhalation_at_which_no_breath_ended_ends_the_rate_of_those_before() -> None:
    window = heard(events(even(6, period_s=4.0)))
    assert rate(window, 21.0).value == pytest.approx(15.0)
    slow = events(even(4, period_s=10.0, from_s=29.0))
    for told in slow[:-1]:
        window.apply(told)
        assert rate(window, told.t_ns / NS).value is None
    window.apply(slow[-1])
    assert rate(window, 60.0).value == pytest.approx(6.0)


def test_after_a_break_halves_tell_a_rate_in_a_wider_bound_unless_breaths_were_hidden() -> None:
    for forget, is_told in ((BreathWindow.forget, True), (BreathWindow.lose, False)):
        window = heard(events(even(8, period_s=4.0)))
        forget(window)
        assert rate(window, 29.0).reason is Reason.WARMING_UP
        for told in events(even(2, period_s=4.0, from_s=40.0))[:2]:
            window.apply(told)
        index = rate(window, 42.0)
        assert (index.value is not None) is is_told
        if index.value is not None and index.bound is not None:
            assert abs(index.value - 15.0) <= index.bound < 9.0


def test_a_turn_from_before_the_signal_was_good_again_is_no_half() -> None:
    window = heard(events(even(8, period_s=4.0)))
    window.forget(41 * NS)
    for told in events(even(2, period_s=4.0, from_s=40.0))[:2]:
        window.apply(told)
    assert rate(window, 42.0).reason is Reason.WARMING_UP


def test_a_hold_has_no_rate_until_it_is_breathed_again() -> None:
    window = heard(events(even(6, period_s=4.0)))
    assert rate(window, 29.9).value is not None
    assert rate(window, 30.1).reason is Reason.NO_BREATH
    window.apply(BreathPause(t_ns=20 * NS, end_ns=40 * NS, emitted_ns=42 * NS, source=BELT))
    breathed_again = events(even(4, period_s=4.0, from_s=40.0))
    for told in breathed_again[:2]:
        window.apply(told)
        assert rate(window, 42.0).reason is Reason.NO_BREATH
    for told in breathed_again[2:]:
        window.apply(told)
    assert rate(window, 53.0).value == pytest.approx(15.0)


def test_slow_breaths_are_waited_for_as_long_as_they_are() -> None:
    window = heard(events(even(6, period_s=12.0)))
    assert window.breathes(89 * NS)
    assert not window.breathes(91 * NS)
    assert window.still_for_ns(91 * NS) == NS
    assert BreathWindow(BELT).still_for_ns(0) is None


def test_a_heart_only_hints_later_and_within_a_third() -> None:
    belt, heart = (heard(events(even(6, period_s=4.0), source=s), source=s) for s in (BELT, SignalKind.ECG))
    assert rate(belt, 20.0).value == rate(heart, 20.0).value == rate(heart, 41.0).value
    assert rate(heart, 20.0).bound == pytest.approx(15.0 / 3.0, rel=0.05)
    assert rate(heart, 43.0).reason is Reason.NOISY
    heart.forget()
    for told in events(even(2, period_s=4.0, from_s=60.0), source=SignalKind.ECG)[:2]:
        heart.apply(told)
    assert rate(heart, 62.0).value is None


def test_irregularity_is_the_coefficient_of_variation_of_six_breaths() -> None:
    lengths_s = [8.0, 4.0, 5.0, 4.5, 3.5, 4.0, 5.5]
    onsets_s = list(accumulate(lengths_s, initial=0.0))
    assert heard(events(onsets_s[:6])).irregularity() is None
    told = heard(events(onsets_s)).irregularity()
    assert told is not None
    assert told.value == pytest.approx(np.std(lengths_s[1:]) / np.mean(lengths_s[1:]), rel=0.1)


def test_after_a_break_the_halves_that_came_since_tell_even_of_a_time_that_was_taken_for_bad() -> None:
    window = heard(events(even(6, period_s=4.0)))
    window.forget(25 * NS)
    window.begin_anew()
    assert rate(window, 21.0).value is None
    later = events(even(2, period_s=4.0, from_s=22.0))[:2]
    for event in later:
        window.apply(event)
    told = rate(window, 24.0)
    assert told.value == pytest.approx(15.0, rel=0.1)
    assert told.bound is not None


def test_the_bound_of_halves_reaches_to_breaths_as_much_shorter_as_longer_ones() -> None:
    halves, window = HalfBreaths(), heard(events(even(8, period_s=4.0)))
    for event in events(even(8, period_s=4.0)):
        if isinstance(event, BreathTurn):
            halves.turn(event)
    halves.forget()
    window.forget()
    for event in events(even(2, period_s=5.0, from_s=40.0))[:2]:
        window.apply(event)
        if isinstance(event, BreathTurn):
            halves.turn(event)
    told, length = rate(window, 43.0), halves.length()
    assert told.value is not None
    assert told.bound is not None
    assert length is not None
    assert length.error_s > 0.3 * length.s
    for z in (-1.64, 1.64):  # nine in ten lie between the two
        assert abs(60.0 / (length.s + z / 1.96 * length.error_s) - told.value) < told.bound
