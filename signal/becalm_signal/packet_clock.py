"""Clocks of live sensors: what all have that come in packets, and those with nothing but their arrival.

Session time is relative to the smallest latency of the link, which nobody on this side of the radio can know;
`error_ns` is about the rest. Where time may have passed unseen, the clock starts anew.
"""

from collections import deque
from collections.abc import Iterable

from becalm_protocol import limits
from becalm_protocol.derived import Beat
from becalm_protocol.events import SampleBlock
from becalm_protocol.units import NS_PER_S
from becalm_signal.envelope import Envelope
from becalm_signal.rate_watch import RateWatch

# Crystals of worn sensors are within 100 ppm, most within 50; twice that is the fastest honest drift.
CRYSTAL_SD = 50e-6
CRYSTAL_LIMIT = 200e-6
# A nominal sample rate is within 2 %, or its label is wrong.
RATE_SD = 0.01
RATE_LIMIT = 0.05
# Counted samples that would have waited longer than this in the radio were not sent: some in between are lost.
MAX_COUNTED_WAIT_NS = 5 * NS_PER_S
# So soon no beat is told yet that it would move back to place the very first packet anew, as its last piece comes.
MOVABLE_NS = 2 * NS_PER_S


def session_time(t_ns: float) -> int:
    """Round, and keep an odd clock within the times that a session can have.

    Parameters
    ----------
    t_ns : session time in ns

    Returns
    -------
    whole ns
    """
    whole_ns = round(t_ns)
    if abs(whole_ns) <= limits.MAX_SESSION_NS:
        return whole_ns
    return limits.MAX_SESSION_NS if whole_ns > 0 else -limits.MAX_SESSION_NS


class PacketClock:
    """Positions between packets by straight lines through (last position, stream time, session time, error) of each."""

    def __init__(self, rate_hz: float, *, drift_sd: float, drift_limit: float) -> None:
        self._period_ns = NS_PER_S / rate_hz
        self._drifts = (drift_sd, drift_limit)
        self._knots: deque[tuple[int, float, float, float]] = deque(maxlen=1024)
        self.rate_since: float | None = None
        """Where samples began to come at another rate, if the newest block told of one; minus infinity: always."""
        self._begin_envelope()

    @property
    def rate_hz(self) -> float:
        """The rate that samples are counted at, without what arrivals teach little by little."""
        return NS_PER_S / self._period_ns

    def restart(self) -> None:
        """Forget the packets so far."""
        self._knots.clear()

    def stream_ns(self, at: float) -> float:
        """Return nanoseconds on the stream's own clock."""
        return self._between(at, 1, slope=self._period_ns)

    def session_ns(self, at: float) -> int:
        """Return nanoseconds of session time."""
        return session_time(self._between(at, 2, slope=self._period_ns))

    def position(self, t_ns: int) -> float:
        """Return the position at a session time."""
        return self._between(t_ns, 0, by=2, slope=1.0 / self._period_ns)

    def error_ns(self, at: float) -> float:
        """Return the half width of a 95 % interval of `session_ns`, the link's smallest latency left out."""
        return max(0.0, self._between(at, 3, slope=0.0))

    def _begin_envelope(self) -> None:
        drift_sd, drift_limit = self._drifts
        self._envelope = Envelope(drift_sd=drift_sd, drift_limit=drift_limit)

    def _between(self, x: float, column: int, *, by: int = 0, slope: float) -> float:
        """Return a column where the one to go by is x; outside of the packets it changes by a slope."""
        later = self._knots[-1]
        for knot in reversed(self._knots):
            if knot[by] < x and later[by] > knot[by]:
                share = (x - knot[by]) / (later[by] - knot[by])
                return knot[column] + share * (later[column] - knot[column])
            later = knot
        return later[column] + slope * (x - later[by])

    def _add(self, last: int, *, stream_ns: float, clock_ns: float, received_ns: int) -> None:
        """Place a packet; `clock_ns`: its time as the envelope counts it."""
        error_ns = self._envelope.error_ns(clock_ns)
        offset_ns = clock_ns + self._envelope.offset_ns(clock_ns)
        # Nothing was measured after it arrived, whatever the label says of the rate.
        session_ns = min(offset_ns, received_ns + error_ns)
        if self._knots and last > self._knots[-1][0]:
            # Time never runs back, however far a first estimate of the offset was off.
            before = self._knots[-1]
            session_ns = max(session_ns, before[2] + 0.5 * (stream_ns - before[1]))
        self._knots.append((last, stream_ns, session_ns, error_ns + abs(session_ns - offset_ns)))


