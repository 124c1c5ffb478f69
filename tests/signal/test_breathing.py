"""Breathing: rates and turn times against known sines, holds, stuck belts, heart pulsation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import (
    Breath,
    BreathPause,
    BreathPhase,
    BreathTurn,
    Metrics,
    Reason,
    SignalQuality,
    SlowMetrics,
)
from becalm_protocol.events import SignalKind
from becalm_signal.breathing import BreathFilter


def breathe(make_track: Any, run_tracks: Any, samples: Any, rate_hz: float) -> list[Any]:
    derived: list[Any] = run_tracks(make_track(samples, kind=SignalKind.RESPIRATION, rate_hz=rate_hz))
    return derived


@pytest.mark.parametrize("rate_hz", [10.0, 25.0, 100.0, 1000.0])
@pytest.mark.parametrize("breaths_bpm", [4.5, 6.0, 15.0, 28.0])
def test_rate_and_turns_of_a_sine(make_track: Any, run_tracks: Any, rate_hz: float, breaths_bpm: float) -> None:
    t_s = np.arange(round(90 * rate_hz)) / rate_hz
    noise = np.random.default_rng(1).normal(0.0, 0.02, len(t_s))
    derived = breathe(make_track, run_tracks, np.sin(2 * np.pi * breaths_bpm / 60.0 * t_s) + noise, rate_hz)
    last = [event for event in derived if isinstance(event, Metrics)][-1].breathing_rate_bpm
    assert last.value == pytest.approx(breaths_bpm, rel=0.02)
    assert last.bound is not None
    assert last.bound < 0.1 * breaths_bpm
    period_s = 60.0 / breaths_bpm
    for turn in derived:
        if isinstance(turn, BreathTurn) and turn.t_ns > 30e9:
            share = (turn.t_ns / 1e9 / period_s) % 1.0
            off_s = (share - (0.25 if turn.phase is BreathPhase.OUT else 0.75)) * period_s
            assert abs(off_s) < 0.1 + 0.03 * period_s


def test_the_stated_delay_is_the_delay() -> None:
    for period_s in (2.0, 4.0, 10.0):
        band = BreathFilter(25.0)
        t_s = np.arange(25 * 400) / 25.0
        y = np.array([band.step(float(x)) for x in np.sin(2 * np.pi * t_s / period_s)])[-25 * 100 :]
        delay_s = BreathFilter.delay_s(period_s)
        expected = np.sin(2 * np.pi * (t_s[-25 * 100 :] - delay_s) / period_s)
        assert np.corrcoef(y, expected)[0, 1] > 0.999


def test_depth_is_peak_to_trough(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 80) / 25.0
    derived = breathe(make_track, run_tracks, 1.5 * np.sin(2 * np.pi * 0.2 * t_s), 25.0)
    depths = [event.depth for event in derived if isinstance(event, Breath)][2:]
    assert depths == pytest.approx([3.0] * len(depths), rel=0.05)


def quick_in_slow_out(share: Any) -> Any:
    return np.where(share < 0.35, 0.5 - 0.5 * np.cos(np.pi * share / 0.35), np.exp(-(share - 0.35) / 0.2))


def switched(share: Any) -> Any:
    return np.clip(np.minimum(share, 0.4 - share) / 0.02, 0.0, 1.0)


@pytest.mark.parametrize("breath", [quick_in_slow_out, switched], ids=lambda breath: breath.__name__)
@pytest.mark.parametrize("breaths_bpm", [6.0, 15.0, 22.0])
@pytest.mark.parametrize("rate_hz", [5.0, 8.0, 25.0, 125.0])
def test_depth_does_not_hang_on_the_shape_of_breaths(
    make_track: Any, run_tracks: Any, breath: Any, breaths_bpm: float, rate_hz: float
) -> None:
    t_s = np.arange(round(110 * rate_hz)) / rate_hz
    samples = breath(t_s * breaths_bpm / 60.0 % 1.0) + 0.01 * t_s
    true = breath(np.linspace(0.0, 0.9999, 10_000))
    derived = breathe(make_track, run_tracks, samples, rate_hz)
    last = [event for event in derived if isinstance(event, SlowMetrics)][-1].breath_depth
    assert last.value is not None
    assert last.bound is not None
    assert abs(last.value - np.ptp(true)) <= last.bound < 0.1 * last.value


def test_noise_of_the_belt_is_in_the_bound_of_depth(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 110) / 25.0
    noise = np.random.default_rng(3).normal(0.0, 0.03, len(t_s))
    derived = breathe(make_track, run_tracks, 0.5 * np.sin(2 * np.pi * 0.1 * t_s) + noise, 25.0)
    last = [event for event in derived if isinstance(event, SlowMetrics)][-1].breath_depth
    assert last.value is not None
    assert last.bound is not None
    assert abs(last.value - 1.0) <= last.bound


def test_heart_pulsation_is_no_breathing(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(125 * 90) / 125.0
    samples = np.sin(2 * np.pi * 0.25 * t_s) + 0.5 * np.sin(2 * np.pi * 1.15 * t_s)
    derived = breathe(make_track, run_tracks, samples, 125.0)
    last = [event for event in derived if isinstance(event, Metrics)][-1].breathing_rate_bpm
    assert last.value == pytest.approx(15.0, abs=0.5)


def test_one_small_breath_among_deep_ones_leaves_no_wrong_rate(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 120) / 25.0
    deep = -np.cos(2 * np.pi * 0.1 * t_s)
    # In place of the deep breath from 60 s on: one of a fifth, then the rest of the time another deep one.
    small = -1.0 + 0.2 * (1.0 - np.cos(2 * np.pi * (t_s - 60.0) / 4.0))
    quick = -np.cos(2 * np.pi * (t_s - 64.0) / 6.0)
    samples = np.where((t_s >= 60) & (t_s < 64), small, np.where((t_s >= 64) & (t_s < 70), quick, deep))
    samples = samples + np.random.default_rng(1).normal(0.0, 0.003, len(t_s))
    ticks = {e.t_ns: e for e in breathe(make_track, run_tracks, samples, 25.0) if isinstance(e, Metrics)}
    told = {second: ticks[second * 10**9].breathing_rate_bpm for second in (*range(72, 92), 58, 118)}
    for second in range(72, 92):
        assert told[second].value is None, second
    assert told[58].value == pytest.approx(6.0, abs=0.1)
    assert told[118].value == pytest.approx(6.0, abs=0.1)


def test_noise_of_a_belt_that_lost_the_chest_is_no_breath(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 180) / 25.0
    noise = np.random.default_rng(1).normal(0.0, 0.012, len(t_s))
    samples = np.where(t_s < 90, 11.0 + np.sin(2 * np.pi * 0.2 * t_s), 0.0) + noise
    derived = breathe(make_track, run_tracks, np.maximum(samples, 0.0), 25.0)
    assert not [e for e in derived if isinstance(e, BreathTurn) and e.t_ns > 100e9]
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    assert ticks[80_000_000_000].breathing_rate_bpm.value == pytest.approx(12.0, abs=0.3)
    assert ticks[170_000_000_000].breathing_rate_bpm.value is None


def test_breaths_are_seen_however_loud_the_belt_was_while_it_was_put_on(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 120) / 25.0
    rng = np.random.default_rng(1)
    samples = 0.5 * np.sin(2 * np.pi * 0.2 * t_s) + rng.normal(0.0, np.where(t_s < 15, 2.0, 0.005))
    derived = breathe(make_track, run_tracks, samples, 25.0)
    shown = [e.breathing_rate_bpm.value for e in derived if isinstance(e, Metrics) and e.t_ns >= 60e9]
    assert shown == pytest.approx([12.0] * len(shown), abs=0.5)


def test_a_held_breath_has_no_rate(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 120) / 25.0
    rng = np.random.default_rng(1)
    samples = np.where(t_s < 60, np.sin(2 * np.pi * 0.25 * t_s), 0.0) + rng.normal(0.0, 0.005, len(t_s))
    derived = breathe(make_track, run_tracks, samples, 25.0)
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    assert ticks[58_000_000_000].breathing_rate_bpm.value == pytest.approx(15.0, abs=0.5)
    assert ticks[85_000_000_000].breathing_rate_bpm.reason is Reason.NO_BREATH


def in_held_and_out(t_s: Any, *, in_s: float, held_s: float, out_s: float) -> Any:
    return np.interp(
        t_s % (in_s + held_s + out_s), [0.0, in_s, in_s + held_s, in_s + held_s + out_s], [0.0, 1.0, 0.9, 0.0]
    )


@pytest.mark.parametrize(("in_s", "held_s", "out_s"), [(4.0, 7.0, 8.0), (10.0, 0.0, 15.0), (4.0, 0.0, 15.0)])
def test_breaths_that_all_have_a_hold_in_them_are_breaths(
    make_track: Any, run_tracks: Any, *, in_s: float, held_s: float, out_s: float
) -> None:
    """As 4-7-8, and as the slowest pacer; the first two say that it is how somebody breathes."""
    t_s, cycle_s = np.arange(25 * 300) / 25.0, in_s + held_s + out_s
    samples = in_held_and_out(t_s, in_s=in_s, held_s=held_s, out_s=out_s)
    derived = breathe(make_track, run_tracks, samples + np.random.default_rng(1).normal(0.0, 0.005, len(t_s)), 25.0)
    rates = [e.breathing_rate_bpm for e in derived if isinstance(e, Metrics) and e.t_ns > 6.5 * cycle_s * 1e9]
    assert {rate.reason for rate in rates} == {None}
    assert [rate.value for rate in rates] == pytest.approx([60.0 / cycle_s] * len(rates), rel=0.03)
    held = [event for event in derived if isinstance(event, BreathPause)]
    assert all(event.t_ns < 4 * cycle_s * 1e9 for event in held)


def test_a_slow_breather_who_stops_for_longer_than_any_breath_holds_it(make_track: Any, run_tracks: Any) -> None:
    """4-7-8 six times, and no breath for 40 s, which is less than two and a half of these."""
    t_s = np.arange(25 * 200) / 25.0
    samples = in_held_and_out(np.where(t_s < 114.0, t_s, np.maximum(0.0, t_s - 154.0)), in_s=4.0, held_s=7.0, out_s=8.0)
    derived = breathe(make_track, run_tracks, samples + np.random.default_rng(1).normal(0.0, 0.005, len(t_s)), 25.0)
    held = [event for event in derived if isinstance(event, BreathPause) and event.t_ns > 60e9]
    assert [(event.t_ns / 1e9, event.end_ns / 1e9) for event in held] == [pytest.approx((114.0, 158.0), abs=1.5)]
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    assert ticks[140_000_000_000].breathing_rate_bpm.value == pytest.approx(60 / 19, rel=0.03)
    assert ticks[147_000_000_000].breathing_rate_bpm.reason is Reason.NO_BREATH


def test_two_long_holds_do_not_make_a_third_one_usual(make_track: Any, run_tracks: Any) -> None:
    """Held for 35 s, with one breath in between: no pacer is that slow."""
    t_s = np.arange(25 * 300) / 25.0
    derived = breathe(make_track, run_tracks, in_held_and_out(t_s, in_s=2.0, held_s=35.0, out_s=3.0), 25.0)
    assert sum(isinstance(event, BreathPause) for event in derived) >= 6
    assert not [event for event in derived if isinstance(event, Breath) and event.t_ns > 80e9]


def test_a_stuck_belt_is_flat_and_recovers(make_track: Any, run_tracks: Any) -> None:
    t_s = np.arange(25 * 120) / 25.0
    samples = np.sin(2 * np.pi * 0.25 * t_s)
    samples[25 * 40 : 25 * 70] = samples[25 * 40]
    derived = breathe(make_track, run_tracks, samples, 25.0)
    reasons = [event.reason for event in derived if isinstance(event, SignalQuality)]
    assert reasons == [Reason.FLAT, None]
    ticks = {event.t_ns: event for event in derived if isinstance(event, Metrics)}
    assert ticks[60_000_000_000].breathing_rate_bpm.reason is Reason.FLAT
    assert ticks[110_000_000_000].breathing_rate_bpm.value == pytest.approx(15.0, abs=0.5)


@pytest.mark.parametrize("slip_s", [0.04, 8.0])
@pytest.mark.parametrize("left", [0.15, 0.25, 0.4])
def test_a_belt_that_comes_loose_tells_the_rate_or_nothing(
    make_track: Any, run_tracks: Any, left: float, slip_s: float
) -> None:
    t_s = np.arange(25 * 150) / 25.0
    gone = np.clip((t_s - 60.0) / slip_s, 0.0, 1.0)
    breath = np.sin(2 * np.pi * 0.25 * t_s)
    noise = np.random.default_rng(1).normal(0.0, 0.005, len(t_s))
    samples = (1.0 - gone * (1.0 - left)) * breath - 3.0 * gone + noise
    derived = breathe(make_track, run_tracks, samples, 25.0)
    told = [event.breathing_rate_bpm for event in derived if isinstance(event, Metrics) and event.t_ns > 60e9]
    assert all(abs(index.value - 15.0) <= max(index.bound or 0.0, 0.5) for index in told if index.value is not None)
    assert told[-1].value is not None


@pytest.mark.parametrize("share", [5.0, 16.0, 100.0, 1000.0])
@pytest.mark.parametrize(("rails_s", "rails_hz"), [(3, 2.0), (5, 0.5), (10, 2.0)])
def test_both_rails_are_movement_until_they_end_and_are_forgotten_then(
    make_track: Any, run_tracks: Any, share: float, rails_s: int, rails_hz: float
) -> None:
    t_s = np.arange(25 * 110) / 25.0
    samples = np.sin(2 * np.pi * 0.2 * t_s) + np.random.default_rng(1).normal(0.0, 0.02, len(t_s))
    ends_s = 60 + rails_s
    rails = slice(25 * 60, 25 * ends_s)
    samples[rails] = share * np.sign(np.sin(2 * np.pi * rails_hz * t_s[rails] + 0.1))
    derived = breathe(make_track, run_tracks, samples, 25.0)
    told = [(event.t_ns / 1e9, event.reason) for event in derived if isinstance(event, SignalQuality)]
    assert [reason for _, reason in told] == [Reason.MOTION, None]
    assert 60.0 < told[0][0] < 60.5
    assert ends_s < told[1][0] < ends_s + 5.0
    rates = [(e.t_ns / 1e9, e.breathing_rate_bpm.value) for e in derived if isinstance(e, Metrics)]
    later = [(t_s, rate) for t_s, rate in rates if t_s > ends_s and rate is not None]
    assert later[0][0] < ends_s + 25.0
    assert all(rate == pytest.approx(12.0, abs=1.0) for _, rate in later)


@pytest.mark.parametrize("rails", [False, True])
@pytest.mark.parametrize(("lasts_s", "period_s"), [(3.0, 3.2), (4.0, 4.0), (9.0, 4.4), (12.0, 5.5)])
def test_after_noise_or_rails_the_rate_is_back_within_two_breaths(
    make_track: Any, run_tracks: Any, lasts_s: float, period_s: float, rails: bool
) -> None:
    rng = np.random.default_rng(round(10 * period_s))
    t_s = np.arange(25 * 110) / 25.0
    samples = np.sin(2 * np.pi * t_s / period_s) + rng.normal(0.0, 0.01, len(t_s))
    bad = (t_s >= 60.0) & (t_s < 60.0 + lasts_s)
    flips = 2e4 * np.where(np.arange(len(t_s)) % 2, 1.0, -1.0)
    samples[bad] = (flips if rails else rng.normal(0.0, 3.0, len(t_s)))[bad]
    ticks = [e for e in breathe(make_track, run_tracks, samples, 25.0) if isinstance(e, Metrics)]
    after = [(e.t_ns / 1e9 - 60.0 - lasts_s, e.breathing_rate_bpm) for e in ticks if e.t_ns > (60.5 + lasts_s) * 1e9]
    told = [(since_s, index) for since_s, index in after if index.value is not None and index.bound is not None]
    assert told[0][0] < 2.0 * period_s
    assert all(abs((index.value or 0.0) - 60.0 / period_s) <= (index.bound or 0.0) for _, index in told)


@pytest.mark.parametrize(("flat_s", "from_s"), [(6, 0), (60, 60)])
@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_nothing_usual_is_learnt_from_a_belt_that_rests_on_one_value(
    make_track: Any, run_tracks: Any, flat_s: int, from_s: int, noise: float
) -> None:
    t_s = np.arange(25 * 140) / 25.0
    breath = np.sin(2 * np.pi * 0.25 * t_s) + np.random.default_rng(2).normal(0.0, noise, len(t_s))
    samples = np.concatenate([breath[: 25 * from_s], np.zeros(25 * flat_s), breath[25 * from_s :]])
    derived = breathe(make_track, run_tracks, samples, 25.0)
    reasons = {event.reason for event in derived if isinstance(event, SignalQuality)}
    assert Reason.MOTION not in reasons
    later = [e.breathing_rate_bpm for e in derived if isinstance(e, Metrics) and e.t_ns > (from_s + flat_s + 20) * 1e9]
    assert len(later) > 200
    assert all(index.value == pytest.approx(15.0, abs=2.0) for index in later)


def _with_a_gap(make_track: Any, run_events: Any, cut_blocks: Any, *, gap_s: tuple[float, float]) -> list[Any]:
    """Return what is derived of 15 breaths a minute, troughs at whole multiples of 4 s, with a hole."""
    t_s = np.arange(25 * 100) / 25.0
    samples = -np.cos(2 * np.pi * t_s / 4.0) + np.random.default_rng(1).normal(0.0, 0.01, len(t_s))
    track = make_track(samples, kind=SignalKind.RESPIRATION, rate_hz=25.0)
    begin, end = (round(25 * s) for s in gap_s)
    before, after = replace(track, counts=track.counts[:begin]), replace(track, counts=track.counts[end:])
    derived: list[Any] = run_events(
        [track.info], [*cut_blocks(before, [6] * 1000), *cut_blocks(after, [6] * 1000, first=end)]
    )
    return derived


def test_after_a_hole_two_turns_tell_the_rate_in_a_wider_bound(
    make_track: Any, run_events: Any, cut_blocks: Any
) -> None:
    derived = _with_a_gap(make_track, run_events, cut_blocks, gap_s=(60.0, 70.5))
    told = [(e.t_ns / 1e9, e.breathing_rate_bpm) for e in derived if isinstance(e, Metrics) and e.t_ns > 71e9]
    back_s, first = next((t_s, index) for t_s, index in told if index.value is not None)
    assert back_s < 70.5 + 1.7 * 4.0  # a trough at 72 s, a peak at 74, seen when the chest has come back from it
    last = told[-1][1]
    assert first.bound is not None
    assert last.bound is not None
    assert abs((first.value or 0.0) - 15.0) <= first.bound
    assert first.bound > 3.0 * last.bound


def test_where_listening_begins_again_is_no_turn(make_track: Any, run_events: Any, cut_blocks: Any) -> None:
    derived = _with_a_gap(make_track, run_events, cut_blocks, gap_s=(60.0, 69.0))  # the chest is halfway in
    turns = [e for e in derived if isinstance(e, BreathTurn) and e.t_ns > 68e9]
    assert turns[0].phase is BreathPhase.OUT
    assert turns[0].t_ns / 1e9 == pytest.approx(70.0, abs=0.2)


@pytest.mark.parametrize("rail_s", [1.0, 2.0, 3.0])
def test_a_short_rail_far_away_does_not_hide_the_breaths_after_it(
    make_track: Any, run_tracks: Any, rail_s: float
) -> None:
    t_s = np.arange(25 * 100) / 25.0
    samples = np.sin(2 * np.pi * 0.2 * t_s) + np.random.default_rng(1).normal(0.0, 0.01, len(t_s))
    samples[(t_s >= 60.0) & (t_s < 60.0 + rail_s)] = 200.0
    told = [e for e in breathe(make_track, run_tracks, samples, 25.0) if isinstance(e, Metrics)]
    after = [e.breathing_rate_bpm for e in told if e.t_ns > (60.0 + rail_s + 12.0) * 1e9]
    assert all(index.value is not None and abs(index.value - 12.0) <= (index.bound or 0.0) for index in after)
