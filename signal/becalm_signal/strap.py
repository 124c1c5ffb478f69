"""Beat times from a strap's own RR intervals: untimed, 0-4 s late, laid on the session clock by their sum."""

from becalm_protocol.derived import Beat, Reason
from becalm_protocol.events import RrBlock, SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ms_from_rr_ticks
from becalm_signal.packet_clock import session_time
from becalm_signal.rr import MAX_RR_MS, RrFlagger
from becalm_signal.stage import Output, QualityReporter

# A notification may come 4 s late; a sum that lags arrival by more than this after the last one has lost beats.
BREAK_NS = 3 * NS_PER_S


class StrapStage:
    """RR blocks to beats. Interval error: the strap's (about 1 ms); time error: 0-4 s, always after the true beat."""

    def __init__(self) -> None:
        self._flagger = RrFlagger(SignalKind.RR)
        self._quality = QualityReporter(SignalKind.RR)
        self._newest_ns: int | None = None
        self._latest_ns = 0

    def restart(self, *, emitted_ns: int) -> list[Output]:
        """Begin again after a gap."""
        self._newest_ns = None
        return list(self._flagger.flush(emitted_ns=emitted_ns))

    def feed(self, block: RrBlock) -> list[Output]:
        """Take one notification; return its beats."""
        now_ns = block.received_ns
        self._latest_ns = now_ns
        off_skin = block.in_contact is False
        out = self._quality.change(Reason.NOISY if off_skin else None, t_ns=now_ns, emitted_ns=now_ns)
        if off_skin:
            return [*out, *self.restart(emitted_ns=now_ns)]
        rr_ms = [ms_from_rr_ticks(ticks) for ticks in block.rr_1024]
        if not rr_ms:
            return out
        total_ns = round(sum(rr_ms) * NS_PER_MS)
        before_ns = self._newest_ns
        if before_ns is not None and now_ns - (before_ns + total_ns) > BREAK_NS:
            before_ns = None
        first = before_ns is None
        start_ns = now_ns - total_ns if before_ns is None else before_ns
        # A sum ahead of its own arrival was laid too late from the start: move it back, but never before the last beat.
        squeeze = 1.0 if start_ns + total_ns <= now_ns else max(0, now_ns - start_ns) / max(1, total_ns)
        for position, interval_ms in enumerate(rr_ms):
            start_ns += max(1, int(interval_ms * NS_PER_MS * squeeze))
            broken = first and position == 0
            out += self._beat(session_time(start_ns), rr_ms=interval_ms, broken=broken, emitted_ns=now_ns)
        self._newest_ns = start_ns
        return out

    def finish(self) -> list[Output]:
        """Confirm the last beats."""
        return list(self._flagger.flush(emitted_ns=self._latest_ns))

    def _beat(self, t_ns: int, *, rr_ms: float, broken: bool, emitted_ns: int) -> list[Beat]:
        if rr_ms > 4 * MAX_RR_MS:
            broken = True
        # The first interval of a run is whole in itself: its beat has no beat before it in this run.
        return self._flagger.push(t_ns, rr_ms=None if broken else rr_ms, emitted_ns=emitted_ns)
