"""The rhythm: early beats and their pauses, irregular stretches, and nothing of it in people without."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from becalm_protocol.units import ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.person import Person
from becalm_simulator.rhythm import ATRIAL_PREMATURITY, VENTRICULAR_PREMATURITY, BeatKind

STEADY = {"rsa_bpm": 0.0, "vlf_bpm": 0.0, "mayer_bpm": 0.0, "beat_jitter": 0.0, "stressors_per_hour": 0.0}
REGULAR = {"ectopic_share": 0.0, "atrial_ectopic_share": 0.0, "fibrillation_share": 0.0}


def living(seconds: float, **traits: float) -> Body:
    body = Body(replace(Person.from_seed(2), **STEADY | REGULAR | traits), seed=2)
    body.until(ns_from_s(seconds))
    return body


def test_a_ventricular_beat_is_early_and_the_pause_makes_up_for_it() -> None:
    beats = living(600.0, ectopic_share=0.05).beats()
    early = [i for i, beat in enumerate(beats[1:-1], start=1) if beat.ventricular]
    assert 10 < len(early) < 80
    usual_s = float(np.median([beat.rr_s for beat in beats]))
    for i in early:
        assert beats[i].rr_s == pytest.approx(VENTRICULAR_PREMATURITY * usual_s, rel=0.06)
        assert beats[i].rr_s + beats[i + 1].rr_s == pytest.approx(2.0 * usual_s, rel=0.06)


def test_the_pause_after_an_atrial_beat_does_not_make_up_for_it() -> None:
    beats = living(600.0, atrial_ectopic_share=0.05).beats()
    early = [i for i, beat in enumerate(beats[1:-1], start=1) if beat.kind is BeatKind.ATRIAL]
    assert 10 < len(early) < 80
    usual_s = float(np.median([beat.rr_s for beat in beats]))
    for i in early:
        assert beats[i].rr_s == pytest.approx(ATRIAL_PREMATURITY * usual_s, rel=0.06)
        assert usual_s < beats[i + 1].rr_s < 1.15 * usual_s


def test_people_without_early_beats_have_none() -> None:
    assert {beat.kind for beat in living(600.0).beats()} == {BeatKind.SINUS}


def test_fibrillation_is_irregular_without_memory() -> None:
    rr_s = np.asarray([beat.rr_s for beat in living(600.0, fibrillation_share=1.0).beats()])
    assert 0.15 < np.std(rr_s) / np.mean(rr_s) < 0.3
    assert abs(np.corrcoef(rr_s[:-1], rr_s[1:])[0, 1]) < 0.12
    assert rr_s.min() > 0.3
    assert rr_s.max() < 2.0


def test_fibrillation_comes_in_bouts_that_fill_its_share() -> None:
    kinds = [beat.kind for beat in living(4 * 3600.0, fibrillation_share=0.4).beats()]
    counts = Counter(kinds)
    assert set(counts) == {BeatKind.SINUS, BeatKind.FIBRILLATION}
    assert 0.2 < counts[BeatKind.FIBRILLATION] / len(kinds) < 0.65
    n_changes = sum(a is not b for a, b in pairwise(kinds))
    assert 20 < n_changes < 120


def test_a_rhythm_can_be_staged_and_leaves_again() -> None:
    episodes = [
        Episode(kind=EpisodeKind.EARLY_BEATS, start_ns=ns_from_s(100.0), end_ns=ns_from_s(200.0), amount=0.3),
        Episode(kind=EpisodeKind.FIBRILLATION, start_ns=ns_from_s(300.0), end_ns=ns_from_s(400.0)),
    ]
    body = Body(replace(Person.from_seed(2), **STEADY | REGULAR), seed=2, episodes=episodes)
    body.until(ns_from_s(500.0))
    kinds: dict[str, Counter[BeatKind]] = {"early": Counter(), "irregular": Counter(), "else": Counter()}
    for beat in body.beats():
        t_s = beat.t_ns / 1e9
        where = "early" if 102.0 < t_s < 200.0 else "irregular" if 302.0 < t_s < 400.0 else "else"
        if where != "else" or not any(0.0 <= t_s - edge_s <= 3.0 for edge_s in (100.0, 200.0, 300.0, 400.0)):
            kinds[where][beat.kind] += 1
    assert set(kinds["else"]) == {BeatKind.SINUS}
    assert set(kinds["irregular"]) == {BeatKind.FIBRILLATION}
    assert 0.12 < kinds["early"][BeatKind.VENTRICULAR] / kinds["early"].total() < 0.35
