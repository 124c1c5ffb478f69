"""`becalm bench population`: every second accounted for, and scores that only seed and size decide."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

from becalm_cli.happenings import AFTER, NONE
from becalm_cli.population import bench_population
from becalm_cli.score_indices import INDICES
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import Gap, SampleBlock
from becalm_protocol.units import ns_from_s
from becalm_simulator.blocks import STREAMS, sample_blocks
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.population import MAX_SEED

Becalm = Callable[..., "CompletedProcess[str]"]


def episode(kind: EpisodeKind, start_s: float, end_s: float) -> Episode:
    return Episode(kind=kind, start_ns=ns_from_s(start_s), end_ns=ns_from_s(end_s))


def test_blocks_are_whole_counts_without_a_hole() -> None:
    blocks = list(sample_blocks(Body.from_seed(5), seconds=25))
    for info in STREAMS:
        mine = [block for block in blocks if isinstance(block, SampleBlock) and block.stream_id == info.stream_id]
        assert len(mine) == 3
        expected = 0
        for block in mine:
            assert block.first_sample_idx == expected
            expected += len(block.counts)
        assert expected == 25 * (info.sample_rate_hz or 0)
    assert blocks == list(sample_blocks(Body.from_seed(5), seconds=25))


def test_no_samples_come_during_a_dropout_and_the_gap_is_told_when_they_go_on() -> None:
    script = [episode(EpisodeKind.BELT_DROPOUT, 4, 12), episode(EpisodeKind.SKIN_DROPOUT, 20, 25)]
    events = list(sample_blocks(Body.from_seed(5, episodes=script), seconds=25))
    plain = list(sample_blocks(Body.from_seed(5), seconds=25))
    ecg, belt, skin = ([e for e in events if e.stream_id == info.stream_id] for info in STREAMS)
    assert ecg == [e for e in plain if e.stream_id == STREAMS[0].stream_id]
    assert len(belt) == 4
    first, gap, second = belt[:3]
    assert isinstance(gap, Gap)
    assert isinstance(first, SampleBlock)
    assert isinstance(second, SampleBlock)
    assert (first.first_sample_idx, len(first.counts)) == (0, 100)
    assert (gap.n_missing, gap.start_ns, gap.end_ns) == (200, ns_from_s(3.96), ns_from_s(12))
    assert (second.first_sample_idx, len(second.counts), second.received_ns) == (300, 200, ns_from_s(19.96))
    assert not any(isinstance(e, Gap) for e in skin)  # it does not go on
    assert sum(len(e.counts) for e in skin if isinstance(e, SampleBlock)) == 160


def test_a_belt_that_is_stuck_says_the_same_count_again_and_again() -> None:
    body = Body.from_seed(5, episodes=[episode(EpisodeKind.BELT_STUCK, 2, 7)])
    belt = next(e for e in sample_blocks(body, seconds=10) if e.stream_id == STREAMS[1].stream_id)
    assert isinstance(belt, SampleBlock)
    assert len(set(belt.counts[50:175])) == 1
    assert len(set(belt.counts[175:])) > 20


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


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    """Return the bench of six people: few, but each through the whole pipeline."""
    return bench_population(n_people=6, minutes=3.0, seed=40, n_jobs=2)


def test_a_small_population_is_scored_to_the_bit_again(small: dict[str, Any]) -> None:
    again = bench_population(n_people=6, minutes=3.0, seed=40, n_jobs=1)
    assert json.dumps(again["scores"]) == json.dumps(small["scores"])
    assert set(small["legend"]) >= set(small["scores"])


def test_every_second_of_every_index_is_accounted_for(small: dict[str, Any]) -> None:
    scores = small["scores"]
    for name in INDICES:
        kinds = scores["indices"][name]
        n = kinds["all"]["n_seconds"]
        assert n >= 6 * 175
        assert max(figures["n_seconds"] for figures in kinds.values()) == n
        assert sum(figures["n_seconds"] for figures in kinds.values()) >= 2 * n
        for figures in kinds.values():
            n_withheld = sum(figures["withheld_seconds"].values())
            assert n_withheld == pytest.approx(figures["n_seconds"] * (1 - figures["reported_share"]), abs=0.5)
            assert figures["bound_coverage"] is None or 0.0 <= figures["bound_coverage"] <= 1.0
    for kinds in scores["quality_seconds"].values():
        assert all(sum(states.values()) <= 6 * 180 for states in kinds.values())


def test_every_kind_that_was_scored_was_staged_and_counted(small: dict[str, Any]) -> None:
    scores = small["scores"]
    scored = {kind for kinds in (*scores["indices"].values(), *scores["signals"].values()) for kind in kinds}
    scored -= {"all", AFTER, NONE}
    assert len(scored) >= 12
    assert scored <= set(scores["staged"])
    for figures in scores["staged"].values():
        assert figures["n_people"] <= figures["n_episodes"]
        assert figures["n_people"] <= 6


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
