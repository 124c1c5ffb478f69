"""How two lists of derived values differ: indices second by second, happenings one by one."""

import statistics
from collections.abc import Mapping, Sequence

from becalm_protocol.events import value

Values = Mapping[int, float | None]
"""Session time to the value of an index, None where it is withheld."""
# Beyond rounding: the same numbers by another order of additions are no difference.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


@value
class IndexDifference:
    """One index by an earlier pipeline and by today's."""

    n_compared: int
    """Moments at which both told the index or a reason."""
    n_differ: int
    n_shown_anew: int
    """Told today, withheld before."""
    n_withheld_anew: int
    largest: float | None
    """Of the differences where both told a value; None where no two differ."""
    median: float | None


@value
class EventDifference:
    """Beats, breaths or responses by an earlier pipeline and by today's."""

    n_before: int
    n_now: int
    n_added: int
    n_lost: int


def compare_index(before: Values, now: Values) -> IndexDifference:
    """Return how an index differs where both pipelines speak."""
    both = [(before[t_ns], now[t_ns]) for t_ns in before.keys() & now.keys()]
    steps = [abs(new - old) for old, new in both if old is not None and new is not None and _differ(old, new)]
    shown = sum(old is None and new is not None for old, new in both)
    withheld = sum(old is not None and new is None for old, new in both)
    return IndexDifference(
        n_compared=len(both),
        n_differ=len(steps) + shown + withheld,
        n_shown_anew=shown,
        n_withheld_anew=withheld,
        largest=max(steps, default=None),
        median=statistics.median(steps) if steps else None,
    )


def compare_events(before: Sequence[int], now: Sequence[int], *, tolerance_ns: int) -> EventDifference:
    """Return how many have no counterpart within the tolerance; both in rising order of time, paired one to one."""
    n_paired = i = j = 0
    while i < len(before) and j < len(now):
        if abs(before[i] - now[j]) <= tolerance_ns:
            n_paired, i, j = n_paired + 1, i + 1, j + 1
        elif before[i] < now[j]:
            i += 1
        else:
            j += 1
    return EventDifference(
        n_before=len(before), n_now=len(now), n_added=len(now) - n_paired, n_lost=len(before) - n_paired
    )


def _differ(old: float, new: float) -> bool:
    return abs(new - old) > max(_ABSOLUTE, _RELATIVE * max(abs(old), abs(new)))
