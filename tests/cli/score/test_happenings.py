"""What happened to whom, tallied: paired, ranked, told by signal and by kind."""

import pytest
from tests.cli.score.conftest import episode

from becalm_cli.happenings import AFTER, DISTURBING, NONE, Happenings, irregular_stretches
from becalm_cli.matching import pair_up, rank_correlation, ranks
from becalm_cli.score import count_staged, happened, report_staged
from becalm_cli.score_events import EventSeries, report_events, score_events
from becalm_cli.score_ghosts import report_ghosts, score_ghosts
from becalm_cli.score_quality import report_quality, report_verdicts, score_quality
from becalm_cli.tally import Tally
from becalm_protocol.derived import (
    Beat,
    BeatFlag,
    BreathPhase,
    BreathTurn,
    Derived,
    Reason,
    SignalQuality,
)
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_MS, NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import EpisodeKind
from becalm_simulator.heart import HeartBeat
from becalm_simulator.rhythm import BeatKind


def beat(idx: int, t_s: float, flag: BeatFlag = BeatFlag.OK) -> Beat:
    t_ns = ns_from_s(t_s)
    return Beat(beat_idx=idx, t_ns=t_ns, emitted_ns=t_ns, source=SignalKind.ECG, flag=flag, confirmed=True)


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
