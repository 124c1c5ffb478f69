"""What is only as right as the sample rate waits until that is known."""

from becalm_protocol.derived import Beat, BeatFlag, BreathPhase, BreathTurn, Reason, SignalQuality
from becalm_protocol.events import SampleBlock, SignalKind
from becalm_signal.lane_held import Held, without_rates
from becalm_signal.packet_clock import ArrivalClock
from becalm_signal.stage import BreathsTorn, Output

BEAT = Beat(beat_idx=0, t_ns=5, emitted_ns=6, source=SignalKind.ECG, flag=BeatFlag.FIRST, confirmed=True)
TURN = BreathTurn(t_ns=7, emitted_ns=8, phase=BreathPhase.IN)
QUALITY = SignalQuality(t_ns=3, emitted_ns=3, kind=SignalKind.ECG, reason=Reason.NOISY)
OUTPUTS: list[Output] = [BEAT, QUALITY, TURN]


def clock(*, is_rate_known: bool) -> ArrivalClock:
    """Return a clock by which sample 0 is at 20 ns."""
    one = ArrivalClock(130.0, is_rate_known=is_rate_known)
    one.accept(SampleBlock(stream_id="ecg", received_ns=20, first_sample_idx=0, counts=(0,)))
    return one


def test_nothing_waits_while_the_rate_is_known() -> None:
    assert Held().pass_on(OUTPUTS, clock=clock(is_rate_known=True), at=0) == OUTPUTS


def test_rates_wait_and_come_first_known_then_only() -> None:
    held = Held()
    assert held.pass_on(OUTPUTS, clock=clock(is_rate_known=False), at=0) == [QUALITY]
    told = held.pass_on([BEAT], clock=clock(is_rate_known=True), at=0)
    assert [(e.t_ns, e.emitted_ns) for e in told if isinstance(e, (Beat, BreathTurn))] == [(5, 20), (7, 20), (5, 6)]
    assert held.pass_on([], clock=clock(is_rate_known=True), at=0) == []


def test_what_waited_for_a_rate_that_was_another_is_never_told() -> None:
    held = Held()
    held.pass_on(OUTPUTS, clock=clock(is_rate_known=False), at=0)
    held.drop()
    assert held.pass_on([BEAT], clock=clock(is_rate_known=True), at=0) == [BEAT]
    assert without_rates(OUTPUTS) == [QUALITY]


def test_what_parts_breaths_parts_those_that_wait_and_those_that_were_told() -> None:
    torn = BreathsTorn(t_ns=9, emitted_ns=9, source=SignalKind.RESPIRATION)
    held = Held()
    assert held.pass_on([TURN, torn], clock=clock(is_rate_known=False), at=0) == [torn]
    assert held.pass_on([TURN], clock=clock(is_rate_known=False), at=0) == []
    told = held.pass_on([], clock=clock(is_rate_known=True), at=0)
    assert [type(event) for event in told] == [BreathTurn, BreathsTorn, BreathTurn]
