"""Does a stream come at the rate of its label? Told from arrivals, or from stamps that are odd in the same way."""

from collections import deque
from itertools import pairwise

from becalm_protocol.events import SampleBlock
from becalm_protocol.units import NS_PER_MS

# The quickest packet of such a stretch stands for it: a late one says nothing of the rate.
STRETCH_NS = 1_000 * NS_PER_MS
# So many steps between quickest packets, all one way and all alike, are a rate: a stall is one step, its burst another.
N_STEPS = 5
ALIKE = 2.0
# Within this share the label is right, and the clock learns the rest.
LEAST_SHARE = 0.05
# No sensor is this much quicker than its label; what comes quicker are arrivals that jump.
MOST_QUICKER = -0.98
# Quickest packets so far apart tell that it is; so many steps that it may not be.
CONFIRMING_NS = 1_500 * NS_PER_MS
N_DOUBTING = 3
# So many odd stamps at one pace, which is that of their arrivals too, are a sensor that changed its rate.
N_ODD = 4
SAME_PACE = 0.02
ARRIVAL_PACE = 0.3


class RateWatch:
    """Compares counted samples with their arrivals; a few packets are kept.

    Notes
    -----
    Delay and Warm-up: some 7 s.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, *, is_right: bool = False) -> None:
        self._stretches: deque[tuple[float, float]] = deque(maxlen=N_STEPS + 1)
        self._first: tuple[float, float] | None = None
        self._began_ns = 0
        self.is_right = is_right
        """Whether the label is known to be right by now: some 3 s from the beginning."""

    def restart(self) -> None:
        """Begin again: what is counted from now on cannot be compared with what was."""
        self._stretches.clear()
        self._first = None

    def feed(self, counted_ns: float, received_ns: int) -> float:
        """Take a packet.

        Parameters
        ----------
        counted_ns : time of its last sample by counting at the labelled rate
        received_ns : its arrival, session time in ns

        Returns
        -------
        by what share samples take longer than the label says; 0.0 while it may be right
        """
        late_ns = received_ns - counted_ns
        if received_ns < self._began_ns:
            self.restart()  # arrivals begin anew
        if not self._stretches or received_ns - self._began_ns >= STRETCH_NS:
            self.is_right = self._is_right()
            share = self._share()
            self._stretches.append((counted_ns, late_ns))
            self._began_ns = received_ns
            return share
        if late_ns < self._stretches[-1][1]:
            self._stretches[-1] = (counted_ns, late_ns)
        return 0.0

    def _is_right(self) -> bool:
        if self.is_right:
            self._first = None  # a doubt that comes later is not about what was confirmed
            return not self._is_off(N_DOUBTING)
        if not self._stretches:
            return False
        self._first = self._first or self._stretches[0]
        now_ns, late_now_ns = self._stretches[-1]
        return any(
            now_ns - then_ns >= CONFIRMING_NS and abs(late_now_ns - late_then_ns) < LEAST_SHARE * (now_ns - then_ns)
            for then_ns, late_then_ns in (self._first, *self._stretches)
        )

    def _share(self) -> float:
        if not self._is_off(N_STEPS):
            return 0.0
        self.is_right = True
        (then_ns, late_then_ns), (now_ns, late_now_ns) = self._stretches[1], self._stretches[-1]
        return (late_now_ns - late_then_ns) / (now_ns - then_ns)  # in the first step the rate may have changed

    def _is_off(self, n_steps: int) -> bool:
        """Whether all of the last steps tell alike that the label is wrong."""
        last = list(self._stretches)[-1 - n_steps :]
        steps = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(last) if b[0] > a[0]]
        sizes = [abs(step) for step in steps]
        one_way = len(steps) == n_steps and (min(steps) > 0.0 or MOST_QUICKER < min(steps) <= max(steps) < 0.0)
        return one_way and min(sizes) >= LEAST_SHARE and max(sizes) <= ALIKE * min(sizes)


class OddPace:
    """Stamps that do not fit the rate, but each other: fed with packets in a row whose stamps are odd.

    Notes
    -----
    Delay and Warm-up: four packets.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._packets: deque[tuple[int, int, int]] = deque(maxlen=N_ODD)

    def restart(self) -> None:
        """Begin again: the row is broken."""
        self._packets.clear()

    def feed(self, block: SampleBlock) -> float | None:
        """Take a packet whose stamp is odd.

        Parameters
        ----------
        block : with the sensor's stamp in ns

        Returns
        -------
        the period that it and the packets before agree on, in ns; None where they do not
        """
        if block.sensor_ns is None:
            self._packets.clear()
            return None
        self._packets.append((block.first_sample_idx + len(block.counts), block.sensor_ns, block.received_ns))
        if len(self._packets) < N_ODD or any(b[0] <= a[0] for a, b in pairwise(self._packets)):
            return None
        paces = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(self._packets)]
        first, last = self._packets[0], self._packets[-1]
        arrival_ns = (last[2] - first[2]) / (last[0] - first[0])
        pace_ns = (last[1] - first[1]) / (last[0] - first[0])
        if pace_ns <= 0.0 or max(paces) - min(paces) > 2.0 * SAME_PACE * pace_ns:
            return None
        return pace_ns if abs(arrival_ns - pace_ns) <= ARRIVAL_PACE * pace_ns else None
