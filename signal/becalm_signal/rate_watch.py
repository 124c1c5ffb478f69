"""Does a stream come at the rate of its label? Told from arrivals alone."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.rate_witness import GOES_ON, Cause, RateWitness

# Steps that are alike are a rate.
ALIKE = 2.0
# So are packets that are no farther from a line than by this share of what it rises or falls: jitter makes some 30 ms.
MOST_BENT = 0.1
# Within this share the label is right, and the clock learns the rest.
LEAST_SHARE = 0.05
# No sensor is this much quicker than its label; what comes quicker are arrivals that jump.
MOST_QUICKER = -0.98
# A rate is right where the newest of the quickest packets and two others, one so long before it, are on one line
# and none is sooner. What is off by less than a share of that time is on the line (30 ms in 2 s), and the line may be
# off the rate by less than another: jitter, and what is still to be learned.
CONFIRMING_NS = 2_000 * NS_PER_MS
N_ON_LINE = 3
ON_LINE_SHARE = 0.015
RIGHT_SHARE = 0.03
# So many steps tell that it may not be; and so many short ones where packets come later and later and a heart that
# would tell of a link does not go on as before.
N_DOUBTING = 3
N_DOUBTING_SOON = 4
# So many of the stretches before are remembered: what waited 5 s and catches up by LEAST_SHARE is late for as long.
N_KEPT = 100
# What is quicker than its label is soon earlier than packets ever were, by so much of what it has gained; what a link
# sends late after a stall never is.
BELOW_SHARE = 0.5
# The very first packets may have waited for the link themselves, for so long.
MOST_WAITED_NS = 500 * NS_PER_MS
# What is told of a rate counts from the packet that told it, if that came as those before.
MOST_ASTRAY_NS = 250 * NS_PER_MS

# No packet waits longer for its link: not after a break, not before a link that slows, whatever the heart says.
MAX_WAIT_NS = 30 * NS_PER_S

Packet = tuple[float, float]
"""What was counted by then, and how late it came."""


def _are_alike(packets: Sequence[Packet]) -> bool:
    """Whether every step between packets tells that the label is off, none twice as much as another."""
    steps = _steps(packets)
    sizes = [abs(step) for step in steps]
    return _are_one_way(steps) and min(sizes) >= LEAST_SHARE and max(sizes) <= ALIKE * min(sizes)


def _are_straight(packets: Sequence[Packet]) -> bool:
    """Whether packets come later and later, or ever sooner, evenly: all near the line from the first to the last."""
    if not _are_one_way(_steps(packets)):
        return False
    then_ns, late_then_ns = packets[0]
    slope = _slope(packets)
    astray = [abs(late_ns - late_then_ns - slope * (at_ns - then_ns)) for at_ns, late_ns in packets]
    return max(astray) <= MOST_BENT * abs(packets[-1][1] - late_then_ns)


def _slope(packets: Sequence[Packet]) -> float:
    (then_ns, late_then_ns), (now_ns, late_now_ns) = packets[0], packets[-1]
    return (late_now_ns - late_then_ns) / (now_ns - then_ns)


def _rises(row: Sequence[Packet]) -> bool:
    """Whether packets come later and later."""
    return bool(row) and row[-1][1] > row[0][1]


def _steps(packets: Sequence[Packet]) -> list[float]:
    return [(b[1] - a[1]) / (b[0] - a[0]) if b[0] > a[0] else 0.0 for a, b in pairwise(packets)]


def _are_one_way(steps: Sequence[float]) -> bool:
    return min(steps) > 0.0 or MOST_QUICKER < min(steps) <= max(steps) < 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How steps between quickest packets are taken for a rate: a stall is one step, its burst another."""

    stretch_ns: int
    """The quickest packet of such a stretch stands for it: a late one says nothing of the rate."""
    n_steps: int
    n_mixed: int
    """In so many of the first the rate may have changed."""
    least_share: float
    are_even: Callable[[Sequence[Packet]], bool]


SLOW = _Way(stretch_ns=1_000 * NS_PER_MS, n_steps=5, n_mixed=1, least_share=LEAST_SHARE, are_even=_are_alike)
# A rate that is far off is told sooner: over a shorter row that is straight.
SURE = _Way(stretch_ns=450 * NS_PER_MS, n_steps=7, n_mixed=2, least_share=0.15, are_even=_are_straight)


