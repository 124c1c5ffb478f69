"""Scoring against truth made by hand."""

import math
from typing import Any

import pytest

from becalm_cli.happenings import AFTER, DISTURBING, NONE, Happenings, irregular_stretches
from becalm_cli.matching import pair_up, rank_correlation, ranks
from becalm_cli.score import count_staged, happened, report_staged
from becalm_cli.score_arousal import report_arousal, score_arousal
from becalm_cli.score_events import EventSeries, report_events, score_events
from becalm_cli.score_ghosts import report_ghosts, score_ghosts
from becalm_cli.score_indices import report_index, score_index
from becalm_cli.score_quality import report_quality, report_verdicts, score_quality
from becalm_cli.score_subsidence import report_subsidence, score_subsidence
from becalm_cli.tally import Tally
from becalm_cli.truth import Truth, heart_rate_bpm, rmssd_ms
from becalm_protocol.derived import (
    Beat,
    BeatFlag,
    BreathPhase,
    BreathTurn,
    Derived,
    Index,
    Metrics,
    Reason,
    SignalQuality,
    SlowMetrics,
)
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_simulator.blocks import there_and_back, true_levels_us
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.heart import HeartBeat
from becalm_simulator.rhythm import BeatKind

ALWAYS = range(10**15)


def episode(kind: EpisodeKind, start_s: float, end_s: float) -> Episode:
    return Episode(kind=kind, start_ns=ns_from_s(start_s), end_ns=ns_from_s(end_s))


def heartbeats(*rr_s: float, early: int | None = None) -> tuple[HeartBeat, ...]:
    """Beats after these intervals; `early` is the position of a ventricular one."""
    beats, t_s = [], 0.0
    for i, interval_s in enumerate(rr_s):
        t_s += interval_s
        kind = BeatKind.VENTRICULAR if i == early else BeatKind.SINUS
        beats.append(HeartBeat(t_ns=ns_from_s(t_s), rr_s=interval_s, kind=kind))
    return tuple(beats)


def beat(idx: int, t_s: float, flag: BeatFlag = BeatFlag.OK) -> Beat:
    t_ns = ns_from_s(t_s)
    return Beat(beat_idx=idx, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.ECG, flag=flag, confirmed=True)


