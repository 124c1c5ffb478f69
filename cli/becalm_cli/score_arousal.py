"""Arousal held against the latent one: by rank, and by what is left after each person's own straight line.

The latent level moves at once, the index follows as smoothly as it is defined: it is held against the level of the
moment, and against the level smoothed in the same way. What differs between the two is the lag of the definition.
"""

import math
from collections.abc import Sequence
from statistics import linear_regression

from becalm_cli.happenings import Happenings
from becalm_cli.matching import rank_correlation
from becalm_cli.score_events import ALL
from becalm_cli.tally import Tally, ratio
from becalm_cli.truth import Truth
from becalm_protocol.derived import Metrics
from becalm_protocol.units import NS_PER_S
from becalm_signal.arousal import SMOOTH_S

NAME = "arousal"
POINT_STEP = 0.01
RHO_STEP = 0.0001
OF_MOMENT, SMOOTHED = "from_own_line", "from_own_line_smoothed"


def score_arousal(tally: Tally, ticks: Sequence[Metrics], *, truth: Truth, during: Happenings) -> None:
    """Hold one person's arousal against the latent one: the two scales have no common unit."""
    told: list[Metrics] = []
    for tick in ticks:
        for kind in (ALL, *during.at(tick.t_ns)):
            tally.count(NAME, kind, "seconds")
            tally.count(NAME, kind, "reported", n=tick.arousal.value is not None)
        if tick.arousal.value is not None:
            told.append(tick)
            tally.measure(NAME, "width", x=2.0 * (tick.arousal.bound or 0.0), step=POINT_STEP)
    latent = [truth.arousal(tick.t_ns) for tick in told]
    rho = rank_correlation([tick.arousal.value or 0.0 for tick in told], latent)
    if rho is None:
        return
    tally.measure(NAME, "rho", x=rho, step=RHO_STEP)
    _score_line(tally, told, latent, against=OF_MOMENT, during=during)
    _score_line(tally, told, _smoothed(truth, told), against=SMOOTHED, during=during)


def _score_line(
    tally: Tally, told: Sequence[Metrics], latent: Sequence[float], *, against: str, during: Happenings
) -> None:
    slope, intercept = linear_regression(latent, [tick.arousal.value or 0.0 for tick in told])
    for tick, level in zip(told, latent, strict=True):
        error = (tick.arousal.value or 0.0) - (intercept + slope * level)
        for kind in (ALL, *during.at(tick.t_ns)):
            tally.count(NAME, against, kind, "covered", n=abs(error) <= (tick.arousal.bound or 0.0))
            tally.measure(NAME, against, kind, "error", x=error, step=POINT_STEP)


def _smoothed(truth: Truth, told: Sequence[Metrics]) -> list[float]:
    """Return the latent level at each moment, smoothed as the index is."""
    share = 1.0 - math.exp(-1.0 / SMOOTH_S)
    levels = [truth.arousal(0)]
    for t_s in range(1, told[-1].t_ns // NS_PER_S + 1):
        levels.append(levels[-1] + share * (truth.arousal(t_s * NS_PER_S) - levels[-1]))
    return [levels[tick.t_ns // NS_PER_S] for tick in told]


def report_arousal(tally: Tally) -> dict[str, object]:
    """Return how well shown and latent arousal agree within people, and how wide the bounds are."""
    rho = {
        name: tally.quantile(NAME, "rho", share=share, step=RHO_STEP)
        for name, share in (("p5", 0.05), ("median", 0.5), ("p95", 0.95))
    }
    kinds = [kind for kind in tally.names(NAME) if tally.n(NAME, kind, "seconds") and kind != ALL]
    return {
        "rank_correlation_within_person": {"n_people": tally.n_measured(NAME, "rho"), **rho},
        "bound_width_mean": tally.mean(NAME, "width", step=POINT_STEP),
        **{
            against: {kind: _figures(tally, kind, against=against) for kind in (ALL, *kinds)}
            for against in (OF_MOMENT, SMOOTHED)
        },
    }


def _figures(tally: Tally, kind: str, *, against: str) -> dict[str, object]:
    error = (NAME, against, kind, "error")
    return {
        "n_seconds": tally.n(NAME, kind, "seconds"),
        "reported_share": ratio(tally.n(NAME, kind, "reported"), tally.n(NAME, kind, "seconds")),
        "bound_coverage": ratio(tally.n(NAME, against, kind, "covered"), tally.n_measured(*error)),
        "error": {
            "median": tally.quantile(*error, share=0.5, step=POINT_STEP),
            "p50_abs": tally.quantile(*error, share=0.5, step=POINT_STEP, absolute=True),
            "p95_abs": tally.quantile(*error, share=0.95, step=POINT_STEP, absolute=True),
        },
    }
