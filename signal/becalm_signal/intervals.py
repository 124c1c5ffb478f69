"""The intervals of one window in order, the differences between neighbours, and what is missing among them.

A run of flagged intervals between two accepted ones hides differences. Where the run's whole length is that of so many
usual intervals, only the places of the beats inside it are unknown, and what those differences come to can be expected;
elsewhere they are left out. Either way the doubt is kept beside the sum.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.units import NS_PER_MS
from becalm_signal.bounds import moments

# Standard deviation of a beat's time: 130 Hz with a parabola 0.1-0.7 ms on real straps; RR counts of 1/1024 s 0.3 ms.
BEAT_JITTER_MS = 0.7
# An interval known no better than this has an end that was laid on noise: only that there was a beat is known.
PLACED_MS = 25.0

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
# A flag on a difference of fewer deviations than this may be on a sound beat.
DOUBTED_DEVIATIONS = 4.5
# So many flags in a row on intervals of usual length on the whole are a heart without a rhythm rather than errors.
IRREGULAR_FROM = 3
# At an edge of the window the rest of them is not seen.
IRREGULAR_AT_EDGE_FROM = 2
IRREGULAR_LENGTH = 0.6
# A run of flags out of step so few intervals ago may be where a rhythm ends: what follows has not told yet.
FRESH_INTERVALS = 5
# A window starts with a hole where its first interval begins later than this many intervals.
EDGE_INTERVALS = 1.5


def is_sound(beat: Beat) -> bool:
    """Whether an interval is one of the rhythm, and both its ends are known."""
    return beat.flag is BeatFlag.OK and (beat.rr_error_ms or 0.0) < PLACED_MS


@dataclass(slots=True)
class Interval:
    """One confirmed interval."""

    t_ns: int
    """Its end."""
    rr_ms: float
    is_sound: bool
    joined: bool
    """It begins where the interval before it ends."""
    jitter_ms2: float
    """Variance of a beat's time behind it."""
    accepted: bool = False
    """It and a neighbour are both sound: one alone among flags is what is left of a misread one."""


@dataclass(frozen=True, slots=True)
class Hole:
    """What lies between two accepted intervals that are no neighbours; an edge of the window is None."""

    before_ms: float | None
    after_ms: float | None
    inside_ms: tuple[float, ...]
    length_ms: float
    broken: bool
    """Nobody knows what was inside."""
    is_fresh: bool = False
    """Few intervals have come after it."""
    is_doubted: bool = False
    """Its beats may be sound."""

    def n_beats(self, typical_ms: float) -> int:
        """Return how many intervals it most likely holds."""
        return max(1, round(self.length_ms / typical_ms))

    def raw_steps_ms(self) -> list[float]:
        """Return the differences as they were measured, to the neighbours too."""
        known = [rr for rr in (self.before_ms, *self.inside_ms, self.after_ms) if rr is not None]
        return [after - before for before, after in itertools.pairwise(known)]


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
    sampling: float
    """Standard deviation from what breaks have left out."""
    repairing: float
    """Standard deviation from what flags have hidden."""
    doubted: float
    """What the mean square would gain if the doubtful flags were on sound beats."""
    holes: tuple[Hole, ...]
    """What lies between the others."""


def holes(window: Sequence[Interval], *, since_ns: int) -> tuple[list[float], list[Hole]]:
    """Return the differences between accepted neighbours in ms, and what lies between the others from `since_ns` on."""
    steps_ms: list[float] = []
    found: list[Hole] = []
    last: Interval | None = None
    inside: list[Interval] = []
    broken = False
    if window:
        ahead_ms = (window[0].t_ns - max(0, since_ns)) / NS_PER_MS - window[0].rr_ms
        if ahead_ms > EDGE_INTERVALS * window[0].rr_ms:
            found.append(Hole(before_ms=None, after_ms=None, inside_ms=(), length_ms=ahead_ms, broken=True))
    for n_after, rr in zip(range(len(window), 0, -1), window, strict=True):
        if rr.accepted and rr.joined and last is not None and not inside:
            steps_ms.append(rr.rr_ms - last.rr_ms)
            last = rr
            continue
        broken = broken or not rr.joined
        if not rr.accepted:
            inside.append(rr)
            continue
        if last is not None or inside:
            found.append(replace(_hole(last, inside, rr, broken=broken), is_fresh=n_after <= FRESH_INTERVALS))
        last, inside, broken = rr, [], False
    if inside:
        found.append(replace(_hole(last, inside, None, broken=broken), is_fresh=True))
    return steps_ms, found


