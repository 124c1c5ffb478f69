"""Indices held against the truth: coverage, arousal by rank and line, subsidence by the latent level."""

import math
from typing import Any, cast

import pytest
from tests.cli.score.conftest import episode, metrics

from becalm_cli.happenings import Happenings
from becalm_cli.score_arousal import report_arousal, score_arousal
from becalm_cli.score_indices import report_index, score_index
from becalm_cli.score_subsidence import report_subsidence, score_subsidence
from becalm_cli.tally import Tally
from becalm_cli.truth import Truth
from becalm_protocol.derived import (
    Index,
    Reason,
    SlowMetrics,
)
from becalm_protocol.units import NS_PER_S
from becalm_simulator.episode import EpisodeKind


def test_an_index_is_covered_when_its_bound_reaches_the_truth(truth: Truth) -> None:
    tally = Tally()
    for t_s, off, kinds in ((60, 1.0, ["none"]), (70, -3.0, ["muscle"])):
        true = truth.index("heart_rate_bpm", t_s * NS_PER_S, tick_ns=t_s * NS_PER_S)
        assert true is not None
        index = Index(value=true + off, bound=2.0, sample_ns=t_s * NS_PER_S)
        score_index(tally, "heart_rate_bpm", metrics(t_s, heart_rate_bpm=index), truth=truth, kinds=kinds)
    score_index(tally, "heart_rate_bpm", metrics(80), truth=truth, kinds=["none"])
    report = report_index(tally, "heart_rate_bpm")
    assert report["all"]["reported_share"] == pytest.approx(0.6667)
    assert report["all"]["bound_coverage"] == 0.5
    assert report["none"]["bound_coverage"] == 1.0
    assert report["muscle"]["bound_coverage"] == 0.0
    assert report["muscle"]["error"] == {"median": -3.0, "p50_abs": 3.0, "p95_abs": 3.0, "p99_abs": 3.0}
    assert report["none"]["withheld_seconds"] == {"warming_up": 1}


def test_arousal_is_scored_by_rank_and_against_the_persons_own_line(truth: Truth) -> None:
    tally = Tally()
    during = Happenings([episode(EpisodeKind.THREAT, 50, 52)], None)
    off = dict.fromkeys((50, 51), 30.0)
    shown = [
        metrics(
            t_s,
            arousal=Index(
                value=20.0 + 50.0 * truth.arousal(t_s * NS_PER_S) + off.get(t_s, 0.0), bound=5.0, sample_ns=0
            ),
        )
        for t_s in range(40, 100)
    ]
    score_arousal(tally, [metrics(39), *shown], truth=truth, during=during)
    report = report_arousal(tally)
    assert report["bound_width_mean"] == 10.0
    assert report["rank_correlation_within_person"]["n_people"] == 1  # type: ignore[index]
    by_kind: dict[str, dict[str, Any]] = report["from_own_line"]  # type: ignore[assignment]
    assert by_kind["all"]["reported_share"] == round(60 / 61, 4)
    assert by_kind["all"]["bound_coverage"] == round(58 / 60, 4)
    assert by_kind["threat"]["bound_coverage"] == 0.0
    assert by_kind["threat"]["error"]["median"] > 20.0
    assert by_kind["none"]["bound_coverage"] == by_kind["after"]["bound_coverage"] == 1.0


def test_arousal_is_held_against_the_level_smoothed_as_it_is_too(truth: Truth) -> None:
    level, smoothed = truth.arousal(0), []
    for t_s in range(100):
        level += (1.0 - math.exp(-1.0 / 30.0)) * (truth.arousal(t_s * NS_PER_S) - level)
        smoothed.append(level)
    shown = [metrics(t_s, arousal=Index(value=20.0 + 50.0 * smoothed[t_s], bound=0.05)) for t_s in range(40, 100)]
    tally = Tally()
    score_arousal(tally, shown, truth=truth, during=Happenings([], None))
    report: dict[str, Any] = report_arousal(tally)
    assert report["from_own_line_smoothed"]["all"]["bound_coverage"] == 1.0
    assert report["from_own_line"]["all"]["bound_coverage"] < 0.9


def test_subsidence_is_held_against_the_fall_of_the_latent_level(truth: Truth) -> None:
    def level(t_s: int) -> float:
        return 20.0 + 50.0 * truth.arousal(t_s * NS_PER_S)

    def minute(end_s: int) -> float:
        return sum(level(end_s - second) for second in range(60)) / 60.0

    def slow(t_s: int, subsidence: Index) -> SlowMetrics:
        told = dict.fromkeys(SlowMetrics.index_names(), Index(reason=Reason.WARMING_UP)) | {"subsidence": subsidence}
        t_ns = t_s * NS_PER_S
        return SlowMetrics(t_ns=t_ns, emitted_ns=t_ns, heart_source=None, breath_source=None, **told)

    ticks = [metrics(t_s, arousal=Index(value=level(t_s), bound=5.0)) for t_s in range(120)]
    fell = minute(60) - minute(90)
    moments = [
        slow(30, Index(reason=Reason.WARMING_UP)),
        slow(60, Index(reason=Reason.CANNOT_TELL)),
        slow(90, Index(value=fell + 1.0, bound=2.0)),
        slow(90, Index(value=fell + 3.0, bound=2.0)),
        slow(95, Index(value=fell, bound=2.0)),  # the value of half a minute is told six times, and counts once
    ]
    tally = Tally()
    score_subsidence(tally, moments, ticks, truth=truth, started_ns=0)
    report = report_subsidence(tally)
    assert report["n_moments"] == 3
    assert report["told_share"] == round(2 / 3, 4)
    assert report["half_life_told_share"] == 0.0
    assert report["bound_coverage"] == 0.5
    assert report["bound_mean"] == 2.0
    assert report["error_p95_abs"] == pytest.approx(3.0, abs=0.01)


def test_half_lives_are_held_against_that_of_the_latent_level() -> None:
    class Falling:
        def arousal(self, t_ns: int) -> float:
            return 0.3 + 0.4 * math.exp(-math.log(2.0) * max(0.0, t_ns / NS_PER_S - 60.0) / 90.0)

    def slow(half_life_s: float) -> SlowMetrics:
        told = dict.fromkeys(SlowMetrics.index_names(), Index(reason=Reason.CANNOT_TELL))
        told |= {"half_life_s": Index(value=half_life_s, bound=10.0)}
        return SlowMetrics(
            t_ns=300 * NS_PER_S, emitted_ns=300 * NS_PER_S, heart_source=None, breath_source=None, **told
        )

    falling = cast("Truth", Falling())
    ticks = [metrics(t_s, arousal=Index(value=falling.arousal(t_s * NS_PER_S), bound=5.0)) for t_s in range(300)]
    tally = Tally()
    score_subsidence(tally, [slow(95.0), slow(75.0)], ticks, truth=falling, started_ns=60 * NS_PER_S)
    report = report_subsidence(tally)
    assert report["half_life_told_share"] == 1.0
    assert report["half_life_coverage"] == 0.5
