"""What came is kept for some seconds, and said once more without saying anything twice."""

import math

from becalm_protocol.derived import Beat, BeatFlag, BreathPhase, BreathTurn, Reason, SignalQuality
from becalm_protocol.events import SampleBlock, SignalKind
from becalm_signal.breath_turns import SAME_TURN_NS
from becalm_signal.clock import RecordingClock
from becalm_signal.lane_past import SAME_NS, Past, since_lost
from becalm_signal.stage import BreathsTorn, Output, moment_ns

S = 1_000_000_000


def beat(t_ns: int, *, confirmed: bool = True) -> Beat:
    return Beat(
        beat_idx=0, t_ns=t_ns, emitted_ns=t_ns + 1, source=SignalKind.ECG, flag=BeatFlag.FIRST, confirmed=confirmed
    )


def turn(t_ns: int, phase: BreathPhase) -> BreathTurn:
    return BreathTurn(t_ns=t_ns, emitted_ns=t_ns + 1, phase=phase, source=SignalKind.RESPIRATION)


def clock(rate_hz: float) -> RecordingClock:
    """Return a clock by which sample 0 is at 0."""
    one = RecordingClock(rate_hz)
    one.accept(SampleBlock(stream_id="ecg", received_ns=0, first_sample_idx=0, sensor_ns=0, counts=(0,)))
    return one


def test_runs_are_given_out_from_a_position_on() -> None:
    past = Past()
    past.keep(0, (0.0, 1.0, 2.0), n_kept=100)
    past.keep(5, (5.0, 6.0), n_kept=100)
    assert list(past.since(-math.inf)) == [(0, (0.0, 1.0, 2.0)), (5, (5.0, 6.0))]
    assert list(past.since(1.5)) == [(2, (2.0,)), (5, (5.0, 6.0))]
    assert list(past.since(4)) == [(5, (5.0, 6.0))]
    assert list(past.since(7)) == []


def test_what_is_old_or_does_not_belong_to_what_comes_is_forgotten() -> None:
    past = Past()
    for at in range(0, 50, 10):
        past.keep(at, tuple(map(float, range(at, at + 10))), n_kept=20)
    assert [at for at, _ in past.since(-math.inf)] == [20, 30, 40]
    past.clear()
    assert list(past.since(-math.inf)) == []


def test_a_beat_that_was_told_is_known_by_its_position_where_its_time_becomes_another() -> None:
    past = Past()
    assert past.pass_on([beat(10 * S)], clock=clock(130.0)) == [beat(10 * S)]
    past.rewind(is_back=True, now_ns=0, clock=clock(65.0))  # the same sample is at 20 s
    told: list[Output] = [beat(10 * S), beat(20 * S), beat(20 * S + SAME_NS + 1)]
    assert past.pass_on(told, clock=clock(65.0)) == told[2:]


def test_no_beat_is_told_before_one_whose_time_was_too_late() -> None:
    past = Past()
    past.pass_on([beat(10 * S)], clock=clock(130.0))
    past.rewind(is_back=True, now_ns=0, clock=clock(260.0))
    told: list[Output] = [beat(5 * S), beat(10 * S), beat(11 * S)]
    assert past.pass_on(told, clock=clock(260.0)) == told[2:]


def test_where_nothing_is_heard_again_time_may_begin_anew() -> None:
    past = Past()
    past.pass_on([beat(10 * S)], clock=clock(130.0))
    past.rewind(is_back=True, now_ns=0, clock=clock(65.0))
    past.rewind(is_back=False, now_ns=0, clock=clock(130.0))
    assert past.pass_on([beat(3 * S)], clock=clock(130.0)) == [beat(3 * S)]


def test_a_beat_that_is_confirmed_by_another_clock_has_the_position_where_it_was_heard() -> None:
    past = Past()
    past.pass_on([beat(10 * S, confirmed=False)], clock=clock(130.0))
    past.pass_on([beat(10 * S)], clock=clock(65.0))
    past.rewind(is_back=True, now_ns=0, clock=clock(65.0))
    assert past.pass_on([beat(20 * S)], clock=clock(65.0)) == []


def test_positions_before_a_break_say_nothing_of_those_after_it() -> None:
    past = Past()
    past.pass_on([beat(60 * S, confirmed=False), beat(60 * S)], clock=clock(130.0))
    past.clear()
    past.rewind(is_back=True, now_ns=0, clock=clock(65.0))  # positions from zero: that of the beat would be at 120 s
    assert past.pass_on([beat(64 * S)], clock=clock(65.0)) == [beat(64 * S)]


def test_nothing_that_is_told_from_now_on_was_known_before() -> None:
    past = Past()
    past.rewind(is_back=True, now_ns=20, clock=clock(130.0))
    told = past.pass_on([beat(5), turn(7, BreathPhase.IN), beat(30)], clock=clock(130.0))
    assert [(moment_ns(e), e.emitted_ns) for e in told] == [(5, 20), (7, 20), (30, 31)]


def test_a_turn_that_was_told_is_not_told_again_and_the_next_one_is() -> None:
    past = Past()
    past.pass_on([turn(8 * S, BreathPhase.OUT), turn(10 * S, BreathPhase.IN)], clock=clock(25.0))
    past.rewind(is_back=True, now_ns=0, clock=clock(50.0))
    again: list[Output] = [
        turn(8 * S, BreathPhase.OUT),
        turn(10 * S + SAME_TURN_NS - 1, BreathPhase.IN),
        turn(10 * S + SAME_TURN_NS + 1, BreathPhase.OUT),
    ]
    assert past.pass_on(again, clock=clock(50.0)) == again[2:]


def test_that_breaths_are_torn_is_told_however_long_ago_that_was() -> None:
    past = Past()
    past.pass_on([turn(10 * S, BreathPhase.IN)], clock=clock(25.0))
    past.rewind(is_back=True, now_ns=0, clock=clock(25.0))
    torn: list[Output] = [BreathsTorn(t_ns=2 * S, emitted_ns=12 * S, source=SignalKind.RESPIRATION)]
    assert past.pass_on(torn, clock=clock(25.0)) == torn


def test_the_quality_of_what_is_heard_once_more_counts_from_where_it_was_lost() -> None:
    quality = SignalQuality(t_ns=3, emitted_ns=3, kind=SignalKind.ECG, reason=Reason.NOISY)
    told = since_lost([beat(5), quality, beat(30)], lost_ns=8)
    assert [(type(e), moment_ns(e)) for e in told] == [(Beat, 5), (SignalQuality, 8), (Beat, 30)]
