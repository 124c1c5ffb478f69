"""A short memory of one curve, kept by sample time and never by arrival."""

from bisect import bisect_left, bisect_right

Point = tuple[int, float]


class TraceRing:
    """The last `span_ns` of a curve. Nothing is drawn across a break, nor across more than `widest_step_ns`."""

    def __init__(self, *, span_ns: int, widest_step_ns: int, n_max: int = 6_000) -> None:
        self._span_ns = span_ns
        self._widest_step_ns = widest_step_ns
        self._n_max = n_max
        self._times: list[int] = []
        self._values: list[float | None] = []

    def __len__(self) -> int:
        return len(self._times)

    @property
    def newest_ns(self) -> int | None:
        """Sample time of the newest point."""
        return self._times[-1] if self._times else None

    def clear(self) -> None:
        """Forget everything."""
        self._times.clear()
        self._values.clear()

    def put(self, t_ns: int, level: float | None) -> None:
        """Set the level at `t_ns`, in whatever order points come; None breaks the curve there."""
        idx = bisect_left(self._times, t_ns)
        if idx < len(self._times) and self._times[idx] == t_ns:
            self._values[idx] = level
        else:
            self._times.insert(idx, t_ns)
            self._values.insert(idx, level)
        self._trim()

    def remove(self, t_ns: int) -> None:
        """Take the point at `t_ns` out, if it is there."""
        idx = bisect_left(self._times, t_ns)
        if idx < len(self._times) and self._times[idx] == t_ns:
            del self._times[idx]
            del self._values[idx]

    def segments(self, start_ns: int, end_ns: int) -> list[list[Point]]:
        """Return the unbroken pieces of the curve within the window, cut exactly at its edges."""
        first = max(bisect_right(self._times, start_ns) - 1, 0)
        last = min(bisect_left(self._times, end_ns) + 1, len(self._times))
        pieces: list[list[Point]] = [[]]
        for idx in range(first, last):
            t_ns, level = self._times[idx], self._values[idx]
            piece = pieces[-1]
            if piece and (level is None or t_ns - piece[-1][0] > self._widest_step_ns):
                pieces.append([])
            if level is not None:
                pieces[-1].append((t_ns, level))
        cut = (_cut(piece, start_ns, end_ns) for piece in pieces)
        return [piece for piece in cut if len(piece) > 1]

    def _trim(self) -> None:
        oldest_ns = self._times[-1] - self._span_ns
        # Trimmed in strides: taking one item from the front of a list at each sample would move the whole list.
        if len(self._times) > self._n_max or self._times[0] < oldest_ns - self._span_ns // 8:
            n_old = max(bisect_left(self._times, oldest_ns), len(self._times) - self._n_max)
            del self._times[:n_old]
            del self._values[:n_old]


def _cut(piece: list[Point], start_ns: int, end_ns: int) -> list[Point]:
    """Interpolate the ends of a piece onto the window's edges, so that it glides in and out."""
    if len(piece) > 1 and piece[0][0] < start_ns:
        piece = [_between(piece[0], piece[1], start_ns), *piece[1:]]
    if len(piece) > 1 and piece[-1][0] > end_ns:
        piece = [*piece[:-1], _between(piece[-2], piece[-1], end_ns)]
    return [point for point in piece if start_ns <= point[0] <= end_ns]


def _between(before: Point, after: Point, t_ns: int) -> Point:
    share = (t_ns - before[0]) / (after[0] - before[0])
    return t_ns, before[1] + share * (after[1] - before[1])
