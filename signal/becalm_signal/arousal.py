"""Arousal, 0 to 100, against the person's own first two quiet minutes, which are 50.

It compares a person with themselves only; it is not stress, anxiety or an emotion. FEATURES is the whole table: what
counts, which way, how much, and against what spread. Any subset of them will do: a feature counts when it has a value
now and had one in the baseline, and while a pacer runs only when the pacer does not force it.
"""

import math
from bisect import insort
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from becalm_protocol.derived import Index, Reason
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import SD_OF_MEDIAN, Z_95

# How often it is asked for at least, and the baseline grows.
EVERY_S = 2
EVERY_NS = EVERY_S * NS_PER_S
# From one quiet minute on there is an index; the baseline goes on to two while no pacer runs.
BASELINE_S = 60
LONGEST_BASELINE_S = 120
MIN_USABLE_SHARE = 0.6
SMOOTH_S = 30.0
# How far the smoothing lags is seen by a faster one; over this time breathing averages out.
FAST_S = 10.0
Z_CLIP = 3.0
# What falls farther than counts goes on falling: its course, of which half-lives are, is cut off here only.
FAR_CLIP = 10.0
POINTS_PER_Z = 10.0
# A feature counts when the baseline has at least this many seconds of it.
MIN_FEATURE_S = 10
# What a body system says of arousal is off by 0.4 robust standard deviations, and by a fifth of how far it went: on 70
# virtual people that is what is left of the index after each person's own straight line from true arousal. How far the
# systems disagree at the moment says next to nothing of it there; a little is left in for people who are not virtual.
SYSTEM_ERROR_Z = 0.4
SHARE_ERROR = 0.2
SPREAD_SHARE = 0.05
# A disturbed sensor is worse than it says.
READING_VARIANCES = 2.0


class System(StrEnum):
    """Which part of the body a feature speaks for."""

    HEART = "heart"
    SKIN = "skin"
    BREATH = "breath"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One row of the table."""

    name: str
    system: System
    sign: int
    """+1: rises with arousal."""
    weight: float
    """Shrinks with the error of a reading: half where that is as large as the spread."""
    floor: float
    """Least robust standard deviation, in the unit of the feature: what an adult at rest varies by within minutes."""
    memory_s: float
    """How long the error of a reading lasts: half the window that it comes from."""
    forced_by_pacer: bool = False
    """A pacer sets it: frozen out during practice, else the index measures compliance."""


FEATURES = (
    Feature(name="heart_rate_bpm", system=System.HEART, sign=1, weight=1.0, floor=2.0, memory_s=5.0),
    Feature(name="ln_rmssd", system=System.HEART, sign=-1, weight=1.0, floor=0.15, memory_s=30.0, forced_by_pacer=True),
    Feature(name="scl_us", system=System.SKIN, sign=1, weight=1.0, floor=0.2, memory_s=10.0),
    Feature(name="scr_per_min", system=System.SKIN, sign=1, weight=1.0, floor=1.5, memory_s=30.0),
    Feature(
        name="breathing_rate_bpm",
        system=System.BREATH,
        sign=1,
        weight=1.0,
        floor=1.0,
        memory_s=10.0,
        forced_by_pacer=True,
    ),
    Feature(
        name="breath_irregularity",
        system=System.BREATH,
        sign=1,
        weight=1.0,
        floor=0.05,
        memory_s=20.0,
        forced_by_pacer=True,
    ),
)


@dataclass(slots=True)
class Reading:
    """A feature now: its value and the half width of its 95 % interval."""

    value: float
    bound: float
    moved: float = 0.0
    """What may have moved it since the session began that is not the person."""


@dataclass(slots=True)
class _Norm:
    """A feature as this person's baseline has it."""

    feature: Feature
    centre: float
    moved: float
    """What had moved it by then."""
    scale: float
    left: float
    """Share of the variance of a reading that smoothing leaves."""


