"""What happens to a body from outside: posture, stress, breath holds, rhythms and disturbed sensors."""

from collections.abc import Iterable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind, require, require_time, value
from becalm_protocol.units import NS_PER_S, ns_from_s


class EpisodeKind(StrEnum):
    """What may happen; the amount's meaning and range are in `AMOUNTS`."""

    SUPINE = "supine"
    STANDING = "standing"
    MOVING = "moving"
    THREAT = "threat"
    CALMING = "calming"
    STIMULUS = "stimulus"
    HOLD = "hold"
    OVERBREATHING = "overbreathing"
    TALKING = "talking"
    COUGHING = "coughing"
    EARLY_BEATS = "early_beats"
    FIBRILLATION = "fibrillation"
    POLARITY = "polarity"
    TALL_T = "tall_t"
    WANDER = "wander"
    POWERLINE_50 = "powerline_50"
    POWERLINE_60 = "powerline_60"
    MUSCLE = "muscle"
    POPS = "pops"
    OFF_BODY = "off_body"
    ECG_CLIPPED = "ecg_clipped"
    ECG_DROPOUT = "ecg_dropout"
    BELT_SLIPPED = "belt_slipped"
    BELT_LOOSE = "belt_loose"
    BELT_STUCK = "belt_stuck"
    BELT_CLIPPED = "belt_clipped"
    BELT_DROPOUT = "belt_dropout"
    AXIS_STUCK = "axis_stuck"
    SKIN_MOTION = "skin_motion"
    SKIN_OFF = "skin_off"
    SKIN_NOISE = "skin_noise"
    SKIN_DRYING = "skin_drying"
    SKIN_CLIPPED = "skin_clipped"
    SKIN_DROPOUT = "skin_dropout"
    LAMP_LIGHT = "lamp_light"
    PULSE_OFF = "pulse_off"


