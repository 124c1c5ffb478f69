"""Indices of longer windows: every five seconds, each from the section that tells it."""

from typing import Any

from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason, SlowMetrics
from becalm_protocol.events import SignalKind
from becalm_signal.interval_log import IntervalLog
from becalm_signal.slow_board import Moment, Renewed, SlowBoard
from becalm_signal.stage import Output

NO_SENSOR = Index(reason=Reason.NO_SENSOR)
BEAT = Beat(beat_idx=0, t_ns=1, emitted_ns=1, source=SignalKind.ECG, flag=BeatFlag.FIRST, confirmed=True)


class Counting:
    """Tells how many outputs it was handed."""

    def __init__(self) -> None:
        self.n = 0

    def apply(self, event: Output) -> None:
        del event
        self.n += 1

    def indices(self, moment: Moment) -> dict[str, Index]:
        return {"coherence": Index(value=float(self.n), bound=0.0, sample_ns=moment.now_ns)}


def moment(now_ns: int, *, heart: SignalKind | None = SignalKind.ECG) -> Moment:
    live = Metrics(t_ns=now_ns, emitted_ns=now_ns, arousal_from=None, **dict.fromkeys(Metrics.index_names(), NO_SENSOR))
    return Moment(now_ns=now_ns, heart=heart, intervals=IntervalLog(), breath=None, metrics=live, bad={})


def test_each_index_is_that_of_its_section_and_the_rest_says_why_not() -> None:
    board = SlowBoard([Counting()])
    board.apply(BEAT)
    told = board.metrics(moment(10))
    assert told.coherence.value == 1.0
    assert told.heart_source is SignalKind.ECG
    assert told.rsa_ms.reason is Reason.WARMING_UP
    assert board.metrics(moment(10, heart=None)).rsa_ms.reason is Reason.NO_SENSOR


def test_the_pipeline_tells_them_every_five_seconds(run_tracks: Any, make_track: Any, make_ecg: Any) -> None:
    heart = make_ecg([800.0] * 40, rate_hz=130.0)
    derived = run_tracks(make_track(heart.samples, kind=SignalKind.ECG, rate_hz=130.0))
    slow = [event for event in derived if isinstance(event, SlowMetrics)]
    assert [event.t_ns for event in slow] == [n * 5_000_000_000 for n in range(1, 7)]
    assert {event.heart_source for event in slow} == {SignalKind.ECG}


def test_what_is_renewed_is_asked_for_again_at_once_only_while_nothing_is_told() -> None:
    asked: list[int] = []

    def work_out(now_ns: int) -> dict[str, Index]:
        asked.append(now_ns)
        return {"coherence": Index(value=1.0, bound=0.0) if now_ns >= 15 else Index(reason=Reason.WARMING_UP)}

    renewed = Renewed(every_ns=20)
    told = [renewed.at(now_ns, work_out)["coherence"].value for now_ns in range(0, 50, 5)]
    assert told == [None] * 3 + [1.0] * 7
    assert asked == [0, 5, 10, 15, 20, 40]
