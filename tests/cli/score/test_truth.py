"""True rates, breaths and levels are those of the body."""

import pytest

from becalm_cli.truth import Truth, heart_rate_bpm, rmssd_ms
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.blocks import there_and_back, true_levels_us
from becalm_simulator.body import Body
from becalm_simulator.heart import HeartBeat
from becalm_simulator.rhythm import BeatKind


def heartbeats(*rr_s: float, early: int | None = None) -> tuple[HeartBeat, ...]:
    """Beats after these intervals; `early` is the position of a ventricular one."""
    beats, t_s = [], 0.0
    for i, interval_s in enumerate(rr_s):
        t_s += interval_s
        kind = BeatKind.VENTRICULAR if i == early else BeatKind.SINUS
        beats.append(HeartBeat(t_ns=ns_from_s(t_s), rr_s=interval_s, kind=kind))
    return tuple(beats)


# ------------------------------------------------------------------------------------------------------------- truth
def test_true_heart_rate_is_of_five_beats_and_of_ten_with_an_early_one_among_them() -> None:
    steady = heartbeats(*[0.5] * 5, *[1.0] * 5)
    assert heart_rate_bpm(steady) == pytest.approx(60.0)
    assert heart_rate_bpm(heartbeats(*[0.5] * 5, *[1.0] * 5, early=7)) == pytest.approx(80.0)
    assert heart_rate_bpm(()) is None


def test_true_rmssd_leaves_out_what_an_early_beat_touches() -> None:
    alternating = [1.0, 1.02] * 30
    assert rmssd_ms(heartbeats(*alternating)) == pytest.approx(20.0)
    with_early = [*alternating[:30], 0.6, 1.4, *alternating[30:]]
    assert rmssd_ms(heartbeats(*with_early, early=30)) == pytest.approx(20.0)
    assert rmssd_ms(heartbeats(*with_early)) > 60.0  # type: ignore[operator]
    assert rmssd_ms(heartbeats(*alternating[:40])) is None  # 40 s are not 80 % of a minute


def test_true_breathing_and_responses_are_those_of_the_body(truth: Truth) -> None:
    t_ns = 100 * NS_PER_S
    breaths_per_min = truth.breathing_rate_bpm(t_ns)
    inhalations_ns = [turn.t_ns for turn in truth.turns if turn.phase.value == "in" and turn.t_ns <= t_ns + NS_PER_S]
    assert breaths_per_min == pytest.approx(180.0 * NS_PER_S / (inhalations_ns[-1] - inhalations_ns[-4]))
    n = sum(40 * NS_PER_S < response.peak_ns <= t_ns for response in truth.responses)
    assert truth.responses_per_min(t_ns) == n
    assert truth.responses_per_min(20 * NS_PER_S) is None
    assert truth.breathing_rate_bpm(0) is None


def test_the_true_level_is_read_between_whole_seconds(truth: Truth) -> None:
    body = Body.from_seed(4)
    body.until(120 * NS_PER_S)
    levels_us = true_levels_us(body)
    assert len(levels_us) == 121
    assert truth.level_us(10 * NS_PER_S) == levels_us[10]
    assert truth.level_us(ns_from_s(10.5)) == pytest.approx((levels_us[10] + levels_us[11]) / 2)
    assert truth.level_us(ns_from_s(500)) is None


def test_the_true_level_does_not_lag() -> None:
    smooth = there_and_back([*[1.0] * 400, 2.0, *[1.0] * 400])
    assert smooth == pytest.approx(smooth[::-1], abs=1e-6)
    assert max(smooth) == smooth[400] < 1.05
