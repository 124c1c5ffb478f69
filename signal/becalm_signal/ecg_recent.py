"""The last seconds of an ECG, for what is asked of a beat once it is told."""

from collections.abc import Sequence

# As late as a beat of the learning time or of search-back is heard.
KEPT_S = 5.0


class RecentSamples:
    """Keeps the last five seconds and more, at their positions since the start.

    Notes
    -----
    Delay and Warm-up: none.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self._n_kept = round(KEPT_S * rate_hz)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap."""
        self._samples: list[float] = []
        self._first = 0

    def feed(self, samples: Sequence[float]) -> None:
        """Take samples.

        Parameters
        ----------
        samples : in the unit of the signal, shape (n_samples,)
        """
        self._samples += samples
        if len(self._samples) > 2 * self._n_kept:
            self._first += len(self._samples) - self._n_kept
            del self._samples[: -self._n_kept]

    def last(self, n_samples: int) -> list[float]:
        """Return the newest samples.

        Parameters
        ----------
        n_samples : how many

        Returns
        -------
        shape (n_samples,), shorter where they are not there
        """
        return self._samples[max(0, len(self._samples) - n_samples) :]

    def between(self, first: int, last: int) -> list[float]:
        """Return the samples of a stretch.

        Parameters
        ----------
        first, last : positions since the start; the last is not in it

        Returns
        -------
        shape (last - first,), shorter where they are not there
        """
        return self._samples[max(0, first - self._first) : max(0, last - self._first)]
