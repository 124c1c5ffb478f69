"""The heart as a witness of a stream's rate: its beats are counted in samples, whatever the link does."""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum
from statistics import fmean, median

# So many intervals tell what the heart was like before, and so many at most what it is like now.
N_BEFORE = 8
N_AFTER = 8
# So few tell of another rate. For a link four must be as before: of a heart that is sampled at half the rate every
# second beat may be missed at first, as its QRS is as narrow as a small one.
N_OF_RATE = 2
N_OF_LINK = 4
# A fast heart while a row of packets comes, and before it.
N_KEPT = 48
# By so much the median interval changes within some beats (natural logarithm), and by so many times what intervals
# stray from their median. Of two to eight intervals after eight, in three series of RR and twelve MIT-BIH records, 0.5
# to 3.5 % change by more, where rhythms come in fits up to 6 %. A cause is ruled out where the heart must have, and
# believed where it need not: to deceive, a heart has to change as the pace does, at that very moment.
STEADY = 0.05
PER_STRAY = 3.0
# A heart that changes by more would not show that a beat was missed.
SHOWS_MISSED = 0.5 * math.log(2.0)
# Where the next beat but one is due none tells.
OVERDUE_BEATS = 2.0


class Cause(Enum):
    """Why packets come at another pace."""

    LINK = "link"
    RATE = "rate"
    OPEN = "open"
    """It is the link so far; the beats that will tell are still to come."""


GOES_ON = frozenset({Cause.LINK, Cause.OPEN})
"""The heart goes on as before while packets come later and later, so far or for good."""


@dataclass(frozen=True, slots=True)
class _Heard:
    at_ns: float
    rr: float
    """The natural logarithm of the time since the beat before."""
    follows_on: bool


class RateWitness:
    """Keeps the newest beats, in time counted at the rate that may be in doubt.

    If a link slows, intervals in samples stay; if the rate falls, they shrink as much as the pace.

    Notes
    -----
    Delay: none. Warm-up: eight intervals.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._last_ns: float | None = None
        self._beats: deque[_Heard] = deque(maxlen=N_KEPT)

    @property
    def is_strange(self) -> bool:
        """Whether the newest two beats follow on nothing, as one does after a break: they look like none before."""
        return not any([beat.follows_on for beat in list(self._beats)[-2:]])

    def restart(self) -> None:
        """Forget the beats so far."""
        self._last_ns = None
        self._beats.clear()

    def hear(self, counted_ns: float, *, follows_on: bool) -> None:
        """Take a beat; one that is not later than the last is passed over.

        Parameters
        ----------
        counted_ns : its time by counting
        follows_on : whether it is known to follow on the beat before
        """
        last_ns = self._last_ns
        if last_ns is not None and counted_ns <= last_ns:
            return
        if last_ns is not None:
            self._beats.append(_Heard(counted_ns, math.log(counted_ns - last_ns), follows_on))
        self._last_ns = counted_ns

    def is_steady(self, until_ns: float) -> bool:
        """Whether the heart was so even that it would tell of a link.

        Parameters
        ----------
        until_ns : by counting

        Returns
        -------
        False, too, where too little of it was heard
        """
        before = self._before(until_ns)
        if len(before) < N_BEFORE:
            return False
        was = median(before)
        return _most_by_itself([abs(rr - was) for rr in before]) < SHOWS_MISSED

    def cause(self, *, since_ns: float, now_ns: float, share: float) -> Cause | None:
        """Return why packets come later and later.

        Parameters
        ----------
        since_ns : from when on they do, by counting
        now_ns : the newest sample, by counting
        share : by what share samples take longer than before, if it is the rate

        Returns
        -------
        the cause that the heart agrees with, and with no other; None where it cannot tell
        """
        before = self._before(since_ns)
        if len(before) < N_BEFORE:
            return None
        after = [beat for beat in self._beats if beat.at_ns - math.exp(beat.rr) >= since_ns][-N_AFTER:]
        was, shift = median(before), -math.log1p(share)
        now = median([beat.rr for beat in after]) if after else was
        most = _most_by_itself([*[abs(rr - was) for rr in before], *[abs(beat.rr - now) for beat in after]])
        fits_share = abs(now - was - shift) <= most
        as_before = [abs(beat.rr - was) <= most for beat in after if beat.follows_on]
        if all(as_before) and not (fits_share or self.is_strange) and most < SHOWS_MISSED:
            if len(as_before) >= N_OF_LINK:
                return Cause.LINK
            is_due = now_ns - self._beats[-1].at_ns < OVERDUE_BEATS * math.exp(was)
            return Cause.OPEN if is_due else None
        return Cause.RATE if len(after) >= N_OF_RATE and fits_share and abs(now - was) > most else None

    def _before(self, since_ns: float) -> list[float]:
        return [beat.rr for beat in self._beats if beat.at_ns <= since_ns and beat.follows_on][-N_BEFORE:]


def _most_by_itself(strays: list[float]) -> float:
    """Return by how much a heart changes by itself whose intervals stray so far from their median."""
    return STEADY + PER_STRAY * fmean(strays)
