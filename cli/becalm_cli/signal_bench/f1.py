"""Sensitivity, precision and F1 of found events against true ones, matched one to one."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from becalm_cli.matching import pair_up
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S


@value
class Counts:
    """True, found and matched events."""

    n_true: int
    n_found: int
    n_matched: int

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and what follows from them, in percent."""
        total = self.n_true + self.n_found
        return {
            "n_true": self.n_true,
            "n_missed": self.n_true - self.n_matched,
            "n_extra": self.n_found - self.n_matched,
            "f1_pct": round(200.0 * self.n_matched / total, 3) if total else None,
        }


def count(
    true_ns: Sequence[int], found_ns: Sequence[int], *, within_ms: float, window_ns: range | None = None
) -> Counts:
    """Match two ascending series; outside `window_ns` events are matched, but not counted."""
    pairs = pair_up(true_ns, found_ns, tolerance_ns=round(within_ms * 1e6))
    if window_ns is None:
        return Counts(n_true=len(true_ns), n_found=len(found_ns), n_matched=len(pairs))
    n_matched = sum(true_ns[i] in window_ns for i, _ in pairs)
    known = {j for _, j in pairs}
    n_extra = sum(t_ns in window_ns for j, t_ns in enumerate(found_ns) if j not in known)
    return Counts(n_true=sum(t_ns in window_ns for t_ns in true_ns), n_found=n_matched + n_extra, n_matched=n_matched)


def total(parts: Iterable[Counts]) -> Counts:
    """Add counts: the gross figure over recordings."""
    known = list(parts)
    return Counts(
        n_true=sum(part.n_true for part in known),
        n_found=sum(part.n_found for part in known),
        n_matched=sum(part.n_matched for part in known),
    )


def unannotated(true_ns: Sequence[int], *, longer_than_s: float) -> list[tuple[int, int]]:
    """Return stretches without any true event: where the annotators saw no beats to mark (ventricular flutter)."""
    limit_ns = round(longer_than_s * NS_PER_S)
    return [(before, after) for before, after in pairwise(true_ns) if after - before > limit_ns]
