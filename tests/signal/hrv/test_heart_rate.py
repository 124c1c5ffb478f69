"""Heart rate: the last five intervals, withheld where the beats cannot carry it."""

import math
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Index, Reason
from becalm_protocol.events import SignalKind
from becalm_signal.hrv import BeatWindow
from becalm_signal.rr import RrFlagger


def test_heart_rate_is_that_of_the_last_five(make_rr: Any, window_of: Any) -> None:
    rr = [*make_rr(30), 1000.0, 1010.0, 990.0, 1000.0, 1000.0]
    window, now_ns = window_of(rr)
    index = window.heart_rate(now_ns)
    assert index.value == pytest.approx(60.0, abs=0.01)
    assert index.bound is not None
    assert 0.0 < index.bound < 1.5


def test_heart_rate_is_withheld_three_seconds_after_the_last_beat_that_counts(make_rr: Any, window_of: Any) -> None:
    window, now_ns = window_of(make_rr(30, mean_ms=1500.0))
    assert window.heart_rate(now_ns + 2_900_000_000).value is not None
    assert window.heart_rate(now_ns + 3_100_000_000).reason is Reason.TOO_FEW_BEATS


@pytest.mark.parametrize("mean_ms", [500.0, 800.0])
def test_heart_rate_is_withheld_where_two_beats_of_it_have_not_come(
    make_rr: Any, mean_ms: float, window_of: Any
) -> None:
    window, now_ns = window_of(make_rr(30, mean_ms=mean_ms, rsa_ms=10.0))
    assert window.heart_rate(now_ns + round(2.1e6 * mean_ms)).value is not None
    assert window.heart_rate(now_ns + round(2.5e6 * mean_ms) + 250_000_000).reason is Reason.TOO_FEW_BEATS


@pytest.mark.parametrize(("source", "is_told"), [(SignalKind.ECG, False), (SignalKind.RR, True)])
def test_beats_that_were_laid_on_noise_do_not_keep_a_rate_alive(source: SignalKind, *, is_told: bool) -> None:
    """Of a strap they are all there is: it says of each interval how unsure it is, and the bound says it, too."""
    flagger, window, t_ns = RrFlagger(source), BeatWindow(source), 0
    for n in range(20):
        t_ns += 800_000_000
        for beat in flagger.push(t_ns, rr_ms=800.0, emitted_ns=t_ns, rr_error_ms=80.0 if n >= 16 else None):
            window.apply(beat)
        if n == 17:
            assert window.heart_rate(t_ns).value is not None
    assert (window.heart_rate(t_ns).value is not None) is is_told


def _told_beat_by_beat(rr_ms: list[float | None], *, break_ms: float = 5000.0) -> tuple[list[Index], int]:
    """Return what is told at each beat, and when the last is; None: a beat after a break."""
    flagger, window, t_ns = RrFlagger(SignalKind.ECG), BeatWindow(SignalKind.ECG), 0
    told = []
    for rr in rr_ms:
        t_ns += round((rr or break_ms) * 1e6)
        for beat in flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns):
            window.apply(beat)
        told.append(window.heart_rate(t_ns))
    return told, t_ns


def _told_after_a_break(
    before: list[float], after: list[float], *, break_ms: float = 5000.0
) -> tuple[list[Index], int]:
    """Return what is told at the first beat after a break and at each of these intervals, and when the last."""
    told, t_ns = _told_beat_by_beat([None, *before, None, *after], break_ms=break_ms)
    return told[len(before) + 1 :], t_ns


def test_after_a_break_one_interval_like_those_before_tells_the_rate_before_it_is_confirmed(make_rr: Any) -> None:
    told, t_ns = _told_after_a_break(make_rr(40), [1000.0])
    assert told[0].reason is Reason.TOO_FEW_BEATS
    assert told[1].value == pytest.approx(60.0)
    assert told[1].sample_ns == t_ns
    wider = _told_after_a_break(make_rr(40), [1000.0, 1000.0])[0][2]
    assert (told[1].bound or 0.0) > 1.3 * (wider.bound or 0.0) > 4.0


@pytest.mark.parametrize("rr_ms", [600.0, 1300.0, 1800.0])
def test_after_a_break_one_interval_unlike_those_before_is_no_rate_and_two_are(make_rr: Any, rr_ms: float) -> None:
    told, _ = _told_after_a_break(make_rr(40), [rr_ms, rr_ms + 10.0], break_ms=12_000.0)
    assert [index.value is None for index in told] == [True, True, False]
    assert told[-1].value == pytest.approx(60_000 / (rr_ms + 5.0))


def test_after_a_long_break_the_rate_before_says_nothing_of_one_interval(make_rr: Any) -> None:
    """A heart at 120 a minute now, whose first beat is missed, is none at 60."""
    told, _ = _told_after_a_break(make_rr(40), [1000.0, 500.0, 505.0, 500.0], break_ms=60_000.0)
    assert [index.value is None for index in told[:2]] == [True, True]


