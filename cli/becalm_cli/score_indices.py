"""Indices held against the truth: how often they are shown, how far off they are, and whether their bounds keep."""

from collections.abc import Sequence

from becalm_cli.score_events import ALL
from becalm_cli.tally import Tally, ratio
from becalm_cli.truth import Truth
from becalm_cli.truth_slow import SLOW_INDICES, slow_index
from becalm_protocol.derived import Index, Metrics, SlowMetrics
from becalm_protocol.events import SignalKind

INDICES: dict[str, tuple[SignalKind, float]] = {
    "heart_rate_bpm": (SignalKind.ECG, 0.01),
    "rmssd_ms": (SignalKind.ECG, 0.02),
    "breathing_rate_bpm": (SignalKind.RESPIRATION, 0.01),
    "scl_us": (SignalKind.SKIN_CONDUCTANCE, 0.001),
    "scr_per_min": (SignalKind.SKIN_CONDUCTANCE, 0.01),
}
"""The signal of each scored index, and the step of its errors in its own unit."""

STEPS = {name: step for name, (_, step) in INDICES.items()} | SLOW_INDICES


def score_index(tally: Tally, name: str, tick: Metrics, *, truth: Truth, kinds: Sequence[str]) -> None:
    """Hold one second of an index against its truth at the moment that its newest sample speaks of."""
    index: Index = getattr(tick, name)
    at_ns = tick.t_ns if index.sample_ns is None else index.sample_ns
    true = truth.index(name, at_ns, tick_ns=tick.t_ns)
    count_index(tally, name, index, true=true, kinds=kinds, step=INDICES[name][1])


def score_slow(tally: Tally, tick: SlowMetrics, *, truth: Truth, kinds: Sequence[str]) -> None:
    """Hold one moment of every scored index of a longer window against its truth."""
    for name, step in SLOW_INDICES.items():
        index: Index = getattr(tick, name)
        at_ns = tick.t_ns if index.sample_ns is None else index.sample_ns
        true = None if index.value is None else slow_index(truth, name, at_ns, tick_ns=tick.t_ns)
        count_index(tally, name, index, true=true, kinds=kinds, step=step)


def count_index(
    tally: Tally, name: str, index: Index, *, true: float | None, kinds: Sequence[str], step: float
) -> None:
    """Count one value, or why there was none, overall and by what was under way."""
    for kind in (ALL, *kinds):
        tally.count(name, kind, "seconds")
        if index.value is None or index.bound is None:
            tally.count(name, kind, "withheld", str(index.reason))
            continue
        tally.count(name, kind, "reported")
        if true is not None:
            error = index.value - true
            tally.count(name, kind, "covered", n=abs(error) <= index.bound)
            tally.measure(name, kind, "error", x=error, step=step)
            tally.measure(name, kind, "bound", x=index.bound, step=step)


def report_index(tally: Tally, name: str) -> dict[str, dict[str, object]]:
    """Return the figures of one index, overall and by disturbance."""
    return {ALL: _figures(tally, name, ALL)} | {
        kind: _figures(tally, name, kind) for kind in tally.names(name) if kind != ALL
    }


def _figures(tally: Tally, name: str, kind: str) -> dict[str, object]:
    n_seconds, n_reported = tally.n(name, kind, "seconds"), tally.n(name, kind, "reported")
    error, step = (name, kind, "error"), STEPS[name]
    n_judged = tally.n_measured(*error)
    return {
        "n_seconds": n_seconds,
        "reported_share": ratio(n_reported, n_seconds),
        "n_without_truth": n_reported - n_judged,
        "bound_coverage": ratio(tally.n(name, kind, "covered"), n_judged),
        "bound_median": tally.quantile(name, kind, "bound", share=0.5, step=step),
        "error": {
            "median": tally.quantile(*error, share=0.5, step=step),
            **{
                f"p{percent}_abs": tally.quantile(*error, share=percent / 100, step=step, absolute=True)
                for percent in (50, 95, 99)
            },
        },
        "withheld_seconds": {
            reason: tally.n(name, kind, "withheld", reason) for reason in tally.names(name, kind, "withheld")
        },
    }
