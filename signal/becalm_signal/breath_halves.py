"""The length of a breath from its halves, while three whole ones have not passed since a break."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from becalm_protocol.derived import BreathPhase, BreathTurn
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import SD_OF_MEDIAN, Z_95
from becalm_signal.turn_finder import LEAST_HALF_S

# So many halves of either kind tell what is usual; of the last so many.
N_KNOWN, N_USUAL = 3, 8
# From so much of the usual length on, and up to it, a half is one: an eddy is shorter, two turns missed make three.
SHORT, LONG = 0.55, 1.7
# Halves vary by no less than this share of theirs: few of them say little of how much they vary.
LEAST_SD_SHARE = 0.2
# As many whole breaths make a rate by themselves.
N_BREATHS = 3


@dataclass(frozen=True, slots=True)
class Length:
    """Length of a breath in s, and half width of its 95 % interval."""

    s: float
    error_s: float


class HalfBreaths:
    """Inhalations and exhalations since a break, held against those before it.

    Notes
    -----
    Delay: that of turns. Warm-up: three of either before the break; after it one of the usual length.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._lengths_s = {phase: deque[float](maxlen=N_USUAL) for phase in BreathPhase}
        self._usual: Mapping[BreathPhase, tuple[float, float]] | None = None
        """Middle and standard deviation of the halves that begin so, before the break."""
        self._turns: deque[BreathTurn] = deque(maxlen=2 * N_BREATHS + 1)

    def turn(self, turn: BreathTurn) -> None:
        """Take the next turn; one of the same kind as the one before does not follow on it.

        Parameters
        ----------
        turn : of the source followed, in order of time
        """
        if self._turns and turn.phase is self._turns[-1].phase:
            self.forget()
        if self._turns:
            before = self._turns[-1]
            length_s = (turn.t_ns - before.t_ns) / NS_PER_S
            if length_s > LEAST_HALF_S:
                self._lengths_s[before.phase].append(length_s)
        self._turns.append(turn)

    def forget(self) -> None:
        """What comes next does not follow on what came; what was usual is kept."""
        if len(self._turns) > 1 and min(map(len, self._lengths_s.values())) >= N_KNOWN:
            self._usual = {phase: _usual(lengths_s) for phase, lengths_s in self._lengths_s.items()}
        self._turns.clear()

    def length(self) -> Length | None:
        """Return how long a breath is as far as the halves since the break tell.

        Returns
        -------
        in s with its bound; None where they do not tell
        """
        usual = self._usual
        if usual is None or len(self._turns) < 2:
            return None
        usual_s = sum(middle_s for middle_s, _ in usual.values())
        halves = [(a.phase, (b.t_ns - a.t_ns) / NS_PER_S) for a, b in pairwise(self._turns)]
        if not all(SHORT < half_s / usual[phase][0] < LONG for phase, half_s in halves):
            return None
        share = sum(usual[phase][0] for phase, _ in halves) / usual_s
        length_s = sum(half_s for _, half_s in halves) / share
        off_s = [half_s - usual[phase][0] * length_s / usual_s for phase, half_s in halves]
        seen_sd_s = math.sqrt(sum(off**2 for off in off_s) / max(1, len(halves) - 1))
        sd_s = {phase: max(seen_sd_s, LEAST_SD_SHARE * middle_s, sd_s) for phase, (middle_s, sd_s) in usual.items()}
        # The halves heard stand for the last three breaths, which have halves of their own.
        heard_s2 = sum(sd_s[phase] ** 2 for phase, _ in halves) / share**2
        whole_s2 = sum(one_s**2 for one_s in sd_s.values()) / N_BREATHS
        # Those of them that were not heard may have been of the usual length still.
        unheard = max(0.0, 1.0 - share / N_BREATHS)
        return Length(length_s, math.hypot(Z_95 * math.sqrt(heard_s2 + whole_s2), unheard * (length_s - usual_s)))


def _usual(lengths_s: Sequence[float]) -> tuple[float, float]:
    """Return middle and deviation, whatever the turns were that a fault began with (3 in 8 may be none)."""
    middle_s = median(lengths_s)
    return middle_s, SD_OF_MEDIAN * median([abs(length_s - middle_s) for length_s in lengths_s])