def _hole(last: Interval | None, inside: Sequence[Interval], after: Interval | None, *, broken: bool) -> Hole:
    length_ms = sum(rr.rr_ms for rr in inside)
    if broken and last is not None and after is not None:
        length_ms = max(length_ms, (after.t_ns - last.t_ns) / NS_PER_MS - after.rr_ms)
    return Hole(
        before_ms=None if last is None else last.rr_ms,
        after_ms=None if after is None else after.rr_ms,
        inside_ms=tuple(rr.rr_ms for rr in inside),
        length_ms=length_ms,
        broken=broken,
    )


def differences(window: Sequence[Interval], *, since_ns: int) -> Differences | None:
    """Return the mean square of differences in ms^2, or None where there are fewer than two to go by.

    Parameters
    ----------
    window : confirmed intervals in order, shape (n_beats,), accepted or not
    since_ns : where the window begins, session time in ns: what lacks before its first interval is missing
    """
    steps_ms, found = holes(window, since_ns=since_ns)
    n = len(steps_ms)
    if n < 2:
        return None
    squares = [step * step for step in steps_ms]
    if not found:
        return Differences(tuple(steps_ms), sum(squares) / n, sampling=0.0, repairing=0.0, doubted=0.0, holes=())
    accepted, spread = moments(squares)
    hidden_place = _hidden(steps_ms, accepted)
    accepted_ms = [rr.rr_ms for rr in window if rr.accepted]
    typical_ms = sum(accepted_ms) / max(1, len(accepted_ms))
    total, n_known, left_out, hidden, doubted = sum(squares), n, 0.0, 0.0, 0.0
    # Where one run of flags has no rhythm, the others, chance lengths among them, are of the same heart.
    has_rhythm = not any([_is_irregular(hole, typical_ms, mean_square=accepted) for hole in found])
    for at, hole in enumerate(found):
        k = hole.n_beats(typical_ms)
        expected = _expected(hole, k, mean_square=accepted, hidden=hidden_place)
        is_new = hole.is_fresh and not _is_in_step(hole, k, mean_square=accepted)
        if _is_doubted(hole, has_rhythm=has_rhythm and not is_new, accepted=accepted):
            raw = [step * step for step in hole.raw_steps_ms()]
            doubted += max(0.0, sum(raw) - len(raw) * accepted)
            found[at] = replace(hole, is_doubted=True)
        if expected is None:
            variance = 1.5 * max(spread, MIN_SPREAD * accepted) ** 2 * (k + 1)
            left_out, hidden = (left_out + variance, hidden) if hole.broken else (left_out, hidden + variance)
            continue
        total += expected
        n_known += k + 1
        hidden += ((k - 1) * hidden_place.deviation) ** 2
        if k > 1:  # a beat misread or overlooked, or truly early and no part of the rhythm
            hidden += ((expected - (k + 1) * accepted) / 2.0) ** 2
    return Differences(
        steps_ms=tuple(steps_ms),
        mean_square=total / n_known,
        sampling=math.sqrt(left_out) / n_known,
        repairing=math.sqrt(hidden) / n_known,
        doubted=doubted / n_known,
        holes=tuple(found),
    )


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


def _is_irregular(hole: Hole, typical_ms: float, *, mean_square: float) -> bool:
    """Whether a hole is a run of intervals of usual length on the whole, but without a rhythm."""
    n_inside = len(hole.inside_ms)
    is_whole = hole.before_ms is not None and hole.after_ms is not None
    if hole.broken or n_inside < (IRREGULAR_FROM if is_whole else IRREGULAR_AT_EDGE_FROM):
        return False
    if hole.length_ms < IRREGULAR_LENGTH * n_inside * typical_ms:
        return False
    return not _is_in_step(hole, hole.n_beats(typical_ms), mean_square=mean_square)


def _is_doubted(hole: Hole, *, has_rhythm: bool, accepted: float) -> bool:
    """Whether the flags of a hole may be on sound beats."""
    largest = max((abs(step) for step in hole.raw_steps_ms()), default=0.0)
    return not hole.broken and (not has_rhythm or largest <= DOUBTED_DEVIATIONS * math.sqrt(accepted))


def newest_ns(window: Sequence[Interval]) -> int:
    """Return the end of the newest accepted interval: what comes after it is no part of an index yet."""
    return next((rr.t_ns for rr in reversed(window) if rr.accepted), window[-1].t_ns)


def jitter_ms(window: Sequence[Interval]) -> float:
    """Return the standard deviation of a beat's time, in ms, over the accepted intervals of a window."""
    variances = [rr.jitter_ms2 for rr in window if rr.accepted]
    return math.sqrt(sum(variances) / len(variances))
