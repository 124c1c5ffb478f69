"""A breath under a wrong rate: back as soon as under a right one, no turn told twice, none wrong, none in a hole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.signal.bad_input.conftest import BEGIN_S, BREATH, STREAMS, S, info, shown, wrong

from becalm_protocol.derived import BreathPhase, BreathTurn, Derived
from becalm_protocol.events import Clock, SampleBlock, SignalKind, StreamInfo

RATE_HZ, SECONDS, PERIOD_S = STREAMS[BREATH][2], 90, 4.0
BELT = (BREATH,)
CHEST = (SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z)
LIVE = (Clock.DEVICE, Clock.ARRIVAL)
Told = list[Derived]
Run = Callable[..., Told]
Seconds = NDArray[np.float64]


def worn(kind: SignalKind, clock: Clock, *, label: float = 1.0) -> StreamInfo:
    """Return a belt, or an axis of a strap that comes at the same rate."""
    belt = info(BREATH, clock, label=label)
    return belt if kind is BREATH else replace(belt, stream_id=kind.value, kind=kind, unit="mg", unit_per_count=0.1)


def counts(kind: SignalKind, at_s: Seconds) -> list[int]:
    """Return fifteen breaths a minute: a belt's pull, or the tilt of a chest that leans a little."""
    rng = np.random.default_rng([7, len(kind.value)])
    breath = np.sin(2.0 * np.pi * at_s / PERIOD_S)
    if kind in BELT:
        return [int(x) for x in np.rint(1_000.0 * breath + rng.normal(0.0, 10.0, len(at_s)))]
    level_mg, swing_mg = {CHEST[0]: (40.0, 3.0), CHEST[1]: (-300.0, 10.0), CHEST[2]: (950.0, 8.0)}[kind]
    return [int(x) for x in np.rint(10.0 * (level_mg + swing_mg * breath + rng.normal(0.0, 1.0, len(at_s))))]


def packets(kinds: Sequence[SignalKind], at_s: Seconds) -> Iterator[SampleBlock]:
    """Yield six samples of every stream at a time, as a radio brings them 20 ms later."""
    told = {kind: counts(kind, at_s) for kind in kinds}
    for n in range(0, len(at_s), 6):
        part = at_s[n : n + 6]
        last_ns = round(float(part[-1]) * S)
        for kind in kinds:
            yield SampleBlock(
                stream_id=kind.value,
                received_ns=last_ns + 20_000_000,
                first_sample_idx=n,
                sensor_ns=last_ns,
                counts=tuple(told[kind][n : n + 6]),
            )


def even(rate_hz: float, *, from_s: float, to_s: float) -> Seconds:
    return np.arange(from_s, to_s, 1.0 / rate_hz)


def heard(run_events: Run, kinds: Sequence[SignalKind], at_s: Seconds, *, clock: Clock, label: float = 1.0) -> Told:
    """Return what is told, and check that no rate is wrong at any time."""
    derived = run_events([worn(kind, clock, label=label) for kind in kinds], list(packets(kinds, at_s)))
    assert wrong(derived, after_s=0.0) == []
    return derived


def check_turns(derived: Told, *, unsure_s: Sequence[tuple[float, float]] = ()) -> list[BreathTurn]:
    """Return the turns: all where they are, none twice, but those told before arrivals have told the rate."""
    told = [event for event in derived if isinstance(event, BreathTurn) and event.t_ns > 8 * S]
    sure = [e for e in told if not any(from_s < e.emitted_ns / S < to_s for from_s, to_s in unsure_s)]
    for turn in sure:  # a sine is high after a quarter of it
        phase_s = (0.25 if turn.phase is BreathPhase.OUT else 0.75) * PERIOD_S
        assert abs((turn.t_ns / S - phase_s + 2.0) % PERIOD_S - 2.0) < 0.3
    assert [(a.t_ns, b.t_ns) for a, b in pairwise(told) if b.t_ns - a.t_ns < 0.2 * PERIOD_S * S] == []
    return sure


def first_s(derived: Told) -> float:
    return next(s / 4 for s in range(4 * SECONDS) if shown(derived, "breathing_rate_bpm", from_s=0.0, to_s=s / 4))


@pytest.mark.parametrize("clock", LIVE)
@pytest.mark.parametrize("label", [0.5, 0.77, 1.3, 2.0, 4.0])
@pytest.mark.parametrize("kinds", [BELT, CHEST], ids=["belt", "chest"])
def test_a_breath_under_a_wrong_label_is_told_as_soon_as_under_a_right_one(
    run_events: Run, kinds: Sequence[SignalKind], label: float, clock: Clock
) -> None:
    at_s = even(RATE_HZ, from_s=0.0, to_s=40.0)
    right = heard(run_events, kinds, at_s, clock=clock)
    told = heard(run_events, kinds, at_s, clock=clock, label=label)
    assert first_s(told) <= first_s(right) + 0.5
    assert len(check_turns(told)) >= len(check_turns(right))