class ArrivalClock(PacketClock):
    """No stamps: samples are counted, and their period is learned from the quickest arrivals, within 5 % of nominal.

    A label that is further off is found out within ten seconds, and so is a rate that changes under way.
    """

    def __init__(self, rate_hz: float, *, is_rate_known: bool = False) -> None:
        super().__init__(rate_hz, drift_sd=RATE_SD, drift_limit=RATE_LIMIT)
        self._counted_ns = 0.0
        self._received_ns: int | None = None
        self._watch = RateWatch(is_right=is_rate_known)
        self._n_movable = 0 if is_rate_known else round(MOVABLE_NS / self._period_ns)
        self._last_movable = 0
        self._watched_ns = 0.0
        """Counted on where a break was taken for lost samples: a wrong rate looks like many of them."""

    @property
    def is_rate_known(self) -> bool:
        """Whether arrivals have told the rate by now."""
        return self._watch.is_right

    def heed(self, beats: Iterable[Beat]) -> None:
        """Take beats as witnesses of the rate."""
        for beat in beats:
            n_since = self._knots[-1][0] - self.position(beat.t_ns)
            counted_ns = self._watched_ns - n_since * self._period_ns
            self._watch.witness.hear(counted_ns, follows_on=beat.rr_ms is not None)

    def accept(self, block: SampleBlock) -> bool:
        """Extend the even scale by this block and learn its period from the arrival."""
        self.rate_since = None
        last = block.first_sample_idx + len(block.counts) - 1
        if not self._knots:
            self._watch.feed(self._watched_ns, block.received_ns)
            self._begin(last, received_ns=block.received_ns)
            return True
        before = self._knots[-1]
        step_ns = (last - before[0]) * self._period_ns
        clock_ns = self._counted_ns + step_ns
        self._watched_ns += step_ns
        share = self._watch.feed(self._watched_ns, block.received_ns, drift=self._envelope.drift)
        if share:
            self.rate_since = last + 1 - (self._watched_ns - self._watch.since_ns) / self._period_ns
            self._period_ns *= (1.0 + share) / (1.0 + self._envelope.drift)
            self.restart()
        elif abs(block.received_ns - clock_ns - self._envelope.offset_ns(clock_ns)) > MAX_COUNTED_WAIT_NS:
            self._begin_anew()  # what follows may still catch up: the pace of that is no drift
            self._envelope = Envelope(drift_sd=RATE_SD, drift_limit=2.0 * RATE_SD)
        if not self._knots:
            self._begin(last, received_ns=block.received_ns)
            return False
        self._counted_ns = clock_ns
        self._envelope.feed(clock_ns, block.received_ns)
        stream_ns = before[1] + step_ns * (1.0 + self._envelope.drift)
        if block.received_ns == self._received_ns and (len(self._knots) > 1 or last <= self._last_movable):
            self._knots.pop()  # one packet in several blocks: it is known by its last sample
        self._received_ns = block.received_ns
        self._add(last, stream_ns=stream_ns, clock_ns=clock_ns, received_ns=block.received_ns)
        return True

    def restart(self) -> None:
        """Forget positions; the learned period stays."""
        self._watch.restart()
        self._begin_anew()

    def _begin_anew(self) -> None:
        super().restart()
        self._n_movable = 0
        self._period_ns *= 1.0 + self._envelope.drift
        self._begin_envelope()

    def _begin(self, last: int, *, received_ns: int) -> None:
        self._counted_ns, self._received_ns, self._last_movable = 0.0, received_ns, last + self._n_movable
        self._envelope.feed(0.0, received_ns)
        self._add(last, stream_ns=0.0, clock_ns=0.0, received_ns=received_ns)
