"""What published studies found, and what a population of virtual people must therefore show: one table."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import value
from becalm_simulator.course import Course, Stretch, rsa_swing_bpm

Measure = Callable[[Sequence[Course]], float]
# Hirsch & Bishop: corner 7.2 +- 1.5 /min, roll-off 21 +- 3.4 dB a decade; from there the ratio between 6 and 15 /min.
RSA_RATIO = (15.0 / 7.2) ** (21.0 / 20.0)
RSA_RATIO_LOW, RSA_RATIO_HIGH = (15.0 / 8.7) ** (17.6 / 20.0), (15.0 / 5.7) ** (24.4 / 20.0)
LOW_CO2_MMHG = 30.0
# Forced breathing moves most of a vital capacity: about seven habitual breaths (3.2 l).
FORCED_DEPTH = 7.0
# The lowest tenth of a normal distribution lies so many standard deviations below its mean.
LOWEST_TENTH_SD = 1.2816
# Its lower limit falls from 22 bpm at 10 years to 11 bpm at 65, straight on a logarithmic scale.
FORCED_SWING_BPM = {25: 22.0 * 0.5 ** (15 / 55), 45: 22.0 * 0.5 ** (35 / 55), 65: 11.0}


@value
class Effect:
    """One finding: a seeded population must come to lie from `low` to `high`."""

    name: str
    published: float
    unit: str
    low: float
    high: float
    """Tolerance: the study's own interval where it gives one, else what the last column says."""
    source: str
    tolerance: str
    measure: Measure


def effects() -> tuple[Effect, ...]:
    """Return the table."""
    return (
        *_heart_effects(), *_age_effects(), *_forced_effects(), *_breath_and_skin_effects(), *_change_effects()
    )  # fmt: skip


