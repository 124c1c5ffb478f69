"""Which humps are told as beats: at once where their shape is known, after a look at what follows where it is not."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from becalm_signal.qrs_course import LIKE
from becalm_signal.qrs_humps import Candidate
from becalm_signal.qrs_peak import Peak
from becalm_signal.qrs_place import Placed
from becalm_signal.qrs_shapes import Likeness, Shape, Shapes

# A P wave lies up to this much before its QRS; no two beats are so close.
LEAD_S = 0.3
# Two humps of one beat.
SAME_S = 0.12
# A small hump so soon after a beat is its T wave, however much it looks like a beat.
RESCUE_AFTER_S = 0.3
# Where the heart is regular, an early beat has to look more like one.
EARLY_RR = 0.85
EARLY_LIKE = 0.95
# Where most of those held turn out to be beats, this heart is odd: large ones are told at once, and held again later.
MOSTLY_RIGHT = 0.8
RIGHT_GAIN = 0.1
RIGHT_FADE = 0.97
LARGE_SHARE = 0.7
# Three of the last four intervals deviate from the median by less.
REGULAR_SHARE = 0.08
ON_TIME_SHARE = 0.15
# The next beat would have come by now: the one in doubt has reset the heart, as an early beat does.
LATE_RR = 1.3
# From the top of a hump to its end, when it is handed in.
HUMP_S = 0.05
MAX_HELD = 3
# A longer pause is no interval of a rhythm.
MAX_RR_S = 2.5


@dataclass(slots=True)
class Found:
    """A hump, its peak (in decimated samples since the start), and what it looks like."""

    hump: Candidate
    peak: Placed
    like: Likeness
    is_steady: bool = False
    """Whether it was like a beat before it, in size, too."""
    is_known: bool = False
    """Whether it looked like several of them."""
    is_usual: bool = False
    """Whether this heart has shown such often."""
    kind: Shape | None = None
    """What it has become one of."""

    @property
    def at(self) -> float:
        """Position of the peak."""
        return self.peak.at

    def told(self, *, every: int) -> Peak:
        """Return what is told of it; `every`: so many input samples make one decimated."""
        return Peak(
            self.at * every,
            self.peak.height,
            is_known=self.is_known,
            is_usual=self.is_usual,
            is_steady=self.is_steady,
            is_strange=self.like.is_new and not self.like.is_own,
            kind=self.kind,
        )


class Jury:
    """Holds humps in doubt until the next sure beat, and leaves out those which that beat proves to be none.

    Noise does not disturb the rhythm: a sure beat on time says that nothing in between was a beat. A P wave lies just
    before a sure beat. Only a hump of a shape or size not seen before, or an early one, is ever held.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self.shapes = Shapes(rate_hz)
        self._before: Shapes | None = None
        """What was known of the heart before it was lost."""
        self._newest: Found | None = None
        self._rr: deque[float] = deque(maxlen=8)
        self._held: list[Found] = []
        self._last: float | None = None
        self.deadline = math.inf
        """The decimated sample from which on `overdue` may have something to tell."""
        self._right = 0.5
        """Running share of beats among those held."""

    def restart(self) -> None:
        """Begin again after a gap: shapes and intervals are kept."""
        self._held.clear()
        self.deadline = math.inf
        self._last = None

    def clear(self) -> None:
        """Forget everything."""
        self._rr.clear()
        self.shapes.clear()
        self._before = None
        self.restart()

    def look_anew(self) -> None:
        """Put the shapes known aside: what comes is no heart, or not in the same place."""
        if self._before is None:
            self._before, self.shapes = self.shapes, Shapes(self._rate_hz)

    def settle_down(self) -> None:
        """Go on with the shapes put aside if the newest beat is one of them, else with those that came instead."""
        if self._before is None:
            return
        if self._newest is None or not self._newest.like.is_new:
            self.shapes = self._before
        if self._newest is not None and self._newest.kind is not None:
            self._newest.kind.adopt()
        self._before = None

    def see(self, samples: Sequence[float], hump: int, *, energy: float) -> Likeness:
        """Return what the hump at index `hump` of `samples` looks like: of the shapes put aside, if it has the size."""
        if self._before is None:
            return self.shapes.compare(samples, hump)
        before = self._before.compare(samples, hump)
        if before.is_known(energy, least=LIKE):
            return before
        is_own = max(before.share, before.turned) >= LIKE
        return replace(self.shapes.compare(samples, hump), is_new=True, is_own=is_own)

    def accept(self, found: Found) -> list[Found]:
        """Take a hump as large as a beat; return the beats to tell, oldest first."""
        if self._last is None or not self.shapes.is_settled:
            return self._settle(found)
        is_known = found.like.is_known(found.hump.energy, least=LIKE)
        if is_known and (found.like.share >= EARLY_LIKE or not self._is_early(found.at - self._last)):
            return self._settle(found)
        if self._right > MOSTLY_RIGHT and found.hump.energy > LARGE_SHARE * self.shapes.usual_energy:
            self._right *= RIGHT_FADE
            return self._settle(found)
        return self._hold(found)

    def displaces(self, found: Found) -> bool:
        """Whether a hump that came too soon after one in doubt takes its place; the one in doubt is dropped."""
        if not self._held or not found.like.is_known(found.hump.energy, least=LIKE):
            return False
        doubtful = self._held[-1]
        if found.at - doubtful.at > LEAD_S * self._rate_hz or found.like.share < doubtful.like.share + 0.05:
            return False
        self._held.pop()
        self._prove(is_beat=False)
        return True

    def rescue(self, found: Found) -> list[Found]:
        """Take a hump smaller than a beat of this heart usually is: it counts if its shape is known to be smaller."""
        if self._last is None or found.at - self._last < RESCUE_AFTER_S * self._rate_hz:
            return []
        return self._hold(found) if found.like.is_known(found.hump.energy, least=LIKE) else []

    def overdue(self, n: float) -> list[Found]:
        """Return the beats in doubt that nothing has disproved by decimated sample `n`."""
        return self._settle(None) if self._held and n >= self.deadline else []

    def _hold(self, found: Found) -> list[Found]:
        lead = LEAD_S * self._rate_hz
        if self._held and found.at - self._held[-1].at < lead:
            if found.hump.energy > self._held[-1].hump.energy:
                self._held[-1] = found
            return []
        self._held.append(found)
        self.deadline = found.hump.at + lead + HUMP_S * self._rate_hz
        if self._last is not None and self._is_regular():
            self.deadline = max(self.deadline, self._last + LATE_RR * median(self._rr))
        return self._settle(None) if len(self._held) > MAX_HELD else []

    def _settle(self, sure: Found | None) -> list[Found]:
        held, self._held = self._held, []
        self.deadline = math.inf
        if sure is not None:
            while held and sure.at - held[-1].at < LEAD_S * self._rate_hz:
                held.pop()
                self._prove(is_beat=False)
            if held and self._is_on_time(sure):
                held.clear()
                self._prove(is_beat=False)
        if held:
            self._prove(is_beat=True)
        told = held if sure is None else [*held, sure]
        return [self._learn(found) for found in told if self._is_apart(found)]

    def _prove(self, *, is_beat: bool) -> None:
        self._right += RIGHT_GAIN * (is_beat - self._right)

    def _is_apart(self, found: Found) -> bool:
        return self._last is None or found.at - self._last >= SAME_S * self._rate_hz

    def _learn(self, found: Found) -> Found:
        if self._last is not None and found.at - self._last < MAX_RR_S * self._rate_hz:
            self._rr.append(found.at - self._last)
        self._last = found.at
        energy = found.hump.energy
        like = found.like
        found.is_known, found.is_steady = like.is_known(energy, least=LIKE), like.is_steady(energy)
        found.is_usual = found.is_known and like.is_usual
        found.kind = self.shapes.learn(like, energy=energy, side=found.peak.side)
        self._newest = found
        return found

    def _is_early(self, rr: float) -> bool:
        return self._is_regular() and rr < EARLY_RR * median(self._rr)

    def _is_regular(self) -> bool:
        if len(self._rr) < 5:
            return False
        typical = median(self._rr)
        deviations = sorted(abs(rr - typical) for rr in self._rr)
        return deviations[3 * len(deviations) // 4] < REGULAR_SHARE * typical

    def _is_on_time(self, sure: Found) -> bool:
        if self._last is None or not self._is_regular():
            return False
        typical = median(self._rr)
        return abs(sure.at - self._last - typical) < ON_TIME_SHARE * typical
