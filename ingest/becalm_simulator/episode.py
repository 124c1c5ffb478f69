"""What happens to a body from outside, scripted or seeded: posture, stress, breath holds and disturbed sensors."""

from collections.abc import Iterable
from enum import StrEnum

import numpy as np

from becalm_protocol.events import require, require_time, value
from becalm_protocol.units import ns_from_s


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
    POLARITY = "polarity"
    TALL_T = "tall_t"
    WANDER = "wander"
    POWERLINE_50 = "powerline_50"
    POWERLINE_60 = "powerline_60"
    MUSCLE = "muscle"
    POPS = "pops"
    OFF_BODY = "off_body"
    SKIN_MOTION = "skin_motion"
    SKIN_OFF = "skin_off"


AMOUNTS: dict[EpisodeKind, tuple[float, float, str]] = {
    EpisodeKind.SUPINE: (0.0, 1.0, "share of lying down"),
    EpisodeKind.STANDING: (0.0, 1.0, "share of standing upright"),
    EpisodeKind.MOVING: (0.0, 1.0, "share of brisk walking"),
    EpisodeKind.THREAT: (0.0, 1.0, "arousal added, times the person's gain"),
    EpisodeKind.CALMING: (0.0, 1.0, "arousal taken away"),
    EpisodeKind.STIMULUS: (0.0, 1.0, "strength of a sudden stimulus at the start"),
    EpisodeKind.HOLD: (0.0, 1.0, "1: no breath until the end"),
    EpisodeKind.OVERBREATHING: (0.0, 2.0, "depth added, as a share"),
    EpisodeKind.POLARITY: (0.0, 1.0, "1: electrodes the other way round"),
    EpisodeKind.TALL_T: (1.0, 6.0, "factor on the T wave"),
    EpisodeKind.WANDER: (0.0, 5000.0, "uV of baseline"),
    EpisodeKind.POWERLINE_50: (0.0, 3000.0, "uV at 50 Hz"),
    EpisodeKind.POWERLINE_60: (0.0, 3000.0, "uV at 60 Hz"),
    EpisodeKind.MUSCLE: (0.0, 2000.0, "uV (standard deviation) of muscle noise"),
    EpisodeKind.POPS: (0.0, 10000.0, "uV of each electrode pop"),
    EpisodeKind.OFF_BODY: (0.0, 1.0, "1: the electrodes hang free"),
    EpisodeKind.SKIN_MOTION: (0.0, 10.0, "uS of each jerk"),
    EpisodeKind.SKIN_OFF: (0.0, 1.0, "1: the skin electrodes hang free"),
}
ECG_KINDS = frozenset(
    {
        EpisodeKind.POLARITY, EpisodeKind.TALL_T, EpisodeKind.WANDER, EpisodeKind.POWERLINE_50,
        EpisodeKind.POWERLINE_60, EpisodeKind.MUSCLE, EpisodeKind.POPS, EpisodeKind.OFF_BODY,
    }
)  # fmt: skip
SKIN_KINDS = frozenset({EpisodeKind.SKIN_MOTION, EpisodeKind.SKIN_OFF})
MAX_EPISODE_S = 24 * 3600.0
# How seeded disturbances look: kind, seconds (low, high), amount (low, high). Everyday wear of a chest strap.
DISTURBANCES = (
    (EpisodeKind.WANDER, (5.0, 30.0), (300.0, 1500.0)),
    (EpisodeKind.MUSCLE, (3.0, 20.0), (60.0, 350.0)),
    (EpisodeKind.POPS, (1.0, 8.0), (800.0, 4000.0)),
    (EpisodeKind.POWERLINE_50, (5.0, 60.0), (50.0, 500.0)),
    (EpisodeKind.POWERLINE_60, (5.0, 60.0), (50.0, 500.0)),
    (EpisodeKind.TALL_T, (20.0, 90.0), (1.5, 3.5)),
    (EpisodeKind.OFF_BODY, (2.0, 15.0), (1.0, 1.0)),
    (EpisodeKind.POLARITY, (20.0, 90.0), (1.0, 1.0)),
    (EpisodeKind.SKIN_MOTION, (2.0, 10.0), (0.2, 3.0)),
    (EpisodeKind.SKIN_OFF, (2.0, 15.0), (1.0, 1.0)),
)


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

    def within(self, kinds: frozenset[EpisodeKind], first_ns: int, *, last_ns: int) -> tuple[Episode, ...]:
        """Return the episodes of these kinds that touch a stretch of time, in order of their start."""
        if not self.kinds & kinds:
            return ()
        return tuple(e for e in self.episodes if e.kind in kinds and e.start_ns <= last_ns and e.end_ns >= first_ns)


def seeded_disturbances(seed: int, *, seconds: float, per_hour: float) -> tuple[Episode, ...]:
    """Return random disturbances of the sensors, about `per_hour` of them an hour; the same seed, the same ones."""
    require(0 < seconds <= MAX_EPISODE_S, "seconds", f"above 0 to {MAX_EPISODE_S:g}", seconds)
    require(0 <= per_hour <= 3600, "per_hour", "0 to 3600", per_hour)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 8]))
    episodes = []
    for _ in range(int(rng.poisson(per_hour * seconds / 3600.0))):
        kind, lengths_s, amounts = DISTURBANCES[int(rng.integers(len(DISTURBANCES)))]
        start_s, length_s = rng.uniform(0.0, seconds), rng.uniform(*lengths_s)
        start_ns = ns_from_s(float(start_s))
        end_ns = start_ns + ns_from_s(float(length_s))
        episodes.append(Episode(kind=kind, start_ns=start_ns, end_ns=end_ns, amount=float(rng.uniform(*amounts))))
    return tuple(sorted(episodes, key=_start))


def _start(episode: Episode) -> int:
    return episode.start_ns
