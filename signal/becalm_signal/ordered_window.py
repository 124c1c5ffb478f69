"""The last numbers of something in their order, for medians and quartiles of many: kept, not sorted anew each time."""

from bisect import bisect_left, insort
from collections import deque


class OrderedWindow:
    """The last `n_most` numbers."""

    def __init__(self, n_most: int) -> None:
        self._newest: deque[float] = deque(maxlen=n_most)
        self._ordered: list[float] = []

    def __len__(self) -> int:
        return len(self._ordered)

    def append(self, number: float) -> None:
        """Take the next number."""
        if len(self._newest) == self._newest.maxlen:
            del self._ordered[bisect_left(self._ordered, self._newest[0])]
        self._newest.append(number)
        insort(self._ordered, number)

    def median(self) -> float:
        """Return the median; 0 where there are none."""
        ordered, middle = self._ordered, len(self._ordered) // 2
        if not ordered:
            return 0.0
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

    def deviation(self) -> float:
        """Return half the distance between the quartiles, by linear interpolation."""
        if len(self._ordered) < 2:
            return 0.0
        return (self._quantile(0.75) - self._quantile(0.25)) / 2.0

    def _quantile(self, share: float) -> float:
        ordered = self._ordered
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])
