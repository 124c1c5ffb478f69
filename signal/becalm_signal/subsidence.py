"""Subsidence: how far arousal fell since the start of practice, how fast, and whether that can be told at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from becalm_protocol.derived import Index, Reason
from becalm_protocol.events import Phase, PhaseChange
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import SHARE_ERROR
from becalm_signal.bounds import Z_95
from becalm_signal.half_life import half_life, seen
from becalm_signal.slow_board import SLOW_TICK_NS, Moment
from becalm_signal.stage import Output

LEAST_S = 180
# Start and end are the means of a minute each.
EDGE_S = 60
# Practice whose first minute was hardly heard has no start to compare with.
LEAST_EDGE_SHARE = 0.5
# A new interval every half minute: arousal is smoothed over as long.
EVERY_S = 30
EVERY_NS = EVERY_S * NS_PER_S
# Points are averaged in pairs beyond this; three hours are then told in steps of three minutes.
MAX_POINTS = 80
# Two blocks of a minute know nothing of each other: arousal remembers half a minute.
BLOCK_S = 60
# True falls differ by so much (root mean square, 100 virtual people, 5 and 10 min of practice).
USUAL_FALL = 10.0
# A fall whose features go on by half of it where they no longer count.
FAR_RATIO = 1.5
# An error of the index is forgotten so slowly: where it is thought to last for 120 s, 94 % of the falls of 160 harshly
# disturbed virtual people are within their bounds, 96 % with this; of others 98 %.
INDEX_ERROR_TAU_S = 60.0
COVERAGE = 0.95
NORMAL = NormalDist()
NOTHING_YET = Index(reason=Reason.WARMING_UP)
CANNOT_TELL = Index(reason=Reason.CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class Point:
    """Arousal at one moment of practice, or the mean of some."""

    since_s: float
    value: float
    bound: float
    far: float
    """The same where no feature stops counting at three deviations."""


class Subsidence:
    """A section of `SlowMetrics`: `subsidence` in points of arousal, `half_life_s` in seconds.

    Both are of arousal since the start of practice: the mean of its first minute less that of the last. The standard
    error is that of a block bootstrap of the residuals around an exponential fall, and of the index itself, which no
    resampling sees: `_shared`. The 95 % interval is of the true fall given the one seen, so that it keeps where only
    large ones are told: `_bound`. The half-life is told as the middle of its 95 % interval with half its width as the
    bound (`half_life`).

    Notes
    -----
    Delay: half a minute. Warm-up: 3 minutes of accepted arousal; a new value every 30 s.

    References
    ----------
    Politis & Romano 1994, DOI 10.1080/01621459.1994.10476870.
    """

    def __init__(self) -> None:
        self._begin(None)

    def _begin(self, started_ns: int | None) -> None:
        self._started_ns = started_ns
        self._points: list[Point] = []
        self._first: list[Point] = []
        self._last: list[Point] = []
        self._n_each = 1
        self._open: list[Point] = []
        self._told = (NOTHING_YET, NOTHING_YET)

    def apply(self, event: Output) -> None:
        """Outputs of stages say nothing of arousal."""

    def indices(self, moment: Moment) -> dict[str, Index]:
        """Take arousal at this moment; return both indices."""
        self._follow(moment.phase)
        arousal = moment.metrics.arousal
        if self._started_ns is None:
            return _both(NOTHING_YET, NOTHING_YET)
        if arousal.value is not None and arousal.bound is not None:
            since_s = (moment.now_ns - self._started_ns) / NS_PER_S
            far = arousal.value if moment.far_arousal is None else moment.far_arousal
            self._add(Point(since_s, arousal.value, arousal.bound, far))
            if moment.now_ns % EVERY_NS == 0:
                self._told = self._tell(moment.now_ns)
        elif not self._points and not self._open:
            return _both(Index(reason=arousal.reason), Index(reason=arousal.reason))
        return _both(*self._told)

    def _follow(self, phase: PhaseChange | None) -> None:
        """Begin anew when practice begins; another pacer in the midst of it is the same practice."""
        if phase is None or phase.phase is not Phase.PRACTICE:
            if self._started_ns is not None and phase is not None:
                self._begin(None)
        elif self._started_ns is None:
            self._begin(phase.t_ns)

    def _add(self, point: Point) -> None:
        if point.since_s <= EDGE_S:
            self._first.append(point)
        self._last.append(point)
        while self._last[0].since_s <= point.since_s - EDGE_S:
            self._last.pop(0)
        self._open.append(point)
        if len(self._open) == self._n_each:
            self._points.append(_mean(self._open))
            self._open.clear()
        if len(self._points) == MAX_POINTS:
            self._points = [_mean(self._points[at : at + 2]) for at in range(0, MAX_POINTS, 2)]
            self._n_each *= 2

    def _tell(self, now_ns: int) -> tuple[Index, Index]:
        step_s = self._n_each * SLOW_TICK_NS / NS_PER_S
        if len(self._points) * step_s < LEAST_S:
            return NOTHING_YET, NOTHING_YET
        least = LEAST_EDGE_SHARE * EDGE_S * NS_PER_S / SLOW_TICK_NS
        if len(self._first) < least or len(self._last) < least:
            return CANNOT_TELL, CANNOT_TELL
        start, end = _mean(self._first), _mean(self._last)
        fell, far = start.value - end.value, start.far - end.far
        error = math.hypot(_shared(start, end), _chance(self._points, n_block=round(BLOCK_S / step_s) or 1))
        bound = _bound(fell, error=error)
        if _went_far(fell, far, error=error):
            bound = min(bound, abs(fell))
        elif abs(fell) <= bound:
            return CANNOT_TELL, CANNOT_TELL
        told = Index(value=fell, bound=bound, sample_ns=now_ns)
        return told, self._half_life(now_ns, n_each=round(EVERY_S / step_s) or 1) if fell > 0.0 else CANNOT_TELL

    def _half_life(self, now_ns: int, *, n_each: int) -> Index:
        means = [_mean(self._points[at : at + n_each]) for at in range(0, len(self._points), n_each)]
        times_s, levels = np.array([mean.since_s for mean in means]), np.array([mean.far for mean in means])
        ends_s = half_life(times_s, levels, bound=_mean(means).bound)
        if ends_s is None:
            return CANNOT_TELL
        low_s, high_s = ends_s
        return Index(value=(low_s + high_s) / 2.0, bound=(high_s - low_s) / 2.0, sample_ns=now_ns)


def _went_far(fell: float, far: float, *, error: float) -> bool:
    """Whether a fall is sure because it went on where features no longer count; how far at least is then not known."""
    is_beyond = fell * far > 0.0 and abs(far) > FAR_RATIO * abs(fell)
    return is_beyond and abs(far) > _bound(far, error=math.hypot(error, SHARE_ERROR * (far - fell)))


def _shared(start: Point, end: Point) -> float:
    """Return the standard error of a fall that all seconds of a minute share.

    A gain, a posture, electrodes that drift err for minutes: they shift a whole edge. Of what shifts the first edge
    the last has kept some, the less the longer ago it was, and what both have in common is no error of the fall.
    """
    first, last = start.bound / Z_95, end.bound / Z_95
    in_common = math.exp((start.since_s - end.since_s) / INDEX_ERROR_TAU_S) * first * last
    return math.sqrt(first**2 + last**2 - 2.0 * in_common)


def _bound(fell: float, *, error: float) -> float:
    """Return how far the true fall may be from the one seen.

    Large falls seen are large by error, too: among falls of N(0, USUAL_FALL) the true one is N(kept fell, kept error
    squared) with kept = USUAL_FALL squared / (USUAL_FALL squared + error squared), whatever made it be told. The bound
    reaches over the share that is likely not true, and on until both edges together leave out 5 %: the further the near
    edge has to reach, the less is left beyond the far one, from 1.96 deviations where the error is small to 1.64.
    """
    kept = USUAL_FALL**2 / (USUAL_FALL**2 + error**2)
    deviation, untrue = math.sqrt(kept) * error, (1.0 - kept) * abs(fell)
    if deviation == 0.0:
        return 0.0
    z = Z_95
    for _ in range(2):  # from above: never too narrow
        z = NORMAL.inv_cdf(COVERAGE + NORMAL.cdf(-z - 2.0 * untrue / deviation))
    return untrue + z * deviation


def _chance(points: Sequence[Point], *, n_block: int) -> float:
    """Return by how much chance alone sets a first and a last minute apart, as one deviation.

    It is what a block bootstrap of the residuals around the exponential fall that fits best tends to with the number
    of its replicates: blocks begin anywhere, around the end too.
    """
    values = np.array([point.value for point in points])
    shapes = seen(np.array([point.since_s for point in points]))
    shapes -= shapes.mean(axis=1)[:, None]
    rest = values - values.mean()
    products, squares = shapes @ rest, (shapes**2).sum(axis=1)
    best = int((products**2 / squares).argmax())
    rest -= products[best] / squares[best] * shapes[best]
    blocks = np.lib.stride_tricks.sliding_window_view(np.concatenate([rest, rest[: n_block - 1]]), n_block)
    return math.sqrt(2.0) * float(blocks.mean(axis=1).std())


def _mean(points: Sequence[Point]) -> Point:
    n = len(points)
    return Point(
        sum(point.since_s for point in points) / n,
        sum(point.value for point in points) / n,
        # Neighbours share their smoothing: the bound of a mean does not shrink with their number.
        sum(point.bound for point in points) / n,
        sum(point.far for point in points) / n,
    )


def _both(fell: Index, half_life: Index) -> dict[str, Index]:
    return {"subsidence": fell, "half_life_s": half_life}
