"""Session time on this machine: the offset of the quickest round trip (RFC 5905 section 8)."""

from collections import deque

from becalm_protocol.events import value

# The quickest of eight trips two seconds apart: a phone's radio gives at least one quick one in 16 s, and 50 ppm of
# drift in 16 s is 0.8 ms.
N_TRIPS = 8
# Beyond its own error a newer trip may differ by scheduling and drift only; more means that the other clock stepped.
STEP_NS = 50_000_000
# A frame cannot arrive before it was published; that floor is trusted as long as it is fresh.
FLOOR_FRESH_NS = 3_000_000_000


@value
class _Trip:
    offset_ns: int
    round_trip_ns: int


class SessionClock:
    """Maps the local monotonic clock to session time; unknown until the first answer within a session."""

    def __init__(self) -> None:
        self._trips: deque[_Trip] = deque(maxlen=N_TRIPS)
        self._floor: tuple[int, int] | None = None

    @property
    def n_trips(self) -> int:
        """Round trips behind the present estimate."""
        return len(self._trips)

    @property
    def round_trip_ns(self) -> int | None:
        """Length of the quickest trip; half of it bounds the error of the offset."""
        return min((trip.round_trip_ns for trip in self._trips), default=None)

    def reset(self) -> None:
        """Forget everything: another session has another zero."""
        self._trips.clear()
        self._floor = None

    def add_round_trip(self, *, sent_ns: int, received_ns: int, clock_ns: int) -> None:
        """Take one answered ping: local times of sending and receiving, and the session time between them."""
        round_trip_ns = received_ns - sent_ns
        if round_trip_ns < 0:
            return
        trip = _Trip(offset_ns=clock_ns - (sent_ns + round_trip_ns // 2), round_trip_ns=round_trip_ns)
        best = self._best()
        if best and abs(trip.offset_ns - best.offset_ns) > (trip.round_trip_ns + best.round_trip_ns) // 2 + STEP_NS:
            self._trips.clear()
        self._trips.append(trip)

    def add_published(self, published_ns: int, *, received_ns: int) -> None:
        """Take the time at which a frame was published: session time is at least that when it arrives."""
        self._floor = (published_ns - received_ns, received_ns)

    def session_ns(self, now_ns: int) -> int | None:
        """Session time at the local time `now_ns`, None while unknown."""
        best = self._best()
        if best is None:
            return None
        offset_ns = best.offset_ns
        if self._floor and now_ns - self._floor[1] < FLOOR_FRESH_NS:
            offset_ns = max(offset_ns, self._floor[0])
        return now_ns + offset_ns

    def _best(self) -> _Trip | None:
        return min(self._trips, key=lambda trip: trip.round_trip_ns, default=None)
