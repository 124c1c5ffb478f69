"""Live values as streams of a laboratory network (LSL); docs/outlets.md says which, in which units.

Time: a sample's LSL time stamp is this machine's LSL clock at the moment its session time was, so that recorders on
other machines lay it beside theirs. Values come as late as they are; their stamps say when they were.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from becalm_client.feed import Told
from becalm_client.outlets.signal_names import (
    METRICS_HZ,
    Channel,
    channel_of,
    content_type,
    metric_channels,
)
from becalm_protocol.derived import Beat, BreathTurn, Metrics, SkinResponse
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import Gap, PhaseChange, StreamInfo
from becalm_protocol.handshake import Live, SessionView, Waveform
from becalm_protocol.units import s_from_ns
from becalm_protocol.wishes import Marker

try:
    import pylsl
except (ModuleNotFoundError, RuntimeError, OSError):  # of the extra `lsl`; the package may be there without its library
    pylsl = None

_BUFFER_S = 60


class LslOutlet:
    """Give it what a feed tells and session time; a session's streams appear with it, and go when it ends."""

    def __init__(self, *, session_now_ns: Callable[[], int | None]) -> None:
        """Raises ConfigError without the library."""
        if pylsl is None:
            raise ConfigError(
                "expected pylsl and liblsl; install them with: pip install becalm[lsl]", setting="outlet lsl"
            )
        self._session_now_ns = session_now_ns
        self._session_id: str | None = None
        self._waveforms: dict[str, Any] = {}
        self._kinds: dict[str, str] = {}
        self._metrics: Any = None
        self._markers: Any = None
        self.n_sent = 0
        self.n_untimed = 0
        """Events that came before session time was known: they are left out."""

    def take(self, told: Told) -> None:
        """Push what a message says, where there is a stream for it."""
        if isinstance(told, SessionView):
            self._open(told)
        if not isinstance(told, Live) or told.session_id not in (None, self._session_id):
            return
        offset_s = self._offset_s()
        if offset_s is None:
            self.n_untimed += 1
            return
        self._push(told.event, offset_s=offset_s)

    def close(self) -> None:
        """Take the streams off the network."""
        self._waveforms, self._metrics, self._markers, self._session_id = {}, None, None, None

    def _open(self, view: SessionView) -> None:
        if view.session_id != self._session_id:
            self.close()
            self._session_id = view.session_id
            self._metrics = _outlet(
                name="becalm metrics", content_type="Metrics", source_id=f"{view.session_id} metrics",
                rate_hz=METRICS_HZ, channels=metric_channels(), session_id=view.session_id,
            )  # fmt: skip
            self._markers = _outlet(
                name="becalm events", content_type="Markers", source_id=f"{view.session_id} events", rate_hz=None,
                channels=(Channel(label="event", unit=""),), session_id=view.session_id, is_text=True,
            )  # fmt: skip
        for info in view.streams:
            self._kinds[info.stream_id] = info.kind.value
            if info.sample_rate_hz is not None and info.stream_id not in self._waveforms:
                self._waveforms[info.stream_id] = _waveform_outlet(info, session_id=view.session_id)

    def _offset_s(self) -> float | None:
        """Return what to add to session seconds for this machine's LSL clock."""
        now_ns = self._session_now_ns()
        return None if now_ns is None else pylsl.local_clock() - s_from_ns(now_ns)

    def _push(self, event: object, *, offset_s: float) -> None:
        match event:
            case Waveform() if event.stream_id in self._waveforms:
                last_ns = event.t_ns + round((len(event.values) - 1) * event.sample_period_ns)
                rows = [[sample] for sample in event.values]
                self._waveforms[event.stream_id].push_chunk(rows, offset_s + s_from_ns(last_ns))
                self.n_sent += len(rows)
            case Metrics() if self._metrics is not None:
                self._metrics.push_sample(_metric_row(event), offset_s + s_from_ns(event.t_ns))
                self.n_sent += 1
            case _ if self._markers is not None and (told := self._marker(event)) is not None:
                text, t_ns = told
                self._markers.push_sample([text], offset_s + s_from_ns(t_ns))
                self.n_sent += 1

    def _marker(self, event: object) -> tuple[str, int] | None:
        match event:
            case Beat(confirmed=True):
                rr = "" if event.rr_corrected_ms is None else f" {event.rr_corrected_ms:.1f} ms"
                return f"beat {event.source.value} {event.flag.value}{rr}", event.t_ns
            case BreathTurn():
                return f"breath {event.phase.value}", event.t_ns
            case SkinResponse():
                return f"skin response {event.amplitude_us:.3f} uS", event.onset_ns
            case PhaseChange():
                return f"phase {event.phase.value}", event.t_ns
            case Gap():
                return f"gap {self._kinds.get(event.stream_id, '')} {event.reason.value}", event.start_ns
            case Marker(removed=False):
                return f"marker {event.label}", event.t_ns
        return None


def _metric_row(metrics: Metrics) -> list[float]:
    indices = [getattr(metrics, name) for name in Metrics.index_names()]
    return [math.nan if part is None else part for index in indices for part in (index.value, index.bound)]


def _waveform_outlet(info: StreamInfo, *, session_id: str) -> Any:
    return _outlet(
        name=f"becalm {info.kind.value}",
        content_type=content_type(info.kind),
        source_id=info.stream_id,
        rate_hz=info.sample_rate_hz,
        channels=(channel_of(info),),
        session_id=session_id,
    )


def _outlet(
    *,
    name: str,
    content_type: str,
    source_id: str,
    rate_hz: float | None,
    channels: Sequence[Channel],
    session_id: str,
    is_text: bool = False,
) -> Any:
    form = pylsl.cf_string if is_text else pylsl.cf_float32
    described = pylsl.StreamInfo(name, content_type, len(channels), rate_hz or pylsl.IRREGULAR_RATE, form, source_id)
    about = described.desc()
    about.append_child_value("manufacturer", "becalm")
    about.append_child_value("session_id", session_id)
    listed = about.append_child("channels")
    for channel in channels:
        one = listed.append_child("channel")
        one.append_child_value("label", channel.label)
        one.append_child_value("unit", channel.unit)
        one.append_child_value("type", content_type)
    return pylsl.StreamOutlet(described, max_buffered=_BUFFER_S)
