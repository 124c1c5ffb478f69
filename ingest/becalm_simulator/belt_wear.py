"""What a belt shows of the pull of a chest: it slips, hangs loose, sticks, ends its range."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.units import NS_PER_S
from becalm_simulator.cough import coughed_n
from becalm_simulator.episode import BELT_KINDS, Episode, EpisodeKind, Script
from becalm_simulator.person import Person

Floats = NDArray[np.float64]
Pull = Callable[[NDArray[np.int64]], Floats]
# A loose belt loses more of its breath than of its rest tension: cloth still holds it.
LOOSE_TENSION_SHARE = 0.7
# Syllables make the chest wall tremble.
SYLLABLE_HZ = 4.5
SYLLABLE_N = 0.06
TALKING = frozenset({EpisodeKind.TALKING})


class BeltWear:
    """One belt on one chest; what it shows is a function of time."""

    def __init__(self, person: Person, script: Script) -> None:
        self._person = person
        self._script = script

    def force_n(self, t_ns: NDArray[np.int64], pull_n: Pull) -> Floats:
        """Return what the belt shows at ascending times; `pull_n` gives the pull of the chest at any times."""
        shown_n = pull_n(t_ns) + coughed_n(self._script, t_ns)
        for episode in self._script.within(TALKING | BELT_KINDS, int(t_ns[0]), last_ns=int(t_ns[-1])):
            inside = (t_ns >= episode.start_ns) & (t_ns < episode.end_ns)
            if np.any(inside):
                shown_n = np.where(inside, self._worn(shown_n, episode, t_ns=t_ns, pull_n=pull_n), shown_n)
        return np.maximum(shown_n, 0.0)

    def _worn(self, shown_n: Floats, episode: Episode, *, t_ns: NDArray[np.int64], pull_n: Pull) -> Floats:
        kind, amount, person = episode.kind, episode.amount, self._person
        if kind is EpisodeKind.BELT_SLIPPED:
            return shown_n - amount
        if kind is EpisodeKind.BELT_LOOSE:
            rest_n = (1.0 - LOOSE_TENSION_SHARE * amount) * person.belt_tension_n
            return rest_n + (1.0 - amount) * (shown_n - person.belt_tension_n)
        if kind is EpisodeKind.BELT_CLIPPED:
            return np.minimum(shown_n, person.belt_tension_n + (1.0 - amount) * person.belt_depth_n)
        if kind is EpisodeKind.BELT_STUCK:
            stuck_n = pull_n(np.asarray([episode.start_ns], dtype=np.int64))[0]
            return np.full(len(t_ns), stuck_n) if amount > 0.5 else shown_n
        return shown_n + amount * SYLLABLE_N * np.sin(2.0 * np.pi * SYLLABLE_HZ * t_ns / NS_PER_S)
