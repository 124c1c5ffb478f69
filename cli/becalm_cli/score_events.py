"""Beats, turns and responses held against the true ones: found, missed, made up, and how far off in time."""

from collections.abc import Sequence

from becalm_cli.happenings import Happenings
from becalm_cli.matching import pair_up
from becalm_cli.tally import Tally, ratio
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_MS

ALL = "all"
TIMING_STEP_MS = 0.1


@value
class EventSeries:
    """Times of one kind of event, ascending, in the truth and as found."""

    name: str
    true_ns: Sequence[int]
    found_ns: Sequence[int]
    tolerance_ns: int
    """A found event this near to a true one is the same."""


def score_events(tally: Tally, series: EventSeries, *, during: Happenings, window_ns: range) -> None:
    """Count one series within `window_ns`, overall and by what disturbed its signal at the time."""
    true_ns, found_ns = series.true_ns, series.found_ns
    pairs = pair_up(true_ns, found_ns, tolerance_ns=series.tolerance_ns)
    for word, times_ns, right in (
        ("true", true_ns, {i for i, _ in pairs}),
        ("found", found_ns, {j for _, j in pairs}),
    ):
        for at, t_ns in enumerate(times_ns):
            if t_ns in window_ns:
                for kind in (ALL, *during.at(t_ns)):
                    tally.count(series.name, kind, word)
                    tally.count(series.name, kind, f"{word}_right", n=at in right)
    for i, j in pairs:
        if true_ns[i] in window_ns:
            for kind in (ALL, *during.at(true_ns[i])):
                error_ms = (found_ns[j] - true_ns[i]) / NS_PER_MS
                tally.measure(series.name, kind, "timing", x=error_ms, step=TIMING_STEP_MS)


def report_events(tally: Tally, name: str) -> dict[str, dict[str, object]]:
    """Return the figures of one series, overall and by disturbance."""
    return {ALL: _figures(tally, name, ALL)} | {
        kind: _figures(tally, name, kind) for kind in tally.names(name) if kind != ALL
    }


def _figures(tally: Tally, name: str, kind: str) -> dict[str, object]:
    n_true, n_found = tally.n(name, kind, "true"), tally.n(name, kind, "found")
    n_right = tally.n(name, kind, "true_right") + tally.n(name, kind, "found_right")
    timing = (name, kind, "timing")
    return {
        "n_true": n_true,
        "n_found": n_found,
        "sensitivity": ratio(tally.n(name, kind, "true_right"), n_true),
        "precision": ratio(tally.n(name, kind, "found_right"), n_found),
        "f1": ratio(n_right, n_true + n_found),
        "timing_error_ms": {
            "median": tally.quantile(*timing, share=0.5, step=TIMING_STEP_MS),
            **{
                f"p{percent}_abs": tally.quantile(*timing, share=percent / 100, step=TIMING_STEP_MS, absolute=True)
                for percent in (50, 95, 99)
            },
        },
    }
