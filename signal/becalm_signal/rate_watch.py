"""Does a stream come at the rate of its label? Told from arrivals, or from stamps that are odd in the same way."""

import math
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from statistics import linear_regression

from becalm_protocol.events import SampleBlock
from becalm_protocol.units import NS_PER_MS

# Within this share the label is right, and the clock learns the rest.
LEAST_SHARE = 0.05
# Quickest packets so far apart tell that it is; so many steps that it may not be.
CONFIRMING_NS = 1_500 * NS_PER_MS
N_DOUBTING = 3
# So many odd stamps at one pace, which is that of their arrivals too, are a sensor that changed its rate.
N_ODD = 4
SAME_PACE = 0.02
ARRIVAL_PACE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How steps between quickest packets, all one way and all alike, are taken for a rate.

    A stall is one step, its burst another.
    """

    stretch_ns: int
    """The quickest packet of such a stretch stands for it: a late one says nothing of the rate."""
    least_share: float
    alike: float


N_STEPS = 5
SLOW = _Way(stretch_ns=1_000 * NS_PER_MS, least_share=LEAST_SHARE, alike=2.0)
# A rate that is far off is told sooner, by shorter steps that are more alike; one more where another one was right
# before, for a link that slows for some seconds looks like it.
N_SURE, N_SURE_CHANGED = 5, 6
QUICK = _Way(stretch_ns=450 * NS_PER_MS, least_share=0.2, alike=1.3)


class _Stretches:
    """The quickest packets of the last stretches: what was counted by then, and how late it came."""

    def __init__(self, way: _Way) -> None:
        self._way = way
        self.packets: deque[tuple[float, float]] = deque(maxlen=N_SURE_CHANGED + 1)
        self._end_ns = 0

    def take(self, counted_ns: float, received_ns: int) -> bool:
        """Take a packet into the open stretch; False: it begins the next one, and is taken by `begin`."""
        if not self.packets or received_ns >= self._end_ns:
            return False
        late_ns = received_ns - counted_ns
        if late_ns < self.packets[-1][1]:
            self.packets[-1] = (counted_ns, late_ns)
        return True

    def begin(self, counted_ns: float, received_ns: int) -> None:
        """Begin a stretch with this packet."""
        self._end_ns = received_ns + self._way.stretch_ns
        self.packets.append((counted_ns, received_ns - counted_ns))

    def are_off(self, n_steps: int) -> bool:
        """Whether all of the last steps tell alike that the label is wrong."""
        last = list(self.packets)[-1 - n_steps :]
        steps = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(last) if b[0] > a[0]]
        sizes = [abs(step) for step in steps]
        one_way = len(steps) == n_steps and (min(steps) > 0.0 or max(steps) < 0.0)
        return one_way and min(sizes) >= self._way.least_share and max(sizes) <= self._way.alike * min(sizes)


class RateWatch:
    """Compares counted samples with their arrivals; a few packets are kept.

    Notes
    -----
    Delay and Warm-up: some 7 s; 3 s where the rate is off by a fifth or more.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, *, is_right: bool = False) -> None:
        self._slow, self._quick = _Stretches(SLOW), _Stretches(QUICK)
        self._first: tuple[float, float] | None = None
        self.is_right = is_right
        """Whether the label is known to be right by now: some 3 s from the beginning."""
        self._was_right = is_right
        self.since_ns = -math.inf
        """The counted time since which the rate found last holds."""

    def restart(self) -> None:
        """Begin again: what is counted from now on cannot be compared with what was."""
        self._slow, self._quick = _Stretches(SLOW), _Stretches(QUICK)
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
        share = 0.0
        if not self._quick.take(counted_ns, received_ns):
            share = self._share(self._quick, n_steps=N_SURE_CHANGED if self._was_right else N_SURE)
            self._quick.begin(counted_ns, received_ns)
        if not self._slow.take(counted_ns, received_ns):
            self.is_right = bool(share) or self._is_right()
            share = share or self._share(self._slow, n_steps=N_STEPS)
            self._slow.begin(counted_ns, received_ns)
        return share

    def _is_right(self) -> bool:
        packets = self._slow.packets
        if self.is_right:
            self._first, self._was_right = None, True  # a doubt that comes later is not about what was confirmed
            return not self._slow.are_off(N_DOUBTING)
        if not packets:
            return False
        self._first = self._first or packets[0]
        now_ns, late_now_ns = packets[-1]
        return any(
            now_ns - then_ns >= CONFIRMING_NS and abs(late_now_ns - late_then_ns) < LEAST_SHARE * (now_ns - then_ns)
            for then_ns, late_then_ns in (self._first, *packets)
        )

    def _share(self, stretches: _Stretches, *, n_steps: int) -> float:
        if not stretches.are_off(n_steps):
            return 0.0
        packets = list(stretches.packets)[self._was_right - 1 - n_steps :]  # it may have changed in the first step
        self.since_ns = packets[0][0] if self._was_right else -math.inf
        self.is_right = self._was_right = True
        return linear_regression(*zip(*packets, strict=True)).slope


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
        self.since = 0
        """The position from which on the row is at its pace."""

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
        self.since = self._packets[0][0]
        if len(self._packets) < N_ODD or any(b[0] <= a[0] for a, b in pairwise(self._packets)):
            return None
        paces = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(self._packets)]
        first, last = self._packets[0], self._packets[-1]
        arrival_ns = (last[2] - first[2]) / (last[0] - first[0])
        pace_ns = (last[1] - first[1]) / (last[0] - first[0])
        if pace_ns <= 0.0 or max(paces) - min(paces) > 2.0 * SAME_PACE * pace_ns:
            return None
        return pace_ns if abs(arrival_ns - pace_ns) <= ARRIVAL_PACE * pace_ns else None
