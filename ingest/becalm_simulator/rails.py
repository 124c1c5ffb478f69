"""Readings that cannot move: a converter at the end of its range, or a stuck one, shows no noise of its own."""

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind
from becalm_simulator.episode import EpisodeKind, Script

CLIPPED = {
    SignalKind.ECG: frozenset({EpisodeKind.ECG_CLIPPED}),
    SignalKind.RESPIRATION: frozenset({EpisodeKind.BELT_CLIPPED}),
    SignalKind.SKIN_CONDUCTANCE: frozenset({EpisodeKind.SKIN_CLIPPED}),
}


def read_with_noise(
    shown: NDArray[np.float64], noise: NDArray[np.float64], *, t_ns: NDArray[np.int64], script: Script, kind: SignalKind
) -> NDArray[np.float64]:
    """Return a body's signal at ascending times with the sensor's noise, which ends where the range ends."""
    read = shown + noise
    if kind is SignalKind.RESPIRATION:
        read = np.where(script.amounts(EpisodeKind.BELT_STUCK, t_ns) > 0.5, shown, read)
    for episode in script.within(CLIPPED[kind], int(t_ns[0]), last_ns=int(t_ns[-1])):
        inside = (t_ns >= episode.start_ns) & (t_ns < episode.end_ns)
        # A rail is a level that comes again to the last bit; a living signal has no such level.
        levels, counts = np.unique(shown[inside], return_counts=True)
        rails = levels[counts > 1]
        if len(rails) > 0:
            end = float(np.max(np.abs(rails)))
            read = np.where(inside, np.where(np.isin(shown, rails), shown, np.clip(read, -end, end)), read)
    return read
