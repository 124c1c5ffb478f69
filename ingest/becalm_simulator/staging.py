"""Random lives: what disturbs sensors and bodies in everyday wear, seeded."""

from collections.abc import Sequence

import numpy as np

from becalm_protocol.events import require
from becalm_protocol.units import ns_from_s
from becalm_simulator.episode import MAX_EPISODE_S, Episode, EpisodeKind
from becalm_simulator.population import MAX_SEED

Row = tuple[EpisodeKind, tuple[float, float], tuple[float, float]]
"""Kind, seconds (low, high), amount (low, high)."""
MAX_PER_HOUR = 3600.0
ELECTRODE_DISTURBANCES: tuple[Row, ...] = (
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
"""Everyday wear of electrodes."""
DISTURBANCES: tuple[Row, ...] = (
    *ELECTRODE_DISTURBANCES,
    (EpisodeKind.ECG_CLIPPED, (5.0, 40.0), (150.0, 700.0)),
    (EpisodeKind.ECG_DROPOUT, (0.5, 12.0), (1.0, 1.0)),
    (EpisodeKind.SKIN_NOISE, (5.0, 40.0), (0.01, 0.15)),
    (EpisodeKind.SKIN_DRYING, (60.0, 120.0), (0.05, 0.2)),
    (EpisodeKind.SKIN_CLIPPED, (10.0, 60.0), (0.8, 1.05)),
    (EpisodeKind.SKIN_DROPOUT, (0.5, 12.0), (1.0, 1.0)),
    (EpisodeKind.BELT_SLIPPED, (10.0, 60.0), (2.0, 12.0)),
    (EpisodeKind.BELT_LOOSE, (10.0, 60.0), (0.5, 1.0)),
    (EpisodeKind.BELT_STUCK, (5.0, 40.0), (1.0, 1.0)),
    (EpisodeKind.BELT_CLIPPED, (10.0, 60.0), (0.1, 0.7)),
    (EpisodeKind.BELT_DROPOUT, (0.5, 12.0), (1.0, 1.0)),
)
"""Everyday wear of a chest strap, a belt and skin electrodes."""
LIFE: tuple[Row, ...] = (
    (EpisodeKind.SUPINE, (30.0, 90.0), (1.0, 1.0)),
    (EpisodeKind.STANDING, (30.0, 90.0), (1.0, 1.0)),
    (EpisodeKind.MOVING, (10.0, 40.0), (0.2, 1.0)),
    (EpisodeKind.THREAT, (15.0, 60.0), (0.3, 1.0)),
    (EpisodeKind.STIMULUS, (3.0, 6.0), (0.3, 1.0)),
    (EpisodeKind.HOLD, (8.0, 25.0), (1.0, 1.0)),
    (EpisodeKind.OVERBREATHING, (20.0, 60.0), (0.5, 1.5)),
    (EpisodeKind.TALKING, (10.0, 60.0), (1.0, 1.0)),
    (EpisodeKind.COUGHING, (2.0, 8.0), (0.5, 4.0)),
    (EpisodeKind.EARLY_BEATS, (15.0, 60.0), (0.1, 0.4)),
    (EpisodeKind.FIBRILLATION, (30.0, 90.0), (1.0, 1.0)),
)
"""What a body goes through in a session, one thing after the other."""


def seeded_disturbances(
    seed: int, *, seconds: float, per_hour: float, rows: Sequence[Row] = ELECTRODE_DISTURBANCES
) -> tuple[Episode, ...]:
    """Return random disturbances of sensors, about `per_hour` of them an hour; the same seed, the same ones."""
    return _draw(seed, tag=8, seconds=seconds, per_hour=per_hour, rows=rows)


def seeded_life(seed: int, *, seconds: float, per_hour: float) -> tuple[Episode, ...]:
    """Return random happenings to the body, at most `per_hour` of them an hour, none before the last has ended."""
    lived: list[Episode] = []
    for episode in _draw(seed, tag=17, seconds=seconds, per_hour=per_hour, rows=LIFE):
        if not lived or episode.start_ns >= lived[-1].end_ns:
            lived.append(episode)
    return tuple(lived)


def _draw(seed: int, *, tag: int, seconds: float, per_hour: float, rows: Sequence[Row]) -> tuple[Episode, ...]:
    require(0 <= seed <= MAX_SEED, "seed", f"0 to {MAX_SEED}", seed)
    require(0 < seconds <= MAX_EPISODE_S, "seconds", f"above 0 to {MAX_EPISODE_S:g}", seconds)
    require(0 <= per_hour <= MAX_PER_HOUR, "per_hour", f"0 to {MAX_PER_HOUR:g}", per_hour)
    require(len(rows) > 0, "rows", "at least one kind of episode", rows)
    rng = np.random.default_rng(np.random.SeedSequence([seed, tag]))
    episodes = []
    for _ in range(int(rng.poisson(per_hour * seconds / 3600.0))):
        kind, lengths_s, amounts = rows[int(rng.integers(len(rows)))]
        start_s, length_s = rng.uniform(0.0, seconds), rng.uniform(*lengths_s)
        start_ns = ns_from_s(float(start_s))
        end_ns = start_ns + ns_from_s(float(length_s))
        episodes.append(Episode(kind=kind, start_ns=start_ns, end_ns=end_ns, amount=float(rng.uniform(*amounts))))
    return tuple(sorted(episodes, key=_start))


def _start(episode: Episode) -> int:
    return episode.start_ns
