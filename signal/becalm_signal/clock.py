"""From sample positions to session time, one clock per stream, each with its error.

`stream_ns` is for intervals (never moved by late packets), `session_ns` for placing values beside other sensors'.
Both take fractional positions and need `accept(block)` first, once for every block, in order.
"""

from collections.abc import Iterable
from typing import Protocol

from becalm_protocol.derived import Beat
from becalm_protocol.events import Clock, SampleBlock, StreamInfo
from becalm_protocol.limits import MAX_SESSION_NS
from becalm_protocol.units import NS_PER_S
from becalm_signal.device_clock import DeviceClock
from becalm_signal.packet_clock import ArrivalClock, session_time

# Time stamps of recordings are rounded in different ways; whole microseconds hide that and are below any sensor's own.
ANCHOR_STEP_NS = 1_000


class StreamClock(Protocol):
    """Sample position to time."""

    @property
    def is_rate_known(self) -> bool:
        """Whether something besides the label tells the rate by now; a recording has nothing else."""

    @property
    def rate_hz(self) -> float:
        """The rate that samples are counted at."""

    @property
    def rate_since(self) -> float | None:
        """Where samples began to come at another rate, if the newest block told of one; minus infinity: always."""

    def accept(self, block: SampleBlock) -> bool:
        """Learn from the next block; False: the clock jumped, nothing before this block can be compared with it."""

    def heed(self, beats: Iterable[Beat]) -> None:
        """Take beats: they may tell of the rate.

        Parameters
        ----------
        beats : provisional, of the blocks so far, in order
        """

    def restart(self) -> None:
        """Forget the positions so far: the next block begins anew after a gap."""

    def stream_ns(self, at: float) -> float:
        """Return the time of a position on the stream's own even scale.

        Parameters
        ----------
        at : position in samples since the start, also between two

        Returns
        -------
        in ns, unrounded
        """

    def session_ns(self, at: float) -> int:
        """Return the session time of a position.

        Parameters
        ----------
        at : position in samples since the start, also between two

        Returns
        -------
        in whole ns
        """

    def position(self, t_ns: int) -> float:
        """Return the position whose session time this is.

        Parameters
        ----------
        t_ns : session time in ns

        Returns
        -------
        in samples since the start, also between two
        """

    def error_ns(self, at: float) -> float:
        """Return how unsure `session_ns` is, the link's smallest latency left out.

        Parameters
        ----------
        at : position in samples since the start, also between two

        Returns
        -------
        half width of a 95 % interval, in ns
        """


def clock_for(info: StreamInfo) -> StreamClock:
    """Return the clock that fits the stream."""
    rate_hz = info.sample_rate_hz or 1.0
    if info.clock is Clock.SESSION:
        return RecordingClock(rate_hz)
    if info.clock is Clock.DEVICE:
        return DeviceClock(rate_hz)
    return ArrivalClock(rate_hz)


class RecordingClock:
    """Sample n is exactly n periods after sample 0. Error: the recording's own, and at most 0.5 us of rounding."""

    is_rate_known = True
    rate_since = None

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self._offset_ns = 0
        self._anchored = False

    def accept(self, block: SampleBlock) -> bool:
        """Anchor at the first block after the start or a gap."""
        if not self._anchored:
            last = block.first_sample_idx + len(block.counts) - 1
            stamp_ns = block.received_ns if block.sensor_ns is None else block.sensor_ns
            offset_ns = stamp_ns - round(last * NS_PER_S / self.rate_hz)
            self._offset_ns = (offset_ns + ANCHOR_STEP_NS // 2) // ANCHOR_STEP_NS * ANCHOR_STEP_NS
            self._anchored = True
        return True

    def heed(self, beats: Iterable[Beat]) -> None:
        """Take beats; nothing is in doubt that they could tell of."""

    def restart(self) -> None:
        """Anchor again at the next block."""
        self._anchored = False

    def stream_ns(self, at: float) -> float:
        """Return nanoseconds, unrounded."""
        return self._offset_ns + at * NS_PER_S / self.rate_hz

    def session_ns(self, at: float) -> int:
        """Return nanoseconds."""
        t_ns = self._offset_ns + round(at * NS_PER_S / self.rate_hz)
        return t_ns if -MAX_SESSION_NS <= t_ns <= MAX_SESSION_NS else session_time(t_ns)

    def position(self, t_ns: int) -> float:
        """Return samples."""
        return (t_ns - self._offset_ns) * self.rate_hz / NS_PER_S

    def error_ns(self, at: float) -> float:  # noqa: ARG002 - the same everywhere
        """Return the rounding of the anchor."""
        return ANCHOR_STEP_NS / 2
