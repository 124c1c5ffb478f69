"""Clock of a live sensor that stamps its packets; where its stamps are none, samples are counted.

Jumping, repeated and reset stamps do not move time; where time may have passed unseen, the clock starts anew.
"""

from collections import deque
from collections.abc import Iterable

from becalm_protocol.derived import Beat
from becalm_protocol.events import SampleBlock
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.odd_pace import OddPace
from becalm_signal.packet_clock import CRYSTAL_LIMIT, CRYSTAL_SD, RATE_LIMIT, ArrivalClock, PacketClock
from becalm_signal.rate_watch import MAX_WAIT_NS

# A stamp may deviate from the expected packet length by a tenth or by 20 ms (stamps in whole milliseconds).
STAMP_TOLERANCE = 0.1
STAMP_SLACK_NS = 20 * NS_PER_MS
# A packet later than this behind an odd stamp may hide lost samples; a burst after a stall comes later still.
MAX_UNSEEN_NS = 250 * NS_PER_MS
# So many odd stamps in a row, no two alike, are no clock.
MAX_ODD = 8
PERIOD_SHARE = 0.05


class DeviceClock(PacketClock):
    """The sensor stamps the last sample of each packet. Intervals have the stamps' own error."""

    def __init__(self, rate_hz: float) -> None:
        super().__init__(rate_hz, drift_sd=CRYSTAL_SD, drift_limit=CRYSTAL_LIMIT)
        self._counter: ArrivalClock | None = None
        """Takes over where the stamps are no clock."""
        self._zero_ns: int | None = None
        """The stamp at stream time 0: an epoch in nanoseconds is too long for a float."""
        self._odd_ns: float | None = None
        self._n_odd = 0
        self._pace = OddPace()
        self._is_known = False
        """Whether stamps, or arrivals before them, have told the rate."""

    @property
    def is_rate_known(self) -> bool:
        """Whether stamps or arrivals have told the rate by now."""
        return self._is_known if self._counter is None else self._counter.is_rate_known

    def heed(self, beats: Iterable[Beat]) -> None:
        """Take beats as witnesses of the rate where samples are counted."""
        if self._counter is not None:
            self._counter.heed(beats)

    def accept(self, block: SampleBlock) -> bool:
        """Take the stamp, or count samples where it is odd; False: time may have passed that was not seen."""
        if self._counter is not None:
            fits = self._counter.accept(block)
            self.rate_since = self._counter.rate_since
            return fits
        self.rate_since = None
        last = block.first_sample_idx + len(block.counts) - 1
        fits = True
        if self._knots:
            before = self._knots[-1]
            expected_ns = before[1] + (last - before[0]) * self._period_ns
            if self._agrees(block, expected_ns=expected_ns, n_samples=last - before[0]):
                return True
            period_ns = self._pace.feed(block)
            fits = period_ns is None and self._count(block, last=last, expected_ns=expected_ns)
            if period_ns is not None:
                if abs(period_ns - self._period_ns) > RATE_LIMIT * self._period_ns:
                    before_ns = self._period_ns if self._is_known else None
                    self.rate_since = self._pace.since(period_ns, before_ns=before_ns)
                self._period_ns, self._is_known = period_ns, True
        else:
            self._pace.restart(block)
        if self._counter is not None:
            self._counter.accept(block)
        elif not fits or not self._knots:
            self._begin(block, last=last)
        return fits

    def restart(self) -> None:
        """Forget the packets so far, not the clock; stamps that were none get another chance."""
        if self._counter is not None:
            self._is_known, self._period_ns = self._counter.is_rate_known, NS_PER_S / self._counter.rate_hz
            self._counter, self._zero_ns = None, None
            self._knots = deque(maxlen=self._knots.maxlen)
        self._pace.restart()
        super().restart()

    def _agrees(self, block: SampleBlock, *, expected_ns: float, n_samples: int) -> bool:
        """Take a stamp that is where samples counted since the last packet put it."""
        if block.sensor_ns is None or self._zero_ns is None:
            return False
        stream_ns = float(block.sensor_ns - self._zero_ns)
        off_ns = stream_ns - expected_ns
        if abs(off_ns) > self._slack_ns(n_samples):
            return False
        if n_samples > 0:
            self._period_ns += PERIOD_SHARE * off_ns / n_samples
        self._odd_ns, self._n_odd = None, 0
        self._is_known = True
        self._pace.restart(block)
        self._envelope.feed(stream_ns, block.received_ns)
        last = block.first_sample_idx + len(block.counts) - 1
        self._add(last, stream_ns=stream_ns, clock_ns=stream_ns, received_ns=block.received_ns)
        return True

    def _count(self, block: SampleBlock, *, last: int, expected_ns: float) -> bool:
        """Go on by counting samples past an odd stamp, if the arrival leaves no room for lost or repeated ones."""
        late_ns = block.received_ns - expected_ns - self._envelope.offset_ns(expected_ns)
        slack_ns = self._slack_ns(last - self._knots[-1][0]) + self._envelope.error_ns(expected_ns)
        if not -slack_ns <= late_ns <= MAX_UNSEEN_NS + slack_ns:
            return False
        self._n_odd += 1
        if self._n_odd > MAX_ODD:
            self._counter = ArrivalClock(self.rate_hz, is_rate_known=self._is_known)
            self._knots = self._counter._knots
            return False
        if block.sensor_ns is not None and self._zero_ns is not None:
            odd_ns = block.sensor_ns - self._zero_ns - expected_ns
            if self._odd_ns is not None and abs(odd_ns - self._odd_ns) <= STAMP_SLACK_NS:
                # Two stamps that agree with each other: the device has set its clock.
                self._zero_ns = block.sensor_ns - round(expected_ns)
            self._odd_ns = odd_ns
        self._add(last, stream_ns=expected_ns, clock_ns=expected_ns, received_ns=block.received_ns)
        return True

    def _begin(self, block: SampleBlock, *, last: int) -> None:
        """Begin anew at this packet; on the same clock as before if its stamp fits the arrival."""
        self._knots.clear()
        self._odd_ns, self._n_odd = None, 0
        stamp_ns = block.received_ns if block.sensor_ns is None else block.sensor_ns
        stream_ns = 0.0 if self._zero_ns is None else float(stamp_ns - self._zero_ns)
        late_ns = block.received_ns - stream_ns - self._envelope.offset_ns(stream_ns)
        early_ns = STAMP_SLACK_NS + self._envelope.error_ns(stream_ns)
        if self._zero_ns is None or not -early_ns <= late_ns <= MAX_WAIT_NS:
            self._zero_ns, stream_ns = stamp_ns, 0.0
            self._begin_envelope()
        self._envelope.feed(stream_ns, block.received_ns)
        self._add(last, stream_ns=stream_ns, clock_ns=stream_ns, received_ns=block.received_ns)

    def _slack_ns(self, n_samples: int) -> float:
        return max(STAMP_SLACK_NS, STAMP_TOLERANCE * n_samples * self._period_ns)
