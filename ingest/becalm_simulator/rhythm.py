"""The rhythm: when the next beat is due, with early beats, their pauses, and irregular stretches."""

import math
from enum import StrEnum

from becalm_simulator.dice import Dice
from becalm_simulator.person import Person

# A ventricular beat comes early, and the pause after it makes up for it (compensatory pause).
VENTRICULAR_PREMATURITY = 0.62
# An atrial beat resets the sinus node: the pause after it is hardly longer than usual.
ATRIAL_PREMATURITY = 0.70
ATRIAL_PAUSE = 1.06
# Irregularly irregular: the interval has a coefficient of variation of about 0.2, none remembers the one before.
FIBRILLATION_SPREAD = 0.22
FIBRILLATION_RANGE = (0.55, 1.9)
FIBRILLATION_BOUT_S = 180.0
MIN_SHARE_OF_INTERVAL = 0.5


class BeatKind(StrEnum):
    """Where a beat came from."""

    SINUS = "sinus"
    VENTRICULAR = "ventricular"
    ATRIAL = "atrial"
    """Early, from an atrium outside the sinus node."""
    FIBRILLATION = "fibrillation"
    """From atria without a rhythm."""


class Rhythm:
    """Draws the length of each interval as a share of the one the rate asks for."""

    def __init__(self, person: Person, dice: Dice) -> None:
        self._person = person
        self._dice = dice
        self.kind = BeatKind.SINUS
        """Kind of the beat that is due next."""
        self._own_fibrillation = dice.uniform() < person.fibrillation_share
        self._is_forced = False
        self._early_share = 0.0

    @property
    def fibrillating(self) -> bool:
        """Whether the atria have no rhythm now, of their own or by force."""
        return self._own_fibrillation or self._is_forced

    def force(self, *, early_share: float, fibrillating: bool) -> None:
        """Add this share of early ventricular beats, and take the atria's rhythm away, until told otherwise."""
        self._early_share, self._is_forced = early_share, fibrillating

    def drift(self, step_s: float) -> None:
        """Let an irregular stretch begin or end; on average they fill the person's share of time."""
        share = self._person.fibrillation_share
        if 0.0 < share < 1.0:
            leave_s = FIBRILLATION_BOUT_S * (1.0 if self._own_fibrillation else (1.0 - share) / share)
            if self._dice.uniform() < step_s / leave_s:
                self._own_fibrillation = not self._own_fibrillation

    def next_share(self) -> float:
        """A beat has come: return the next interval as a share of the usual one."""
        person, dice = self._person, self._dice
        noise, chance = dice.normal(), dice.uniform()
        if self.fibrillating:
            self.kind = BeatKind.FIBRILLATION
            low, high = FIBRILLATION_RANGE
            return min(max(math.exp(FIBRILLATION_SPREAD * noise), low), high)
        early, self.kind = self.kind, BeatKind.SINUS
        if early is BeatKind.VENTRICULAR:
            return 2.0 - VENTRICULAR_PREMATURITY
        if early is BeatKind.ATRIAL:
            return ATRIAL_PAUSE
        ventricular_share = person.ectopic_share + self._early_share
        if chance < ventricular_share:
            self.kind = BeatKind.VENTRICULAR
            return VENTRICULAR_PREMATURITY
        if chance < ventricular_share + person.atrial_ectopic_share:
            self.kind = BeatKind.ATRIAL
            return ATRIAL_PREMATURITY
        return max(1.0 + person.beat_jitter * noise, MIN_SHARE_OF_INTERVAL)
