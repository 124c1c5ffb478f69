"""From the server's monotonic clock to session time, by heartbeats (after RFC 5905 section 8)."""

import time
from collections import deque
from collections.abc import Callable

from becalm_protocol.units import NS_PER_MS, NS_PER_S

# The quickest of the last eight round trips is the least delayed one: 0.2 ms error at the 95th percentile on a LAN.
N_KEPT = 8
# Two honest samples disagree by at most half of both round trips; clocks that drift apart add microseconds.
TOLERANCE_NS = 2 * NS_PER_MS
# A slower answer says nothing about the offset.
MAX_ROUND_TRIP_NS = 10 * NS_PER_S


class ClockOffset:
    """Session time as the agent's clock has it now; falls back on the newest arrival until a heartbeat was answered."""

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._samples: deque[tuple[int, int]] = deque(maxlen=N_KEPT)
        self._by_arrival_ns: int | None = None

    @property
    def n_samples(self) -> int:
        """Answered heartbeats the estimate rests on."""
        return len(self._samples)

    @property
    def error_ns(self) -> int | None:
        """The most the estimate can be wrong by: half the quickest round trip."""
        return min(self._samples)[0] // 2 if self._samples else None

    def answered(self, *, sent_ns: int, clock_ns: int) -> None:
        """Learn from a heartbeat sent at `sent_ns` that told session time `clock_ns`."""
        now_ns = self._clock_ns()
        round_trip_ns = now_ns - sent_ns
        if not 0 <= round_trip_ns <= MAX_ROUND_TRIP_NS:
            return  # not an answer to any of our heartbeats
        offset_ns = clock_ns + round_trip_ns // 2 - now_ns
        if self._samples:
            best_trip_ns, best_offset_ns = min(self._samples)
            allowed_ns = (round_trip_ns + best_trip_ns) // 2 + TOLERANCE_NS
            if abs(offset_ns - best_offset_ns) > allowed_ns:
                self._samples.clear()  # the agent's clock jumped (suspended, or a recording at another speed)
        self._samples.append((round_trip_ns, offset_ns))

    def arrived(self, received_ns: int) -> None:
        """Learn that session time is at least `received_ns` by now."""
        bound_ns = received_ns - self._clock_ns()
        self._by_arrival_ns = bound_ns if self._by_arrival_ns is None else max(self._by_arrival_ns, bound_ns)

    def session_ns(self) -> int | None:
        """Return session time now; None before anything is known."""
        offset_ns = min(self._samples)[1] if self._samples else self._by_arrival_ns
        return None if offset_ns is None else self._clock_ns() + offset_ns
