"""The channels of one LSL stream that we play: rows of numbers to events, with every loss told."""

from collections.abc import Callable, Sequence

from becalm_ingest.devices import Cursor, StreamTemplate
from becalm_ingest.formats.choosing import Chosen
from becalm_ingest.lsl_stamps import EvenTimes, Run
from becalm_protocol import limits
from becalm_protocol.events import Clock, GapReason, RawEvent, RrBlock, SignalKind, value
from becalm_protocol.units import NS_PER_S, RR_TICKS_PER_S

_INTERVAL_LATE_S = 6.0
_SAMPLES_LATE_S = 2.0
_LOST_AFTER_LATE_S = 6.0


@value
class LslChannel:
    """One channel and the stream it becomes."""

    idx: int
    template: StreamTemplate
    factor: float
    """A value times this is in our unit (intervals: milliseconds)."""


def channel_of(chosen: Chosen) -> LslChannel:
    """Return the channel for a signal that was chosen."""
    info = chosen.info
    is_even = info.sample_rate_hz is not None
    late_s = _SAMPLES_LATE_S + 1.0 / info.sample_rate_hz if info.sample_rate_hz else _INTERVAL_LATE_S
    template = StreamTemplate(
        kind=info.kind,
        unit=info.unit,
        unit_per_count=info.unit_per_count,
        sample_rate_hz=info.sample_rate_hz,
        clock=Clock.DEVICE if is_even else Clock.ARRIVAL,
        late_after_s=late_s,
        lost_after_s=late_s + _LOST_AFTER_LATE_S,
    )
    return LslChannel(idx=chosen.idx, template=template, factor=chosen.factor)


class LslReader:
    """Turns the chunks of one stream into events; one object for a session, over all its connections."""

    def __init__(self, channels: Sequence[LslChannel], *, cursor_of: Callable[[StreamTemplate], Cursor]) -> None:
        self._channels = [(channel, cursor_of(channel.template)) for channel in channels]
        rate_hz = next((c.template.sample_rate_hz for c in channels if c.template.sample_rate_hz), None)
        self.even = EvenTimes(rate_hz) if rate_hz else None
        self._missing = {cursor.stream_id: 0 for _, cursor in self._channels}
        """Samples that were no numbers since the last one that was."""

    def feed(
        self, rows: Sequence[Sequence[float]], *, stamps_ns: Sequence[int], received_ns: int
    ) -> list[tuple[SignalKind, RawEvent]]:
        """Return the events of a chunk, each with its kind. `stamps_ns` are on the session's clock."""
        events: list[tuple[SignalKind, RawEvent]] = []
        for run in self.even.feed(stamps_ns) if self.even else ():
            for channel, cursor in self._channels:
                numbers = [row[channel.idx] for row in rows[run.start : run.end]]
                told = self._samples(channel, cursor, numbers=numbers, run=run, received_ns=received_ns)
                events += [(channel.template.kind, event) for event in told]
        if self.even is None:
            for channel, cursor in self._channels:
                for row in rows:
                    beat = _interval(row[channel.idx] * channel.factor, cursor=cursor, received_ns=received_ns)
                    events += [(channel.template.kind, event) for event in beat]
        return events

    def _samples(
        self, channel: LslChannel, cursor: Cursor, *, numbers: Sequence[float], run: Run, received_ns: int
    ) -> list[RawEvent]:
        if run.n_missing is None:
            cursor.mark_break(GapReason.SENSOR_SILENT)
        n_missing = (run.n_missing or 0) + self._missing[cursor.stream_id]
        per_count = channel.template.unit_per_count / channel.factor
        period_ns = NS_PER_S / (channel.template.sample_rate_hz or 1.0)
        events: list[RawEvent] = []
        counts: list[int] = []

        def give(end: int) -> None:
            nonlocal n_missing
            last_ns = run.last_ns - round((len(numbers) - end) * period_ns)
            known = n_missing if n_missing or run.n_missing == 0 else None
            events.extend(cursor.block(tuple(counts), received_ns=received_ns, sensor_ns=last_ns, n_missing=known))
            counts.clear()
            n_missing = 0

        for k, number in enumerate(numbers):
            ratio = number / per_count
            if limits.MIN_COUNT <= ratio <= limits.MAX_COUNT:  # NaN is on neither side
                counts.append(round(ratio))
                continue
            if counts:
                give(k)
            cursor.mark_break(GapReason.NOT_A_NUMBER)
            n_missing += 1
        if counts:
            give(len(numbers))
        self._missing[cursor.stream_id] = n_missing
        return events


def _interval(rr_ms: float, *, cursor: Cursor, received_ns: int) -> tuple[RawEvent, ...]:
    if not 0 < rr_ms <= 0xFFFF * 1000 / RR_TICKS_PER_S:
        cursor.mark_break(GapReason.NOT_A_NUMBER)
        return ()
    gaps = cursor.pass_gap(received_ns=received_ns)
    rr_1024 = (round(rr_ms * RR_TICKS_PER_S / 1000),)
    return (*gaps, RrBlock(stream_id=cursor.stream_id, received_ns=received_ns, rr_1024=rr_1024))
