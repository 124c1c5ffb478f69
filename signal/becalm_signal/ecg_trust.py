"""Is what was found a heart? Beats of a heart are alike in shape and size; those found in noise rarely are."""

from collections import deque

from becalm_signal.qrs_peak import Peak

# Hearts of 27 annotated and ICU records had so many within their first 5 s; white, muscle and mains noise rarely ever.
N_JUDGED = 5
N_STEADY = 3
# Where a heart has been heard before, its shapes are known, and fewer will do.
N_STEADY_AGAIN = 2
# So many beats without any trust: they are none.
N_DOUBTED = 8


class HeartTrust:
    """Holds beats back, at first and after `doubt`, until some of the last five are alike in kind and size.

    Notes
    -----
    Delay: none while trusted. Warm-up: three of five beats alike, two of them after `doubt`.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._held: deque[Peak] = deque(maxlen=N_DOUBTED)
        self._is_trusted = False
        self._n_needed = N_STEADY

    def doubt(self) -> None:
        """Hold back what comes until it has been steady again."""
        if self._is_trusted:
            self._is_trusted, self._n_needed = False, N_STEADY_AGAIN

    def restart(self) -> None:
        """Forget what is held: positions begin anew."""
        self._held.clear()

    @property
    def is_refused(self) -> bool:
        """Whether beats have come for long enough without being those of a heart."""
        return len(self._held) == N_DOUBTED

    @property
    def is_trusted(self) -> bool:
        """Whether what comes is told."""
        return self._is_trusted

    def hear(self, peak: Peak) -> list[Peak]:
        """Take a beat.

        Parameters
        ----------
        peak : as the detector told it

        Returns
        -------
        the beats to tell, oldest first
        """
        if self._is_trusted:
            return [peak]
        self._held.append(peak)
        alike = [k for k, held in enumerate(self._held) if held.kind is peak.kind]
        steady = [k for k in alike if self._held[k].is_steady and k >= len(self._held) - N_JUDGED]
        n_needed = N_STEADY if any(self._held[k].is_strange for k in steady) else self._n_needed
        if not peak.is_steady or len(steady) < n_needed:
            return []
        self._is_trusted = True
        # What the first steady one was like is told with it; at first, when none is placed well, not from farther back.
        first = max([k for k in alike if k < steady[0]], default=steady[0])
        if self._n_needed == N_STEADY:
            first = max(first, steady[0] - 1)
        while first and self._held[first - 1].is_usual:
            first -= 1
        told = list(self._held)[first:]
        self._held.clear()
        return told