def standardised_change(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the standardised mean difference: mean change over the pooled standard deviation of both."""
    pooled = math.sqrt((float(np.var(before, ddof=1)) + float(np.var(after, ddof=1))) / 2.0)
    return float(np.mean(after - before)) / pooled


def _heart_effects() -> tuple[Effect, ...]:
    hirsch = "Hirsch & Bishop 1981, doi:10.1152/ajpheart.1981.241.4.H620"
    quer = "Quer 2020, 92,457 adults, doi:10.1371/journal.pone.0227709"
    nunan = "Nunan 2010, 44 studies, doi:10.1111/j.1540-8159.2010.02841.x"
    return (
        Effect(
            name="RSA at 6 against 15 breaths/min, equal depth", published=RSA_RATIO, unit="ratio",
            low=RSA_RATIO_LOW, high=RSA_RATIO_HIGH, source=hirsch,
            tolerance="corner and slope each one standard deviation", measure=_rsa_ratio,
        ),
        Effect(
            name="resting heart rate, mean", published=65.5, unit="bpm", low=63.0, high=68.0, source=quer,
            tolerance="2.5 bpm", measure=lambda people: _mean(_rest(people, "heart_rate_bpm")),
        ),
        Effect(
            name="resting heart rate, spread between people", published=7.7, unit="bpm", low=6.0, high=9.5, source=quer,
            tolerance="a quarter", measure=lambda people: _sd(_rest(people, "heart_rate_bpm")),
        ),
        Effect(
            name="SDNN at rest, mean", published=50.0, unit="ms", low=34.0, high=66.0, source=nunan,
            tolerance="one SD between studies", measure=lambda people: _mean(_rest(people, "sdnn_ms")),
        ),
        Effect(
            name="RMSSD at rest, mean", published=42.0, unit="ms", low=27.0, high=57.0, source=nunan,
            tolerance="one SD between studies", measure=lambda people: _mean(_rest(people, "rmssd_ms")),
        ),
    )  # fmt: skip


def _age_effects() -> tuple[Effect, ...]:
    umetani = "Umetani 1998 (24 h), 260 people, doi:10.1016/S0735-1097(97)00554-8"
    # Decade of life: mean and standard deviation of RMSSD in ms.
    table = {20: (43.0, 19.0), 30: (35.0, 11.0), 40: (31.0, 11.0), 50: (25.0, 9.0), 60: (22.0, 6.0)}
    return tuple(
        Effect(
            name=f"RMSSD at {decade} to {decade + 9} years, median", published=mean_ms, unit="ms",
            low=mean_ms - spread_ms, high=mean_ms + spread_ms, source=umetani, tolerance="one standard deviation",
            measure=_rmssd_of(decade),
        )
        for decade, (mean_ms, spread_ms) in table.items()
    )  # fmt: skip


def _forced_effects() -> tuple[Effect, ...]:
    wieling = "Wieling 1982, 133 people of 10 to 65 years, doi:10.1007/BF00283748"
    return tuple(
        Effect(
            name=f"heart rate swing of forced breathing at {years} years, lowest tenth", published=published_bpm,
            unit="bpm", low=0.75 * published_bpm, high=1.25 * published_bpm, source=wieling,
            tolerance="a quarter; depth of seven habitual breaths assumed", measure=_forced_swing_at(years),
        )
        for years, published_bpm in FORCED_SWING_BPM.items()
    )  # fmt: skip


def _breath_and_skin_effects() -> tuple[Effect, ...]:
    tobin = "Tobin 1983, doi:10.1378/chest.84.2.202"
    dawson = "Dawson, Schell & Filion 2007, Handbook of Psychophysiology, doi:10.1017/CBO9780511546396.007"
    first = "Szulczewski 2019, 16 novices, doi:10.1371/journal.pone.0218550"
    second = "Szulczewski 2019, 23 without instruction, doi:10.1007/s10484-019-09438-y"
    return (
        Effect(
            name="resting breathing rate, mean", published=16.6, unit="/min", low=13.8, high=19.4, source=tobin,
            tolerance="standard deviation between people, 2.8 /min",
            measure=lambda people: _mean(_rest(people, "breathing_rate_bpm")),
        ),
        Effect(
            name="resting breathing rate, spread between people", published=2.8, unit="/min", low=2.1, high=3.5,
            source=tobin, tolerance="a quarter", measure=lambda people: _sd(_rest(people, "breathing_rate_bpm")),
        ),
        Effect(
            name="skin responses at rest, mean", published=2.0, unit="/min", low=1.0, high=3.0, source=dawson,
            tolerance="1 to 3 /min as published", measure=lambda people: _mean(_rest(people, "scr_per_min")),
        ),
        Effect(
            name="novices below 30 mmHg end-tidal CO2 at 6/min", published=0.375, unit="share", low=0.25, high=0.5,
            source=first, tolerance="2 of 16 people (95 % interval of 6 of 16: 0.15 to 0.65)", measure=_low_co2_share,
        ),
        Effect(
            name="fall of end-tidal CO2 at 6/min, mean", published=5.21, unit="mmHg", low=3.7, high=6.7, source=second,
            tolerance="1.5 mmHg", measure=_co2_fall,
        ),
    )  # fmt: skip


def _change_effects() -> tuple[Effect, ...]:
    shao = "Shao 2024, 31 studies, n 1,133, doi:10.1007/s12671-023-02294-2"
    rows = (
        ("heart_rate_bpm", "heart rate", -0.10, (-0.19, -0.01)),
        ("sdnn_ms", "SDNN", 0.77, (0.26, 1.28)),
        ("rmssd_ms", "RMSSD", 0.37, (0.16, 0.58)),
    )
    return tuple(
        Effect(
            name=f"change of {label} over a session", published=published, unit="SMD", low=low, high=high, source=shao,
            tolerance="published 95 % interval", measure=_change_of(field),
        )
        for field, label, published, (low, high) in rows
    )  # fmt: skip


def _rsa_ratio(people: Sequence[Course]) -> float:
    swings = {
        bpm: [rsa_swing_bpm(course.person, breathing_rate_bpm=bpm) for course in people[:60]] for bpm in (6.0, 15.0)
    }
    return sum(swings[6.0]) / sum(swings[15.0])


def _forced_swing_at(years: int) -> Measure:
    def measure(people: Sequence[Course]) -> float:
        """Return the lowest tenth at this age, of a straight line through the logarithms as in the study."""
        ages = np.asarray([course.person.age_years for course in people])
        swings = [FORCED_DEPTH * rsa_swing_bpm(c.person, breathing_rate_bpm=6.0) for c in people]
        slope, at_0 = np.polyfit(ages, np.log(swings), 1)
        spread = float(np.std(np.log(swings) - slope * ages - at_0, ddof=2))
        return math.exp(slope * years + at_0 - LOWEST_TENTH_SD * spread)

    return measure


def _rmssd_of(decade: int) -> Measure:
    def measure(people: Sequence[Course]) -> float:
        return float(np.median([c.rest.rmssd_ms for c in people if decade <= c.person.age_years < decade + 10]))

    return measure


def _change_of(field: str) -> Measure:
    def measure(people: Sequence[Course]) -> float:
        return standardised_change(_rest(people, field), _stretch([c.practice for c in people], field))

    return measure


def _low_co2_share(people: Sequence[Course]) -> float:
    return sum(course.practice.lowest_co2_mmhg < LOW_CO2_MMHG for course in people) / len(people)


def _co2_fall(people: Sequence[Course]) -> float:
    return _mean(_rest(people, "co2_mmhg") - _stretch([c.practice for c in people], "co2_mmhg"))


def _rest(people: Sequence[Course], field: str) -> NDArray[np.float64]:
    return _stretch([course.rest for course in people], field)


def _stretch(stretches: Sequence[Stretch], field: str) -> NDArray[np.float64]:
    return np.asarray([getattr(stretch, field) for stretch in stretches], dtype=np.float64)


def _mean(numbers: NDArray[np.float64]) -> float:
    return float(np.mean(numbers))


def _sd(numbers: NDArray[np.float64]) -> float:
    return float(np.std(numbers, ddof=1))
