"""What each index should say of a virtual person: its own definition (docs/indices.md), applied to the truth."""

import itertools
import math
from bisect import bisect_right

from becalm_protocol.derived import BreathPhase
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_simulator.blocks import true_levels_us
from becalm_simulator.body import Body
from becalm_simulator.heart import HeartBeat
from becalm_simulator.rhythm import BeatKind
from becalm_simulator.rises import true_rises

# A value speaks of the moment of its newest sample. A beat or turn found a little early is still the same one.
BEAT_NS = 150 * NS_PER_MS
TURN_NS = 1_000 * NS_PER_MS
N_HEART_RATE, N_HEART_RATE_ODD, N_BREATHS = 5, 10, 3
WINDOW_NS = 60 * NS_PER_S
# RMSSD needs this share of its window in accepted intervals, and so many pairs.
MIN_ACCEPTED_SHARE, MIN_PAIRS = 0.8, 10
MIN_RESPONSE_US = 0.05
SCR_MIN_NS = 30 * NS_PER_S
EARLY = frozenset({BeatKind.VENTRICULAR, BeatKind.ATRIAL})


class Truth:
    """The true indices of one body, for all the time it has lived; None where the definition has no value."""

    def __init__(self, body: Body) -> None:
        self.beats = body.beats()
        self.turns = tuple(turn for turn in body.turns() if turn.t_ns >= 0)
        self.responses = tuple(rise for rise in true_rises(body) if rise.height_us >= MIN_RESPONSE_US)
        self._beats_ns = [beat.t_ns for beat in self.beats]
        self.inhale_ns = [turn.t_ns for turn in self.turns if turn.phase is BreathPhase.IN]
        self._peaks_ns = sorted(response.peak_ns for response in self.responses)
        self._levels_us = true_levels_us(body)
        self._body = body

    def index(self, name: str, t_ns: int, *, tick_ns: int) -> float | None:
        """Return the true value of an index told at `tick_ns` whose newest sample is of `t_ns`."""
        if name == "heart_rate_bpm":
            return self.heart_rate_bpm(t_ns)
        if name == "rmssd_ms":
            return self.rmssd_ms(t_ns, since_ns=tick_ns - WINDOW_NS)
        if name == "breathing_rate_bpm":
            return self.breathing_rate_bpm(t_ns)
        return self.level_us(t_ns) if name == "scl_us" else self.responses_per_min(t_ns)

    def heart_rate_bpm(self, t_ns: int) -> float | None:
        """Return 60 / mean of the last five intervals; of the last ten where an early beat is among the five."""
        last = bisect_right(self._beats_ns, t_ns + BEAT_NS)
        return heart_rate_bpm(self.beats[max(1, last - N_HEART_RATE_ODD) : last])

    def rmssd_ms(self, t_ns: int, *, since_ns: int) -> float | None:
        """Return RMSSD of the intervals that end from `since_ns` on, of pairs that no early beat touches.

        The last minute as it was known: the newest beat or two are not settled, and the window is that much shorter.
        """
        first = bisect_right(self._beats_ns, since_ns)
        last = bisect_right(self._beats_ns, t_ns + BEAT_NS)
        return rmssd_ms(self.beats[max(0, first - 1) : last])

    def breathing_rate_bpm(self, t_ns: int) -> float | None:
        """Return 60 / mean length of the last three whole breaths."""
        last = bisect_right(self.inhale_ns, t_ns + TURN_NS)
        if last <= N_BREATHS:
            return None
        return 60.0 * N_BREATHS * NS_PER_S / (self.inhale_ns[last - 1] - self.inhale_ns[last - 1 - N_BREATHS])

    def level_us(self, t_ns: int) -> float | None:
        """Return the level of the skin itself below 0.05 Hz, between whole seconds along a straight line."""
        second, within_ns = divmod(t_ns, NS_PER_S)
        if not 0 <= second < len(self._levels_us) - 1:
            return None
        here, there = self._levels_us[second : second + 2]
        return here + (there - here) * within_ns / NS_PER_S

    def responses_per_min(self, t_ns: int) -> float | None:
        """Return responses that raised the skin by 0.05 uS and more, whose peak lies in the last 60 s, from 30 s on."""
        window_ns = min(WINDOW_NS, t_ns)
        if window_ns < SCR_MIN_NS:
            return None
        n = bisect_right(self._peaks_ns, t_ns) - bisect_right(self._peaks_ns, t_ns - window_ns)
        return n * WINDOW_NS / window_ns

    def arousal(self, t_ns: int) -> float:
        """Return latent arousal, 0 to 1."""
        return self._body.arousal_at(t_ns)


def heart_rate_bpm(beats: tuple[HeartBeat, ...]) -> float | None:
    """Return the heart rate of the newest of at most ten beats, each with the interval that ends at it."""
    recent = beats[-N_HEART_RATE:]
    if any(beat.kind in EARLY for beat in recent):
        recent = beats
    return 60.0 * len(recent) / sum(beat.rr_s for beat in recent) if recent else None


def rmssd_ms(beats: tuple[HeartBeat, ...]) -> float | None:
    """Return RMSSD of the intervals between these beats, or None where early beats leave too few.

    An interval counts when neither of its ends is an early beat; a pair when both its intervals count.
    """
    accepted = [beat.kind not in EARLY and before.kind not in EARLY for before, beat in itertools.pairwise(beats)]
    told_s = sum(beat.rr_s for beat, counts in zip(beats[1:], accepted, strict=True) if counts)
    steps = [
        (1000.0 * (beats[i + 2].rr_s - beats[i + 1].rr_s)) ** 2
        for i, both in enumerate(itertools.pairwise(accepted))
        if all(both)
    ]
    if told_s < MIN_ACCEPTED_SHARE * WINDOW_NS / NS_PER_S or len(steps) < MIN_PAIRS:
        return None
    return math.sqrt(sum(steps) / len(steps))
