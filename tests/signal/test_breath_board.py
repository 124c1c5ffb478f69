"""One turn of a chest that two sources see counts once."""

from becalm_protocol.derived import BreathPhase, BreathTurn, Reason
from becalm_protocol.events import SignalKind
from becalm_signal.breath_board import BreathBoard
from becalm_signal.breath_turns import SAME_TURN_NS, BreathEvent, BreathMaker, TurnAt

NS = 10**9
BELT, CHEST = SignalKind.RESPIRATION, SignalKind.ACCELERATION_Z


def breaths(source: SignalKind, *, late_ns: int = 0) -> list[BreathEvent]:
    """Return what a source says of five breaths of four seconds."""
    maker = BreathMaker()
    turns = [TurnAt(t_s * NS + late_ns, 0.0, t_s % 4 == 0) for t_s in range(2, 22, 2)]
    return [event for turn in turns for event in maker.turn(turn, source=source, emitted_ns=turn.t_ns + NS)]


def test_a_turn_that_the_next_source_sees_a_little_later_counts_once() -> None:
    board = BreathBoard(frozenset({BELT, CHEST}))
    assert all([board.apply(event) for event in breaths(BELT)])
    assert not any(board.apply(event) for event in breaths(CHEST, late_ns=NS // 10))
    board.choose(21 * NS, bad={BELT: Reason.MOTION}, lost=frozenset())
    assert board.source is CHEST
    same = BreathTurn(t_ns=20 * NS + SAME_TURN_NS // 2, emitted_ns=21 * NS, phase=BreathPhase.OUT, source=CHEST)
    other = BreathTurn(t_ns=20 * NS + SAME_TURN_NS // 2, emitted_ns=21 * NS, phase=BreathPhase.IN, source=CHEST)
    assert not board.apply(same)
    assert board.apply(other)
