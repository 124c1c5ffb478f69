"""Silence of a stream: late, then lost. Pure: times are given in."""

from becalm_ingest.devices import Cursor, StreamTemplate
from becalm_ingest.stall import StallJudge
from becalm_protocol.events import Clock, GapReason, StreamState, StreamStatus
from becalm_protocol.units import NS_PER_S, ns_from_s


class Watch:
    """One stream over one connection."""

    def __init__(self, *, cursor: Cursor, template: StreamTemplate, began_ns: int) -> None:
        self.kind = template.kind
        self.stream_id = cursor.stream_id
        self.state: StreamState | None = None
        """None until the stream has begun on this connection."""
        self._cursor = cursor
        self._counts_missing = template.clock is Clock.DEVICE
        is_uncounted = template.clock is Clock.ARRIVAL and template.sample_rate_hz is not None
        self._judge = StallJudge() if is_uncounted else None
        self._heard_ns = began_ns
        self._late_after_ns = ns_from_s(template.late_after_s)
        self._lost_after_ns = ns_from_s(template.lost_after_s)

    def start(self, now_ns: int) -> None:
        """Count silence from now on: the sensor was told to stream."""
        self._heard_ns = max(self._heard_ns, now_ns)

    def hear(self, received_ns: int) -> StreamStatus | None:
        """Note that samples came and are counted; the status to tell before them, if they begin or go on."""
        self._heard_ns = received_ns
        if self._judge is not None:
            n_missing = self._judge.hear(received_ns, next_sample_idx=self._cursor.next_sample_idx)
            if n_missing:
                self._cursor.mark_missing(n_missing)
        return self._change(StreamState.STREAMING, at_ns=received_ns)

    def check(self, now_ns: int) -> StreamStatus | None:
        """Return the status to tell where the stream has been silent for too long."""
        silent_ns = now_ns - self._heard_ns
        if silent_ns >= self._lost_after_ns:
            return self.lose(now_ns, reason=GapReason.SENSOR_SILENT)
        if silent_ns >= self._late_after_ns and self.state is not StreamState.LATE:
            if not self._will_show_missing():
                self._cursor.mark_break(GapReason.SENSOR_SILENT)
            return self._change(StreamState.LATE, at_ns=now_ns)
        return None

    def lose(self, now_ns: int, *, reason: GapReason) -> StreamStatus | None:
        """Note that the link is gone."""
        self._cursor.mark_break(reason)
        return self._change(StreamState.LOST, at_ns=now_ns)

    def end(self, now_ns: int) -> StreamStatus | None:
        """Note that the stream was stopped."""
        return self._change(StreamState.ENDED, at_ns=now_ns)

    def due_s(self, now_ns: int) -> float:
        """Seconds until the next check can tell something new."""
        limit_ns = self._lost_after_ns if self.state is StreamState.LATE else self._late_after_ns
        return max(0.0, (self._heard_ns + limit_ns - now_ns) / NS_PER_S)

    def _will_show_missing(self) -> bool:
        """Tell whether it shows in what comes next whether samples are missing."""
        return self._counts_missing or (self._judge is not None and self._judge.knows_rate)

    def _change(self, state: StreamState, *, at_ns: int) -> StreamStatus | None:
        before, self.state = self.state, state
        if before is state:
            return None
        return StreamStatus(stream_id=self.stream_id, received_ns=at_ns, state=state)
