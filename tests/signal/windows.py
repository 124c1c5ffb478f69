"""Windows of confirmed intervals, as the live lane keeps them."""

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import SignalKind
from becalm_signal.interval_log import IntervalLog
from becalm_signal.intervals import Interval


def window_of(
    rr_ms: list[float], *, flagged: dict[int, BeatFlag] | None = None, window_s: float = 60.0
) -> list[Interval]:
    """Return the window that ends with these intervals, those at the given places flagged."""
    log, t_ns = IntervalLog(), 0
    for k, rr in enumerate([None, *rr_ms]):
        t_ns += round((rr or 0.0) * 1e6)
        flag = BeatFlag.FIRST if rr is None else (flagged or {}).get(k - 1, BeatFlag.OK)
        log.apply(
            Beat(beat_idx=k, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.RR, rr_ms=rr, flag=flag, confirmed=True)
        )
    return log.since(t_ns - round(window_s * 1e9))