AMOUNTS: dict[EpisodeKind, tuple[float, float, str]] = {
    EpisodeKind.SUPINE: (0.0, 1.0, "share of lying down"),
    EpisodeKind.STANDING: (0.0, 1.0, "share of standing upright"),
    EpisodeKind.MOVING: (0.0, 1.0, "share of brisk walking"),
    EpisodeKind.THREAT: (0.0, 1.0, "arousal added, times the person's gain"),
    EpisodeKind.CALMING: (0.0, 1.0, "arousal taken away"),
    EpisodeKind.STIMULUS: (0.0, 1.0, "strength of a sudden stimulus at the start"),
    EpisodeKind.HOLD: (0.0, 1.0, "1: no breath until the end"),
    EpisodeKind.OVERBREATHING: (0.0, 2.0, "depth added, as a share"),
    EpisodeKind.TALKING: (0.0, 1.0, "1: speaks until the end"),
    EpisodeKind.COUGHING: (0.0, 10.0, "N of each cough on a belt; every sensor shakes with it"),
    EpisodeKind.EARLY_BEATS: (0.0, 0.5, "share of beats that come early from a ventricle"),
    EpisodeKind.FIBRILLATION: (0.0, 1.0, "1: a rhythm like that of atrial fibrillation"),
    EpisodeKind.POLARITY: (0.0, 1.0, "1: electrodes the other way round"),
    EpisodeKind.TALL_T: (1.0, 6.0, "factor on the T wave"),
    EpisodeKind.WANDER: (0.0, 5000.0, "uV of baseline"),
    EpisodeKind.POWERLINE_50: (0.0, 3000.0, "uV at 50 Hz"),
    EpisodeKind.POWERLINE_60: (0.0, 3000.0, "uV at 60 Hz"),
    EpisodeKind.MUSCLE: (0.0, 2000.0, "uV (standard deviation) of muscle noise"),
    EpisodeKind.POPS: (0.0, 10000.0, "uV of each electrode pop"),
    EpisodeKind.OFF_BODY: (0.0, 1.0, "1: the electrodes hang free"),
    EpisodeKind.ECG_CLIPPED: (1.0, 5000.0, "uV at which the amplifier ends"),
    EpisodeKind.ECG_DROPOUT: (0.0, 1.0, "1: no samples come; recordings without a radio only"),
    EpisodeKind.BELT_SLIPPED: (0.0, 25.0, "N of tension lost at once"),
    EpisodeKind.BELT_LOOSE: (0.0, 1.0, "share of the pull lost"),
    EpisodeKind.BELT_STUCK: (0.0, 1.0, "1: the reading stands still"),
    EpisodeKind.BELT_CLIPPED: (0.0, 1.0, "share of a habitual breath above the sensor's range"),
    EpisodeKind.BELT_DROPOUT: (0.0, 1.0, "1: no samples come; recordings without a radio only"),
    EpisodeKind.AXIS_STUCK: (0.0, 1.0, "1: acceleration out of the chest stands still"),
    EpisodeKind.SKIN_MOTION: (0.0, 10.0, "uS of each jerk"),
    EpisodeKind.SKIN_OFF: (0.0, 1.0, "1: the skin electrodes hang free"),
    EpisodeKind.SKIN_NOISE: (0.0, 5.0, "uS (standard deviation) of interference"),
    EpisodeKind.SKIN_DRYING: (0.0, 1.0, "share of conductance lost by the end"),
    EpisodeKind.SKIN_CLIPPED: (0.1, 3.0, "end of the amplifier's range, as a share of the level at the start"),
    EpisodeKind.SKIN_DROPOUT: (0.0, 1.0, "1: no samples come; recordings without a radio only"),
    EpisodeKind.LAMP_LIGHT: (0.0, 50.0, "light of a lamp on the pulse sensor, in resting pulses"),
    EpisodeKind.PULSE_OFF: (0.0, 1.0, "1: the pulse sensor lies on nothing"),
}
DROPOUTS = {
    SignalKind.ECG: EpisodeKind.ECG_DROPOUT,
    SignalKind.RESPIRATION: EpisodeKind.BELT_DROPOUT,
    SignalKind.SKIN_CONDUCTANCE: EpisodeKind.SKIN_DROPOUT,
}
ECG_KINDS = frozenset(
    {
        EpisodeKind.POLARITY, EpisodeKind.TALL_T, EpisodeKind.WANDER, EpisodeKind.POWERLINE_50,
        EpisodeKind.POWERLINE_60, EpisodeKind.MUSCLE, EpisodeKind.POPS, EpisodeKind.OFF_BODY, EpisodeKind.ECG_CLIPPED,
    }
)  # fmt: skip
"""What electrodes of an ECG show and the heart does not give."""
BELT_KINDS = frozenset(
    {EpisodeKind.BELT_SLIPPED, EpisodeKind.BELT_LOOSE, EpisodeKind.BELT_STUCK, EpisodeKind.BELT_CLIPPED}
)
SKIN_KINDS = frozenset(
    {
        EpisodeKind.SKIN_MOTION, EpisodeKind.SKIN_OFF, EpisodeKind.SKIN_NOISE, EpisodeKind.SKIN_DRYING,
        EpisodeKind.SKIN_CLIPPED,
    }
)  # fmt: skip
CONVERTER_KINDS = frozenset(
    {EpisodeKind.ECG_CLIPPED, EpisodeKind.SKIN_CLIPPED, EpisodeKind.BELT_CLIPPED, EpisodeKind.BELT_STUCK}
)
RHYTHM_KINDS = frozenset({EpisodeKind.EARLY_BEATS, EpisodeKind.FIBRILLATION})
BODY_KINDS = frozenset(
    {
        EpisodeKind.SUPINE, EpisodeKind.STANDING, EpisodeKind.MOVING, EpisodeKind.THREAT, EpisodeKind.CALMING,
        EpisodeKind.STIMULUS, EpisodeKind.HOLD, EpisodeKind.OVERBREATHING, EpisodeKind.TALKING, EpisodeKind.COUGHING,
    }
)  # fmt: skip
"""What happens to the whole body, and so to every signal of it."""
MAX_EPISODE_S = 24 * 3600.0


