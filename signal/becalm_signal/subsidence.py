"""Subsidence: how far arousal fell since the start of practice, how fast, and whether that can be told at all."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from becalm_protocol.derived import Index, Reason
from becalm_protocol.events import Phase, PhaseChange
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import SMOOTH_S
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
# Of the error of a level this share is left in a difference of two levels of one practice; the rest is in both
# (70 virtual people).
ERROR_IN_DIFFERENCE = 1.2
# Time constants of 10 s to 11 min in steps of a half octave.
TAUS_S = tuple(10.0 * 2.0 ** (k / 2.0) for k in range(13))
GRID_SHARE = 0.2
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

    Both are of arousal since the start of practice: the mean of its first minute less that of the last, with a 95 %
    interval by a block bootstrap of the residuals around an exponential fall (Politis & Romano 1994,
    10.1080/01621459.1994.10476870) and by the error that two levels of arousal do not share. Warm-up 3 minutes of
    accepted arousal; a new value every 30 s; delay half a minute. The same for the same data: replicates are drawn with
    the data as their seed.
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
        by_chance = max(abs(edge) for edge in _interval(course.falls_by_chance()))
        bound = math.hypot(by_chance, ERROR_IN_DIFFERENCE * math.hypot(start.bound, end.bound) / math.sqrt(2.0))
        if abs(fell) <= bound:
            return CANNOT_TELL, CANNOT_TELL
        told = Index(value=fell, bound=bound, sample_ns=now_ns)
        return told, course.half_life(now_ns) if fell > 0.0 else CANNOT_TELL


class _Fit:
    """Least squares of a level and an exponential fall with one time constant, as the smoothing of arousal shows it."""

    def __init__(self, tau_s: float, times_s: Sequence[float]) -> None:
        self.tau_s = tau_s
        self.shape = [_seen(tau_s, t_s) for t_s in times_s]
        self._n = len(times_s)
        self._mean = sum(self.shape) / self._n
        self._square = sum((x - self._mean) ** 2 for x in self.shape)

    def height(self, total: float, product: float) -> float:
        """Return the height of the fall from the sum of values and the sum of values times shape."""
        return (product - self._mean * total) / self._square if self._square > 0.0 else 0.0

    def explained(self, total: float, product: float) -> float:
        """Return by how much it lowers the sum of squares."""
        return self.height(total, product) ** 2 * self._square

    def curve(self, total: float, product: float) -> list[float]:
        """Return the fitted curve."""
        height = self.height(total, product)
        return [total / self._n + height * (x - self._mean) for x in self.shape]


def _seen(tau_s: float, since_s: float) -> float:
    """Return exp(-t / tau) behind the one-pole smoothing of arousal that was in a steady state before it."""
    tau_s = tau_s if abs(tau_s - SMOOTH_S) > 1e-3 else tau_s * 1.001
    own, smoothing = math.exp(-since_s / tau_s), math.exp(-since_s / SMOOTH_S)
    return (tau_s * own - SMOOTH_S * smoothing) / (tau_s - SMOOTH_S)


class _Course:
    """Arousal over practice around the exponential fall that fits it best, and what chance would make of it.

    Blocks of residuals begin anywhere at half blocks, around the end too.
    """

    def __init__(self, points: Sequence[Point], *, n_block: int) -> None:
        values = [point.value for point in points]
        self._lasted_s = points[-1].since_s
        self._fits = [_Fit(tau_s, [point.since_s for point in points]) for tau_s in TAUS_S]
        total = sum(values)
        products = [_product(values, fit.shape) for fit in self._fits]
        best = max(range(len(TAUS_S)), key=lambda k: self._fits[k].explained(total, products[k]))
        self._curve = self._fits[best].curve(total, products[best])
        rest = [value - at for value, at in zip(values, self._curve, strict=True)]
        n = len(values)
        self._slots = [slice(at, min(at + n_block, n)) for at in range(0, n, n_block)]
        rounds = rest + rest[:n_block]
        self._pieces = [rounds[at : at + n_block] for at in range(0, n, max(1, n_block // 2))]
        self._dice = random.Random(repr(values))  # noqa: S311  (reproducible, and no secret)

    def falls_by_chance(self) -> list[float]:
        """Return by how much chance alone sets a first and a last block apart."""
        means = [sum(piece) / len(piece) for piece in self._pieces]
        return [self._dice.choice(means) - self._dice.choice(means) for _ in range(N_REPLICATES)]

    def half_life(self, now_ns: int) -> Index:
        """Return the half-life with its interval; a half that was not lived through cannot be told."""
        taus_s = self._taus_by_chance()
        low_s, high_s = (math.log(2.0) * tau_s for tau_s in _interval(taus_s))
        value_s = math.log(2.0) * sorted(taus_s)[len(taus_s) // 2]
        bound_s = max(high_s - value_s, value_s - low_s, GRID_SHARE * value_s)
        if high_s > self._lasted_s or bound_s >= value_s:
            return CANNOT_TELL
        return Index(value=value_s, bound=bound_s, sample_ns=now_ns)

    def _taus_by_chance(self) -> list[float]:
        """Return the best time constant of each replicate; what a block adds in each place is known before the draw."""
        pieces, slots, curve_total = self._pieces, self._slots, sum(self._curve)
        sums = [[sum(piece[: slot.stop - slot.start]) for piece in pieces] for slot in slots]
        tables = [
            (fit, _product(self._curve, fit.shape), [[_product(p, fit.shape[slot]) for p in pieces] for slot in slots])
            for fit in self._fits
        ]
        taus_s: list[float] = []
        for _ in range(N_REPLICATES):
            drawn = [self._dice.randrange(len(pieces)) for _ in slots]
            total = curve_total + sum(map(list.__getitem__, sums, drawn))
            chosen = max(
                tables, key=lambda row: row[0].explained(total, row[1] + sum(map(list.__getitem__, row[2], drawn)))
            )
            taus_s.append(chosen[0].tau_s)
        return taus_s


def _product(values: Sequence[float], shape: Sequence[float]) -> float:
    product: float = sum(map(mul, values, shape))
    return product


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
