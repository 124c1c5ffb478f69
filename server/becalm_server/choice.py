"""What one client wants of one session."""

from becalm_protocol.derived import Metrics
from becalm_protocol.handshake import LiveEvent, Waveform
from becalm_protocol.live import Subscribe
from becalm_protocol.plain import tag_of
from becalm_protocol.units import NS_PER_S


class Choice:
    """A wish as a filter; it counts `metrics` in session time, so that a repetition thins out the same ones."""

    def __init__(self, wish: Subscribe) -> None:
        self._events = None if wish.events is None else frozenset(wish.events)
        self._waveforms = None if wish.waveforms is None else frozenset(wish.waveforms)
        self._streams = None if wish.streams is None else frozenset(wish.streams)
        self._metrics_ns = None if wish.metrics_hz is None else round(NS_PER_S / wish.metrics_hz)
        self._told_slot: int | None = None

    def takes(self, event: LiveEvent) -> bool:
        """Tell whether this client is to be sent an event."""
        if self._events is not None and tag_of(type(event)) not in self._events:
            return False
        if self._streams is not None and getattr(event, "stream_id", None) not in (None, *self._streams):
            return False
        if isinstance(event, Waveform):
            return self._waveforms is None or event.kind.value in self._waveforms
        return not isinstance(event, Metrics) or self._is_due(event.t_ns)

    def _is_due(self, t_ns: int) -> bool:
        if self._metrics_ns is None:
            return True
        slot = t_ns // self._metrics_ns
        is_due = slot != self._told_slot
        self._told_slot = slot
        return is_due
