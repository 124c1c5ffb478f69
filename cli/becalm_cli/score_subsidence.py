"""Subsidence held against the fall of latent arousal, in points of the person's own straight line."""

import math
from collections.abc import Sequence
from statistics import correlation, fmean, linear_regression

from becalm_cli.tally import Tally, ratio
from becalm_cli.truth import Truth
from becalm_protocol.derived import Metrics, Reason, SlowMetrics
from becalm_protocol.units import NS_PER_S

NAME = "subsidence"
POINT_STEP = 0.01
# It is told anew every half minute, and compares a minute with a minute.
EVERY_NS = 30 * NS_PER_S
EDGE_S = 60
# Half-lives of 5 s to 2 h in steps of an eighth of an octave.
HALF_LIVES_S = [5.0 * 2.0 ** (step / 8.0) for step in range(84)]
LATENT_STEP_NS = 5 * NS_PER_S


def score_subsidence(
    tally: Tally, slow: Sequence[SlowMetrics], ticks: Sequence[Metrics], *, truth: Truth, started_ns: int
) -> None:
    """Count one person's values: told, or that it could not be told, and whether the bound kept."""
    known = [(truth.arousal(t.t_ns), t.arousal.value) for t in ticks if t.arousal.value is not None]
    if len({latent for latent, _ in known}) < 2:
        return
    slope, _ = linear_regression([latent for latent, _ in known], [shown for _, shown in known])
    for moment in slow:
        index = moment.subsidence
        if moment.t_ns % EVERY_NS != 0 or index.reason not in {None, Reason.CANNOT_TELL}:
            continue
        tally.count(NAME, "moments")
        tally.count(NAME, "half_lives", n=moment.half_life_s.value is not None)
        half_life = moment.half_life_s
        if half_life.value is not None and half_life.bound is not None:
            true_s = _half_life_s(truth, started_ns, moment.t_ns)
            tally.count(NAME, "half_lives_covered", n=abs(half_life.value - true_s) <= half_life.bound)
        if index.value is None or index.bound is None:
            continue
        fell = slope * (_minute(truth, started_ns + EDGE_S * NS_PER_S) - _minute(truth, moment.t_ns))
        tally.count(NAME, "told")
        tally.count(NAME, "covered", n=abs(index.value - fell) <= index.bound)
        tally.count(NAME, "wrong_way", n=index.value * fell < 0.0)
        tally.measure(NAME, "error", x=index.value - fell, step=POINT_STEP)
        tally.measure(NAME, "bound", x=index.bound, step=POINT_STEP)


def report_subsidence(tally: Tally) -> dict[str, object]:
    """Return how often it could be told, and how well it was."""
    n_told = tally.n(NAME, "told")
    return {
        "n_moments": tally.n(NAME, "moments"),
        "told_share": ratio(n_told, tally.n(NAME, "moments")),
        "half_life_told_share": ratio(tally.n(NAME, "half_lives"), tally.n(NAME, "moments")),
        "half_life_coverage": ratio(tally.n(NAME, "half_lives_covered"), tally.n(NAME, "half_lives")),
        "bound_coverage": ratio(tally.n(NAME, "covered"), n_told),
        "wrong_direction_share": ratio(tally.n(NAME, "wrong_way"), n_told),
        "bound_mean": tally.mean(NAME, "bound", step=POINT_STEP),
        "error_p95_abs": tally.quantile(NAME, "error", share=0.95, step=POINT_STEP, absolute=True),
    }


def _minute(truth: Truth, end_ns: int) -> float:
    return fmean(truth.arousal(end_ns - second * NS_PER_S) for second in range(EDGE_S))


def _half_life_s(truth: Truth, started_ns: int, end_ns: int) -> float:
    """Return the half-life of the exponential fall that fits the latent level best, infinite where none does."""
    times_ns = range(started_ns, end_ns + 1, LATENT_STEP_NS)
    levels = [truth.arousal(t_ns) for t_ns in times_ns]
    since_s = [(t_ns - started_ns) / NS_PER_S for t_ns in times_ns]
    fits = {
        half_life_s: correlation(levels, [math.exp2(-t_s / half_life_s) for t_s in since_s])
        for half_life_s in HALF_LIVES_S
    }
    best_s = max(fits, key=fits.__getitem__)
    return best_s if fits[best_s] > 0.0 else math.inf
