"""Frames out of a stream of bytes that notifications cut anywhere, and how many of them are missing."""

from becalm_ingest.devices.bitalino_frames import (
    MAX_STATE_BYTES,
    N_SEQUENCE,
    BoardState,
    Frame,
    crc4,
    frame_bytes,
    parse_frame,
    parse_state,
)
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

# One check of 4 bits lets every 16th piece of noise pass; three in a row, numbered in a row, one in a million.
_CONFIRMED_BY = 3
# Crystals are within 100 ppm: the lowest latency seen may rise twice as fast, so that it keeps up with a slow board.
_DRIFT_LIMIT = 200e-6
# A round of 16 lost frames leaves the number as it was. It shows as a lag that even the quickest of 3 s have; links
# alone make all of them no more than a tenth of a second later than before.
_LAG_STAYS_NS = 3 * NS_PER_S
_LEAST_LAG_FRAMES = 12.0
_LEAST_LAG_S = 0.15


@value
class Skipped:
    """Bytes that are no frame."""

    data: bytes


class FrameStream:
    """Finds the frames of `n_channels` channels."""

    def __init__(self, n_channels: int) -> None:
        self._n_channels = n_channels
        self._size = frame_bytes(n_channels)
        self._buffer = b""
        self._in_step = False

    def feed(self, data: bytes) -> tuple[Frame | BoardState | Skipped, ...]:
        """Return what `data` completes, in order; it keeps less than three frames."""
        self._buffer += data
        found: list[Frame | BoardState | Skipped] = []
        offset, n_bytes = 0, len(self._buffer)
        while True:
            if self._in_step:
                frame = self._frame_at(offset)
                if frame is not None:
                    found.append(frame)
                    offset += self._size
                    continue
                if n_bytes - offset < self._size:
                    break
                self._in_step = False
            here = self._search(offset)
            if here > offset:
                found.append(Skipped(data=self._buffer[offset:here]))
                offset = here
            state = None if self._in_step else self._state_at(offset)
            if state is not None:
                found.append(state)
                offset += state.n_bytes
            elif not self._in_step:
                break
        self._buffer = self._buffer[offset:]
        return tuple(found)

    def _state_at(self, offset: int) -> BoardState | None:
        return parse_state(self._buffer[offset : offset + MAX_STATE_BYTES])

    def _frame_at(self, offset: int) -> Frame | None:
        raw = self._buffer[offset : offset + self._size]
        return parse_frame(raw, n_channels=self._n_channels) if len(raw) == self._size else None

    def _search(self, offset: int) -> int:
        """Return where something begins or may begin; in step with it where frames follow each other."""
        last = len(self._buffer) - _CONFIRMED_BY * self._size
        while offset <= last:
            if self._state_at(offset) is not None:
                return offset
            if self._is_confirmed(offset):
                self._in_step = True
                return offset
            offset += 1
        return offset

    def _is_confirmed(self, offset: int) -> bool:
        """Tell whether frames follow each other from here on."""
        size, sequence = self._size, self._buffer[offset + self._size - 1] >> 4
        for n in range(_CONFIRMED_BY):
            raw = self._buffer[offset + n * size : offset + (n + 1) * size]
            if raw[-1] >> 4 != (sequence + n) % N_SEQUENCE or raw[-1] & 0x0F != crc4(raw):
                return False
        return True


class FrameCount:
    """Counts frames by their number, which tells what is missing but for whole rounds, and by their arrival."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = NS_PER_S / rate_hz
        self._noted_lag = max(_LEAST_LAG_FRAMES, _LEAST_LAG_S * rate_hz)
        self._sequence: int | None = None
        self._frame_idx = 0
        self._origin_ns = 0.0
        self._received_ns = 0
        self._least_lag: float | None = None
        self._lagging_since_ns = 0

    def take(self, sequence: int, *, received_ns: int) -> int | None:
        """Return how many frames are missing before the next one; None for the first."""
        before, self._sequence = self._sequence, sequence
        if before is None:
            self._origin_ns, self._received_ns = float(received_ns), received_ns
            self._lagging_since_ns = received_ns
            return None
        n_steps = (sequence - before - 1) % N_SEQUENCE + 1
        n_steps += N_SEQUENCE * self._rounds_lost(received_ns, frame_idx=self._frame_idx + n_steps)
        self._frame_idx += n_steps
        self._origin_ns += _DRIFT_LIMIT * max(0, received_ns - self._received_ns)
        self._origin_ns = min(self._origin_ns, received_ns - self._frame_idx * self._period_ns)
        self._received_ns = received_ns
        return n_steps - 1

    def _rounds_lost(self, received_ns: int, *, frame_idx: int) -> int:
        """Return how many rounds the frames have lagged behind the lowest latency for long enough."""
        lag = (received_ns - self._origin_ns) / self._period_ns - frame_idx
        self._least_lag = lag if self._least_lag is None else min(self._least_lag, lag)
        if received_ns - self._lagging_since_ns < _LAG_STAYS_NS:
            return 0
        stayed, self._least_lag, self._lagging_since_ns = self._least_lag, None, received_ns
        return round(stayed / N_SEQUENCE) if stayed >= self._noted_lag else 0
