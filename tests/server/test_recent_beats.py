from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import SignalKind
from becalm_server.recent_beats import RecentBeats

S = 1_000_000_000


def beat(t_s: float, *, rr_ms: float | None, source: SignalKind = SignalKind.ECG, confirmed: bool = True) -> Beat:
    return Beat(
        beat_idx=0,
        t_ns=round(t_s * S),
        emitted_ns=round(t_s * S),
        source=source,
        rr_ms=rr_ms,
        rr_corrected_ms=rr_ms,
        flag=BeatFlag.OK if rr_ms else BeatFlag.FIRST,
        confirmed=confirmed,
    )


def test_window_every_ten_seconds_over_the_last_minute() -> None:
    beats, ends = RecentBeats(), []
    for n in range(100):
        beats.feed(beat(n, rr_ms=1000.0 + n))
        window = beats.due(n * S)
        if window:
            ends.append(window.t_ns // S)
            assert window.rr_ms == tuple(1000.0 + k for k in range(window.t_ns // S - 59, window.t_ns // S + 1))
    assert ends == [60, 70, 80, 90]


def test_late_jump_gives_one_window_not_many() -> None:
    beats = RecentBeats()
    for n in range(300):
        beats.feed(beat(n, rr_ms=1000.0))
    window = beats.due(299 * S)
    assert window is not None
    assert window.t_ns == 290 * S
    assert beats.due(299 * S) is None


def test_provisional_first_and_doubled_beats_do_not_count() -> None:
    beats = RecentBeats()
    for n in range(40):
        beats.feed(beat(n, rr_ms=1000.0))
        beats.feed(beat(n, rr_ms=1000.0, confirmed=False))
        beats.feed(beat(n, rr_ms=None))
        beats.feed(beat(n, rr_ms=990.0, source=SignalKind.RR) if n > 5 else beat(n, rr_ms=None))
    window = beats.due(60 * S)
    assert window is not None
    assert window.rr_ms == (1000.0,) * 39  # the beat at 0 s lies just outside


def test_too_few_beats_give_no_window() -> None:
    beats = RecentBeats()
    for n in range(45, 60):
        beats.feed(beat(n, rr_ms=1000.0))
    assert beats.due(60 * S) is None
