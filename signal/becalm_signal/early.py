"""Beats a little early, which the swings of the breath hide from every threshold on intervals and their differences.

An atrial beat shortens one interval and the rhythm goes on at once; a ventricular one takes from one interval what it
gives the next. A model of the heart's own swings foretells each interval: of the errors of prediction around an early
beat the part is taken that has its shape, and what is left over must be usual. A heart that changes its rate leaves
more.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import mul

from becalm_protocol.units import NS_PER_S
from becalm_signal.intervals import Interval
from becalm_signal.swings import N_MOST, ORDER, Swings, swings

# So many intervals after an early beat tell it from a swing.
N_AFTER = 3
MIN_LEARNED = 30
# A heart's swings last longer than a few beats.
RENEWED_EVERY = 24
# In deviations: sound intervals exceed the first once in 150, and hardly ever the others. A pair has a shape of its
# own, where a lone short interval may still be a swing's.
DOUBTED = 2.5
SURE_PAIR = 6.0
SURE_SINGLE = 9.0
# What stands out is off by more, and shorter than both its neighbours: a breath that sets in at once makes the next
# ones as short. By what it is off beyond these deviations it speaks for early beats about, up to as many.
STANDING_OUT, MOST_BEYOND = 3.0, 3.0
LEAST_DIP_SHARE = 0.25
# Counted over five minutes; while less was heard, as if it had gone on like that.
ABOUT_NS, LEAST_ABOUT_NS = 300 * NS_PER_S, 100 * NS_PER_S
# What is left over of four squared errors may be 10 (49 in 50 are less), and a fifth of what a large one exceeds 4 by.
MAX_LEFT = 10.0
LEFT_SHARE = 0.2
LEFT_FROM = 4.0
# A swing that begins explains the first error by itself: so much better it may do.
BETTER = 4.0
# Its own interval was expected to be longer by half a deviation at least.
MIN_SHORT = 0.5
# A beat is not early by less than this share of an interval.
MIN_EARLY_SHARE = 0.05
# More flagged intervals than this in a row cannot be foretold.
MAX_FORETOLD = 3


@dataclass(frozen=True, slots=True)
class _Found:
    """An early beat."""

    deviations: float
    at: int
    """Which of the last intervals it has shortened."""
    is_pair: bool
    """The next one is longer by as much."""
    early_ms: float
    error_ms: float

    @property
    def is_sure(self) -> bool:
        """Whether hardly any swing looks like it."""
        return self.deviations > (SURE_PAIR if self.is_pair else SURE_SINGLE)


class EarlyWatch:
    """Follows confirmed intervals one by one and marks in them what early beats may have taken. State: 80 intervals.

    Notes
    -----
    Delay: doubted with the interval itself, settled three intervals later. Warm-up: 30 intervals.

    References
    ----------
    Fox 1972, DOI 10.1111/j.2517-6161.1972.tb00912.x; Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._newest_ms: deque[float] = deque(maxlen=N_MOST)
        """Newest first, early beats taken back."""
        self._swings: Swings | None = None
        self._n_since = self._n_run = self._n_foretold = 0
        self._first: list[Interval] = []
        """Those before there was a model."""
        self._open: deque[Interval] = deque(maxlen=N_AFTER + 1)
        self._errors_ms: deque[float] = deque(maxlen=N_AFTER + 1)
        self._guessed: tuple[Interval, ...] = ()
        self._taken: Interval | None = None
        self._unseen_ms = 0.0
        """An early beat that has taken less than this is not told from a swing."""
        self._found: deque[tuple[int, float]] = deque()
        """When those of the last minutes were that stood out, and by how much."""
        self._since_ns: int | None = None
        """Since when any could have been."""

    def hear(self, rr: Interval) -> bool:
        """Take an interval.

        Parameters
        ----------
        rr : confirmed, in order

        Returns
        -------
        whether an early beat among the last few has become sure, so that another length counts of them
        """
        rr.unseen_ms = self._unseen_ms
        rr.early_about = self._about(rr.t_ns)
        if not rr.joined:
            self._break()
        model = self._swings
        if model is None:
            return rr.is_sound and self._learn(rr)
        foretold_ms = model.rest_ms + sum(map(mul, model.before, self._newest_ms))
        self._n_foretold = 0 if rr.is_sound else self._n_foretold + 1
        if self._n_foretold > MAX_FORETOLD:
            self._break()
        self._add(rr.rr_ms if rr.is_sound else foretold_ms)
        if self._n_run <= ORDER:
            return False
        self._open.append(rr)
        self._errors_ms.append(self._newest_ms[0] - foretold_ms)
        return self._judge(model)

    def _about(self, now_ns: int) -> float:
        while self._found and now_ns - self._found[0][0] > ABOUT_NS:
            self._found.popleft()
        if self._since_ns is None:
            self._since_ns = now_ns
        heard_ns = min(ABOUT_NS, max(LEAST_ABOUT_NS, now_ns - self._since_ns))
        return sum([beyond for _, beyond in self._found]) * ABOUT_NS / heard_ns

    def _break(self) -> None:
        self._n_run = 0
        self._open.clear()
        self._errors_ms.clear()
        self._guessed = ()

    def _learn(self, rr: Interval) -> bool:
        """Keep the first intervals, and judge them as soon as they make a model."""
        self._first.append(rr)
        if len(self._first) < MIN_LEARNED:
            return False
        self._renew([one.rr_ms for one in self._first])
        first, self._first = self._first, []
        return any([self.hear(one) for one in first])

    def _add(self, rr_ms: float) -> None:
        self._newest_ms.appendleft(rr_ms)
        self._n_run += 1
        self._n_since += 1
        if self._n_since >= RENEWED_EVERY and len(self._newest_ms) >= MIN_LEARNED:
            self._n_since = 0
            self._renew([*reversed(self._newest_ms)])

    def _renew(self, rr_ms: Sequence[float]) -> None:
        model = self._swings = swings(rr_ms)
        weight = sum([one * one for one in model.single[: N_AFTER + 1]])
        self._unseen_ms = DOUBTED * model.deviation_ms / math.sqrt(weight)

    def _judge(self, model: Swings) -> bool:
        for rr in self._guessed:
            rr.early_ms = 0.0
        self._guessed = ()
        energy, least = sum([error * error for error in self._errors_ms]), (DOUBTED * model.deviation_ms) ** 2
        best = self._best(model, energy=energy, least=least) if energy >= least else None
        return best is not None and self._mark(best, model=model)

    def _best(self, model: Swings, *, energy: float, least: float) -> _Found | None:
        """Return the early beat that explains the last errors best, if any does."""
        errors, best, most = list(self._errors_ms), None, DOUBTED
        for at, error in enumerate(errors):
            if energy < least:
                break
            energy -= error * error
            if error > -MIN_SHORT * model.deviation_ms:
                continue
            for shape in (model.single, model.pair):
                found = _explained(errors[at:], shape, model=model, at=at)
                if found is not None and found.deviations > most and self._is_free(found):
                    best, most = found, found.deviations
        return best

    def _is_free(self, found: _Found) -> bool:
        """Whether the intervals are of the rhythm, and no early beat's already."""
        intervals = [self._open[at] for at in range(found.at, found.at + 1 + found.is_pair)]
        return all([rr.is_sound and rr is not self._taken for rr in intervals])

    def _dips(self, found: _Found) -> bool:
        """Whether the interval is shorter than both its neighbours, as far as the later one is known."""
        back = len(self._open) - 1 - found.at
        beside = [self._newest_ms[at] for at in (back + 1, back - 1) if at >= 0]
        return min(beside) - self._newest_ms[back] > LEAST_DIP_SHARE * found.early_ms

    def _mark(self, found: _Found, *, model: Swings) -> bool:
        """Write into the intervals what was found; what is settled is taken back if it is sure."""
        shares = [(self._open[found.at], 1.0)]
        if found.is_pair:
            shares.append((self._open[found.at + 1], -1.0))
        is_settled = found.at == 0 and len(self._open) == N_AFTER + 1
        is_swing = not self._dips(found)
        for rr, _ in shares:
            rr.is_swing = is_swing
        if is_settled and found.is_sure:
            for back, (rr, share) in enumerate(shares):
                rr.rhythm_ms = rr.rr_ms + share * found.early_ms
                rr.rhythm_error_ms = found.error_ms * (math.sqrt(1.5) if found.is_pair else 1.0)
                self._newest_ms[N_AFTER - back] += share * found.early_ms
            self._foretell(model)
        else:
            for rr, share in shares:
                rr.early_ms = share * found.early_ms
        if is_settled:
            self._taken = shares[-1][0]
            if found.deviations > STANDING_OUT and not is_swing:
                self._found.append((self._open[0].t_ns, min(MOST_BEYOND, found.deviations - STANDING_OUT)))
        else:
            self._guessed = tuple([rr for rr, _ in shares])
        return is_settled and found.is_sure

    def _foretell(self, model: Swings) -> None:
        """Work the errors of prediction out anew, the early beat taken back."""
        known = list(islice(self._newest_ms, ORDER + N_AFTER + 1))
        for back in range(N_AFTER + 1):
            self._errors_ms[N_AFTER - back] = sum(map(mul, model.single, known[back:])) - model.rest_ms


def _explained(errors: Sequence[float], shape: Sequence[float], *, model: Swings, at: int) -> _Found | None:
    """Return the early beat of this shape in the errors of prediction, if what is left of them is usual."""
    is_pair = shape is model.pair
    if is_pair and len(errors) < 2:
        return None
    weight = sum([one * one for one in shape[: len(errors)]])
    early_ms = -sum(map(mul, shape, errors)) / weight
    if early_ms < MIN_EARLY_SHARE * model.mean_ms:
        return None
    square = weight * (early_ms / model.deviation_ms) ** 2
    whole = sum([error * error for error in errors]) / model.deviation_ms**2
    most_left = MAX_LEFT + LEFT_SHARE * max(0.0, square - LEFT_FROM**2)
    if whole - square > most_left or (errors[0] / model.deviation_ms) ** 2 > square + BETTER:
        return None
    return _Found(math.sqrt(square), at, is_pair, early_ms, model.deviation_ms / math.sqrt(weight))
