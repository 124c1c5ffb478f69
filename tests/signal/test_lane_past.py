"""What came is kept for some seconds, and said once more without saying anything twice."""

import math

from becalm_protocol.derived import Beat, BeatFlag, Reason, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_signal.lane_past import Past, told_late
from becalm_signal.stage import moment_ns


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


def beat(t_ns: int) -> Beat:
    return Beat(
        beat_idx=t_ns,
        t_ns=t_ns,
        emitted_ns=t_ns + 1,
        source=SignalKind.ECG,
        rr_ms=None,
        rr_corrected_ms=None,
        flag=BeatFlag.FIRST,
        confirmed=True,
    )


def test_nothing_is_said_twice_or_before_it_was_known() -> None:
    quality = SignalQuality(t_ns=3, emitted_ns=3, kind=SignalKind.ECG, reason=Reason.NOISY)
    told = told_late([beat(5), quality, beat(9), beat(30)], after_ns=5, lost_ns=8, now_ns=20)
    assert [(type(e), moment_ns(e), e.emitted_ns) for e in told] == [
        (SignalQuality, 8, 20),
        (Beat, 9, 20),
        (Beat, 30, 31),
    ]
