"""Heart rate and RMSSD: the plain formulas, withheld where the beats cannot carry them."""

import math
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Reason
from becalm_protocol.events import SignalKind
from becalm_signal.hrv import BeatWindow, rmssd_ms
from becalm_signal.rr import RrFlagger


def window_of(rr_ms: list[float], *, source: SignalKind = SignalKind.ECG) -> tuple[BeatWindow, int]:
    flagger = RrFlagger(source)
    t_ns = 0
    beats: list[Beat] = flagger.push(t_ns, rr_ms=None, emitted_ns=t_ns)
    for rr in rr_ms:
        t_ns += round(rr * 1e6)
        beats += flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns)
    beats += flagger.flush(emitted_ns=t_ns)
    window = BeatWindow(source)
    for beat in beats:
        window.apply(beat)
    return window, t_ns


def test_rmssd_of_the_last_minute_equals_the_formula(make_rr: Any) -> None:
    rr = make_rr(150)
    window, now_ns = window_of(rr)
    ends_ms = np.cumsum(rr)
    last_minute = np.array(rr)[ends_ms > ends_ms[-1] - 60_000]
    steps = np.diff(last_minute)
    index = window.rmssd(now_ns)
    assert index.value == pytest.approx(np.sqrt(np.mean(steps**2)), rel=0.01)
    assert index.bound is not None
    assert index.value is not None
    assert index.bound < 0.05 * index.value
    assert index.sample_ns == now_ns


def test_rmssd_ms_is_the_task_force_formula() -> None:
    assert rmssd_ms([800.0, 810.0, 790.0]) == pytest.approx(np.sqrt((100 + 400) / 2))


def test_heart_rate_is_that_of_the_last_five(make_rr: Any) -> None:
    rr = [*make_rr(30), 1000.0, 1010.0, 990.0, 1000.0, 1000.0]
    window, now_ns = window_of(rr)
    index = window.heart_rate(now_ns)
    assert index.value == pytest.approx(60.0, abs=0.01)
    assert index.bound is not None
    assert 0.0 < index.bound < 1.5


def test_heart_rate_is_withheld_three_seconds_after_the_last_beat_that_counts(make_rr: Any) -> None:
    window, now_ns = window_of(make_rr(30, mean_ms=1500.0))
    assert window.heart_rate(now_ns + 2_900_000_000).value is not None
    assert window.heart_rate(now_ns + 3_100_000_000).reason is Reason.TOO_FEW_BEATS


@pytest.mark.parametrize("mean_ms", [500.0, 800.0])
def test_heart_rate_is_withheld_where_two_beats_of_it_have_not_come(make_rr: Any, mean_ms: float) -> None:
    window, now_ns = window_of(make_rr(30, mean_ms=mean_ms, rsa_ms=10.0))
    assert window.heart_rate(now_ns + round(2.1e6 * mean_ms)).value is not None
    assert window.heart_rate(now_ns + round(2.5e6 * mean_ms) + 250_000_000).reason is Reason.TOO_FEW_BEATS


def test_after_a_break_the_rate_is_told_with_the_second_interval_before_it_is_confirmed(make_rr: Any) -> None:
    flagger, window, t_ns = RrFlagger(SignalKind.ECG), BeatWindow(SignalKind.ECG), 0
    told = []
    for rr in [None, *make_rr(40), None, 1000.0, 1050.0]:
        t_ns += round((rr or 5000.0) * 1e6)
        for beat in flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns):
            window.apply(beat)
        told.append(window.heart_rate(t_ns))
    assert [index.value is None for index in told[-3:]] == [True, True, False]
    assert told[-1].value == pytest.approx(60_000 / 1025.0)
    assert told[-1].sample_ns == t_ns


def test_no_interval_after_a_break_is_taken_for_two(make_rr: Any) -> None:
    flagger, window, t_ns = RrFlagger(SignalKind.ECG), BeatWindow(SignalKind.ECG), 0
    told = []
    for rr in [None, *make_rr(40, mean_ms=650.0, rsa_ms=10.0), None, 1300.0, 1310.0, 1290.0]:
        t_ns += round((rr or 5000.0) * 1e6)
        for beat in flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns):
            window.apply(beat)
        told.append(window.heart_rate(t_ns).value)
    assert told[40] == pytest.approx(92.0, abs=3.0)
    assert [value for value in told[41:] if value is not None and value > 60.0] == []


def test_two_intervals_of_an_uneven_heart_say_little_of_its_rate(make_rr: Any) -> None:
    bounds = {}
    for early_ms in (0.0, 150.0):
        flagger, window, t_ns = RrFlagger(SignalKind.ECG), BeatWindow(SignalKind.ECG), 0
        before = [rr + (-1) ** k * early_ms for k, rr in enumerate(make_rr(40))]
        for rr in [None, *before, None, 900.0, 900.0]:
            t_ns += round((rr or 5000.0) * 1e6)
            for beat in flagger.push(t_ns, rr_ms=rr, emitted_ns=t_ns):
                window.apply(beat)
        bounds[early_ms] = window.heart_rate(t_ns).bound or 0.0
    assert bounds[150.0] > 2.5 * bounds[0.0] > 0.0