@value
class Episode:
    """One thing that happens for a while. Times are body time."""

    kind: EpisodeKind
    start_ns: int
    end_ns: int
    amount: float = 1.0

    def __post_init__(self) -> None:
        require_time("start_ns", self.start_ns)
        require(self.start_ns >= 0, "start_ns", "0 or later", self.start_ns)
        latest_ns = self.start_ns + ns_from_s(MAX_EPISODE_S)
        require(self.start_ns < self.end_ns <= latest_ns, "end_ns", "after start_ns, within 24 h", self.end_ns)
        low, high, meaning = AMOUNTS[self.kind]
        require(low <= self.amount <= high, f"amount of {self.kind}", f"{low:g} to {high:g} ({meaning})", self.amount)

    def ramp(self, t_ns: NDArray[np.int64], *, ramp_s: float) -> NDArray[np.float64]:
        """Return 1 within it, 0 outside, along straight ramps at both ends, shape (n_samples,)."""
        since_s, left_s = (t_ns - self.start_ns) / NS_PER_S, (self.end_ns - t_ns) / NS_PER_S
        return np.asarray(np.clip(np.minimum(since_s, left_s) / ramp_s, 0.0, 1.0), dtype=np.float64)


class Script:
    """The episodes of one body."""

    def __init__(self, episodes: Iterable[Episode] = ()) -> None:
        self.episodes: list[Episode] = sorted(episodes, key=_start)
        self.kinds = {episode.kind for episode in self.episodes}

    def add(self, episode: Episode) -> None:
        """Add one more."""
        self.episodes = sorted([*self.episodes, episode], key=_start)
        self.kinds.add(episode.kind)

    def amount(self, kind: EpisodeKind, t_ns: int) -> float:
        """Return how much of this there is at a time: the largest where several overlap, 0 where there is none."""
        if kind not in self.kinds:
            return 0.0
        return max((e.amount for e in self.episodes if e.kind is kind and e.start_ns <= t_ns < e.end_ns), default=0.0)

    def amounts(self, kind: EpisodeKind, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return `amount` at ascending times, shape (n_samples,)."""
        amounts = np.zeros(len(t_ns))
        for episode in self.within(frozenset({kind}), int(t_ns[0]), last_ns=int(t_ns[-1])):
            inside = (t_ns >= episode.start_ns) & (t_ns < episode.end_ns)
            amounts = np.maximum(amounts, episode.amount * inside)
        return amounts

    def eased(self, kind: EpisodeKind, t_ns: NDArray[np.int64], *, ramp_s: float) -> NDArray[np.float64]:
        """Return `amounts` that come and go along straight ramps within each episode."""
        eased = np.zeros(len(t_ns))
        for episode in self.within(frozenset({kind}), int(t_ns[0]), last_ns=int(t_ns[-1])):
            eased = np.maximum(eased, episode.amount * episode.ramp(t_ns, ramp_s=ramp_s))
        return eased

    def within(self, kinds: frozenset[EpisodeKind], first_ns: int, *, last_ns: int) -> tuple[Episode, ...]:
        """Return the episodes of these kinds that touch a stretch of time, in order of their start.

        Those of the converter come last, for it sees what all others have left.
        """
        if not self.kinds & kinds:
            return ()
        touching = [e for e in self.episodes if e.kind in kinds and e.start_ns <= last_ns and e.end_ns >= first_ns]
        return tuple(sorted(touching, key=_is_of_the_converter))


def _is_of_the_converter(episode: Episode) -> bool:
    return episode.kind in CONVERTER_KINDS


def _start(episode: Episode) -> int:
    return episode.start_ns