@pytest.mark.parametrize("clock", LIVE)
@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
@pytest.mark.parametrize("kinds", [BELT, CHEST], ids=["belt", "chest"])
def test_a_breath_is_back_two_breaths_after_its_rate_changed(
    run_events: Run, kinds: Sequence[SignalKind], factor: float, clock: Clock
) -> None:
    for begin_s in (BEGIN_S, BEGIN_S + 1.0, BEGIN_S + 2.5):
        before = even(RATE_HZ, from_s=0.0, to_s=begin_s)
        at_s = np.concatenate([before, even(factor * RATE_HZ, from_s=begin_s, to_s=SECONDS)])
        derived = heard(run_events, kinds, at_s, clock=clock)
        known_s = begin_s + (2.0 if clock is Clock.DEVICE else 9.0)
        check_turns(derived, unsure_s=[(begin_s, known_s)] if clock is Clock.ARRIVAL else ())
        assert shown(derived, "breathing_rate_bpm", from_s=known_s, to_s=min(known_s, begin_s + 7.0) + 1.5 * PERIOD_S)
        later = shown(derived, "breathing_rate_bpm", from_s=begin_s + 16.0, to_s=SECONDS - 1.0)
        assert len(later) >= 4 * (SECONDS - 1.0 - begin_s - 16.0)


@pytest.mark.parametrize("kinds", [BELT, CHEST], ids=["belt", "chest"])
def test_a_rate_that_changes_again_and_again_costs_no_more_breaths_than_it_tears(
    run_events: Run, kinds: Sequence[SignalKind]
) -> None:
    edges_s = [0.0, 30.0, 45.3, 61.1, 76.9, SECONDS]
    factors = (1.0, 2.0, 0.8, 2.0, 1.0)
    parts = [even(RATE_HZ * f, from_s=a, to_s=b) for f, (a, b) in zip(factors, pairwise(edges_s), strict=True)]
    derived = heard(run_events, kinds, np.concatenate(parts), clock=Clock.DEVICE, label=1.3)
    n_whole = round((SECONDS - 12.0) / PERIOD_S * 2.0)
    assert len(check_turns(derived)) >= n_whole - 2 * (len(factors) - 1) - 2


@pytest.mark.parametrize("hole_s", [3.0, 20.0])
def test_a_chest_that_leans_as_before_is_heard_along_its_direction_after_a_hole(run_events: Run, hole_s: float) -> None:
    at_s = even(RATE_HZ, from_s=0.0, to_s=SECONDS)
    blocks = [e for e in packets(CHEST, at_s) if not BEGIN_S < (e.sensor_ns or 0) / S < BEGIN_S + hole_s]
    derived = run_events([worn(kind, Clock.DEVICE) for kind in CHEST], blocks)
    assert wrong(derived, after_s=0.0) == []
    back_s = BEGIN_S + hole_s
    assert shown(derived, "breathing_rate_bpm", from_s=back_s, to_s=back_s + 2.0 * PERIOD_S)
    turns_s = [e.t_ns / S for e in derived if isinstance(e, BreathTurn)]
    assert [t_s for t_s in turns_s if BEGIN_S + 0.5 < t_s < back_s] == []


def test_a_chest_that_leans_otherwise_after_a_hole_is_learnt_anew(run_events: Run) -> None:
    at_s = even(RATE_HZ, from_s=0.0, to_s=SECONDS)
    blocks = []
    for e in packets(CHEST, at_s):
        t_s = (e.sensor_ns or 0) / S
        if t_s <= BEGIN_S:
            blocks.append(e)
        elif t_s > BEGIN_S + 3.0:  # it lies on its side
            level = {CHEST[0]: 9_000, CHEST[1]: 2_000, CHEST[2]: -9_000}[SignalKind(e.stream_id)]
            blocks.append(replace(e, counts=tuple(count + level for count in e.counts)))
    derived = run_events([worn(kind, Clock.DEVICE) for kind in CHEST], blocks)
    turns_s = [e.t_ns / S for e in derived if isinstance(e, BreathTurn)]
    assert [t_s for t_s in turns_s if BEGIN_S + 0.5 < t_s < BEGIN_S + 14.0] == []
    assert shown(derived, "breathing_rate_bpm", from_s=BEGIN_S + 25, to_s=BEGIN_S + 30)


@pytest.mark.parametrize("sway_hz", [0.2, 0.35, 0.6])
def test_a_body_that_sways_after_a_hole_is_not_taken_for_breath(run_events: Run, sway_hz: float) -> None:
    at_s = even(RATE_HZ, from_s=0.0, to_s=SECONDS)
    back_s, still_s = BEGIN_S + 3.0, BEGIN_S + 9.0
    blocks = []
    for e in packets(CHEST, at_s):
        t_s = (e.sensor_ns or 0) / S
        if BEGIN_S < t_s <= back_s:
            continue
        if back_s < t_s < still_s:  # it puts its strap right
            part = at_s[e.first_sample_idx : e.first_sample_idx + len(e.counts)]
            sway = np.rint(600.0 * np.sin(2.0 * np.pi * sway_hz * (part - back_s)))
            e = replace(e, counts=tuple(int(count + more) for count, more in zip(e.counts, sway, strict=True)))
        blocks.append(e)
    derived = run_events([worn(kind, Clock.DEVICE) for kind in CHEST], blocks)
    assert wrong(derived, after_s=0.0) == []
    assert [e.t_ns / S for e in derived if isinstance(e, BreathTurn) and back_s < e.t_ns / S < still_s] == []
    assert shown(derived, "breathing_rate_bpm", from_s=still_s + 16.0, to_s=still_s + 26.0)
