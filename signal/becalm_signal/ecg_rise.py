"""Noise that is there at once: until a beat shows through it, nobody knows whether electrodes are still on a body."""

import math
from collections import deque
from collections.abc import Sequence

# This much louder than between the last beats: white, muscle or mains noise of free electrodes is 10 and more.
RISEN = 4.0
# For longer than a wide QRS lasts, and longer than anything between the last beats has.
LEAST_S = 0.2
LONGER = 1.5
N_BEATS = 4
# A quieter bend takes away two louder ones: a wave crosses its own middle, a QRS has an end.
QUIET_COUNTS = 1
# Noise may last for minutes; so much calm is the end of it however long it was.
MOST_S = 1.0


class NoiseRise:
    """Counts loud bends (second differences) in a row; `rose_at` is the sample from which on a beat is asked for.

    What goes on being loud while beats go on is the usual noise after four of them.

    Notes
    -----
    Delay: 0.2 s. Warm-up: 4 beats.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._n_least = round(LEAST_S * rate_hz)
        self._n_most = round(MOST_S * rate_hz)
        self._calm: deque[float] = deque(maxlen=N_BEATS)
        self._longest: deque[int] = deque(maxlen=N_BEATS)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._calm.clear()
        self._longest.clear()
        self._loud = self._n_risen = math.inf
        self._n = self._most = 0
        self.rose_at: int | None = None

    def feed(self, bends: Sequence[float], *, first: int) -> None:
        """Take bends.

        Parameters
        ----------
        bends : second differences, in the unit of the signal, shape (n_samples,)
        first : sample of the first of them
        """
        loud, n, most, n_most = self._loud, self._n, self._most, self._n_most
        if n == 0 and max(bends, default=0.0) <= loud:
            return
        for at, bend in enumerate(bends, first):
            if bend > loud:
                n = n + 1 if n < n_most else n
                if n > most:
                    most = n
                    if n > self._n_risen and self.rose_at is None:
                        self.rose_at = at
            elif n:
                n = n - QUIET_COUNTS if n > QUIET_COUNTS else 0
        self._n, self._most = n, most

    def beat(self, at: float, *, calm: float) -> None:
        """Take a beat like those before.

        Parameters
        ----------
        at : its sample since the restart
        calm : loudest level between it and the one before
        """
        self._calm.append(calm)
        self._longest.append(self._most)
        self._most = self._n
        if len(self._calm) == N_BEATS:
            self._loud = RISEN * max(self._calm)
            self._n_risen = max(self._n_least, LONGER * max(self._longest))
        if self.rose_at is not None and at > self.rose_at - self._n_least:
            self.rose_at = None
