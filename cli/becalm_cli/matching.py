"""Pairs of true and found: events one to one in time, and ranks of two series."""

from collections.abc import Sequence
from statistics import correlation

# Fewer seconds say little of an order.
MIN_RANKED = 30


def pair_up(true_ns: Sequence[int], found_ns: Sequence[int], *, tolerance_ns: int) -> list[tuple[int, int]]:
    """Return positions (true, found) of as many pairs within the tolerance as there can be, both series ascending."""
    pairs = []
    i = j = 0
    while i < len(true_ns) and j < len(found_ns):
        error_ns = found_ns[j] - true_ns[i]
        if abs(error_ns) > tolerance_ns:
            i, j = (i + 1, j) if error_ns > 0 else (i, j + 1)
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    return pairs


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Return Spearman's correlation; None for fewer than thirty pairs or where one side never changes."""
    if len(xs) < MIN_RANKED or min(xs) == max(xs) or min(ys) == max(ys):
        return None
    return correlation(ranks(xs), ranks(ys))


def ranks(xs: Sequence[float]) -> list[float]:
    """Return ranks from 1 on, ties sharing their mean rank."""
    order = sorted(range(len(xs)), key=xs.__getitem__)
    shared = [0.0] * len(xs)
    i = 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and xs[order[j + 1]] == xs[order[i]]:
            j += 1
        for k in range(i, j + 1):
            shared[order[k]] = 1.0 + (i + j) / 2.0
        i = j + 1
    return shared
