"""Coughs: the chest wall is thrown out and falls in, and everything worn on it shakes."""

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.units import NS_PER_S
from becalm_simulator.episode import EpisodeKind, Script

COUGHING = frozenset({EpisodeKind.COUGHING})
COUGH_PERIOD_S = 1.1


def coughed_n(script: Script, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how hard coughs pull a chest belt (N, below 0: let go) at ascending times, shape (n_samples,)."""
    total_n = np.zeros(len(t_ns))
    for episode in script.within(COUGHING, int(t_ns[0]), last_ns=int(t_ns[-1])):
        begin, end = np.searchsorted(t_ns, (episode.start_ns, episode.end_ns))
        within_s = (t_ns[begin:end] - episode.start_ns) / NS_PER_S % COUGH_PERIOD_S
        out, back = _bell((within_s - 0.15) / 0.04), _bell((within_s - 0.32) / 0.07)
        total_n[begin:end] += episode.amount * (out - 0.7 * back)
    return total_n


def _bell(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * x * x))
