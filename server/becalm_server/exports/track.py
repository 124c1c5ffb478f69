"""The samples of one stream as they came, on session time: counts in a file of our own, blocks in columns."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import Gap, SampleBlock, StreamInfo, value
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S
from becalm_signal.lane import Lane

Counts = NDArray[np.int32]
Times = NDArray[np.int64]
_BYTES_A_COUNT = 4
# A block as a row: an hour of a sensor that sends every sample by itself is 36,000 of them.
_ROW = struct.Struct("<qq?qqqqqqd?")
# A step between blocks that is off by more than this is a break of the clock, not its learning.
_CLOCK_BREAK_NS = NS_PER_S // 2


@value
class Block:
    """The samples of one notification that were new."""

    seq: int
    received_ns: int
    sensor_ns: int | None
    """The sensor's own time of the last sample."""
    first_sample_idx: int
    start: int
    """Where its samples begin among the stream's."""
    n_samples: int
    n_repeated: int
    """Samples before them that had come already: left out."""
    t_ns: int
    """Session time of the first sample, as the live pipeline placed it."""
    sample_period_ns: float
    begins_stretch: bool
    """More is missing before it than the live pipeline bridges, or its clock began anew."""

    def times_ns(self) -> Times:
        """Return the session time of each sample."""
        offsets_ns: Times = np.rint(self.sample_period_ns * np.arange(self.n_samples)).astype(np.int64)
        return offsets_ns + self.t_ns

    @property
    def last_ns(self) -> int:
        """Session time of the last sample."""
        return round(self.t_ns + self.sample_period_ns * (self.n_samples - 1))


class Track:
    """A sampled stream; the live pipeline's own clock places it, so that beats and samples agree."""

    def __init__(self, info: StreamInfo, file: BinaryIO) -> None:
        self.info = info
        self.sample_rate_hz = info.sample_rate_hz or 1.0
        self.n_samples = 0
        self.low = self.high = 0
        """Smallest and largest count."""
        self.first_ns = self.last_ns = 0
        """Session time of the earliest and the latest sample."""
        self._lane = Lane(info, None)
        self._file = file
        self._last: Block | None = None
        self._rows = bytearray()

    def feed(self, event: SampleBlock | Gap, *, seq: int) -> None:
        """Take the next event of the stream."""
        if isinstance(event, Gap):
            self._lane.gap(event)
            return
        _, drawn = self._lane.feed(event)
        if drawn:
            (waveform,) = drawn  # stored counts are whole numbers: no hole within a block
            self._keep(event, waveform, seq=seq)

    def _keep(self, event: SampleBlock, waveform: Waveform, *, seq: int) -> None:
        n_samples = len(waveform.values)
        n_repeated = len(event.counts) - n_samples
        counts = np.asarray(event.counts[n_repeated:], dtype=np.int32)
        low, high = int(counts.min()), int(counts.max())
        self.low = min(self.low, low) if self.n_samples else low
        self.high = max(self.high, high) if self.n_samples else high
        block = Block(
            seq=seq,
            received_ns=event.received_ns,
            sensor_ns=event.sensor_ns,
            first_sample_idx=event.first_sample_idx + n_repeated,
            start=self.n_samples,
            n_samples=n_samples,
            n_repeated=n_repeated,
            t_ns=waveform.t_ns,
            sample_period_ns=waveform.sample_period_ns,
            begins_stretch=self._begins_stretch(event.first_sample_idx + n_repeated, t_ns=waveform.t_ns),
        )
        self.first_ns = min(self.first_ns, block.t_ns) if self.n_samples else block.t_ns
        self.last_ns = max(self.last_ns, block.last_ns) if self.n_samples else block.last_ns
        self._file.write(counts.tobytes())
        self.n_samples += n_samples
        self._last = block
        self._rows += _ROW.pack(
            seq, block.received_ns, block.sensor_ns is not None, block.sensor_ns or 0, block.first_sample_idx,
            block.start, n_samples, n_repeated, block.t_ns, block.sample_period_ns, block.begins_stretch,
        )  # fmt: skip

    def _begins_stretch(self, first_idx: int, *, t_ns: int) -> bool:
        last = self._last
        if last is None or self._lane.begins_anew:
            return True
        n_steps = first_idx - last.first_sample_idx - last.n_samples + 1
        expected_ns = last.last_ns + n_steps * NS_PER_S / self.sample_rate_hz
        return abs(t_ns - expected_ns) > _CLOCK_BREAK_NS

    def blocks(self, first: int = 0, end: int | None = None) -> Iterator[Block]:
        """Give the blocks, or those of a range, in the order they came."""
        size = _ROW.size
        rows = memoryview(self._rows)[first * size : None if end is None else end * size]
        for (
            seq, received_ns, stamped, sensor_ns, first_sample_idx, start, n_samples, n_repeated, t_ns, period_ns,
            begins,
        ) in _ROW.iter_unpack(rows):  # fmt: skip
            yield Block(
                seq=seq,
                received_ns=received_ns,
                sensor_ns=sensor_ns if stamped else None,
                first_sample_idx=first_sample_idx,
                start=start,
                n_samples=n_samples,
                n_repeated=n_repeated,
                t_ns=t_ns,
                sample_period_ns=period_ns,
                begins_stretch=begins,
            )

    def counts(self, start: int, end: int) -> Counts:
        """Return the counts of a range of samples."""
        self._file.seek(start * _BYTES_A_COUNT)
        return np.frombuffer(self._file.read((end - start) * _BYTES_A_COUNT), dtype=np.int32)
