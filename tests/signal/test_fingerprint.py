"""One hash for the same conclusions, whatever their order; another for any difference."""

from dataclasses import replace

from becalm_protocol.derived import Beat, BeatFlag, BreathPhase, BreathTurn
from becalm_protocol.events import SignalKind
from becalm_signal.fingerprint import events_sha256

BEAT = Beat(
    beat_idx=0,
    t_ns=5,
    emitted_ns=9,
    source=SignalKind.ECG,
    rr_ms=800.0,
    rr_corrected_ms=800.0,
    flag=BeatFlag.OK,
    confirmed=True,
)
TURN = BreathTurn(t_ns=5, emitted_ns=9, phase=BreathPhase.IN)


def test_order_does_not_matter() -> None:
    assert events_sha256([BEAT, TURN]) == events_sha256([TURN, BEAT])


def test_the_last_bit_matters() -> None:
    assert events_sha256([BEAT]) != events_sha256([replace(BEAT, rr_ms=800.0000000000001)])
    assert events_sha256([BEAT]) != events_sha256([BEAT, BEAT])
    assert events_sha256([]) != events_sha256([TURN])
