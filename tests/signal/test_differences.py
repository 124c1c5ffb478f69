"""What holes in a window leave unknown of the differences between neighbours."""

import numpy as np

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import SignalKind
from becalm_signal.differences import Differences, differences
from becalm_signal.interval_log import IntervalLog


def told_of(rr_ms: list[float], *, lost: range) -> Differences:
    """Return the differences of these intervals without those that a break has taken."""
    log, t_ns = IntervalLog(), 0
    for k, rr in enumerate([900.0, *rr_ms]):
        t_ns += round(rr * 1e6)
        known = rr if k > 0 and k - 1 not in lost else None
        flag = BeatFlag.FIRST if known is None else BeatFlag.OK
        if known is not None or k - 1 == lost.stop - 1 or k == 0:
            beat = Beat(
                beat_idx=k, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.RR, rr_ms=known, flag=flag, confirmed=True
            )
            log.apply(beat)
    told = differences(log.since(0), since_ns=0)
    assert told is not None
    return told


def test_what_a_break_has_taken_may_differ_as_much_as_stretches_of_its_length_do() -> None:
    rng = np.random.default_rng(9)
    calm, lively = rng.normal(900.0, 10.0, size=(12, 12)), rng.normal(900.0, 40.0, size=(12, 12))
    changing = np.concatenate([calm, lively], axis=1).ravel().tolist()
    steady = rng.permutation(changing).tolist()
    lost = range(100, 111)
    changing_told, steady_told = told_of(changing, lost=lost), told_of(steady, lost=lost)
    share = changing_told.sampling / changing_told.mean_square
    assert share > 1.2 * steady_told.sampling / steady_told.mean_square
    misses = 0
    for first in range(20, 250):  # wherever the break is
        found, whole = told_of(changing, lost=range(first, first + 11)), told_of(changing, lost=range(0))
        misses += abs(found.mean_square - whole.mean_square) > 1.96 * found.sampling
    assert misses < 0.08 * 230  # twenty breaks that do not overlap: one of them more or less is five in a hundred


def test_a_short_window_has_too_few_stretches_to_tell() -> None:
    rr_ms = np.random.default_rng(9).normal(900.0, 20.0, size=60).tolist()
    told = told_of(rr_ms, lost=range(30, 36))
    squares = np.diff(np.delete(rr_ms, range(30, 36))) ** 2
    assert told.sampling > 0.0
    assert told.sampling < 3.0 * float(np.max(squares)) * 7.0 / len(squares)


def test_an_early_beat_stands_out_of_the_swings_of_the_breath_not_out_of_noise() -> None:
    swings = 1000.0 + 60.0 * np.sin(2.0 * np.pi * np.arange(90) / 3.7) + np.random.default_rng(4).normal(0.0, 15.0, 90)
    early = swings.copy()
    early[60] -= 110.0  # two deviations of the swings' own differences
    calm, found = told_of(swings.tolist(), lost=range(0)), told_of(early.tolist(), lost=range(0))
    assert not calm.outliers_ms
    assert early[60] in found.outliers_ms
    assert abs(found.mean_square - found.outlying - calm.mean_square) < 0.1 * calm.mean_square
    assert 0.0 < found.unseen < 0.1 * calm.mean_square
    noise = np.random.default_rng(4).normal(1000.0, 40.0, size=(100, 57))
    assert sum(told_of(row.tolist(), lost=range(0)).has_early for row in noise) < 33  # a minute is little to go by


def test_a_beat_that_was_surely_early_is_taken_back() -> None:
    swings = 1000.0 + 60.0 * np.sin(2.0 * np.pi * np.arange(90) / 3.7) + np.random.default_rng(4).normal(0.0, 15.0, 90)
    early = swings.copy()
    early[60] -= 160.0
    early[61] += 160.0
    calm, found = told_of(swings.tolist(), lost=range(0)), told_of(early.tolist(), lost=range(0))
    raw = float(np.mean(np.diff(early) ** 2))
    assert raw > 1.15 * calm.mean_square
    assert abs(found.mean_square - calm.mean_square) < 1.96 * found.repairing
    assert found.repairing < 0.05 * calm.mean_square
    assert found.has_early
