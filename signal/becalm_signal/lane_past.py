"""The last seconds of a live stream: heard once more where they turn out to have come at another rate."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from becalm_protocol.derived import SignalQuality
from becalm_signal.stage import Output, moment_ns

# A wrong label is found out within so long, mostly.
PAST_S = 6.0

Run = tuple[float, ...]


class Past:
    """Keeps runs of samples at their positions.

    Notes
    -----
    Delay and Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._runs: deque[tuple[int, Run]] = deque()

    def clear(self) -> None:
        """Forget everything: what comes does not follow on it."""
        self._runs.clear()

    def keep(self, at: int, run: Run, *, n_kept: int) -> None:
        """Take a run, and forget those that ended long before it.

        Parameters
        ----------
        at : position of its first sample
        run : samples in the unit of the signal, shape (n_samples,)
        n_kept : before so many samples
        """
        self._runs.append((at, run))
        while self._runs[0][0] < at - n_kept:
            self._runs.popleft()

    def since(self, position: float) -> Iterator[tuple[int, Run]]:
        """Yield position and samples of each run, without those before a position.

        Parameters
        ----------
        position : in samples since the start
        """
        for at, run in self._runs:
            n_before = math.ceil(position - at) if position > at else 0
            if n_before < len(run):
                yield at + n_before, run[n_before:]


def told_late(outputs: Iterable[Output], *, after_ns: int, lost_ns: int, now_ns: int) -> list[Output]:
    """Return what a stage says of samples that it heard once more: known now only, and nothing twice.

    Parameters
    ----------
    outputs : as the stage says them
    after_ns : the newest that was told at a rate that was right
    lost_ns : from when on the stage was said to be lost
    now_ns : the moment, session time in ns

    Returns
    -------
    the outputs, emitted now
    """
    told: list[Output] = []
    for event in outputs:
        emitted_ns = max(now_ns, event.emitted_ns)
        if isinstance(event, SignalQuality):
            told.append(replace(event, t_ns=max(lost_ns, event.t_ns), emitted_ns=emitted_ns))
        elif moment_ns(event) > after_ns:
            told.append(replace(event, emitted_ns=emitted_ns))
    return told