def test_what_was_missed_may_have_been_an_early_beat_so_that_ten_would_count(make_rr: Any) -> None:
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


def test_a_strap_may_be_late_with_its_intervals(make_rr: Any) -> None:
    window, now_ns = window_of(make_rr(30), source=SignalKind.RR)
    assert window.heart_rate(now_ns + 6_400_000_000).value is not None
    assert window.heart_rate(now_ns + 6_600_000_000).reason is Reason.TOO_FEW_BEATS


def test_nothing_is_told_before_the_first_beats(make_rr: Any) -> None:
    empty = BeatWindow(SignalKind.ECG)
    assert empty.heart_rate(0).reason is Reason.WARMING_UP
    assert empty.rmssd(0).reason is Reason.WARMING_UP
    window, now_ns = window_of(make_rr(40))
    assert window.rmssd(now_ns).reason is Reason.WARMING_UP


@pytest.mark.parametrize("n_missed", [1, 2])
def test_rmssd_stands_against_missed_beats(make_rr: Any, n_missed: int) -> None:
    rr = make_rr(150)
    clean, now_ns = window_of(rr)
    for k in range(n_missed):
        at = 120 - 12 * k
        rr[at : at + 2] = [rr[at] + rr[at + 1]]
    window, now_ns = window_of(rr)
    truth = clean.rmssd(now_ns).value
    index = window.rmssd(now_ns)
    assert truth is not None
    assert index.value == pytest.approx(truth, rel=0.12)
    assert index.bound is not None
    assert index.value is not None
    assert abs(index.value - truth) <= 2.0 * index.bound


def test_rmssd_is_withheld_when_a_third_of_the_beats_are_odd(make_rr: Any) -> None:
    rr = make_rr(150)
    for at in range(100, 150, 6):
        early = 0.6 * rr[at]
        rr[at + 1] += rr[at] - early
        rr[at] = early
    window, now_ns = window_of(rr)
    assert window.rmssd(now_ns).reason is Reason.TOO_MANY_ARTEFACTS


def test_rmssd_too_small_for_the_sensor_is_withheld() -> None:
    window, now_ns = window_of([800.0 + 0.5 * (k % 2) for k in range(100)])
    assert window.rmssd(now_ns).reason is Reason.NOISY


def test_every_other_beat_early_still_has_its_rate_but_no_rmssd() -> None:
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


def told_of(
    rr: list[float], flags: list[BeatFlag], errors_ms: list[float | None], *, source: SignalKind = SignalKind.ECG
) -> tuple[BeatWindow, int]:
    """A window that has heard these intervals, and the time of the last."""
    window, t_ns = BeatWindow(source), 0
    for k, (rr_ms, flag, error_ms) in enumerate(zip(rr, flags, errors_ms, strict=True)):
        t_ns += round(rr_ms * 1e6)
        window.apply(
            Beat(
                beat_idx=k,
                t_ns=t_ns,
                emitted_ns=t_ns,
                source=source,
                rr_ms=rr_ms,
                flag=flag,
                confirmed=True,
                rr_error_ms=error_ms,
            )
        )
    return window, t_ns


def test_the_doubt_of_an_optical_sensor_widens_the_bound(make_rr: Any) -> None:
    bounds = []
    for error_ms in (None, 2.0, 4.0, 60.0):
        rr = make_rr(80, rsa_ms=60.0)
        window, t_ns = told_of(rr, [BeatFlag.OK] * 80, [error_ms] * 80, source=SignalKind.PPI)
        bounds.append(window.rmssd(t_ns).bound)
    plain, small, larger, withheld = bounds
    assert plain is not None
    assert small is not None
    assert larger is not None
    assert plain < small < larger
    assert withheld is None


def spoil(rr: list[float], kind: str, at: int) -> list[float]:
    """Return the intervals with one artefact of a kind; the time they take stays the same."""
    early = 0.28 * rr[at]
    odd = {
        "missed": [rr[at] + rr[at + 1]],
        "extra": [0.6 * rr[at], 0.4 * rr[at], rr[at + 1]],
        "ectopic": [rr[at] - early, rr[at + 1] + early],
    }
    return [*rr[:at], *odd[kind], *rr[at + 2 :]]


