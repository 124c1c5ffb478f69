"""Counts and histograms that add up: whole numbers only, so that the sum does not depend on who counted first."""

import math
from collections import Counter
from collections.abc import Iterator

Path = tuple[str, ...]
# A histogram's resolution is its step; beyond this many steps a value is only known to be far off.
MAX_BINS = 20_000
DIGITS = 4


class Tally:
    """Counts and histograms by path, for example ("beats", "muscle", "found")."""

    def __init__(self) -> None:
        self._counts: Counter[Path] = Counter()
        self._bins: dict[Path, Counter[int]] = {}

    def count(self, *path: str, n: int = 1) -> None:
        """Add `n` to a count."""
        self._counts[path] += n

    def measure(self, *path: str, x: float, step: float) -> None:
        """Put one value into a histogram of this step; one path has one step."""
        where = max(-MAX_BINS, min(MAX_BINS, round(x / step)))
        self._bins.setdefault(path, Counter())[where] += 1

    def add(self, other: "Tally") -> None:
        """Take in what another has counted."""
        self._counts.update(other._counts)
        for path, bins in other._bins.items():
            self._bins.setdefault(path, Counter()).update(bins)

    def n(self, *path: str) -> int:
        """Return a count; 0 where nothing was counted."""
        return self._counts[path]

    def names(self, *path: str) -> tuple[str, ...]:
        """Return the words that follow a path, sorted."""
        return tuple(sorted(set(self._following(path))))

    def _following(self, path: Path) -> Iterator[str]:
        for known in (*self._counts, *self._bins):
            if len(known) > len(path) and known[: len(path)] == path:
                yield known[len(path)]

    def n_measured(self, *path: str) -> int:
        """Return how many values a histogram holds."""
        return sum(self._bins.get(path, Counter()).values())

    def mean(self, *path: str, step: float) -> float | None:
        """Return the mean of a histogram."""
        n = self.n_measured(*path)
        return round(step * sum(where * k for where, k in self._bins[path].items()) / n, DIGITS) if n else None

    def quantile(self, *path: str, share: float, step: float, absolute: bool = False) -> float | None:
        """Return the nearest-rank quantile of a histogram, of absolute values where `absolute`."""
        bins: Counter[int] = Counter()
        for where, k in self._bins.get(path, Counter()).items():
            bins[abs(where) if absolute else where] += k
        left = max(1, math.ceil(share * bins.total()))
        for where in sorted(bins):
            left -= bins[where]
            if left <= 0:
                return round(where * step, DIGITS)
        return None


def ratio(part: int, whole: int) -> float | None:
    """Return a share to four digits, None of nothing."""
    return round(part / whole, 4) if whole else None