def test_a_fast_run_before_a_break_holds_nothing_back_after_it(make_rr: Any) -> None:
    told, _ = _told_after_a_break([*make_rr(30, mean_ms=800.0), 400.0, 400.0, 400.0], [800.0, 805.0, 810.0])
    assert [index.value is None for index in told[2:]] == [False, False]


def test_no_interval_after_a_break_is_taken_for_two(make_rr: Any) -> None:
    told, _ = _told_after_a_break(make_rr(40, mean_ms=650.0, rsa_ms=10.0), [1300.0, 1310.0, 1290.0])
    assert [index.value for index in told if index.value is not None and index.value > 60.0] == []


def test_two_intervals_of_an_uneven_heart_say_little_of_its_rate(make_rr: Any) -> None:
    bounds = {}
    for early_ms in (0.0, 150.0):
        before = [rr + (-1) ** k * early_ms for k, rr in enumerate(make_rr(40))]
        told, _ = _told_after_a_break(before, [900.0, 900.0])
        bounds[early_ms] = told[-1].bound or 0.0
    assert bounds[150.0] > 2.5 * bounds[0.0] > 0.0


def test_what_was_missed_may_have_been_an_early_beat_so_that_ten_would_count(make_rr: Any, window_of: Any) -> None:
    """Five short intervals after long ones, one beat of them missed: the mean of the ten is within the bound."""
    rr = [*make_rr(30), *[1000.0 + k % 3 for k in range(5)], *[900.0 + k % 3 for k in range(5)]]
    window, now_ns = window_of(rr)
    whole = window.heart_rate(now_ns)
    rr[-4:-2] = [rr[-4] + rr[-3]]
    window, now_ns = window_of(rr)
    index = window.heart_rate(now_ns)
    assert whole.bound is not None
    assert whole.value is not None
    assert index.bound is not None
    assert index.value is not None
    assert index.value == pytest.approx(whole.value, rel=0.01)
    assert whole.bound < index.value - 60_000.0 / 950.0 <= index.bound


def test_a_strap_may_be_late_with_its_intervals(make_rr: Any, window_of: Any) -> None:
    window, now_ns = window_of(make_rr(30), source=SignalKind.RR)
    assert window.heart_rate(now_ns + 6_400_000_000).value is not None
    assert window.heart_rate(now_ns + 6_600_000_000).reason is Reason.TOO_FEW_BEATS


def test_every_other_beat_early_still_has_its_rate_but_no_rmssd(window_of: Any) -> None:
    window, now_ns = window_of([800.0] * 20 + [450.0, 1150.0] * 60)
    index = window.heart_rate(now_ns)
    assert index.value == pytest.approx(75.0, rel=0.05)
    assert index.bound is not None
    assert abs(index.value - 75.0) <= index.bound if index.value is not None else False
    assert window.rmssd(now_ns).value is None


def test_intervals_without_any_rhythm_have_no_rate() -> None:
    window = BeatWindow(SignalKind.ECG)
    for k, rr_ms in enumerate((400.0, 1500.0, 420.0, 1450.0, 410.0)):
        window.apply(
            Beat(beat_idx=k, t_ns=k, emitted_ns=k, source=SignalKind.ECG, rr_ms=rr_ms, flag=BeatFlag.OK, confirmed=True)
        )
    assert window.heart_rate(10).reason is Reason.TOO_MANY_ARTEFACTS


def test_a_missed_beat_does_not_stretch_the_time_of_the_heart_rate(window_of: Any) -> None:
    rising = [1000.0 - 15.0 * k for k in range(30)]
    window, now_ns = window_of([*[1000.0] * 30, *rising[:25], rising[25] + rising[26], *rising[27:]])
    index = window.heart_rate(now_ns)
    true_bpm = 60_000.0 * 5 / sum(rising[-5:])
    assert index.value == pytest.approx(true_bpm, rel=0.01)


def test_one_interval_after_a_break_is_no_rate(told_of: Any) -> None:
    window, now_ns = told_of([1830.0], [BeatFlag.OK], [None])
    assert window.heart_rate(now_ns).reason is Reason.TOO_FEW_BEATS


def test_what_came_before_a_long_interval_is_no_part_of_the_rate(told_of: Any) -> None:
    rr = [600.0] * 10 + [12_000.0] + [900.0] * 2
    flags = [BeatFlag.OK] * 10 + [BeatFlag.OUT_OF_RANGE] + [BeatFlag.OK] * 2
    window, now_ns = told_of(rr, flags, [None] * 13)
    assert window.heart_rate(now_ns).value == pytest.approx(60_000.0 / 900.0)


