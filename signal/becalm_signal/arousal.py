"""Arousal, 0 to 100, against the person's own first quiet minute, which is 50.

It compares a person with themselves only; it is not stress, anxiety or an emotion. FEATURES is the whole table.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from becalm_protocol.derived import Index, Reason
from becalm_protocol.units import NS_PER_S

BASELINE_S = 60
MIN_USABLE_SHARE = 0.6
SMOOTH_S = 30.0
Z_CLIP = 3.0
POINTS_PER_Z = 10.0
Z_95 = 1.96
# A feature counts when the baseline has at least this many seconds of it.
MIN_FEATURE_S = 10


class System(StrEnum):
    """Which part of the body a feature speaks for."""

    HEART = "heart"
    SKIN = "skin"
    BREATH = "breath"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One row of the table: what it is, which way it counts, how much, and the least spread it is measured against."""

    name: str
    system: System
    sign: int
    """+1: rises with arousal."""
    weight: float
    floor: float
    """Least robust standard deviation, in the unit of the feature: what an adult at rest varies by within minutes."""
    forced_by_pacer: bool = False
    """A pacer sets it: frozen out during practice, else the index measures compliance."""


FEATURES = (
    Feature(name="heart_rate_bpm", system=System.HEART, sign=1, weight=1.0, floor=2.0),
    Feature(name="ln_rmssd", system=System.HEART, sign=-1, weight=1.0, floor=0.15, forced_by_pacer=True),
    Feature(name="scl_us", system=System.SKIN, sign=1, weight=1.0, floor=0.2),
    Feature(name="scr_per_min", system=System.SKIN, sign=1, weight=1.0, floor=1.5),
    Feature(name="breathing_rate_bpm", system=System.BREATH, sign=1, weight=1.0, floor=1.0, forced_by_pacer=True),
    Feature(name="breath_irregularity", system=System.BREATH, sign=1, weight=1.0, floor=0.05, forced_by_pacer=True),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A feature now: its value and the half width of its 95 % interval."""

    value: float
    bound: float


@dataclass(frozen=True, slots=True)
class _Norm:
    centre: float
    scale: float


class Arousal:
    """Collects the baseline, then scores every tick. Warm-up: one minute with 60 % usable; smoothing 30 s."""

    def __init__(self) -> None:
        self._baseline: dict[str, list[float]] = {feature.name: [] for feature in FEATURES}
        self._n_seconds = 0
        self._n_usable = 0
        self._norms: dict[str, _Norm] | None = None
        self._smooth: float | None = None
        self._before_ns: int | None = None

    def tick(self, now_ns: int, readings: dict[str, Reading], *, pacing: bool) -> Index:
        """Return the index at `now_ns` from the features at hand; `pacing`: a pacer sets the breath."""
        if self._norms is None:
            if now_ns % NS_PER_S == 0:
                self._collect(readings)
            if self._norms is None:
                return Index(reason=Reason.BASELINE)
        used = [
            (feature, readings[feature.name], self._norms[feature.name])
            for feature in FEATURES
            if feature.name in readings and feature.name in self._norms and not (pacing and feature.forced_by_pacer)
        ]
        if not used:
            self._smooth = None
            return Index(reason=Reason.TOO_FEW_SIGNALS)
        return self._score(now_ns, used, pacing=pacing)

    # -------------------------------------------------------------------------------------------------- baseline
    def _collect(self, readings: dict[str, Reading]) -> None:
        if not readings and self._n_seconds == 0:
            return
        self._n_seconds += 1
        self._n_usable += bool(readings)
        for name, reading in readings.items():
            self._baseline[name].append(reading.value)
        if self._n_seconds < BASELINE_S:
            return
        if self._n_usable >= MIN_USABLE_SHARE * self._n_seconds or self._n_usable >= BASELINE_S:
            self._norms = {
                feature.name: _norm(self._baseline[feature.name], feature)
                for feature in FEATURES
                if len(self._baseline[feature.name]) >= MIN_FEATURE_S
            }
            self._baseline = {}

    # --------------------------------------------------------------------------------------------------- scoring
    def _score(self, now_ns: int, used: list[tuple[Feature, Reading, _Norm]], *, pacing: bool) -> Index:
        total = sum(feature.weight for feature, _, _ in used)
        zs = [feature.sign * _clip((reading.value - norm.centre) / norm.scale) for feature, reading, norm in used]
        mean = sum(feature.weight * z for (feature, _, _), z in zip(used, zs, strict=True)) / total
        smooth = self._smoothed(mean, now_ns)
        measured = sum((feature.weight * reading.bound / norm.scale) ** 2 for feature, reading, norm in used)
        bound_z = math.hypot(math.sqrt(measured) / total, Z_95 * self._disagreement(zs, used, pacing=pacing))
        value = min(100.0, max(0.0, 50.0 + POINTS_PER_Z * smooth))
        return Index(value=value, bound=min(50.0, POINTS_PER_Z * bound_z), sample_ns=now_ns)

    def _smoothed(self, mean: float, now_ns: int) -> float:
        if self._smooth is None or self._before_ns is None:
            self._smooth = mean
        else:
            elapsed_s = (now_ns - self._before_ns) / NS_PER_S
            self._smooth += (1.0 - math.exp(-elapsed_s / SMOOTH_S)) * (mean - self._smooth)
        self._before_ns = now_ns
        return self._smooth

    @staticmethod
    def _disagreement(zs: list[float], used: list[tuple[Feature, Reading, _Norm]], *, pacing: bool) -> float:
        """Standard error of the mean z, seen as a sample of all body systems.

        Features of one system say nearly the same: systems count as the sample, and missing ones leave the full error.
        """
        mean = sum(zs) / len(zs)
        spread = sum((z - mean) ** 2 for z in zs) / max(1, len(zs) - 1)
        systems = len({feature.system for feature, _, _ in used})
        possible = len({feature.system for feature in FEATURES if not (pacing and feature.forced_by_pacer)})
        missing = 1.0 - 0.5 * systems / possible
        return math.sqrt(max(0.25, spread) * missing / systems)


def _norm(values: list[float], feature: Feature) -> _Norm:
    centre = median(values)
    spread = 1.4826 * median(abs(v - centre) for v in values)
    return _Norm(centre, max(feature.floor, spread))


def _clip(z: float) -> float:
    return max(-Z_CLIP, min(Z_CLIP, z))