class _Stretches:
    """The quickest packets of the last stretches."""

    def __init__(self, way: _Way, *, n_kept: int) -> None:
        self.way = way
        self.packets: deque[Packet] = deque(maxlen=n_kept)
        self.began_ns = 0

    def take(self, newest: Packet, *, received_ns: int) -> bool:
        """Take a packet into the open stretch; False: it begins the next one, and is taken by `begin`."""
        packets = self.packets
        if not packets or received_ns - self.began_ns >= self.way.stretch_ns:
            return False
        if newest[1] < packets[-1][1]:
            packets[-1] = newest
        return True

    def begin(self, newest: Packet, *, received_ns: int) -> None:
        """Begin a stretch with this packet."""
        self.packets.append(newest)
        self.began_ns = received_ns

    def is_early(self) -> bool:
        """Whether the newest came clearly sooner than any before: no link does that, time is counted wrong."""
        if len(self.packets) < 2:
            return False
        *before, newest = self.packets
        drift_ns = LEAST_SHARE * (newest[0] - before[-1][0])
        return newest[1] < min(late_ns for _, late_ns in before) - MOST_ASTRAY_NS - drift_ns

    def row(self, n_steps: int | None = None) -> list[Packet]:
        """Return the ends of the last steps, if all of these tell alike that the label is wrong."""
        packets, way = self.packets, self.way
        n_steps = n_steps or way.n_steps
        if len(packets) <= n_steps:
            return []
        then, now = packets[-1 - n_steps], packets[-1]
        if abs(now[1] - then[1]) < way.least_share * (now[0] - then[0]):
            return []
        last = list(packets)[-1 - n_steps :]
        return last if way.are_even(last) else []


