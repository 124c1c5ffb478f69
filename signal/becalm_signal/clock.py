"""From sample positions to session time, one clock per stream; stated errors below each class.

`stream_ns` is for intervals (never moved by late packets), `session_ns` for placing values beside other sensors'.
Both take fractional positions and need `accept(block)` first, once for every block, in order.
"""

from collections import deque
from typing import Protocol

from becalm_protocol import limits
from becalm_protocol.events import Clock, SampleBlock, StreamInfo
from becalm_protocol.units import NS_PER_MS, NS_PER_S

# Time stamps of recordings are rounded in different ways; whole microseconds hide that and are below any sensor's own.
ANCHOR_STEP_NS = 1_000
# Crystals of worn sensors are within 100 ppm; twice that is the fastest honest drift of an offset.
DRIFT_LIMIT = 200e-6
# The first packets may have waited in the radio: until the lowest latency is known the offset may move 2 %.
SETTLING_LIMIT = 0.02
SETTLING_NS = 10 * NS_PER_S
ENVELOPE_NS = 30 * NS_PER_S
# A stamp may deviate from the expected packet length by a tenth or by 20 ms (stamps in whole milliseconds).
STAMP_TOLERANCE = 0.1
STAMP_SLACK_NS = 20 * NS_PER_MS


def session_time(t_ns: float) -> int:
    """Round to whole nanoseconds, and keep an odd clock within the times that a session can have."""
    return max(-limits.MAX_SESSION_NS, min(limits.MAX_SESSION_NS, round(t_ns)))


