"""`becalm bench population`: its scoring against truth made by hand, and scores that only seed and size decide."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from becalm_cli.happenings import AFTER, NONE, Happenings
from becalm_cli.matching import pair_up, rank_correlation, ranks
from becalm_cli.population import bench_population
from becalm_cli.score_events import EventSeries, report_events, score_events
from becalm_cli.score_indices import report_arousal, report_index, score_arousal, score_index
from becalm_cli.score_quality import report_ghosts, report_quality, score_ghosts, score_quality
from becalm_cli.tally import Tally
from becalm_cli.truth import Truth, heart_rate_bpm, rmssd_ms
from becalm_protocol.derived import Beat, BeatFlag, Index, Metrics, Reason, SignalQuality
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_simulator.blocks import STREAMS, sample_blocks, there_and_back, true_levels_us
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.heart import HeartBeat
from becalm_simulator.population import MAX_SEED
from becalm_simulator.rhythm import BeatKind

Becalm = Callable[..., "CompletedProcess[str]"]
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
    off = Happenings(
        [episode(EpisodeKind.OFF_BODY, a, b) for a, b in ((0, 10), (5, 8), (9, 12), (20, 30))], SignalKind.ECG
    )
    assert off.lasted_ns(EpisodeKind.OFF_BODY, until_ns=ns_from_s(25)) == ns_from_s(17)


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


def test_arousal_is_scored_by_rank_and_by_the_width_of_its_bound(truth: Truth) -> None:
    tally = Tally()
    shown = [
        metrics(t_s, arousal=Index(value=100.0 * truth.arousal(t_s * NS_PER_S), bound=5.0, sample_ns=0))
        for t_s in range(40, 100)
    ]
    score_arousal(tally, [metrics(39), *shown], truth)
    report = report_arousal(tally)
    assert report["bound_width_mean"] == 10.0
    assert report["reported_share"] == round(60 / 61, 4)
    assert report["rank_correlation_within_person"] == {"n_people": 1, "p5": 1.0, "median": 1.0, "p95": 1.0}


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


def test_beats_of_free_electrodes_are_ghosts() -> None:
    tally = Tally()
    beats = [beat(0, 1.0), beat(1, 2.5), beat(2, 3.5, BeatFlag.EXTRA), beat(3, 5.0)]
    during = Happenings([episode(EpisodeKind.OFF_BODY, 2, 5)], SignalKind.ECG)
    score_ghosts(tally, beats, during, until_ns=ns_from_s(8))
    assert report_ghosts(tally) == {"off_body_s": 3.0, "n_beats": 2, "n_accepted": 1, "beats_per_off_body_min": 40.0}
    assert report_ghosts(Tally())["beats_per_off_body_min"] is None


# ---------------------------------------------------------------------------------------------------------- the bench
def test_blocks_are_whole_counts_without_a_hole() -> None:
    blocks = list(sample_blocks(Body.from_seed(5), seconds=25))
    for info in STREAMS:
        mine = [block for block in blocks if block.stream_id == info.stream_id]
        expected = 0
        for block in mine:
            assert block.first_sample_idx == expected
            expected += len(block.counts)
        assert expected == 25 * (info.sample_rate_hz or 0)
    assert blocks == list(sample_blocks(Body.from_seed(5), seconds=25))


def test_the_scores_do_not_depend_on_the_number_of_processes() -> None:
    alone = bench_population(n_people=2, minutes=2.0, seed=11, n_jobs=1)
    shared = bench_population(n_people=2, minutes=2.0, seed=11, n_jobs=2)
    assert json.dumps(alone["scores"]) == json.dumps(shared["scores"])
    other = bench_population(n_people=2, minutes=2.0, seed=12, n_jobs=1)
    assert other["scores"] != alone["scores"]
    beats, heart = alone["scores"]["signals"]["beats"]["all"], alone["scores"]["indices"]["heart_rate_bpm"]["all"]
    assert beats["n_true"] > 200
    assert beats["f1"] > 0.9
    assert heart["reported_share"] > 0.8
    assert heart["bound_coverage"] > 0.9


def test_the_command_prints_one_json_object(becalm: Becalm) -> None:
    done = becalm("bench", "population", "--people", 1, "--minutes", 1, "--jobs", 1, "--seed", 3)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["people"], report["seconds_each"], report["seed"]) == (1, 60, 3)
    assert report["took"]["session_seconds_per_s"] > 0
    assert report["scores"]["indices"]["breathing_rate_bpm"]["all"]["n_seconds"] >= 55


def test_a_seed_without_so_many_people_after_it_is_refused(becalm: Becalm) -> None:
    with pytest.raises(ConfigError, match="seed: expected 0 to"):
        bench_population(n_people=2, minutes=1.0, seed=MAX_SEED, n_jobs=1)
    done = becalm("bench", "population", "--people", 2, "--seed", MAX_SEED)
    assert done.returncode == 2
    assert done.stderr.startswith("becalm: seed: ")
