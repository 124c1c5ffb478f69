"""One log of intervals a source: every window is its end, and nothing older than the longest of them is kept."""

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.interval_log import LONG_NS, IntervalLog


def log_of(rr_ms: list[float]) -> IntervalLog:
    """Return a log after these intervals."""
    log, t_ns = IntervalLog(), 0
    for k, rr in enumerate([None, *rr_ms]):
        t_ns += round((rr or 0.0) * 1e6)
        flag = BeatFlag.FIRST if rr is None else BeatFlag.OK
        log.apply(
            Beat(beat_idx=k, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.RR, rr_ms=rr, flag=flag, confirmed=True)
        )
    return log


def test_windows_of_any_length_hold_the_same_intervals_in_order() -> None:
    log = log_of([1000.0] * 200)
    minute, long = log.since(140 * NS_PER_S), log.since(0)
    assert [rr.t_ns for rr in minute] == [second * NS_PER_S for second in range(141, 201)]
    assert all(one is other for one, other in zip(minute, long[-60:], strict=True))
    assert len(long) == 200
    assert log.since(200 * NS_PER_S) == []


def test_it_keeps_nothing_older_than_its_longest_window() -> None:
    log = log_of([800.0] * 1000)
    kept = log.since(0)
    assert kept == log.since(800 * NS_PER_S - LONG_NS)
    assert len(kept) == 375