class StreamClock(Protocol):
    """Sample position to time."""

    def accept(self, block: SampleBlock) -> bool:
        """Learn from the next block; False: the clock jumped, nothing before this block can be compared with it."""

    def restart(self) -> None:
        """Forget the positions so far: the next block begins anew after a gap."""

    def stream_ns(self, at: float) -> float:
        """Return the time of a position on the stream's own even scale."""

    def session_ns(self, at: float) -> int:
        """Return the session time of a position."""


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

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._offset_ns = 0
        self._anchored = False

    def accept(self, block: SampleBlock) -> bool:
        """Anchor at the first block after the start or a gap."""
        if not self._anchored:
            last = block.first_sample_idx + len(block.counts) - 1
            stamp_ns = block.received_ns if block.sensor_ns is None else block.sensor_ns
            offset_ns = stamp_ns - self._elapsed_ns(last)
            self._offset_ns = (offset_ns + ANCHOR_STEP_NS // 2) // ANCHOR_STEP_NS * ANCHOR_STEP_NS
            self._anchored = True
        return True

    def restart(self) -> None:
        """Anchor again at the next block."""
        self._anchored = False

    def stream_ns(self, at: float) -> float:
        """Return nanoseconds, unrounded."""
        return self._offset_ns + at * NS_PER_S / self._rate_hz

    def session_ns(self, at: float) -> int:
        """Return nanoseconds."""
        return session_time(self._offset_ns + self._elapsed_ns(at))

    def _elapsed_ns(self, at: float) -> int:
        return round(at * NS_PER_S / self._rate_hz)


class LowerEnvelope:
    """Offset from one clock to session time: the lowest latency seen lately, moving no faster than crystals drift.

    Error: the smallest radio latency of the last 30 s (unknowable here, 5-50 ms on Bluetooth), plus 200 ppm of lag.
    """

    def __init__(self) -> None:
        self._lowest: deque[tuple[int, float]] = deque(maxlen=4096)
        self._offset_ns: float | None = None
        self._began_ns = 0
        self._seen_ns = 0

    def feed(self, clock_ns: float, received_ns: int) -> float:
        """Return the offset to add to `clock_ns`, given that it arrived at `received_ns`."""
        late_ns = received_ns - clock_ns
        lowest = self._lowest
        while lowest and lowest[-1][1] >= late_ns:
            lowest.pop()
        lowest.append((received_ns, late_ns))
        while lowest[0][0] < received_ns - ENVELOPE_NS:
            lowest.popleft()
        if self._offset_ns is None:
            self._offset_ns, self._began_ns = late_ns, received_ns
        else:
            settling = received_ns - self._began_ns < SETTLING_NS
            reach = max(0, received_ns - self._seen_ns) * (SETTLING_LIMIT if settling else DRIFT_LIMIT)
            self._offset_ns += max(-reach, min(reach, lowest[0][1] - self._offset_ns))
        self._seen_ns = received_ns
        return self._offset_ns


class PacketClock:
    """Positions between packets by straight lines through (last position, stream time, session time) of each packet."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = NS_PER_S / rate_hz
        self._knots: deque[tuple[int, float, float]] = deque(maxlen=1024)
        self._envelope = LowerEnvelope()

    def restart(self) -> None:
        """Forget the packets so far."""
        self._knots.clear()

    def stream_ns(self, at: float) -> float:
        """Return nanoseconds on the stream's own clock."""
        return self._between(at, 1)

    def session_ns(self, at: float) -> int:
        """Return nanoseconds of session time."""
        return session_time(self._between(at, 2))

    def _between(self, at: float, column: int) -> float:
        later = self._knots[-1]
        for knot in reversed(self._knots):
            if knot[0] < at and later[0] > knot[0]:
                share = (at - knot[0]) / (later[0] - knot[0])
                return knot[column] + share * (later[column] - knot[column])
            later = knot
        return later[column] + (at - later[0]) * self._period_ns

    def _add(self, last: int, *, stream_ns: float, received_ns: int) -> None:
        session_ns = stream_ns + self._envelope.feed(stream_ns, received_ns)
        if self._knots and last > self._knots[-1][0]:
            # Time never runs back, however far a first estimate of the offset was off.
            before = self._knots[-1]
            session_ns = max(session_ns, before[2] + 0.5 * (stream_ns - before[1]))
        self._knots.append((last, stream_ns, session_ns))


class DeviceClock(PacketClock):
    """The sensor stamps the last sample of each packet. Error: intervals the stamps' own, session `LowerEnvelope`."""

    def __init__(self, rate_hz: float) -> None:
        super().__init__(rate_hz)
        self._zero_ns: int | None = None

    def accept(self, block: SampleBlock) -> bool:
        """Take the stamp; a stamp that does not fit the one before starts the clock anew."""
        last = block.first_sample_idx + len(block.counts) - 1
        stamp_ns = self._stamp_ns(block)
        fits = True
        if self._knots:
            before = self._knots[-1]
            expected_ns = (last - before[0]) * self._period_ns
            slack_ns = max(STAMP_SLACK_NS, STAMP_TOLERANCE * expected_ns)
            fits = abs(stamp_ns - before[1] - expected_ns) <= slack_ns
            if not fits:
                self._knots.clear()
                self._envelope = LowerEnvelope()
                self._zero_ns = None
                stamp_ns = self._stamp_ns(block)
        self._add(last, stream_ns=stamp_ns, received_ns=block.received_ns)
        return fits

    def _stamp_ns(self, block: SampleBlock) -> float:
        """Return the stamp counted from the first one: an epoch in nanoseconds is too long for a float."""
        stamp_ns = block.received_ns if block.sensor_ns is None else block.sensor_ns
        if self._zero_ns is None:
            self._zero_ns = stamp_ns
        return float(stamp_ns - self._zero_ns)


class ArrivalClock(PacketClock):
    """No stamps: positions times a period learned from arrivals. Error: latency jitter / 60 s, and `LowerEnvelope`.

    The period is the slope of arrival over position, least squares, forgetting over about 60 s, within 5 % of nominal.
    """

    MEMORY_NS = 60 * NS_PER_S

    def __init__(self, rate_hz: float) -> None:
        super().__init__(rate_hz)
        self._nominal_ns = self._period_ns
        self._origin: tuple[int, int] | None = None
        self._sums = [0.0] * 5

    def accept(self, block: SampleBlock) -> bool:
        """Extend the even scale by this block and learn its period from the arrival."""
        last = block.first_sample_idx + len(block.counts) - 1
        if self._origin is None:
            self._origin = (last, block.received_ns)
        if self._knots:
            before = self._knots[-1]
            stream_ns = before[1] + (last - before[0]) * self._period_ns
            if block.received_ns - self._session_guess(stream_ns) > 5 * NS_PER_S:
                self._forget(last, block.received_ns)
                stream_ns = float(block.received_ns)
                self._add(last, stream_ns=stream_ns, received_ns=block.received_ns)
                return False
        else:
            stream_ns = float(block.received_ns)
        self._learn(last, block)
        self._add(last, stream_ns=stream_ns, received_ns=block.received_ns)
        return True

    def restart(self) -> None:
        """Forget positions; the learned period stays."""
        super().restart()
        self._envelope = LowerEnvelope()
        self._origin = None
        self._sums = [0.0] * 5

    def _session_guess(self, stream_ns: float) -> float:
        return stream_ns + self._knots[-1][2] - self._knots[-1][1]

    def _forget(self, last: int, received_ns: int) -> None:
        self.restart()
        self._origin = (last, received_ns)

    def _learn(self, last: int, block: SampleBlock) -> None:
        if self._origin is None:
            return
        keep = max(0.0, 1.0 - len(block.counts) * self._nominal_ns / self.MEMORY_NS)
        x = (last - self._origin[0]) * self._nominal_ns / NS_PER_S
        y = (block.received_ns - self._origin[1]) / NS_PER_S
        terms = (1.0, x, y, x * x, x * y)
        self._sums = [keep * total + term for total, term in zip(self._sums, terms, strict=True)]
        n, sx, sy, sxx, sxy = self._sums
        spread = n * sxx - sx * sx
        if x > SETTLING_NS / NS_PER_S and spread > 0.0:
            slope = (n * sxy - sx * sy) / spread
            self._period_ns = self._nominal_ns * max(0.95, min(1.05, slope))
