"""Subsidence: how far arousal fell since the start of practice, how fast, and whether that can be told at all."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, pstdev

import numpy as np
import numpy.typing as npt

from becalm_protocol.derived import Index, Reason
from becalm_protocol.events import Phase, PhaseChange
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import SMOOTH_S
from becalm_signal.bounds import Z_95
from becalm_signal.slow_board import SLOW_TICK_NS, Moment
from becalm_signal.stage import Output

LEAST_S = 180
# Start and end are the means of a minute each.
EDGE_S = 60
# Practice whose first minute was hardly heard has no start to compare with.
LEAST_EDGE_SHARE = 0.5
# A new interval every half minute: arousal is smoothed over as long.
EVERY_NS = 30 * NS_PER_S
# Points are averaged in pairs beyond this; three hours are then told in steps of three minutes.
MAX_POINTS = 80
# Two blocks of a minute know nothing of each other: arousal remembers half a minute.
BLOCK_S = 60
N_REPLICATES = 100
TAIL = 0.025
# True falls differ by so much (root mean square, 100 virtual people, 5 and 10 min of practice).
USUAL_FALL = 10.0
COVERAGE = 0.95
NORMAL = NormalDist()
# Time constants of 10 s to 11 min in steps of a half octave.
TAUS_S = 10.0 * 2.0 ** (np.arange(13) / 2.0)
GRID_SHARE = 0.2
# An error of the index may be there within moments (a posture) or grow over all of practice (electrodes that dry).
GROWN_BY = (0.1, 0.25, 0.5, 1.0)
Floats = npt.NDArray[np.float64]
NOTHING_YET = Index(reason=Reason.WARMING_UP)
CANNOT_TELL = Index(reason=Reason.CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class Point:
    """Arousal at one moment of practice, or the mean of some."""

    since_s: float
    value: float
    bound: float


class Subsidence:
    """A section of `SlowMetrics`: `subsidence` in points of arousal, `half_life_s` in seconds.

    Both are of arousal since the start of practice: the mean of its first minute less that of the last. The standard
    error is that of a block bootstrap of the residuals around an exponential fall, and of the index itself, which no
    resampling sees: `_shared`. The 95 % interval is of the true fall given the one seen, so that it keeps where only
    large ones are told: `_bound`. The half-life is fitted to replicates that have both errors. The same for the same
    data: replicates are drawn with the data as their seed.

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
            self._add(Point(since_s, arousal.value, arousal.bound))
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
        course = _Course(self._points, n_block=round(BLOCK_S / step_s) or 1)
        fell = start.value - end.value
        shared = _shared(start, end)
        bound = _bound(fell, error=math.hypot(shared, pstdev(course.falls_by_chance())))
        if abs(fell) <= bound:
            return CANNOT_TELL, CANNOT_TELL
        told = Index(value=fell, bound=bound, sample_ns=now_ns)
        return told, course.half_life(now_ns, shared=shared) if fell > 0.0 else CANNOT_TELL


def _shared(start: Point, end: Point) -> float:
    """Return the standard error of a fall that all seconds of a minute share.

    A gain, a posture, electrodes that drift err for minutes: they shift a whole edge, and the two edges, minutes apart,
    each by its own. So both bounds count whole. (100 virtual people: error of falls 1.34 times the bound of one level
    at 10 min of session, 1.1 at 5; the square root of two is what two independent levels have.)
    """
    return math.hypot(start.bound, end.bound) / Z_95


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


class _Fits:
    """Least squares of a level and an exponential fall, as the smoothing of arousal shows it, for all of `TAUS_S`."""

    def __init__(self, times_s: Floats) -> None:
        self.shapes = _seen(times_s)
        """Shape (n_taus, n_points)."""
        self._n = len(times_s)
        self._means = self.shapes.mean(axis=1)
        self._squares = ((self.shapes - self._means[:, None]) ** 2).sum(axis=1)

    def heights(self, total: Floats, products: Floats) -> Floats:
        """Return the height of each fall, shape (..., n_taus), from sums of values and of values times shapes."""
        rises = products - self._means * total
        return np.asarray(np.divide(rises, self._squares, out=np.zeros_like(rises), where=self._squares > 0.0))

    def best(self, total: Floats, products: Floats) -> npt.NDArray[np.intp]:
        """Return which fall lowers the sum of squares most."""
        return np.asarray((self.heights(total, products) ** 2 * self._squares).argmax(axis=-1))

    def curve(self, total: Floats, products: Floats) -> Floats:
        """Return the best of the fitted curves."""
        best = int(self.best(total, products))
        height = self.heights(total, products)[best]
        return np.asarray(total / self._n + height * (self.shapes[best] - self._means[best]))


def _seen(times_s: Floats) -> Floats:
    """Return exp(-t / tau) behind the one-pole smoothing of arousal that was in a steady state before it."""
    taus_s = np.where(np.abs(TAUS_S - SMOOTH_S) > 1e-3, TAUS_S, TAUS_S * 1.001)[:, None]
    own, smoothing = np.exp(-times_s / taus_s), np.exp(-times_s / SMOOTH_S)
    return np.asarray((taus_s * own - SMOOTH_S * smoothing) / (taus_s - SMOOTH_S))