def test_a_rate_is_as_unsure_as_the_ends_of_its_intervals(make_rr: Any, told_of: Any) -> None:
    rr = make_rr(20)
    sure, now_ns = told_of(rr, [BeatFlag.OK] * 20, [None] * 20)
    unsure, _ = told_of(rr, [BeatFlag.OK] * 20, [None] * 19 + [58.0])
    bound, wider = sure.heart_rate(now_ns).bound, unsure.heart_rate(now_ns).bound
    assert bound is not None
    assert wider is not None
    assert wider > 1.1 * bound


def test_a_mean_of_even_intervals_is_as_unsure_as_its_two_ends(told_of: Any) -> None:
    window, now_ns = told_of([800.0] * 20, [BeatFlag.OK] * 20, [None] * 20)
    told = window.heart_rate(now_ns)
    error_ms = 1.96 * math.hypot(0.7, 0.7) / 5.0  # each R peak is placed to 0.7 ms
    assert told.bound == pytest.approx(75.0 * error_ms / 800.0, rel=0.01)


def test_a_run_of_beats_twice_as_fast_is_never_told_as_the_rate_before(make_rr: Any) -> None:
    rr_ms = [*make_rr(30, mean_ms=800.0), *[400.0] * 6, *make_rr(20, mean_ms=800.0, seed=3)]
    told, _ = _told_beat_by_beat([None, *rr_ms[1:]])
    assert told[29].value == pytest.approx(75.0, abs=4.0)
    assert all(index.value is None for index in told[32:40])  # from the third beat on until it tells what it is
    assert told[-1].value == pytest.approx(75.0, abs=4.0)
    for k, index in enumerate(told[10:], start=10):
        since = [60_000.0 * n / sum(rr_ms[k + 1 - n : k + 1]) for n in (5, 10)]
        assert index.value is None or k in {30, 31} or min(abs(index.value - bpm) for bpm in since) < 6.0


def test_fast_beats_in_a_row_of_an_uneven_heart_are_its_own() -> None:
    uneven = np.random.default_rng(4).normal(800.0, 140.0, 72).clip(400.0, 1200.0).tolist()
    told, _ = _told_beat_by_beat([None, *uneven[1:60], 500.0, 490.0, 470.0, *uneven[60:]])
    assert all(index.value is not None for index in told[58:])


def test_where_most_beats_were_missed_none_may_have_been(make_rr: Any, window_of: Any) -> None:
    """Intervals of noise before a heart half as fast make each of its own look like one with a missed beat in it."""
    noise = make_rr(30, mean_ms=600.0, rsa_ms=10.0)
    one, now_ns = window_of([*noise, 1200.0, 605.0])
    assert one.heart_rate(now_ns).value == pytest.approx(100.0, rel=0.03)
    two, now_ns = window_of([*noise, 1200.0, 1210.0])
    assert two.heart_rate(now_ns).reason is Reason.TOO_MANY_ARTEFACTS


def test_beats_that_a_heart_passed_over_are_not_told_as_beats(make_rr: Any) -> None:
    rr_ms = [*make_rr(30, mean_ms=850.0), 1650.0, *make_rr(12, mean_ms=850.0, seed=3), *[1600.0] * 6]
    told, _ = _told_beat_by_beat([None, *rr_ms[1:]])
    assert sum(index.value is not None for index in told[10:43]) > 30, "a single pause hides nothing"
    for k, index in enumerate(told[10:], start=10):
        true_bpm = [60_000.0 * n / sum(rr_ms[end - n : end]) for n in (4, 5) for end in (k - 1, k, k + 1)]
        assert index.value is None or min(abs(index.value - bpm) for bpm in true_bpm) <= (index.bound or 0.0) + 2.0


def test_a_beat_that_was_taken_out_may_have_been_one() -> None:
    """As in atrial runs (MIT-BIH 222): the bound reaches to the rate with it."""
    told, _ = _told_beat_by_beat([None, *[900.0] * 40, 440.0, 460.0, *[900.0] * 4])
    for index in told[44:47]:
        assert index.value == pytest.approx(60_000.0 / 900.0)
        assert index.bound == pytest.approx(60_000.0 / 750.0 - 60_000.0 / 900.0, rel=0.05)


@pytest.mark.parametrize(
    "odd_ms", [[1800.0, 440.0, 460.0], [1800.0, 900.0, 440.0, 460.0], [440.0, 460.0, 900.0, 1800.0]]
)
def test_of_a_beat_put_in_and_one_taken_out_each_may_be_right_alone(odd_ms: list[float | None]) -> None:
    told, _ = _told_beat_by_beat([None, *[900.0] * 40, *odd_ms, *[900.0] * 5])
    both = told[46]
    assert both.value == pytest.approx(60_000.0 / 900.0)
    assert both.bound is not None
    assert both.bound > 6.0  # half of such a beat among five
