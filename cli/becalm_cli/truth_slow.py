"""What each index of a longer window should say of a virtual person: its definition, applied to the true beats."""

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from operator import mul
from statistics import fmean, linear_regression, median, stdev, variance

from becalm_cli.truth import BEAT_NS, EARLY, MIN_ACCEPTED_SHARE, MIN_PAIRS, TURN_NS, Truth
from becalm_protocol.units import NS_PER_S
from becalm_signal.slow_board import LONG_RENEWED_NS, MINUTE_RENEWED_NS
from becalm_simulator.heart import HeartBeat

WINDOW_S = {"": 60, "_300s": 300}
BANDS_S = 120
"""The window of powers."""
EDGE_CYCLES = (5, 18, 48)
"""Edges of the bands, in cycles a window: 0.04, 0.15 and 0.4 Hz. Of the upper two half is on either side."""
PNN50_MS = 50.0
LIVE = "ln_rmssd"
"""Made of a live index."""
N_RSA_BREATHS = 6
# Fewer beats in a breath have no longest and shortest.
MIN_BEATS_OF_BREATH = 3
SLOW_INDICES: dict[str, float] = {
    "mean_rr_ms": 0.1, "ln_rmssd": 0.001, "sdnn_ms": 0.02, "pnn50_pct": 0.05, "sd1_ms": 0.02, "sd2_ms": 0.02,
    "mean_rr_300s_ms": 0.1, "rmssd_300s_ms": 0.02, "sdnn_300s_ms": 0.02, "pnn50_300s_pct": 0.05, "rsa_ms": 0.1,
    "lf_ms2": 0.1, "hf_ms2": 0.1, "lf_hf": 0.002,
}  # fmt: skip
"""The scored indices of longer windows, all of the heart, and the step of their errors in their own unit."""


def slow_index(truth: Truth, name: str, t_ns: int, *, tick_ns: int) -> float | None:
    """Return the true value of an index told at `tick_ns` whose newest sample is of `t_ns`."""
    if name == "rsa_ms":
        return rsa_ms(truth, t_ns)
    if name in {"lf_ms2", "hf_ms2", "lf_hf"}:
        since_ns = tick_ns - tick_ns % LONG_RENEWED_NS - BANDS_S * NS_PER_S
        return powers(_beats(truth, since_ns, t_ns + BEAT_NS)).get(name)
    window = "_300s" if "_300s" in name else ""
    if name != LIVE:  # told again until it is renewed
        tick_ns -= tick_ns % (LONG_RENEWED_NS if window else MINUTE_RENEWED_NS)
    since_ns = tick_ns - WINDOW_S[window] * NS_PER_S
    found = variability(_beats(truth, since_ns, t_ns + BEAT_NS), window_s=WINDOW_S[window])
    return found.get(name.replace(window, "") if window else name)


def variability(beats: Sequence[HeartBeat], *, window_s: float) -> dict[str, float]:
    """Return the time-domain indices (Task Force 1996) of these beats; none where early ones leave too few.

    An interval counts when neither of its ends is an early beat; a pair when both its intervals count.
    """
    accepted = _accepted(beats)
    rr_ms = [1000.0 * beat.rr_s for beat in beats[1:]]
    told_ms = [rr for rr, counts in zip(rr_ms, accepted, strict=True) if counts]
    steps_ms = [rr_ms[i + 1] - rr_ms[i] for i, both in enumerate(itertools.pairwise(accepted)) if all(both)]
    if sum(told_ms) < 1000.0 * MIN_ACCEPTED_SHARE * window_s or len(steps_ms) < MIN_PAIRS:
        return {}
    rmssd = math.sqrt(fmean(step * step for step in steps_ms))
    sdnn, sd1 = stdev(told_ms), math.sqrt(variance(steps_ms) / 2.0)
    return {
        "mean_rr_ms": fmean(told_ms),
        "rmssd_ms": rmssd,
        "ln_rmssd": math.log(rmssd),
        "sdnn_ms": sdnn,
        "pnn50_pct": 100.0 * fmean(abs(step) > PNN50_MS for step in steps_ms),
        "sd1_ms": sd1,
        "sd2_ms": math.sqrt(max(2.0 * sdnn * sdnn - sd1 * sd1, 0.0)),
    }