class _Course:
    """Arousal over practice around the exponential fall that fits it best, and what chance would make of it.

    Blocks of residuals begin anywhere at half blocks, around the end too.
    """

    def __init__(self, points: Sequence[Point], *, n_block: int) -> None:
        told = [point.value for point in points]
        values, n = np.array(told), len(told)
        self._lasted_s = points[-1].since_s
        self._times_s = np.array([point.since_s for point in points])
        self._fits = _Fits(self._times_s)
        self._curve = self._fits.curve(values.sum(), (self._fits.shapes * values).sum(axis=1))
        rest = values - self._curve
        self._n_slots = -(-n // n_block)
        begins = np.arange(0, n, max(1, n_block // 2))
        self._pieces = np.concatenate([rest, rest[:n_block]])[begins[:, None] + np.arange(n_block)]
        self._dice = random.Random(repr(told))  # noqa: S311  (reproducible, and no secret)

    def falls_by_chance(self) -> list[float]:
        """Return by how much chance alone sets a first and a last block apart."""
        means = self._pieces.mean(axis=1)[self._draw(2)]
        falls: list[float] = (means[:, 0] - means[:, 1]).tolist()
        return falls

    def half_life(self, now_ns: int, *, shared: float) -> Index:
        """Return the half-life with its interval.

        It cannot be told where a half was not lived through, or is longer than any that was tried.
        """
        taus_s = self._taus_by_chance(shared)
        low_s, high_s = (math.log(2.0) * tau_s for tau_s in _interval(taus_s))
        value_s = math.log(2.0) * sorted(taus_s)[len(taus_s) // 2]
        bound_s = max(high_s - value_s, value_s - low_s, GRID_SHARE * value_s)
        is_open = high_s >= math.log(2.0) * TAUS_S[-1]
        if is_open or high_s > self._lasted_s or bound_s >= value_s:
            return CANNOT_TELL
        return Index(value=value_s, bound=bound_s, sample_ns=now_ns)

    def _taus_by_chance(self, shared: float) -> list[float]:
        """Return the best time constant of each replicate; what a block adds in each place is known before the draw.

        Each has an error of its own that grows in some part of practice, too: of the index, no residual shows it.
        """
        shapes, n_block = self._fits.shapes, self._pieces.shape[1]
        n_left = self._n_slots * n_block - len(self._curve)  # the last block is cut short
        slots = np.pad(shapes, ((0, 0), (0, n_left))).reshape(len(shapes), self._n_slots, n_block)
        ones = np.pad(np.ones(len(self._curve)), (0, n_left)).reshape(self._n_slots, n_block)
        # What each piece adds to the sums in each slot: shapes (n_slots, n_pieces), (n_slots, n_pieces, n_taus).
        sums = np.einsum("sb,pb->sp", ones, self._pieces)
        products = np.einsum("fsb,pb->spf", slots, self._pieces)
        drawn, each = self._draw(self._n_slots), np.arange(self._n_slots)
        wrong = self._grown(shared)
        totals = self._curve.sum() + sums[each, drawn].sum(axis=1) + wrong.sum(axis=1)
        all_products = shapes @ self._curve + products[each, drawn].sum(axis=1) + wrong @ shapes.T
        taus_s: list[float] = TAUS_S[self._fits.best(totals[:, None], all_products)].tolist()
        return taus_s

    def _grown(self, shared: float) -> Floats:
        """Return an error of the index for each replicate, shape (N_REPLICATES, n_points)."""
        full = [self._dice.gauss(0.0, shared) for _ in range(N_REPLICATES)]
        by_s = self._lasted_s * np.array([self._dice.choice(GROWN_BY) for _ in range(N_REPLICATES)])
        return np.asarray(np.array(full)[:, None] * np.minimum(1.0, self._times_s / by_s[:, None]))

    def _draw(self, n_places: int) -> npt.NDArray[np.intp]:
        """Return a piece for each place of each replicate, shape (N_REPLICATES, n_places)."""
        n_pieces = len(self._pieces)
        n_bits, drawn = n_pieces.bit_length(), list[int]()
        while len(drawn) < N_REPLICATES * n_places:
            face = self._dice.getrandbits(n_bits)
            if face < n_pieces:
                drawn.append(face)
        return np.array(drawn, dtype=np.intp).reshape(N_REPLICATES, n_places)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    ranked = sorted(values)
    cut = int(TAIL * len(ranked))
    return ranked[cut], ranked[-1 - cut]


def _mean(points: Sequence[Point]) -> Point:
    n = len(points)
    return Point(
        sum(point.since_s for point in points) / n,
        sum(point.value for point in points) / n,
        # Neighbours share their smoothing: the bound of a mean does not shrink with their number.
        sum(point.bound for point in points) / n,
    )


def _both(fell: Index, half_life: Index) -> dict[str, Index]:
    return {"subsidence": fell, "half_life_s": half_life}
