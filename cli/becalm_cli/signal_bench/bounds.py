"""Bounds that must cover the truth, and ghosts: virtual people with disturbed sensors, as `becalm bench population`."""

from functools import cache
from pathlib import Path
from typing import Any

from becalm_cli.population import bench_population
from becalm_cli.score_arousal import OF_MOMENT, SMOOTHED
from becalm_cli.score_bounds import ASKED
from becalm_cli.score_events import ALL
from becalm_cli.signal_bench.rival_people import rival_scores

# Nobody chose a setting on these.
FIRST_PERSON = 20_000
# Fewer values of one person or two say little of a share near 95 %.
MIN_VALUES = 200
GHOST_INDEX = {"beats": "heart_rate_bpm", "breath_turns": "breathing_rate_bpm", "skin_responses": "scl_us"}


@cache
def _scores(*, quick: bool) -> dict[str, Any]:
    """Both figures are of the same people: they live once."""
    told = bench_population(
        n_people=_n_people(quick=quick), minutes=_minutes(quick=quick), seed=FIRST_PERSON, n_jobs=1 if quick else 2
    )
    scores: dict[str, Any] = told["scores"]
    return scores


@cache
def _rival(*, quick: bool) -> dict[str, Any]:
    people = range(FIRST_PERSON, FIRST_PERSON + _n_people(quick=quick))
    return rival_scores(people, seconds=round(60.0 * _minutes(quick=quick)))


def _n_people(*, quick: bool) -> int:
    return 4 if quick else 60


def _minutes(*, quick: bool) -> float:
    return 2.0 if quick else 5.0


def coverage(data: Path, *, quick: bool) -> dict[str, Any]:
    """Return the share of values whose bound covers the truth, by index, over all and by what was under way.

    NeuroKit2 has no bounds and withholds nothing; `errors_beside_neurokit2` holds its errors on the same people.
    """
    del data
    scores = _scores(quick=quick)
    indices = {**scores["indices"], **scores["slow_indices"]}
    result: dict[str, Any] = {}
    for name, kinds in indices.items():
        covered = {kind: _covered(figures) for kind, figures in kinds.items()}
        judged = {kind: share for kind, share in covered.items() if share is not None}
        result[name] = {
            "all_pct": judged.pop(ALL, None),
            "reported_pct": _pct(kinds[ALL]["reported_share"]),
            "kinds_judged": len(judged),
            "kinds_below_95_pct": {kind: pct for kind, pct in sorted(judged.items()) if pct < 100.0 * ASKED},
        }
    result["by_kind"] = {
        "kinds_below_95_pct": scores["bounds"]["kinds_below"],
        "covered_pct": {kind: _pct(figures["coverage"]) for kind, figures in scores["bounds"]["kinds"].items()},
    }
    result["arousal"] = _of_arousal(scores["arousal"])
    result["subsidence"] = _of_subsidence(scores["subsidence"])
    result["errors_beside_neurokit2"] = {
        name: {"becalm": _sizes(indices[name][ALL]["error"]), "neurokit2": sizes}
        for name, sizes in _rival(quick=quick)["errors"].items()
    }
    return result


def _sizes(error: dict[str, Any]) -> dict[str, Any]:
    return {name: size for name, size in error.items() if name.endswith("_abs")}


def _of_arousal(scores: dict[str, Any]) -> dict[str, Any]:
    """Return coverage against the latent level smoothed as the index is defined, and against that of the moment."""
    kinds: dict[str, dict[str, Any]] = scores[SMOOTHED]
    of_all, of_moment = kinds[ALL], scores[OF_MOMENT][ALL]
    judged = {
        kind: _pct(figures["bound_coverage"]) or 0.0
        for kind, figures in kinds.items()
        if kind != ALL and figures["n_seconds"] * (figures["reported_share"] or 0.0) >= MIN_VALUES
    }
    return {
        "all_pct": _pct(of_all["bound_coverage"]),
        "all_of_the_moment_pct": _pct(of_moment["bound_coverage"]),
        "reported_pct": _pct(of_all["reported_share"]),
        "kinds_judged": len(judged),
        "kinds_below_95_pct": {kind: pct for kind, pct in sorted(judged.items()) if pct < 100.0 * ASKED},
    }


def _of_subsidence(told: dict[str, Any]) -> dict[str, Any]:
    """Return coverage with the number of values behind it: few in five minutes, and neighbours know of each other."""
    share = told["told_share"]
    return {
        "all_pct": _pct(told["bound_coverage"]),
        "reported_pct": _pct(share),
        "values": None if share is None else round(share * told["n_moments"]),
    }


def _covered(figures: dict[str, Any]) -> float | None:
    n_judged = round(figures["n_seconds"] * (figures["reported_share"] or 0.0)) - figures["n_without_truth"]
    return _pct(figures["bound_coverage"]) if n_judged >= MIN_VALUES else None


def ghosts(data: Path, *, quick: bool) -> dict[str, Any]:
    """Return what was told of while the sensor had no body: accepted events a second, and seconds with a value."""
    del data
    scores = _scores(quick=quick)
    result: dict[str, Any] = {}
    for name, told in scores["ghosts"].items():
        shown = scores["indices"][GHOST_INDEX[name]].get(told["while"], {})
        lasted_s = told["n_seconds"]
        result[name] = {
            "while": told["while"],
            "seconds": lasted_s,
            "accepted": told["n_accepted"],
            "accepted_pct_of_seconds": round(100.0 * told["n_accepted"] / lasted_s, 2) if lasted_s else None,
            "value_shown_pct_of_seconds": _pct(shown.get("reported_share")),
            "noticed_pct": _pct(told["noticed_share"]),
            "notice_delay_s": told["notice_delay_s"],
            "neurokit2": _rival(quick=quick)["ghosts"][name],
        }
    return result


def _pct(share: float | None) -> float | None:
    return None if share is None else round(100.0 * share, 2)
