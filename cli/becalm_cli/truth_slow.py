"""What each index of a longer window should say of a virtual person: its definition, applied to the true beats."""

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean, median, stdev, variance

from becalm_cli.truth import BEAT_NS, EARLY, MIN_ACCEPTED_SHARE, MIN_PAIRS, TURN_NS, Truth
from becalm_protocol.units import NS_PER_S
from becalm_signal.slow_board import LONG_RENEWED_NS, MINUTE_RENEWED_NS
from becalm_simulator.heart import HeartBeat

WINDOW_S = {"": 60, "_300s": 300}
PNN50_MS = 50.0
LIVE = "ln_rmssd"
"""Made of a live index."""
N_RSA_BREATHS = 6
# Fewer beats in a breath have no longest and shortest.
MIN_BEATS_OF_BREATH = 3
SLOW_INDICES: dict[str, float] = {
    "mean_rr_ms": 0.1, "ln_rmssd": 0.001, "sdnn_ms": 0.02, "pnn50_pct": 0.05, "sd1_ms": 0.02, "sd2_ms": 0.02,
    "mean_rr_300s_ms": 0.1, "rmssd_300s_ms": 0.02, "sdnn_300s_ms": 0.02, "pnn50_300s_pct": 0.05, "rsa_ms": 0.1,
}  # fmt: skip
"""The scored indices of longer windows, all of the heart, and the step of their errors in their own unit."""


def slow_index(truth: Truth, name: str, t_ns: int, *, tick_ns: int) -> float | None:
    """Return the true value of an index told at `tick_ns` whose newest sample is of `t_ns`."""
    if name == "rsa_ms":
        return rsa_ms(truth, t_ns)
    window = "_300s" if "_300s" in name else ""
    if name != LIVE:  # told again until it is renewed
        tick_ns -= tick_ns % (LONG_RENEWED_NS if window else MINUTE_RENEWED_NS)
    since_ns = tick_ns - WINDOW_S[window] * NS_PER_S
    first = bisect_right(truth.beats, since_ns, key=_when)
    last = bisect_right(truth.beats, t_ns + BEAT_NS, key=_when)
    found = variability(truth.beats[max(0, first - 1) : last], window_s=WINDOW_S[window])
    return found.get(name.replace(window, "") if window else name)


def variability(beats: Sequence[HeartBeat], *, window_s: float) -> dict[str, float]:
    """Return the time-domain indices (Task Force 1996) of these beats; none where early ones leave too few.

    An interval counts when neither of its ends is an early beat; a pair when both its intervals count.
    """
    accepted = [beat.kind not in EARLY and before.kind not in EARLY for before, beat in itertools.pairwise(beats)]
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


def rsa_ms(truth: Truth, t_ns: int) -> float | None:
    """Return the longest minus the shortest interval of one breath, as the median of the last six."""
    inhale_ns = truth.inhale_ns[: bisect_right(truth.inhale_ns, t_ns + TURN_NS)][-N_RSA_BREATHS - 1 :]
    swings_ms = []
    for start_ns, end_ns in itertools.pairwise(inhale_ns):
        first = bisect_right(truth.beats, start_ns, key=_when)
        last = bisect_right(truth.beats, end_ns, key=_when)
        breath = truth.beats[max(0, first - 1) : last]
        rr_ms = [
            1000.0 * beat.rr_s
            for before, beat in itertools.pairwise(breath)
            if beat.kind not in EARLY and before.kind not in EARLY
        ]
        if len(rr_ms) >= MIN_BEATS_OF_BREATH:
            swings_ms.append(max(rr_ms) - min(rr_ms))
    return median(swings_ms) if len(swings_ms) == N_RSA_BREATHS else None


def _when(beat: HeartBeat) -> int:
    return beat.t_ns
