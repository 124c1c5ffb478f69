"""The differences between accepted neighbours of one window, and what lies between those that are none."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from becalm_protocol.units import NS_PER_MS
from becalm_signal.intervals import Interval

# A run of flags out of step so few intervals ago may be where a rhythm ends: what follows has not told yet.
FRESH_INTERVALS = 5
# What ended within a window may have begun before it: as many are missing at its beginning as fit, and one; to the
# nearest whole number that is half of one more.
EDGE_INTERVALS = 0.5


@dataclass(frozen=True, slots=True)
class Hole:
    """What lies between two accepted intervals that are no neighbours; an edge of the window is None."""

    before_ms: float | None
    after_ms: float | None
    inside_ms: tuple[float, ...]
    length_ms: float
    broken: bool
    """Nobody knows what was inside."""
    is_fresh: bool = False
    """Few intervals have come after it."""
    doubted: tuple[bool, ...] = ()
    """Which of those inside may end at sound beats."""
    is_irregular: bool = False
    """The heart has no rhythm there."""

    def n_beats(self, typical_ms: float) -> int:
        """Return how many intervals it most likely holds."""
        return max(1, round(self.length_ms / typical_ms))

    def n_unseen(self, typical_ms: float) -> int:
        """Return how many of them were not even misread."""
        return max(0, self.n_beats(typical_ms) - len(self.inside_ms)) if self.broken else 0

    def raw_steps_ms(self) -> list[float]:
        """Return the differences as they were measured, to the neighbours too."""
        known = [rr for rr in (self.before_ms, *self.inside_ms, self.after_ms) if rr is not None]
        return [after - before for before, after in itertools.pairwise(known)]

    def doubted_ms(self) -> list[float]:
        """Return the intervals inside that may be sound."""
        return [rr for rr, is_doubted in zip(self.inside_ms, self.doubted, strict=True) if is_doubted]

    def doubted_steps_ms(self) -> list[float]:
        """Return the differences that may be sound."""
        known = [(self.before_ms, True), *zip(self.inside_ms, self.doubted, strict=True), (self.after_ms, True)]
        told = [(rr, is_doubted) for rr, is_doubted in known if rr is not None]
        return [after - before for (before, one), (after, two) in itertools.pairwise(told) if one and two]


def holes(window: Sequence[Interval], *, since_ns: int) -> tuple[list[float], list[Hole]]:
    """Return the differences between accepted neighbours, and what lies between the others.

    Parameters
    ----------
    window : confirmed intervals in order, shape (n_beats,)
    since_ns : where the window begins, session time in ns

    Returns
    -------
    differences in ms, shape (n_pairs,); the holes in order
    """
    steps_ms = [rr.step_ms for rr in itertools.islice(window, 1, None) if rr.step_ms is not None]
    found: list[Hole] = []
    if window and not window[0].joined and (edge_ms := _edge_ms(window[0], since_ns=since_ns)) > 0.0:
        found.append(_hole(None, (), window[0], broken=True, length_ms=edge_ms))
    if len(steps_ms) < len(window) - 1:
        found += _holes_within(window)
    return steps_ms, found


def _holes_within(window: Sequence[Interval]) -> list[Hole]:
    found: list[Hole] = []
    last: Interval | None = None
    inside: list[Interval] = []
    broken = False
    for n_after, rr in zip(range(len(window), 0, -1), window, strict=True):
        if rr.step_ms is not None and last is not None and not inside:
            last = rr
            continue
        broken = broken or not rr.joined
        if not rr.accepted:
            inside.append(rr)
            continue
        if last is not None or inside:
            found.append(_hole(last, inside, rr, broken=broken, is_fresh=n_after <= FRESH_INTERVALS))
        last, inside, broken = rr, [], False
    if inside:
        found.append(_hole(last, inside, None, broken=broken, is_fresh=True))
    return found


def _edge_ms(first: Interval, *, since_ns: int) -> float:
    """Return the length of what is missing at the beginning of a window, 0 or less where nothing is."""
    ahead_ms = (first.t_ns - max(0, since_ns)) / NS_PER_MS - first.rr_ms
    if since_ns <= 0:  # no interval ends at the first beat of all
        return ahead_ms - EDGE_INTERVALS * first.rr_ms if ahead_ms > first.rr_ms else 0.0
    return ahead_ms + EDGE_INTERVALS * first.rr_ms if ahead_ms > 0.0 else 0.0


def _hole(
    last: Interval | None,
    inside: Sequence[Interval],
    after: Interval | None,
    *,
    broken: bool,
    is_fresh: bool = False,
    length_ms: float = 0.0,
) -> Hole:
    inside_ms = tuple([rr.rr_ms for rr in inside])
    length_ms = max(length_ms, sum(inside_ms))
    if broken and last is not None and after is not None:
        length_ms = max(length_ms, (after.t_ns - last.t_ns) / NS_PER_MS - after.rr_ms)
    return Hole(
        before_ms=None if last is None else last.rhythm_ms,
        after_ms=None if after is None else after.rhythm_ms,
        inside_ms=inside_ms,
        length_ms=length_ms,
        broken=broken,
        is_fresh=is_fresh,
        doubted=tuple([rr.is_doubted for rr in inside]),
        is_irregular=any([rr.is_irregular for rr in inside]) or (broken and after is not None and after.is_irregular),
    )