@pytest.mark.parametrize("kind", ["missed", "extra", "ectopic"])
def test_an_artefact_a_minute_moves_rmssd_by_less_than_five_percent_or_withholds_it(make_rr: Any, kind: str) -> None:
    shares, n_withheld = [], 0
    for seed in range(40):
        rr = make_rr(150, rsa_ms=30.0 + 2.0 * seed, seed=seed)
        clean, now_ns = window_of(rr)
        spoilt, _ = window_of(spoil(rr, kind, 100 + seed % 30))
        truth, index = clean.rmssd(now_ns), spoilt.rmssd(now_ns)
        assert truth.value is not None
        if index.value is None or index.bound is None:
            n_withheld += 1
            continue
        shares.append(abs(index.value / truth.value - 1.0))
        assert abs(index.value - truth.value) <= 1.5 * index.bound
    assert max(shares) <= 0.05
    assert n_withheld <= 10


def test_a_missed_beat_does_not_stretch_the_time_of_the_heart_rate() -> None:
    rising = [1000.0 - 15.0 * k for k in range(30)]
    window, now_ns = window_of([*[1000.0] * 30, *rising[:25], rising[25] + rising[26], *rising[27:]])
    index = window.heart_rate(now_ns)
    true_bpm = 60_000.0 * 5 / sum(rising[-5:])
    assert index.value == pytest.approx(true_bpm, rel=0.01)


def test_flags_on_what_may_be_sound_beats_widen_the_bound_or_withhold(make_rr: Any) -> None:
    rr = make_rr(150, rsa_ms=30.0)
    window = BeatWindow(SignalKind.ECG)
    t_ns = 0
    for k, rr_ms in enumerate(rr):
        t_ns += round(rr_ms * 1e6)
        flag = BeatFlag.ECTOPIC if k % 12 < 3 else BeatFlag.OK
        window.apply(
            Beat(beat_idx=k, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.ECG, rr_ms=rr_ms, flag=flag, confirmed=True)
        )
    assert window.rmssd(t_ns).reason is Reason.TOO_MANY_ARTEFACTS


def test_a_beat_laid_on_noise_does_not_move_rmssd(make_rr: Any) -> None:
    rr = make_rr(100, rsa_ms=60.0)
    off = [*rr[:60], rr[60] + 55.0, rr[61] - 55.0, *rr[62:]]
    unplaced: list[float | None] = [58.0 if k in {60, 61} else None for k in range(100)]
    ok = [BeatFlag.OK] * 100
    clean, now_ns = told_of(rr, ok, [None] * 100)
    window, _ = told_of(off, ok, unplaced)
    truth, index = clean.rmssd(now_ns), window.rmssd(now_ns)
    assert truth.value is not None
    assert index.value is not None
    assert index.bound is not None
    assert abs(index.value - truth.value) <= index.bound
    assert abs(index.value / truth.value - 1.0) < 0.05


def test_two_flags_at_the_end_that_are_no_early_beat_with_its_pause_withhold_rmssd(make_rr: Any) -> None:
    rr = make_rr(100, rsa_ms=60.0)
    flags = [BeatFlag.OK] * 98 + [BeatFlag.ECTOPIC] * 2
    early, now_ns = told_of([*rr[:98], 0.7 * rr[97], 1.3 * rr[97]], flags, [None] * 100)
    assert early.rmssd(now_ns).value is not None
    irregular, now_ns = told_of([*rr[:98], 0.7 * rr[97], 0.6 * rr[97]], flags, [None] * 100)
    assert irregular.rmssd(now_ns).reason is Reason.TOO_MANY_ARTEFACTS


def test_one_interval_after_a_break_is_no_rate() -> None:
    window, now_ns = told_of([1830.0], [BeatFlag.OK], [None])
    assert window.heart_rate(now_ns).reason is Reason.TOO_FEW_BEATS


def test_what_came_before_a_long_interval_is_no_part_of_the_rate() -> None:
    rr = [600.0] * 10 + [12_000.0] + [900.0] * 2
    flags = [BeatFlag.OK] * 10 + [BeatFlag.OUT_OF_RANGE] + [BeatFlag.OK] * 2
    window, now_ns = told_of(rr, flags, [None] * 13)
    assert window.heart_rate(now_ns).value == pytest.approx(60_000.0 / 900.0)


def test_a_rate_is_as_unsure_as_the_ends_of_its_intervals(make_rr: Any) -> None:
    rr = make_rr(20)
    sure, now_ns = told_of(rr, [BeatFlag.OK] * 20, [None] * 20)
    unsure, _ = told_of(rr, [BeatFlag.OK] * 20, [None] * 19 + [58.0])
    bound, wider = sure.heart_rate(now_ns).bound, unsure.heart_rate(now_ns).bound
    assert bound is not None
    assert wider is not None
    assert wider > 1.1 * bound


def test_a_mean_of_even_intervals_is_as_unsure_as_its_two_ends() -> None:
    window, now_ns = told_of([800.0] * 20, [BeatFlag.OK] * 20, [None] * 20)
    told = window.heart_rate(now_ns)
    error_ms = 1.96 * math.hypot(0.7, 0.7) / 5.0  # each R peak is placed to 0.7 ms
    assert told.bound == pytest.approx(75.0 * error_ms / 800.0, rel=0.01)
