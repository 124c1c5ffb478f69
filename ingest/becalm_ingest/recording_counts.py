"""A recording whose skin conductance is raw counts of a converter, brought to uS by a named transfer function."""

from collections.abc import Iterator
from dataclasses import replace

from becalm_ingest.devices.skin_transfer import FROM_COUNTS
from becalm_ingest.formats.signals import QUANTUM
from becalm_ingest.player import Playable
from becalm_protocol.events import RawEvent, SampleBlock, SignalKind

_US_PER_COUNT = QUANTUM[SignalKind.SKIN_CONDUCTANCE]
# Far above any skin: what is off the scale stays so, and is told as out of range.
_MAX_SKIN_US = 1_000.0


class FromCounts:
    """The recording with its skin conductance in uS; `streams` and `events()` as in any."""

    def __init__(self, recording: Playable, *, transfer: str) -> None:
        self.warnings = recording.warnings
        self._recording = recording
        self._transfer = FROM_COUNTS[transfer]
        raw = next(info for info in recording.streams if info.kind is SignalKind.SKIN_CONDUCTANCE)
        self._stream_id, self._unit_per_count = raw.stream_id, raw.unit_per_count
        self.streams = tuple(
            replace(info, unit_per_count=_US_PER_COUNT) if info is raw else info for info in recording.streams
        )

    def events(self) -> Iterator[RawEvent]:
        """Read the recording."""
        for event in self._recording.events():
            if isinstance(event, SampleBlock) and event.stream_id == self._stream_id:
                yield replace(event, counts=tuple(self._count(count) for count in event.counts))
            else:
                yield event

    def _count(self, count: int) -> int:
        raw = max(0.0, count * self._unit_per_count)  # no converter counts below nothing
        return round(min(self._transfer(raw, {}), _MAX_SKIN_US) / _US_PER_COUNT)