class RateWatch:
    """Compares counted samples with their arrivals; a few packets are kept.

    Notes
    -----
    Delay and Warm-up: some 7 s; some 4 s of a label that is too high by a fifth or more, of a rate that rises so, and
    of one that falls by a third or more while a steady heart is heard.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, *, is_right: bool = False) -> None:
        self.is_right = is_right
        """Whether the label is known to be right by now: some 2 to 3 s from the beginning."""
        self._was_right = is_right
        self.since_ns = -math.inf
        """The counted time since which the rate found last holds."""
        self._drift = 0.0
        self._is_vouched = True
        """Whether the rate is the label's, or the heart has told of it: what arrivals alone told may be a link."""
        self.witness = RateWitness()
        self.restart()

    def restart(self) -> None:
        """Begin again: what is counted from now on cannot be compared with what was."""
        self._slow = _Stretches(SLOW, n_kept=N_KEPT)
        self._sure = _Stretches(SURE, n_kept=2 * SURE.n_steps)
        self._slows_since: Packet | None = None
        """The packet since which they come later and later."""
        self._is_link = False
        """Whether the heart has told that they do so by the link."""
        self.witness.restart()

    def feed(self, counted_ns: float, received_ns: int, *, drift: float = 0.0) -> float:
        """Take a packet.

        Parameters
        ----------
        counted_ns : time of its last sample by counting at the labelled rate
        received_ns : its arrival, session time in ns
        drift : by what share samples are known to take longer, of those that the label is right within

        Returns
        -------
        by what share samples take longer than the label says; 0.0 while it may be right
        """
        if received_ns < self._slow.began_ns:
            self.restart()  # arrivals begin anew
        self._drift = drift
        share, newest = 0.0, (counted_ns, received_ns - counted_ns)
        if not self._sure.take(newest, received_ns=received_ns):
            self.is_right = self.is_right or self._is_link or _are_level(self._sure.packets, drift=drift)
            share = self._share(self._sure, newest)
            row = self._sure.row(N_DOUBTING_SOON)
            if self._may_ask(row) and self.witness.is_steady(row[0][0]):
                self.is_right = self.is_right and self._cause(row) in GOES_ON
            self._sure.begin(newest, received_ns=received_ns)
        if not self._slow.take(newest, received_ns=received_ns):
            if not _rises(self._slow.row(1)):
                self._slows_since, self._is_link = None, False
            if self.is_right:
                self._was_right = True  # a doubt that comes later is not about what was confirmed
                row = self._slow.row(N_DOUBTING)
                self.is_right = not self._slow.is_early() and (not row or self._cause(row) in GOES_ON)
            share = share or self._share(self._slow, newest)
            self._slow.begin(newest, received_ns=received_ns)
        if share:
            self.is_right = self._was_right = True
        return share

    def _share(self, stretches: _Stretches, newest: Packet) -> float:
        row = stretches.row()
        if not row or self._is_drain(row):
            return 0.0
        cause = self._cause(row)
        if cause in GOES_ON or (stretches is self._sure and not self._is_sure(row, cause=cause)):
            return 0.0
        self._is_vouched = cause is Cause.RATE
        if self._was_right or len(stretches.packets) > len(row):
            row = row[stretches.way.n_mixed :]
            self.since_ns = row[0][0]
        else:
            self.since_ns = -math.inf
        (now_ns, late_now_ns), share = row[-1], _slope(row)
        if abs(newest[1] - late_now_ns - share * (newest[0] - now_ns)) > MOST_ASTRAY_NS:
            self.since_ns = newest[0]  # it is after a hole, or late: it tells no time of what came before
        return share

    def _is_sure(self, row: Sequence[Packet], *, cause: Cause | None) -> bool:
        """Whether a row cannot be a link that slows for some seconds, or catches up."""
        return self._was_right != _rises(row) or cause is Cause.RATE

    def _may_ask(self, row: Sequence[Packet]) -> bool:
        """Whether packets come later and later under a rate that the heart may speak for."""
        return self._was_right and self._is_vouched and _rises(row)

    def _cause(self, row: Sequence[Packet]) -> Cause | None:
        """Return what the heart says of packets that come later and later."""
        if not self._may_ask(row):
            return None
        if self._slows_since is None:
            self._slows_since = row[0]
        since_ns, late_then_ns = self._slows_since
        if row[-1][1] - min([late_then_ns, *[late_ns for _, late_ns in self._slow.packets]]) > MAX_WAIT_NS:
            return None
        if self._is_link and not self.witness.is_strange:
            return Cause.LINK
        cause = self.witness.cause(since_ns=since_ns, now_ns=row[-1][0], share=_slope(row))
        self._is_link = cause is Cause.LINK
        return cause

    def _is_drain(self, row: Sequence[Packet]) -> bool:
        """Whether a row is a link that catches up: packets were as soon before it, or it began late."""
        (then_ns, late_then_ns), (now_ns, late_now_ns) = row[0], row[-1]
        gained_ns = late_then_ns - late_now_ns
        if gained_ns <= 0.0:
            return False
        before = [packet for packet in self._slow.packets if packet[0] < then_ns] or row[:1]
        if not self._was_right:
            first_ns, late_first_ns = before[0]
            all_gained_ns = gained_ns * (now_ns - first_ns) / (now_ns - then_ns)
            return late_first_ns - late_now_ns < max(MOST_WAITED_NS, all_gained_ns - MOST_ASTRAY_NS)
        drift = min(0.0, self._drift)
        floor_ns = min([late_ns + drift * (now_ns - at_ns) for at_ns, late_ns in before])
        return late_now_ns > floor_ns - BELOW_SHARE * gained_ns


def _are_level(packets: Sequence[Packet], *, drift: float) -> bool:
    """Whether packets tell that a rate is right: the newest is on a line with others that it allows, none is sooner."""
    for then in packets:
        apart_ns = packets[-1][0] - then[0]
        if apart_ns >= CONFIRMING_NS:
            slope = (packets[-1][1] - then[1]) / apart_ns
            astray = [(late_ns - then[1] - slope * (at_ns - then[0])) / apart_ns for at_ns, late_ns in packets]
            n_on_line = sum([share <= ON_LINE_SHARE for share in astray])
            is_right = abs(slope) < LEAST_SHARE and abs(slope - drift) < RIGHT_SHARE
            if is_right and min(astray) >= -ON_LINE_SHARE and n_on_line >= N_ON_LINE:
                return True
    return False
