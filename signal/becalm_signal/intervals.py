"""One confirmed interval, and what is known of both its ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from becalm_protocol.derived import Beat, BeatFlag

# Standard deviation of a beat's time: 130 Hz with a parabola 0.1-0.7 ms on real straps; RR counts of 1/1024 s 0.3 ms.
BEAT_JITTER_MS = 0.7
# An interval known no better than this has an end that was laid on noise: only that there was a beat is known.
PLACED_MS = 25.0


def is_sound(beat: Beat) -> bool:
    """Whether an interval is one of the rhythm, and both its ends are known.

    Parameters
    ----------
    beat : confirmed, with the interval that it ends

    Returns
    -------
    whether the interval may be used
    """
    return beat.flag is BeatFlag.OK and is_placed(beat)


def is_placed(beat: Beat) -> bool:
    """Whether both ends of an interval are known.

    Parameters
    ----------
    beat : confirmed, with the interval that it ends

    Returns
    -------
    whether its length is known
    """
    return (beat.rr_error_ms or 0.0) < PLACED_MS


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
    is_doubted: bool = False
    """Its flag is on no misread or early beat that would explain it."""
    is_irregular: bool = False
    """The heart has no rhythm there."""
    step_ms: float | None = None
    """Difference from the interval before, where both are sound and neighbours."""
    rhythm_ms: float = 0.0
    """What counts of it: its length, or what it would have been without a beat that was surely early."""
    rhythm_error_ms: float = 0.0
    """Standard deviation of that, 0 for its length."""
    early_ms: float = 0.0
    """How much longer it would have been without a beat that may have been early."""
    is_swing: bool = False
    """A neighbour is nearly as short: that is a swing which sets in at once, unless early beats are about."""
    unseen_ms: float = 0.0
    """An early beat that has taken less than this is not told from a swing."""
    early_about: float = 0.0
    """By how many deviations what may be early beats stood out in the five minutes before it."""

    def __post_init__(self) -> None:
        self.rhythm_ms = self.rr_ms

    def may_be_early(self, *, has_early: bool) -> bool:
        """Whether it may end at an early beat, where such are about or not."""
        return self.early_ms > 0.0 and (has_early or not self.is_swing)


def newest_ns(window: Sequence[Interval]) -> int:
    """Return the end of the newest accepted interval: what comes after it is no part of an index yet.

    Parameters
    ----------
    window : intervals in order, shape (n_beats,), at least one accepted

    Returns
    -------
    session time in ns
    """
    return next((rr.t_ns for rr in reversed(window) if rr.accepted), window[-1].t_ns)


def jitter_ms(window: Sequence[Interval]) -> float:
    """Return the standard deviation of a beat's time, in ms, over the accepted intervals of a window.

    Parameters
    ----------
    window : intervals in order, shape (n_beats,)

    Returns
    -------
    root mean square of the errors of their beats, in ms
    """
    variances = [rr.jitter_ms2 for rr in window if rr.accepted]
    return math.sqrt(sum(variances) / len(variances))