def metrics(t_s: int, **known: Index) -> Metrics:
    withheld = Index(reason=Reason.WARMING_UP)
    indices = dict.fromkeys(Metrics.index_names(), withheld) | known
    return Metrics(t_ns=t_s * NS_PER_S, emitted_ns=t_s * NS_PER_S, **indices)


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Two minutes of one undisturbed person."""
    body = Body.from_seed(4)
    body.until(120 * NS_PER_S)
    return Truth(body)


# ------------------------------------------------------------------------------------------------------- small parts
def test_each_event_is_paired_once() -> None:
    assert pair_up([0, 100, 200], [5, 8, 203, 400], tolerance_ns=10) == [(0, 0), (2, 2)]
    assert pair_up([0, 10], [9, 12], tolerance_ns=10) == [(0, 0), (1, 1)]
    assert pair_up([], [1], tolerance_ns=10) == []


def test_ranks_share_ties_and_few_seconds_have_no_correlation() -> None:
    assert ranks([3.0, 1.0, 3.0, 2.0]) == [3.5, 1.0, 3.5, 2.0]
    xs = [float(i) for i in range(40)]
    assert rank_correlation(xs, [x**3 for x in xs]) == pytest.approx(1.0)
    assert rank_correlation(xs, [-x for x in xs]) == pytest.approx(-1.0)
    assert rank_correlation(xs[:10], xs[:10]) is None
    assert rank_correlation(xs, [1.0] * 40) is None


def test_tallies_add_up_whoever_counted() -> None:
    one, other = Tally(), Tally()
    for tally, values in ((one, (-0.3, 0.1)), (other, (0.2, 1e9))):
        tally.count("a", "b", n=2)
        for x in values:
            tally.measure("a", "c", x=x, step=0.1)
    forth, back = Tally(), Tally()
    for total, order in ((forth, (one, other)), (back, (other, one))):
        for tally in order:
            total.add(tally)
    for total in (forth, back):
        assert total.n("a", "b") == 4
        assert total.names("a") == ("b", "c")
        assert total.n_measured("a", "c") == 4
        assert total.quantile("a", "c", share=0.5, step=0.1) == 0.1
        assert total.quantile("a", "c", share=0.5, step=0.1, absolute=True) == 0.2
        assert total.quantile("a", "c", share=1.0, step=0.1) == 2000.0  # far off is far off
    assert Tally().quantile("a", share=0.5, step=1.0) is None
    assert Tally().mean("a", step=1.0) is None


def test_what_happens_is_told_by_signal() -> None:
    script = [
        episode(EpisodeKind.MUSCLE, 10, 20),
        episode(EpisodeKind.POPS, 15, 25),
        episode(EpisodeKind.SKIN_OFF, 0, 9),
    ]
    ecg, skin = Happenings(script, SignalKind.ECG), Happenings(script, SignalKind.SKIN_CONDUCTANCE)
    assert ecg.at(ns_from_s(9.9)) == (NONE,)
    assert ecg.at(ns_from_s(16)) == ("muscle", "pops")
    assert ecg.at(ns_from_s(20)) == ("pops",)
    assert ecg.at(ns_from_s(84.9)) == (AFTER,)
    assert ecg.at(ns_from_s(85)) == (NONE,)
    assert skin.at(ns_from_s(16)) == (AFTER,)
    assert Happenings(script, SignalKind.RESPIRATION).at(ns_from_s(16)) == (NONE,)
    assert Happenings(script, None).at(ns_from_s(8)) == ("skin_off",)
    off = Happenings(
        [episode(EpisodeKind.OFF_BODY, a, b) for a, b in ((0, 10), (5, 8), (9, 12), (20, 30))], SignalKind.ECG
    )
    assert off.lasted_ns(EpisodeKind.OFF_BODY, until_ns=ns_from_s(25)) == ns_from_s(17)


def test_what_the_whole_body_goes_through_happens_to_every_signal() -> None:
    script = [episode(EpisodeKind.TALKING, 10, 20), episode(EpisodeKind.BELT_STUCK, 12, 14)]
    found = {kind: Happenings(script, kind).at(ns_from_s(13)) for kind in DISTURBING}
    assert found == {
        SignalKind.ECG: ("talking",),
        SignalKind.RESPIRATION: ("belt_stuck", "talking"),
        SignalKind.SKIN_CONDUCTANCE: ("talking",),
    }
    assert all(len(kinds) >= 12 for kinds in DISTURBING.values())


def test_an_irregular_rhythm_counts_from_its_first_to_its_last_beat_whoever_made_it() -> None:
    kinds = [BeatKind.SINUS, *[BeatKind.FIBRILLATION] * 3, BeatKind.SINUS, BeatKind.FIBRILLATION, BeatKind.SINUS]
    beats = [HeartBeat(t_ns=ns_from_s(i), rr_s=1.0, kind=kind) for i, kind in enumerate(kinds)]
    assert irregular_stretches(beats) == (episode(EpisodeKind.FIBRILLATION, 1, 3),)
    staged = Body.from_seed(4, episodes=[episode(EpisodeKind.FIBRILLATION, 10, 30), episode(EpisodeKind.HOLD, 5, 9)])
    staged.until(60 * NS_PER_S)
    hold, irregular = happened(staged)
    assert hold.kind is EpisodeKind.HOLD
    assert irregular.kind is EpisodeKind.FIBRILLATION
    assert 10 <= irregular.start_ns / NS_PER_S < 12.5
    assert 28 < irregular.end_ns / NS_PER_S < 33


def test_what_was_staged_is_counted_by_kind() -> None:
    tally = Tally()
    count_staged(tally, [episode(EpisodeKind.POPS, 1, 4), episode(EpisodeKind.POPS, 3, 5)], seconds=60)
    count_staged(tally, [episode(EpisodeKind.POPS, 58, 70), episode(EpisodeKind.HOLD, 61, 70)], seconds=60)
    assert report_staged(tally) == {
        "hold": {"n_people": 0, "n_episodes": 0, "n_seconds": 0.0},
        "pops": {"n_people": 2, "n_episodes": 3, "n_seconds": 6.0},
    }


# ------------------------------------------------------------------------------------------------------------- truth
def test_true_heart_rate_is_of_five_beats_and_of_ten_with_an_early_one_among_them() -> None:
    steady = heartbeats(*[0.5] * 5, *[1.0] * 5)
    assert heart_rate_bpm(steady) == pytest.approx(60.0)
    assert heart_rate_bpm(heartbeats(*[0.5] * 5, *[1.0] * 5, early=7)) == pytest.approx(80.0)
    assert heart_rate_bpm(()) is None


def test_true_rmssd_leaves_out_what_an_early_beat_touches() -> None:
    alternating = [1.0, 1.02] * 30
    assert rmssd_ms(heartbeats(*alternating)) == pytest.approx(20.0)
    with_early = [*alternating[:30], 0.6, 1.4, *alternating[30:]]
    assert rmssd_ms(heartbeats(*with_early, early=30)) == pytest.approx(20.0)
    assert rmssd_ms(heartbeats(*with_early)) > 60.0  # type: ignore[operator]
    assert rmssd_ms(heartbeats(*alternating[:40])) is None  # 40 s are not 80 % of a minute


def test_true_breathing_and_responses_are_those_of_the_body(truth: Truth) -> None:
    t_ns = 100 * NS_PER_S
    breaths_per_min = truth.breathing_rate_bpm(t_ns)
    inhalations_ns = [turn.t_ns for turn in truth.turns if turn.phase.value == "in" and turn.t_ns <= t_ns + NS_PER_S]
    assert breaths_per_min == pytest.approx(180.0 * NS_PER_S / (inhalations_ns[-1] - inhalations_ns[-4]))
    n = sum(40 * NS_PER_S < response.peak_ns <= t_ns for response in truth.responses)
    assert truth.responses_per_min(t_ns) == n
    assert truth.responses_per_min(20 * NS_PER_S) is None
    assert truth.breathing_rate_bpm(0) is None


def test_the_true_level_is_read_between_whole_seconds(truth: Truth) -> None:
    body = Body.from_seed(4)
    body.until(120 * NS_PER_S)
    levels_us = true_levels_us(body)
    assert len(levels_us) == 121
    assert truth.level_us(10 * NS_PER_S) == levels_us[10]
    assert truth.level_us(ns_from_s(10.5)) == pytest.approx((levels_us[10] + levels_us[11]) / 2)
    assert truth.level_us(ns_from_s(500)) is None


def test_the_true_level_does_not_lag() -> None:
    smooth = there_and_back([*[1.0] * 400, 2.0, *[1.0] * 400])
    assert smooth == pytest.approx(smooth[::-1], abs=1e-6)
    assert max(smooth) == smooth[400] < 1.05


# ----------------------------------------------------------------------------------------------------------- scoring
def test_events_are_counted_overall_and_by_disturbance() -> None:
    tally = Tally()
    during = Happenings([episode(EpisodeKind.MUSCLE, 2, 4)], SignalKind.ECG)
    true_ns = [ns_from_s(s) for s in (1, 2, 3, 5)]
    found_ns = [ns_from_s(1) + 2 * NS_PER_MS, ns_from_s(2.5), ns_from_s(3) - 4 * NS_PER_MS, ns_from_s(5)]
    series = EventSeries(name="beats", true_ns=true_ns, found_ns=found_ns, tolerance_ns=150 * NS_PER_MS)
    score_events(tally, series, during=during, window_ns=range(ns_from_s(4.5)))
    report = report_events(tally, "beats")
    assert report["all"]["n_true"] == report["all"]["n_found"] == 3
    assert report["all"]["sensitivity"] == report["all"]["precision"] == pytest.approx(0.6667)
    assert report["muscle"]["f1"] == 0.5
    assert report["none"]["f1"] == 1.0
    assert report["muscle"]["timing_error_ms"] == {"median": -4.0, "p50_abs": 4.0, "p95_abs": 4.0, "p99_abs": 4.0}


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


def test_reasons_are_held_against_what_happened() -> None:
    tally = Tally()
    kind = SignalKind.ECG
    told = [
        SignalQuality(t_ns=ns_from_s(s), emitted_ns=ns_from_s(s), kind=kind, reason=reason)
        for s, reason in ((3.5, Reason.NOISY), (5.5, None))
    ]
    during = {kind: Happenings([episode(EpisodeKind.OFF_BODY, 2, 5)], kind)}
    score_quality(tally, told, seconds=8, during=during)
    assert report_quality(tally) == {
        "ecg": {"after": {"noisy": 1, "usable": 2}, "none": {"usable": 2}, "off_body": {"noisy": 1, "usable": 2}}
    }
    assert report_verdicts(tally) == {
        "ecg": {
            "seconds": {
                "nothing_to_see_called_unusable": 1,
                "nothing_to_see_called_usable": 2,
                "undisturbed_called_unusable": 0,
                "undisturbed_called_usable": 2,
            },
            "sensitivity": 0.3333,
            "specificity": 1.0,
        }
    }


def test_what_is_told_of_a_sensor_without_a_body_are_ghosts() -> None:
    tally = Tally()
    beats = [beat(0, 1.0), beat(1, 2.5), beat(2, 3.5, BeatFlag.EXTRA), beat(3, 5.0)]
    script = [
        episode(EpisodeKind.OFF_BODY, 2, 5),
        episode(EpisodeKind.OFF_BODY, 20, 99),
        episode(EpisodeKind.BELT_STUCK, 4, 6),
    ]
    during = {kind: Happenings(script, kind) for kind in DISTURBING}
    derived: list[Derived] = [
        SignalQuality(t_ns=ns_from_s(3.3), emitted_ns=ns_from_s(3.3), kind=SignalKind.ECG, reason=Reason.NOISY),
        BreathTurn(t_ns=ns_from_s(5), emitted_ns=ns_from_s(6), phase=BreathPhase.IN),
    ]
    score_ghosts(tally, derived, beats=beats, during=during, seconds=8)
    report = report_ghosts(tally)
    assert report["beats"] == {
        "while": "off_body", "n_seconds": 3.0, "n_ghosts": 2, "n_accepted": 1, "ghosts_per_min": 40.0, "n_episodes": 1,
        "n_unusable_before": 0, "noticed_share": 1.0, "notice_delay_s": {"median": 1.3, "p95": 1.3},
    }  # fmt: skip
    assert (report["breath_turns"]["n_ghosts"], report["breath_turns"]["noticed_share"]) == (1, 0.0)
    assert report_ghosts(Tally())["skin_responses"]["ghosts_per_min"] is None