def powers(beats: Sequence[HeartBeat]) -> dict[str, float]:
    """Return the powers of the intervals between beats that were not early.

    As Lomb 1976 (10.1007/BF00648343) defines them: what a sine that fits best takes off the sum of squares.
    """
    sound = [(beat.t_ns / NS_PER_S, 1000.0 * beat.rr_s) for beat in _sound(beats)]
    if len(sound) < MIN_PAIRS:
        return {}
    t_s, rr_ms = zip(*sound, strict=True)
    line = linear_regression(t_s, rr_ms)
    beside_ms = [rr - line.intercept - line.slope * t for t, rr in sound]
    scale = min(1.0, sum(rr_ms) / (1000.0 * BANDS_S)) / len(sound)
    first, edge, last = EDGE_CYCLES
    power = {k: scale * _taken_ms2(t_s, beside_ms, hz=k / BANDS_S) for k in range(first, last + 1)}
    low = sum(power[k] for k in range(first, edge)) + power[edge] / 2.0
    high = power[edge] / 2.0 + sum(power[k] for k in range(edge + 1, last)) + power[last] / 2.0
    return {"lf_ms2": low, "hf_ms2": high, "lf_hf": low / high}


def _taken_ms2(t_s: Sequence[float], beside_ms: Sequence[float], *, hz: float) -> float:
    """Return by how much the sum of squares is less beside the sine of a frequency that fits best."""
    phases = [2.0 * math.pi * hz * t for t in t_s]
    cosines, sines = [math.cos(phase) for phase in phases], [math.sin(phase) for phase in phases]
    along, across = _sum(beside_ms, cosines), _sum(beside_ms, sines)
    cc, ss, cs = _sum(cosines, cosines), _sum(sines, sines), _sum(cosines, sines)
    return (ss * along**2 - 2.0 * cs * along * across + cc * across**2) / (cc * ss - cs**2)


def rsa_ms(truth: Truth, t_ns: int) -> float | None:
    """Return the longest minus the shortest interval of one breath, as the median of the last six."""
    inhale_ns = truth.inhale_ns[: bisect_right(truth.inhale_ns, t_ns + TURN_NS)][-N_RSA_BREATHS - 1 :]
    swings_ms = []
    for start_ns, end_ns in itertools.pairwise(inhale_ns):
        breath = _beats(truth, start_ns, end_ns)
        rr_ms = [1000.0 * beat.rr_s for beat in _sound(breath)]
        if len(rr_ms) >= MIN_BEATS_OF_BREATH:
            swings_ms.append(max(rr_ms) - min(rr_ms))
    return median(swings_ms) if len(swings_ms) == N_RSA_BREATHS else None


def _sum(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(map(mul, a, b))


def _beats(truth: Truth, since_ns: int, until_ns: int) -> Sequence[HeartBeat]:
    """Return the beats whose intervals ended within, after the one that the first of them began with."""
    first = bisect_right(truth.beats, since_ns, key=_when)
    last = bisect_right(truth.beats, until_ns, key=_when)
    return truth.beats[max(0, first - 1) : last]


def _sound(beats: Sequence[HeartBeat]) -> list[HeartBeat]:
    """Return those that end an interval between two beats that were not early."""
    return list(itertools.compress(beats[1:], _accepted(beats)))


def _accepted(beats: Sequence[HeartBeat]) -> list[bool]:
    """Return of each interval whether neither of its ends is an early beat."""
    return [beat.kind not in EARLY and before.kind not in EARLY for before, beat in itertools.pairwise(beats)]


def _when(beat: HeartBeat) -> int:
    return beat.t_ns
