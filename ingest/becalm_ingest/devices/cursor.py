"""Where a stream has got to: counts its samples over all connections of a session and marks every break with a Gap."""

from becalm_protocol.events import Gap, GapReason, RawEvent, SampleBlock
from becalm_protocol.units import NS_PER_S


class Cursor:
    """Position in one stream of one session."""

    def __init__(self, *, stream_id: str, sample_rate_hz: float | None, unit_per_count: float = 1.0) -> None:
        self.stream_id = stream_id
        self.sample_rate_hz = sample_rate_hz
        self.unit_per_count = unit_per_count
        self.next_sample_idx = 0
        self.received_ns: int | None = None
        """Arrival of the newest notification; None before the first."""
        self.sensor_ns: int | None = None
        """Sensor time of the newest sample, where the sensor tells it."""
        self._break_reason: GapReason | None = None
        self._n_missing = 0
        """Found missing after the fact; to be told before the next samples."""

    def mark_break(self, reason: GapReason) -> None:
        """Note that samples may be missing from here on; the first reason stands until the stream goes on."""
        if self.received_ns is not None and self._break_reason is None:
            self._break_reason = reason

    def mark_missing(self, n_missing: int) -> None:
        """Note that so many samples turned out to be missing among those of the last seconds."""
        self._n_missing += n_missing

    def skip(self, n_missing: int) -> None:
        """Advance over samples that were announced, but not usable."""
        self.next_sample_idx += n_missing

    def block(
        self, counts: tuple[int, ...], *, received_ns: int, sensor_ns: int | None = None, n_missing: int | None = None
    ) -> tuple[RawEvent, ...]:
        """Return the block of `counts`, after the Gap where there was a break or the sensor counts `n_missing`."""
        n_samples = len(counts)
        gaps = self.pass_gap(received_ns=received_ns, n_samples=n_samples, n_missing=n_missing)
        block = SampleBlock(
            stream_id=self.stream_id,
            received_ns=received_ns,
            first_sample_idx=self.next_sample_idx,
            sensor_ns=sensor_ns,
            counts=counts,
        )
        self.next_sample_idx += n_samples
        self.sensor_ns = sensor_ns
        return (*gaps, block)

    def pass_gap(self, *, received_ns: int, n_samples: int = 0, n_missing: int | None = None) -> tuple[Gap, ...]:
        """Return the Gap to tell before what came at `received_ns`, if any, and move over it."""
        before_ns, self.received_ns = self.received_ns, received_ns
        reason, self._break_reason = self._break_reason, None
        rate_hz = self.sample_rate_hz
        n_late, self._n_missing = self._n_missing, 0
        if before_ns is not None and n_late and rate_hz:
            before_ns -= round(n_late * NS_PER_S / rate_hz)  # it begins among samples that have come already
            if reason is None:
                n_missing = n_late + (n_missing or 0)
        if before_ns is None or (reason is None and not n_missing):
            return ()
        span_ns = round(n_samples * NS_PER_S / rate_hz) if rate_hz else 0
        end_ns = max(before_ns, received_ns - span_ns)
        if rate_hz and n_missing is None:  # not counted by the sensor: as many as fit the time
            self.next_sample_idx += round((end_ns - before_ns) / NS_PER_S * rate_hz)
        self.next_sample_idx += n_missing or 0
        return (
            Gap(
                stream_id=self.stream_id,
                received_ns=received_ns,
                start_ns=before_ns,
                end_ns=end_ns,
                n_missing=n_missing,
                reason=reason or GapReason.SENSOR_SILENT,
            ),
        )
