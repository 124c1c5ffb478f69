"""Pipelines whose every number can be counted by hand; the processes of the server under test import them."""

import os
from collections.abc import Sequence
from typing import Any

from becalm_protocol.derived import Beat, BeatFlag, Derived, Index, Metrics, Reason, SignalQuality
from becalm_protocol.events import PhaseChange, RawEvent, RrBlock, SampleBlock, SignalKind, StreamInfo
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S
from becalm_protocol.wishes import BreathWish


class CountingPipeline:
    """A small, honest pipeline: a waveform a block, a confirmed beat an interval, metrics once a second."""

    def __init__(self, streams: Sequence[StreamInfo]) -> None:
        self._streams = {info.stream_id: info for info in streams}
        self._n_beats = 0
        self._t_ns = 0
        self._tick_ns = 0
        self.changes: list[PhaseChange] = []

    def feed(self, event: RawEvent | PhaseChange | BreathWish) -> tuple[Derived | Waveform, ...]:
        if isinstance(event, PhaseChange):
            self.changes.append(event)
        if isinstance(event, PhaseChange | BreathWish):
            return ()
        info = self._streams[event.stream_id]
        out: list[Derived | Waveform] = []
        if isinstance(event, SampleBlock) and info.sample_rate_hz:
            values = tuple(count * info.unit_per_count for count in event.counts)
            out.append(
                Waveform(
                    stream_id=info.stream_id,
                    kind=info.kind,
                    t_ns=round(event.first_sample_idx * NS_PER_S / info.sample_rate_hz),
                    sample_period_ns=NS_PER_S / info.sample_rate_hz,
                    values=values,
                )
            )
        if isinstance(event, RrBlock):
            out += [self._beat(ticks, event.received_ns) for ticks in event.rr_1024]
        while event.received_ns >= self._tick_ns + NS_PER_S:
            self._tick_ns += NS_PER_S
            out.append(self._metrics())
        return tuple(out)

    def finish(self) -> tuple[Derived | Waveform, ...]:
        return (self._beat(1000, self._t_ns),)

    def _beat(self, ticks: int, emitted_ns: int) -> Beat:
        self._t_ns += round(ticks / 1024 * NS_PER_S)
        self._n_beats += 1
        rr_ms = ticks / 1.024
        return Beat(
            beat_idx=self._n_beats - 1,
            t_ns=self._t_ns,
            emitted_ns=emitted_ns,
            source=SignalKind.RR,
            rr_ms=rr_ms,
            rr_corrected_ms=rr_ms,
            flag=BeatFlag.OK,
            confirmed=True,
        )

    def _metrics(self) -> Metrics:
        none = Index(reason=Reason.NO_SENSOR)
        shown = Index(value=float(self._n_beats), bound=0.5, sample_ns=self._tick_ns)
        return Metrics(
            t_ns=self._tick_ns,
            emitted_ns=self._tick_ns,
            heart_rate_bpm=shown,
            rmssd_ms=none,
            breathing_rate_bpm=none,
            scl_us=none,
            scr_per_min=none,
            arousal=none,
        )


class WishfulPipeline:
    """Says with each beat how many wishes it has heard."""

    def __init__(self, _streams: Any) -> None:
        self._n_wishes = 0
        self._n_beats = 0

    def feed(self, event: Any) -> tuple[Beat, ...]:
        if isinstance(event, BreathWish):
            self._n_wishes += 1
        if not isinstance(event, RrBlock):
            return ()
        self._n_beats += 1
        told = Beat(
            beat_idx=self._n_beats, t_ns=event.received_ns, emitted_ns=event.received_ns, source=SignalKind.RR,
            rr_ms=float(self._n_wishes), flag=BeatFlag.OK, confirmed=True,
        )  # fmt: skip
        return (told,)

    def finish(self) -> tuple[Beat, ...]:
        return ()


class DeadlyPipeline(WishfulPipeline):
    """Takes its whole process along at the third beat of a session, whenever it hears it."""

    def feed(self, event: Any) -> tuple[Beat, ...]:
        told = super().feed(event)
        if self._n_beats == 3:
            os._exit(7)
        return told


class EndlessPipeline(WishfulPipeline):
    """Takes its whole process along at the end of a session."""

    def finish(self) -> tuple[Beat, ...]:
        os._exit(7)


class SpeakingPipeline:
    """Tells of quality as real ones do: a reason from when on, null once it is over."""

    def __init__(self, _streams: Any) -> None:
        self._told = [
            SignalQuality(t_ns=t_s * NS_PER_S, emitted_ns=t_s * NS_PER_S, kind=kind, reason=reason, caution=caution)
            for t_s, kind, reason, caution in (
                (0, SignalKind.ECG, Reason.WARMING_UP, None), (0, SignalKind.RESPIRATION, None, None),
                (1, SignalKind.ECG, None, None), (2, SignalKind.ECG, None, None),
                (3, SignalKind.ECG, None, Reason.POWERLINE), (4, SignalKind.ECG, Reason.FLAT, None),
            )
        ]  # fmt: skip

    def feed(self, event: Any) -> tuple[Any, ...]:
        if not isinstance(event, SampleBlock):
            return ()
        told, self._told = tuple(self._told), []
        return told

    def finish(self) -> tuple[Any, ...]:
        return ()
