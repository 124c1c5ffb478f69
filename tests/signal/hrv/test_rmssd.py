"""RMSSD: the plain formula over a minute, withheld where the beats cannot carry it."""

from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Reason
from becalm_protocol.events import SignalKind
from becalm_signal.hrv import BeatWindow, rmssd_ms


def test_rmssd_of_the_last_minute_equals_the_formula(make_rr: Any, window_of: Any) -> None:
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


def test_nothing_is_told_before_the_first_beats(make_rr: Any, window_of: Any) -> None:
    empty = BeatWindow(SignalKind.ECG)
    assert empty.heart_rate(0).reason is Reason.WARMING_UP
    assert empty.rmssd(0).reason is Reason.WARMING_UP
    window, now_ns = window_of(make_rr(40))
    assert window.rmssd(now_ns).reason is Reason.WARMING_UP


@pytest.mark.parametrize("n_missed", [1, 2])
def test_rmssd_stands_against_missed_beats(make_rr: Any, n_missed: int, window_of: Any) -> None:
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


def test_rmssd_is_withheld_when_a_third_of_the_beats_are_odd(make_rr: Any, window_of: Any) -> None:
    rr = make_rr(150)
    for at in range(100, 150, 6):
        early = 0.6 * rr[at]
        rr[at + 1] += rr[at] - early
        rr[at] = early
    window, now_ns = window_of(rr)
    assert window.rmssd(now_ns).reason is Reason.TOO_MANY_ARTEFACTS


def test_rmssd_too_small_for_the_sensor_is_withheld(window_of: Any) -> None:
    window, now_ns = window_of([800.0 + 0.5 * (k % 2) for k in range(100)])
    assert window.rmssd(now_ns).reason is Reason.NOISY


def test_the_doubt_of_an_optical_sensor_widens_the_bound(make_rr: Any, told_of: Any) -> None:
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
def test_an_artefact_a_minute_moves_rmssd_by_less_than_five_percent_or_withholds_it(
    make_rr: Any, kind: str, window_of: Any
) -> None:
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


def test_a_beat_laid_on_noise_does_not_move_rmssd(make_rr: Any, told_of: Any) -> None:
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


def test_two_flags_at_the_end_that_are_no_early_beat_with_its_pause_withhold_rmssd(make_rr: Any, told_of: Any) -> None:
    rr = make_rr(100, rsa_ms=60.0)
    flags = [BeatFlag.OK] * 98 + [BeatFlag.ECTOPIC] * 2
    early, now_ns = told_of([*rr[:98], 0.7 * rr[97], 1.3 * rr[97]], flags, [None] * 100)
    assert early.rmssd(now_ns).value is not None
    irregular, now_ns = told_of([*rr[:98], 0.7 * rr[97], 0.6 * rr[97]], flags, [None] * 100)
    assert irregular.rmssd(now_ns).reason is Reason.TOO_MANY_ARTEFACTS
