"""Bytes of a Shimmer3R: commands, and the stream of answers and samples that notifications cut anywhere.

After the maker's public web SDK. A sample is 00, the time in u24 ticks of 1/32768 s, then its channels. Answers stand
between samples. Nothing guards them: a sample is believed by its time, whole periods after the one before, and by what
follows it.
"""

from becalm_protocol.events import value

NAME = "shimmer"

TICKS_PER_S = 32_768
N_TICKS = 1 << 24

STOP = b"\x20"
START = b"\x07"
INQUIRE = b"\x01"
ENABLE_GSR = b"\x08\x04\x00\x00"
AUTO_RANGE = b"\x21\x04"

GSR_CHANNEL = 0x1C

_DATA, _INQUIRY, _IN_STREAM, _NACK, _ACK = 0x00, 0x02, 0x8A, 0xFE, 0xFF
_MARKERS = (b"", *(bytes((marker,)) for marker in (_DATA, _INQUIRY, _IN_STREAM, _NACK, _ACK)))
"""What may follow a sample: nothing yet, or the beginning of something."""
_TAILS_IN_STREAM = {0x71: 2, 0x94: 3}
"""Bytes after `8A kind`: status, battery."""
_INQUIRY_HEAD_BYTES = 12
_STAMP_BYTES = 3
_MAX_CHANNELS = 50  # the sensor has no more
_CHANNEL_BYTES = {0x1D: 1, 0x20: 1, 0x1E: 3, 0x1F: 3, 0x21: 3, 0x22: 3}
"""Channels that are not of 2 bytes."""
# The stamp is taken by the timer that starts the sample: exact to a tick or two.
_STAMP_SLACK_TICKS = 16


@value
class Ack:
    """A command was taken, or not."""

    is_taken: bool


@value
class Inquiry:
    """What the sensor is set to."""

    period_ticks: int
    channels: tuple[int, ...]


@value
class Sample:
    """One sample of skin conductance."""

    ticks: int
    raw: int
    """Converter counts in the low 12 bits, range in the top 2."""


@value
class Skipped:
    """Bytes that are neither answer nor sample."""

    data: bytes


def set_rate(rate_hz: float) -> bytes:
    """Return the command that sets the rate."""
    return b"\x05" + round(TICKS_PER_S / rate_hz).to_bytes(2, "little")


class PacketStream:
    """Finds answers and samples. Until an inquiry says otherwise a sample has the one channel we ask for."""

    def __init__(self, *, period_ticks: int) -> None:
        self._period_ticks = period_ticks
        self._channels: tuple[int, ...] = (GSR_CHANNEL,)
        self._buffer = b""
        self._ticks: int | None = None
        self._has_streamed = False

    def feed(self, data: bytes) -> tuple[Ack | Inquiry | Sample | Skipped, ...]:
        """Return what `data` completes, in order; it keeps less than one answer or two samples."""
        self._buffer += data
        found: list[Ack | Inquiry | Sample | Skipped] = []
        offset = skipped_from = 0
        while offset < len(self._buffer):
            item, n_bytes = self._read(offset)
            if n_bytes == 0:
                break  # the rest is to come
            if n_bytes < 0:
                self._ticks, offset = None, offset + 1
                continue
            if skipped_from < offset:
                found.append(Skipped(data=self._buffer[skipped_from:offset]))
            if item is not None:
                found.append(item)
            offset += n_bytes
            skipped_from = offset
        if skipped_from < offset:
            found.append(Skipped(data=self._buffer[skipped_from:offset]))
        self._buffer = self._buffer[offset:]
        return tuple(found)

    @property
    def _sample_bytes(self) -> int:
        return 1 + _STAMP_BYTES + sum(_CHANNEL_BYTES.get(channel, 2) for channel in self._channels)

    def _read(self, offset: int) -> tuple[Ack | Inquiry | Sample | None, int]:
        """Return what begins here and its length: 0 where it is not whole yet, -1 where nothing can begin so."""
        marker, n_left = self._buffer[offset], len(self._buffer) - offset
        if marker == _DATA:
            return self._read_sample(offset)
        if marker in (_ACK, _NACK):
            return Ack(is_taken=marker == _ACK), 1
        if marker == _INQUIRY and not self._has_streamed:  # later the byte is a piece of something else
            return self._read_inquiry(offset)
        if marker == _IN_STREAM:
            if n_left < 2:
                return None, 0
            n_tail = _TAILS_IN_STREAM.get(self._buffer[offset + 1])
            if n_tail is None:
                return None, -1
            return None, 2 + n_tail if n_left >= 2 + n_tail else 0
        return None, -1

    def _read_inquiry(self, offset: int) -> tuple[Inquiry | None, int]:
        head = self._buffer[offset : offset + _INQUIRY_HEAD_BYTES]
        if len(head) < _INQUIRY_HEAD_BYTES:
            return None, 0
        period_ticks, n_channels = int.from_bytes(head[1:3], "little"), head[10]
        if not period_ticks or n_channels > _MAX_CHANNELS:
            return None, -1
        n_bytes = _INQUIRY_HEAD_BYTES + n_channels
        channels = tuple(self._buffer[offset + _INQUIRY_HEAD_BYTES : offset + n_bytes])
        if len(channels) < n_channels:
            return None, 0
        self._channels, self._period_ticks = channels, period_ticks
        return Inquiry(period_ticks=period_ticks, channels=channels), n_bytes

    def _read_sample(self, offset: int) -> tuple[Sample | None, int]:
        size = self._sample_bytes
        raw = self._buffer[offset : offset + size]
        if len(raw) < size:
            return None, 0
        ticks, after = self._ticks_at(offset), offset + size
        if self._buffer[after : after + 1] not in _MARKERS:
            return None, -1
        if self._ticks is not None:
            if not self._is_period((ticks - self._ticks) % N_TICKS):
                return None, -1
        elif len(self._buffer) < after + size:
            return None, 0  # nothing to compare it with but the one after it
        elif self._buffer[after] != _DATA or not self._is_period((self._ticks_at(after) - ticks) % N_TICKS):
            return None, -1
        self._ticks, self._has_streamed = ticks, True
        if GSR_CHANNEL not in self._channels:
            return None, size
        before = self._channels[: self._channels.index(GSR_CHANNEL)]
        at = 1 + _STAMP_BYTES + sum(_CHANNEL_BYTES.get(channel, 2) for channel in before)
        return Sample(ticks=ticks, raw=int.from_bytes(raw[at : at + 2], "little")), size

    def _ticks_at(self, offset: int) -> int:
        return int.from_bytes(self._buffer[offset + 1 : offset + 1 + _STAMP_BYTES], "little")

    def _is_period(self, step: int) -> bool:
        """Tell whether a step is one period or more of them."""
        n_periods = max(1, round(step / self._period_ticks))
        return step < N_TICKS // 2 and abs(step - n_periods * self._period_ticks) <= _STAMP_SLACK_TICKS
