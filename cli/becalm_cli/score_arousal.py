"""Arousal held against the latent one: by rank, and by what is left after each person's own straight line."""

from collections.abc import Sequence
from statistics import linear_regression

from becalm_cli.happenings import Happenings
from becalm_cli.matching import rank_correlation
from becalm_cli.score_events import ALL
from becalm_cli.tally import Tally, ratio
from becalm_cli.truth import Truth
from becalm_protocol.derived import Metrics

NAME = "arousal"
POINT_STEP = 0.01
RHO_STEP = 0.0001


def score_arousal(tally: Tally, ticks: Sequence[Metrics], *, truth: Truth, during: Happenings) -> None:
    """Hold one person's arousal against the latent one: the two scales have no common unit."""
    told: list[tuple[int, float, float, float]] = []
    for tick in ticks:
        index = tick.arousal
        for kind in (ALL, *during.at(tick.t_ns)):
            tally.count(NAME, kind, "seconds")
            tally.count(NAME, kind, "reported", n=index.value is not None)
        if index.value is not None and index.bound is not None:
            told.append((tick.t_ns, truth.arousal(tick.t_ns), index.value, index.bound))
            tally.measure(NAME, "width", x=2.0 * index.bound, step=POINT_STEP)
    latent, shown = [level for _, level, _, _ in told], [value for _, _, value, _ in told]
    rho = rank_correlation(shown, latent)
    if rho is None:
        return
    tally.measure(NAME, "rho", x=rho, step=RHO_STEP)
    slope, intercept = linear_regression(latent, shown)
    for t_ns, level, value, bound in told:
        error = value - (intercept + slope * level)
        for kind in (ALL, *during.at(t_ns)):
            tally.count(NAME, kind, "covered", n=abs(error) <= bound)
            tally.measure(NAME, kind, "error", x=error, step=POINT_STEP)


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
        "from_own_line": {kind: _figures(tally, kind) for kind in (ALL, *kinds)},
    }


def _figures(tally: Tally, kind: str) -> dict[str, object]:
    error = (NAME, kind, "error")
    return {
        "n_seconds": tally.n(NAME, kind, "seconds"),
        "reported_share": ratio(tally.n(NAME, kind, "reported"), tally.n(NAME, kind, "seconds")),
        "bound_coverage": ratio(tally.n(NAME, kind, "covered"), tally.n_measured(*error)),
        "error": {
            "median": tally.quantile(*error, share=0.5, step=POINT_STEP),
            "p50_abs": tally.quantile(*error, share=0.5, step=POINT_STEP, absolute=True),
            "p95_abs": tally.quantile(*error, share=0.95, step=POINT_STEP, absolute=True),
        },
    }
