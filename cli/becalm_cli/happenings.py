"""What happened to a signal at a moment, by the script of a virtual person."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_simulator.episode import (
    BELT_KINDS,
    BODY_KINDS,
    DROPOUTS,
    ECG_KINDS,
    RHYTHM_KINDS,
    SKIN_KINDS,
    Episode,
    EpisodeKind,
)
from becalm_simulator.heart import HeartBeat
from becalm_simulator.rhythm import BeatKind

NONE = "none"
AFTER = "after"
"""Nothing is under way, but something was within the last minute: the longest window of an index."""
AFTER_NS = 60 * NS_PER_S
DISTURBING: dict[SignalKind, frozenset[EpisodeKind]] = {
    SignalKind.ECG: ECG_KINDS | BODY_KINDS | RHYTHM_KINDS | {DROPOUTS[SignalKind.ECG]},
    SignalKind.RESPIRATION: BELT_KINDS | BODY_KINDS | {DROPOUTS[SignalKind.RESPIRATION]},
    SignalKind.SKIN_CONDUCTANCE: SKIN_KINDS | BODY_KINDS | {DROPOUTS[SignalKind.SKIN_CONDUCTANCE]},
}
"""What changes a signal: its own sensor's disturbances, and what the body goes through."""


class Happenings:
    """What happens to one signal, or to any (`kind` None)."""

    def __init__(self, episodes: Iterable[Episode], kind: SignalKind | None) -> None:
        kinds = frozenset().union(*DISTURBING.values()) if kind is None else DISTURBING[kind]
        self._episodes = [episode for episode in episodes if episode.kind in kinds]

    def at(self, t_ns: int) -> tuple[str, ...]:
        """Return the kinds under way, sorted; else "after" or "none"."""
        under_way = {e.kind.value for e in self._episodes if e.start_ns <= t_ns < e.end_ns}
        if under_way:
            return tuple(sorted(under_way))
        return (AFTER,) if any(0 <= t_ns - e.end_ns < AFTER_NS for e in self._episodes) else (NONE,)

    def of(self, kind: EpisodeKind) -> tuple[Episode, ...]:
        """Return the episodes of one kind."""
        return tuple(e for e in self._episodes if e.kind is kind)

    def is_under_way(self, kind: EpisodeKind, t_ns: int) -> bool:
        """Whether this happens at a time."""
        return any(e.kind is kind and e.start_ns <= t_ns < e.end_ns for e in self._episodes)

    def lasted_ns(self, kind: EpisodeKind, *, until_ns: int) -> int:
        """Return how much of this there was, overlaps counted once."""
        lasted_ns = covered_ns = 0
        for e in sorted((e for e in self._episodes if e.kind is kind), key=lambda e: e.start_ns):
            start_ns, end_ns = max(e.start_ns, covered_ns), min(e.end_ns, until_ns)
            lasted_ns += max(0, end_ns - start_ns)
            covered_ns = max(covered_ns, end_ns)
        return lasted_ns


def irregular_stretches(beats: Sequence[HeartBeat]) -> tuple[Episode, ...]:
    """Return when atria had no rhythm, whether that was staged or is the person's own."""
    stretches = []
    for is_irregular, run in groupby(beats, key=lambda beat: beat.kind is BeatKind.FIBRILLATION):
        first, *rest = run
        if is_irregular and rest:
            stretches.append(Episode(kind=EpisodeKind.FIBRILLATION, start_ns=first.t_ns, end_ns=rest[-1].t_ns))
    return tuple(stretches)
