"""The intervals of one window in order, the differences between neighbours, and what is missing among them.

A run of flagged intervals between two accepted ones hides differences. Where the run's whole length is that of so many
usual intervals, only the places of the beats inside it are unknown, and what those differences come to can be expected;
elsewhere they are left out. Either way the doubt is kept beside the sum.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from becalm_signal.bounds import Z_95, moments
from becalm_signal.holes import Hole, holes
from becalm_signal.intervals import Interval

# A longer run is no misread beat or two: nothing is expected of it.
MAX_REPAIRED = 4
# A repaired interval is this much like its neighbours, in deviations of a difference: for independent intervals 0.7 is
# one deviation of that. And no less than timing tells.
REPAIR_DEVIATIONS = 2.0
REPAIR_MS = 5.0
# What is unknown of two intervals with a known sum is how they differ beside a straight line through their neighbours,
# and that is seen wherever nothing is hidden; three differences share it. With fewer than so many to go by it is taken
# for independent.
HIDDEN_WEIGHT = 1.5
MIN_SEEN = 20
# The deviation of its square is itself known only from those.
HIDDEN_MARGIN = 1.5
# Squares of neighbouring differences go together (0.25 for independent intervals).
NEIGHBOURS = math.sqrt(1.5)
MIN_SPREAD = math.sqrt(2.0)
# How much stretches of a window differ is seen from so many of them. What breaks leave out is not missing at random: a
# heart is moved by much of what moves electrodes.
MIN_STRETCHES = 12
NOT_AT_RANDOM = 1.4
# Early beats are about where one is sure, or where some stood out by so many deviations in five minutes; hearts
# without any have that from their swings in a seventh of the time.
ABOUT = 2.0
# A quarter of those that may be early is: with their number so many are likely at the most. All may be where early
# beats are about.
EARLY_AMONG = 0.25
# As many more hide then, a minute, and more where more stood out than these deviations; before, their share of that.
# Each adds its square to two differences, and its product with the swings beside it.
N_HIDDEN, MINUTE_BEATS, MANY = 2.0, 80.0, 6.0
# A flag on a difference of fewer deviations than this may be on a sound beat.
DOUBTED_DEVIATIONS = 4.5
# Deviation of the intervals of atria without a rhythm.
IRREGULAR_SHARE = 0.22


@dataclass(frozen=True, slots=True)
class _Hidden:
    """What one unknown place of a beat adds to the sum of squares, in ms^2."""

    mean: float
    deviation: float


@dataclass(slots=True)
class Differences:
    """Mean square of the differences between neighbours, in ms^2, and what it may be off by."""

    steps_ms: tuple[float, ...]
    """Between accepted neighbours."""
    mean_square: float
    outliers_ms: tuple[float, ...] = ()
    """Accepted intervals that may begin or end at early beats."""
    outlying: float = 0.0
    """What they add to the mean square."""
    n_hidden: float = 0.0
    """How many early beats no swing may be told from, where some stood out within minutes."""
    unseen_ms: float = 0.0
    """What these have taken."""
    unseen: float = 0.0
    """And added to the mean square."""
    has_early: bool = False
    """Early beats are about."""
    sampling: float = 0.0
    """Standard deviation from what breaks have left out."""
    repairing: float = 0.0
    """Standard deviation from what flags have hidden."""
    doubted: float = 0.0
    """What the mean square would gain if the doubtful flags were on sound beats."""
    holes: tuple[Hole, ...] = ()
    """What lies between the others."""

    @property
    def hidden_ms2(self) -> float:
        """Sum of the squares of what the hidden early beats have taken."""
        return self.n_hidden * self.unseen_ms**2


def differences(window: Sequence[Interval], *, since_ns: int) -> Differences | None:
    """Return the mean square of differences, or None where there are fewer than two to go by.

    Parameters
    ----------
    window : confirmed intervals in order, shape (n_beats,), accepted or not
    since_ns : where the window begins, session time in ns: what lacks before its first interval is missing

    Returns
    -------
    in ms^2, with what it may be off by

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043.
    """
    steps_ms, found = holes(window, since_ns=since_ns)
    n = len(steps_ms)
    if n < 2:
        return None
    squares = [step * step for step in steps_ms]
    told = Differences(steps_ms=tuple(steps_ms), mean_square=sum(squares) / n)
    early = [at for at, rr in enumerate(window) if rr.early_ms or rr.rhythm_error_ms]
    if early or window[-1].early_about > 0.0:
        _add_early(told, window, early)
    if found:
        accepted_ms = [rr.rhythm_ms for rr in window if rr.accepted]
        _add_holes(told, found, squares=squares, typical_ms=sum(accepted_ms) / max(1, len(accepted_ms)))
    return told


def _add_early(told: Differences, window: Sequence[Interval], places: Sequence[int]) -> None:
    """Count what is not known of intervals without the early beats that were taken back, and what others may add."""
    n, square, early = len(told.steps_ms), told.mean_square, [window[at] for at in places]
    errors_ms2 = [rr.rhythm_error_ms**2 for rr in early]
    told.mean_square += 2.0 * sum(errors_ms2) / n
    told.repairing = math.sqrt(sum([4.0 * error * square + 8.0 * error**2 for error in errors_ms2])) / n
    about = window[-1].early_about
    told.has_early = about > ABOUT or sum(errors_ms2) > 0.0
    told.outliers_ms = tuple([rr.rhythm_ms for rr in early if rr.accepted and (told.has_early or not rr.is_swing)])
    gained = [_gained(window, at) for at in places if window[at].may_be_early(has_early=told.has_early)]
    told.outlying = outlying(gained, has_early=told.has_early) / n
    share = max(1.0, about / MANY) if told.has_early else about / ABOUT
    told.n_hidden = share * N_HIDDEN * max(1.0, n / MINUTE_BEATS)
    told.unseen_ms = math.sqrt(sum([rr.unseen_ms**2 for rr in window]) / len(window))
    told.unseen = 2.0 * (told.hidden_ms2 + math.sqrt(told.hidden_ms2 * square)) / n


def _gained(window: Sequence[Interval], at: int) -> float:
    """Return what an early beat may have added to the sum of squares; a later interval may be longer for it."""
    gained = 0.0
    for place in range(max(1, at), min(at + 3, len(window))):
        if (step_ms := window[place].step_ms) is not None:
            gained += step_ms**2 - (step_ms + window[place].early_ms - window[place - 1].early_ms) ** 2
        if place > at and window[place].early_ms >= 0.0:
            break
    return max(0.0, gained)


def outlying(gained: Sequence[float], *, has_early: bool) -> float:
    """Return the most that beats which may be early are likely to have added.

    Parameters
    ----------
    gained : what each has added if it was early
    has_early : early beats are about: all of them may be, elsewhere a share of them is

    Returns
    -------
    in the unit of these
    """
    most = sum(gained)
    if has_early:
        return most
    spread = Z_95 * math.sqrt(EARLY_AMONG * (1.0 - EARLY_AMONG) * sum([one * one for one in gained]))
    return min(most, EARLY_AMONG * most + spread)


def _add_holes(told: Differences, found: list[Hole], *, squares: Sequence[float], typical_ms: float) -> None:
    """Count what holes hide, and what may be hidden."""
    accepted, spread = moments(squares)
    hidden_place = _hidden(told.steps_ms, accepted)
    total, n_known = told.mean_square * len(squares), len(squares)
    left_out, hidden, doubted = 0.0, (told.repairing * n_known) ** 2, 0.0
    for at, hole in enumerate(found):
        k = hole.n_beats(typical_ms)
        expected = _expected(hole, k, mean_square=accepted, hidden=hidden_place)
        is_new = hole.is_fresh and not _is_in_step(hole, k, mean_square=accepted)
        if hole.is_irregular or _is_doubted(hole, is_new=is_new, accepted=accepted):
            found[at] = replace(hole, doubted=(True,) * len(hole.inside_ms))
        doubted += _doubted(found[at], typical_ms=typical_ms, accepted=accepted)
        if expected is None:
            n_lost = k - 1 + (hole.before_ms is not None) + (hole.after_ms is not None)
            variance = 1.5 * max(spread, MIN_SPREAD * accepted) ** 2 * n_lost
            if hole.broken:
                left_out += max(variance, _of_stretches(squares, n_lost))
            else:
                hidden += variance
            continue
        total += expected
        n_known += k + 1
        hidden += ((k - 1) * hidden_place.deviation) ** 2
        if k > 1:  # a beat misread or overlooked, or truly early and no part of the rhythm
            hidden += ((expected - (k + 1) * accepted) / 2.0) ** 2
    told.mean_square = total / n_known
    told.sampling, told.repairing = math.sqrt(left_out) / n_known, math.sqrt(hidden) / n_known
    told.doubted = doubted / n_known
    told.holes = tuple(found)


def _of_stretches(squares: Sequence[float], n_lost: int) -> float:
    """Return the variance of the sum of so many lost squares, from how much stretches of as many differ."""
    sums = [sum(squares[at : at + n_lost]) for at in range(0, len(squares) - n_lost + 1, n_lost)]
    return (NOT_AT_RANDOM * moments(sums)[1]) ** 2 if len(sums) >= MIN_STRETCHES else 0.0


def _doubted(hole: Hole, *, typical_ms: float, accepted: float) -> float:
    """Return what a hole would add to the sum of squares beyond its share if what is doubtful in it were sound."""
    squares = [step * step for step in hole.doubted_steps_ms()] if any(hole.doubted) else []
    if hole.is_irregular:
        squares += [2.0 * (IRREGULAR_SHARE * typical_ms) ** 2] * hole.n_unseen(typical_ms)
    return max(0.0, sum(squares) - len(squares) * accepted)


def _hidden(steps_ms: Sequence[float], mean_square: float) -> _Hidden:
    """Return how far two neighbours differ beside a straight line, from all that were seen.

    The few triples of differences that a hole lies within say much the same.
    """
    seen = [(b - (a + b + c) / 3.0) ** 2 for a, b, c in zip(steps_ms, steps_ms[1:], steps_ms[2:], strict=False)]
    if len(seen) < MIN_SEEN:
        return _Hidden(HIDDEN_WEIGHT * mean_square, HIDDEN_WEIGHT * MIN_SPREAD * HIDDEN_MARGIN * mean_square)
    mean, spread = moments(seen)
    return _Hidden(HIDDEN_WEIGHT * mean, HIDDEN_WEIGHT * HIDDEN_MARGIN * max(spread, MIN_SPREAD * mean))


def _is_in_step(hole: Hole, k: int, *, mean_square: float) -> bool:
    """Whether a hole has the length of so many intervals like those beside it."""
    beside = [rr for rr in (hole.before_ms, hole.after_ms) if rr is not None]
    if hole.broken or not beside or k > MAX_REPAIRED:
        return False
    off_ms = hole.length_ms / k - sum(beside) / len(beside)
    return abs(off_ms) <= max(REPAIR_MS, REPAIR_DEVIATIONS * math.sqrt(mean_square))


def _expected(hole: Hole, k: int, *, mean_square: float, hidden: _Hidden) -> float | None:
    """Return what the differences over a hole of k intervals should come to, or None where nothing can be said."""
    before, after = hole.before_ms, hole.after_ms
    if before is None or after is None or not _is_in_step(hole, k, mean_square=mean_square):
        return None
    mean = hole.length_ms / k
    slope = (after - before) / (k + 1)
    first = mean - slope * (k - 1) / 2.0
    last = mean + slope * (k - 1) / 2.0
    return (first - before) ** 2 + (k - 1) * (slope * slope + hidden.mean) + (after - last) ** 2


def _is_doubted(hole: Hole, *, is_new: bool, accepted: float) -> bool:
    """Whether the flags of a hole may be on sound beats."""
    largest = max((abs(step) for step in hole.raw_steps_ms()), default=0.0)
    return not hole.broken and (is_new or largest <= DOUBTED_DEVIATIONS * math.sqrt(accepted))
