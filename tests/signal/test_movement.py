"""The quality of a shaken signal: as its stage tells it, but with the name of the cause, at a tick."""

import pytest

from becalm_protocol.derived import Reason, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.breath_motion import AXES
from becalm_signal.movement import Movement, told_at_ticks

HEARD_NS = 10 * NS_PER_S - 100_000_000
SHAKES = {kind: Reason.MOTION for kind in AXES}
NOTHING_LOST: frozenset[SignalKind] = frozenset()


@pytest.fixture
def movement() -> Movement:
    return Movement(frozenset({SignalKind.ECG, SignalKind.RESPIRATION, *AXES}))


def said(reason: Reason | None, *, t_ns: int = HEARD_NS, caution: Reason | None = None) -> SignalQuality:
    return SignalQuality(t_ns=t_ns, emitted_ns=t_ns, kind=SignalKind.ECG, reason=reason, caution=caution)


def test_noise_gets_the_name_of_its_cause_and_loses_it_with_it(movement: Movement) -> None:
    movement.hear(said(Reason.NOISY))
    told = movement.tell(10 * NS_PER_S)
    movement.settle(SHAKES, lost=NOTHING_LOST)
    told += movement.tell(11 * NS_PER_S)
    told += movement.tell(12 * NS_PER_S)
    movement.settle({SignalKind.ECG: Reason.NOISY}, lost=NOTHING_LOST)
    told += movement.tell(13 * NS_PER_S)
    assert [(event.t_ns, event.emitted_ns, event.reason) for event in told] == [
        (HEARD_NS, 10 * NS_PER_S, Reason.NOISY),
        (11 * NS_PER_S, 11 * NS_PER_S, Reason.MOTION),
        (13 * NS_PER_S, 13 * NS_PER_S, Reason.NOISY),
    ]


def test_one_cause_is_told_once_whatever_the_stage_takes_it_for(movement: Movement) -> None:
    movement.settle(SHAKES, lost=NOTHING_LOST)
    for reason in (Reason.NOISY, Reason.OFF_BODY, Reason.NOISY, None):
        movement.hear(said(reason))
    assert [event.reason for event in movement.tell(10 * NS_PER_S)] == [Reason.MOTION, None]


def test_what_a_stage_dates_back_past_a_name_given_at_a_tick_is_told_as_of_after_it(movement: Movement) -> None:
    movement.hear(said(Reason.NOISY))
    told = movement.tell(10 * NS_PER_S)
    movement.settle(SHAKES, lost=NOTHING_LOST)
    told += movement.tell(11 * NS_PER_S)
    movement.settle({}, lost=NOTHING_LOST)
    told += movement.tell(12 * NS_PER_S)
    for t_ns, reason in ((11, Reason.OFF_BODY), (12, None), (12, Reason.FLAT)):
        movement.hear(said(reason, t_ns=t_ns * NS_PER_S))
    told += movement.tell(13 * NS_PER_S)
    by_time = sorted(told, key=lambda event: event.t_ns)
    named = [Reason.NOISY, Reason.MOTION, Reason.NOISY, Reason.OFF_BODY, None, Reason.FLAT]
    assert [event.reason for event in by_time] == named
    assert len({event.t_ns for event in told}) == len(told)


def test_what_no_movement_makes_keeps_its_name_and_a_caution_its_place(movement: Movement) -> None:
    movement.settle(SHAKES, lost=NOTHING_LOST)
    for quality in (said(Reason.FLAT), said(None), said(None, caution=Reason.POWERLINE), said(Reason.POOR_CONTACT)):
        movement.hear(quality)
    told = [(event.reason, event.caution) for event in movement.tell(10 * NS_PER_S)]
    assert told == [(Reason.FLAT, None), (None, None), (None, Reason.POWERLINE), (Reason.POOR_CONTACT, None)]


def test_a_gap_known_at_its_end_is_not_told_before(movement: Movement) -> None:
    movement.hear(said(Reason.SENSOR_LOST, t_ns=20 * NS_PER_S))
    assert movement.tell(10 * NS_PER_S)[0].emitted_ns == 20 * NS_PER_S


def test_a_movement_that_a_lost_sensor_felt_names_nothing(movement: Movement) -> None:
    movement.settle(SHAKES, lost=frozenset(AXES))
    assert movement.why(SignalKind.ECG, Reason.NOISY) is Reason.NOISY


def test_only_what_is_shaken_waits_and_only_beside_three_axes() -> None:
    kinds = {SignalKind.ECG, SignalKind.PPG_1, SignalKind.RESPIRATION}
    assert told_at_ticks(kinds) == frozenset()
    assert told_at_ticks({*kinds, *AXES[:2]}) == frozenset()
    assert told_at_ticks({*kinds, *AXES}) == {SignalKind.ECG, SignalKind.PPG_1}
