"""From the arousal index to one slow shape and one word: averaged, never jumpy."""

import math
from collections import deque
from enum import StrEnum

from becalm_protocol.derived import Index, Reason
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

BASELINE_AROUSAL = 50.0
# The index itself is smoothed over 30 s; 8 s more take the last steps out and stay within one breath.
SMOOTHING_S = 8.0
# Easing is a fall of 3 points in 30 s: four times the scatter of the smoothed index at rest.
EASING_FALL, EASING_WINDOW_NS = 3.0, 30 * NS_PER_S
# Within 6 points of 50 a person is as at rest: about half a robust standard deviation of one body system.
STEADY_BAND = 6.0
# A word stays for at least a short breath.
WORD_STAYS_NS = 6 * NS_PER_S
# A value older than this is no longer now.
OLD_NS = 10 * NS_PER_S


class SettlingWord(StrEnum):
    """The word beside the shape."""

    SETTLING = "settling"
    EASING = "easing"
    STEADY = "steady"
    ACTIVE = "active"


@value
class SettlingView:
    """The shape at one moment."""

    level: float | None
    """0: active, 0.5: as at the person's own rest, 1: settled; None before there is any."""
    word: SettlingWord | None
    reason: Reason | None
    """Why there is no word."""
    is_stale: bool
    """The level is held from earlier: dim it and say so."""


class Settling:
    """Follows the arousal index by its own time."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._arousal: float | None = None
        self._t_ns = 0
        self._past: deque[tuple[int, float]] = deque()
        self._word: SettlingWord | None = None
        self._word_ns = 0
        self._reason: Reason | None = Reason.WARMING_UP

    def add(self, arousal: Index, *, t_ns: int) -> None:
        """Take the index of one moment, withheld or not."""
        self._reason = arousal.reason
        if arousal.value is None:
            return
        smoothed = self._smooth(arousal.value, t_ns)
        self._arousal, self._t_ns = smoothed, t_ns
        self._choose_word(smoothed, t_ns)

    def view(self, session_ns: int | None) -> SettlingView:
        """Return the shape at the session time `session_ns`."""
        if self._arousal is None:
            return SettlingView(level=None, word=None, reason=self._reason, is_stale=False)
        is_stale = session_ns is None or session_ns - self._t_ns > OLD_NS
        return SettlingView(
            level=min(1.0, max(0.0, 1 - self._arousal / (2 * BASELINE_AROUSAL))),
            word=None if is_stale else self._word,
            reason=self._reason,
            is_stale=is_stale,
        )

    def _smooth(self, arousal: float, t_ns: int) -> float:
        if self._arousal is None or t_ns - self._t_ns > OLD_NS:
            self._past.clear()
            self._word_ns = t_ns - WORD_STAYS_NS
            return arousal
        gain = 1 - math.exp(-max(0, t_ns - self._t_ns) / (SMOOTHING_S * NS_PER_S))
        return self._arousal + gain * (arousal - self._arousal)

    def _choose_word(self, arousal: float, t_ns: int) -> None:
        self._past.append((t_ns, arousal))
        while self._past[0][0] < t_ns - EASING_WINDOW_NS:
            self._past.popleft()
        if t_ns - self._word_ns < WORD_STAYS_NS:
            return
        word = self._word_now(arousal)
        if word is not self._word:
            self._word, self._word_ns = word, t_ns

    def _word_now(self, arousal: float) -> SettlingWord:
        if self._past[0][1] - arousal >= EASING_FALL:
            return SettlingWord.EASING
        if arousal > BASELINE_AROUSAL + STEADY_BAND:
            return SettlingWord.ACTIVE
        return SettlingWord.SETTLING if arousal < BASELINE_AROUSAL - STEADY_BAND else SettlingWord.STEADY
