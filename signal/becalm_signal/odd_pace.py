"""Stamps that do not fit the rate, but each other: a sensor whose rate is another."""

from collections import deque
from itertools import pairwise

from becalm_protocol.events import SampleBlock

# So many odd stamps at one pace, which is that of their arrivals too, are a sensor that changed its rate.
N_ODD = 4
SAME_PACE = 0.02
ARRIVAL_PACE = 0.3


class OddPace:
    """Finds the rate of packets in a row whose stamps are odd.

    Notes
    -----
    Delay and Warm-up: four packets.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._blocks: deque[SampleBlock] = deque(maxlen=N_ODD + 1)
        """The row, and the packet before it."""

    def restart(self, block: SampleBlock | None = None) -> None:
        """Begin again: the row is broken, here by a packet that is where it should be, or by the first one."""
        self._blocks.clear()
        if block is not None:
            self._blocks.append(block)

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
            self._blocks.clear()
            return None
        self._blocks.append(block)
        _, *row = self._blocks
        if len(row) < N_ODD or any(_end(b) <= _end(a) for a, b in pairwise(row)):
            return None
        paces = [_stamped_ns(a, b) / (_end(b) - _end(a)) for a, b in pairwise(row)]
        n_samples = _end(row[-1]) - _end(row[0])
        pace_ns = _stamped_ns(row[0], row[-1]) / n_samples
        arrival_ns = (row[-1].received_ns - row[0].received_ns) / n_samples
        if pace_ns <= 0.0 or max(paces) - min(paces) > 2.0 * SAME_PACE * pace_ns:
            return None
        return pace_ns if abs(arrival_ns - pace_ns) <= ARRIVAL_PACE * pace_ns else None

    def since(self, pace_ns: float, *, before_ns: float | None) -> float:
        """Return from where on samples came at the pace that `feed` has found.

        Parameters
        ----------
        pace_ns : that pace, a period in ns
        before_ns : the period before; None: it was never known

        Returns
        -------
        position in samples since the start, also between two
        """
        first, odd, *_ = self._blocks
        n_samples = _end(odd) - _end(first)
        off_ns = n_samples * pace_ns - _stamped_ns(first, odd)
        slack_ns = 2.0 * SAME_PACE * abs(n_samples) * pace_ns
        if abs(off_ns) <= slack_ns:
            return first.first_sample_idx if before_ns is None else _end(first)
        # The first odd packet may have begun at the rate before: so many of its samples.
        n_before = -1.0 if before_ns is None else off_ns / (pace_ns - before_ns)
        return _end(first) + n_before if 0.0 < n_before < n_samples else _end(odd)


def _end(block: SampleBlock) -> int:
    return block.first_sample_idx + len(block.counts)


def _stamped_ns(a: SampleBlock, b: SampleBlock) -> int:
    return (b.sensor_ns or 0) - (a.sensor_ns or 0)