Score = tuple[float, float, float]
"""A feature now: its weight, its z clipped at `FAR_CLIP`, and the variance of its reading after smoothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArousalNow:
    """The index, and what it is made of."""

    index: Index
    features: tuple[str, ...] | None = None
    """Names of the features that count now, in the order of the table; None where the index is withheld."""
    far: float | None = None
    """The same mean where no feature stops counting at three deviations: the index of smaller changes."""


@dataclass(slots=True)
class _Smooth:
    """What is smoothed: the weighted mean of z, the variance of its readings, and how far they disagree."""

    mean: float
    variance: float
    spread: float
    fast: float
    """The mean smoothed less."""
    far: float
    """The mean of z that is hardly clipped."""

    def follow(self, other: "_Smooth", elapsed_s: float) -> None:
        """Go on towards the newest."""
        share = 1.0 - math.exp(-elapsed_s / SMOOTH_S)
        self.mean += share * (other.mean - self.mean)
        self.variance += share * (other.variance - self.variance)
        self.spread += share * (other.spread - self.spread)
        self.far += share * (other.far - self.far)
        self.fast += (1.0 - math.exp(-elapsed_s / FAST_S)) * (other.mean - self.fast)


class Arousal:
    """Collects the baseline, then scores every tick.

    Notes
    -----
    Delay: 30 s (smoothing). Warm-up: one minute with 60 % usable seconds. Points of 0 to 100; 50: the baseline.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._baseline: dict[str, list[float]] = {feature.name: [] for feature in FEATURES}
        """Its values, smallest first: only medians are asked of them, anew with each."""
        self._moved: dict[str, list[float]] = {feature.name: [] for feature in FEATURES}
        """What had moved these."""
        self._n_seconds = 0
        self._n_usable = 0
        self._is_collecting = True
        self._norms: list[_Norm] | None = None
        self._smooth: _Smooth | None = None
        self._before_ns: int | None = None

    def tick(self, now_ns: int, readings: dict[str, Reading], *, pacing: bool) -> ArousalNow:
        """Return the index at `now_ns` from the features at hand; `pacing`: a pacer sets the breath.

        Parameters
        ----------
        now_ns : moment, session time in ns
        readings : the features at hand by name, each in the unit of its name with its 95 % half width
        pacing : a pacer sets the breath

        Returns
        -------
        arousal in points with its bound, or the reason why it is withheld, and what it is made of
        """
        if pacing and self._norms is not None:
            self._is_collecting = False
        if self._is_collecting and now_ns % EVERY_NS == 0:
            self._collect(readings)
        if self._norms is None:
            return ArousalNow(index=Index(reason=Reason.BASELINE))
        at_hand = [
            (norm, readings[norm.feature.name])
            for norm in self._norms
            if norm.feature.name in readings and not (pacing and norm.feature.forced_by_pacer)
        ]
        if not at_hand:
            self._smooth = None
            return ArousalNow(index=Index(reason=Reason.TOO_FEW_SIGNALS))
        features = [norm.feature for norm, _ in at_hand]
        smooth = self._smoothed(_mean([_score(norm, reading) for norm, reading in at_hand]), now_ns)
        error_z = _error_z(smooth, n_systems=len({feature.system for feature in features}))
        bound = POINTS_PER_Z * (Z_95 * error_z + abs(smooth.fast - smooth.mean))
        return ArousalNow(
            index=Index(value=_points(smooth.mean), bound=min(50.0, bound), sample_ns=now_ns),
            features=tuple(feature.name for feature in features),
            far=50.0 + POINTS_PER_Z * smooth.far,
        )

    # -------------------------------------------------------------------------------------------------- baseline
    def _collect(self, readings: dict[str, Reading]) -> None:
        if not readings and self._n_seconds == 0:
            return
        self._n_seconds += EVERY_S
        self._n_usable += EVERY_S * bool(readings)
        for name, reading in readings.items():
            insort(self._baseline[name], reading.value)
            insort(self._moved[name], reading.moved)
        if self._n_seconds <= BASELINE_S:  # the first reading says nothing of the time before it
            return
        if self._n_usable >= MIN_USABLE_SHARE * self._n_seconds or self._n_usable >= BASELINE_S:
            self._norms = [
                _norm(self._baseline[feature.name], feature, moved=median(self._moved[feature.name]))
                for feature in FEATURES
                if EVERY_S * len(self._baseline[feature.name]) >= MIN_FEATURE_S
            ]
            self._is_collecting = self._n_seconds < LONGEST_BASELINE_S
        if not self._is_collecting:
            self._baseline = self._moved = {}

    def _smoothed(self, newest: _Smooth, now_ns: int) -> _Smooth:
        if self._before_ns is None:
            # Until now it was the baseline, which is 50 as a whole, whatever its last seconds are.
            newest.mean = newest.fast = newest.far = 0.0
        if self._smooth is None or self._before_ns is None:
            self._smooth = newest
        else:
            self._smooth.follow(newest, (now_ns - self._before_ns) / NS_PER_S)
        self._before_ns = now_ns
        return self._smooth


def _points(mean_z: float) -> float:
    return min(100.0, max(0.0, 50.0 + POINTS_PER_Z * mean_z))


def _norm(values: list[float], feature: Feature, *, moved: float) -> _Norm:
    centre = median(values)
    spread = SD_OF_MEDIAN * median([abs(v - centre) for v in values])
    # Smoothing halves an error that lasts as long as it does, and hardly moves one that stays.
    left = feature.memory_s / (feature.memory_s + SMOOTH_S)
    return _Norm(feature, centre, moved, max(feature.floor, spread), left)


def _score(norm: _Norm, reading: Reading) -> Score:
    z = _clipped((reading.value - norm.centre) / norm.scale, FAR_CLIP)
    bound = math.hypot(reading.bound, reading.moved - norm.moved)
    # A clipped z cannot be off by more than from one end to the other.
    variance = min(2.0 * Z_CLIP, bound / Z_95 / norm.scale) ** 2
    return norm.feature.weight / (1.0 + variance), norm.feature.sign * z, norm.left * variance


def _clipped(z: float, most: float) -> float:
    return max(-most, min(most, z))


def _mean(scores: list[Score]) -> _Smooth:
    total = of_z = of_far = of_variance = of_spread = 0.0
    for weight, z, variance in scores:
        total += weight
        of_z += weight * _clipped(z, Z_CLIP)
        of_far += weight * z
        of_variance += weight**2 * variance
    mean = of_z / total
    for weight, z, _ in scores:
        of_spread += weight * (_clipped(z, Z_CLIP) - mean) ** 2
    spread = of_spread / total / (len(scores) - 1) if len(scores) > 1 else 1.0
    return _Smooth(mean, of_variance / total**2, spread, mean, of_far / total)


def _error_z(smooth: _Smooth, *, n_systems: int) -> float:
    """Return the standard error of the smoothed mean: what the sensors say, what the body systems say, and its size."""
    return math.sqrt(
        READING_VARIANCES * smooth.variance
        + SYSTEM_ERROR_Z**2 / n_systems
        + SPREAD_SHARE * smooth.spread
        + (SHARE_ERROR * smooth.mean) ** 2
    )
