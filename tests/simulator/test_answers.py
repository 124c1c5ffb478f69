"""Answers: ratings that follow arousal as far as the person's do, and tasks with a true threshold behind them."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.answers import Voice
from becalm_simulator.body import Body
from becalm_simulator.person import Person


def voice(**traits: float) -> Voice:
    usual = {"arousal_everyday": 0.5, "rating_noise": 5.0, "sensation_base": 40.0, "threat_base": 40.0}
    return Voice(replace(Person.from_seed(1), **usual | {"suds_base": 40.0} | traits), seed=1)


@pytest.mark.parametrize("coupling", [-0.3, 0.0, 0.4, 0.8])
def test_ratings_follow_arousal_with_the_persons_coupling(coupling: float) -> None:
    one = voice(suds_coupling=coupling, sensation_coupling=0.5, threat_coupling=0.0)
    levels = np.linspace(0.3, 0.9, 400)
    ratings = [one.rate(i * NS_PER_S, arousal=float(level)) for i, level in enumerate(levels)]
    slope, at_half = np.polyfit(100.0 * (levels - 0.5), [rating.suds for rating in ratings], 1)
    assert slope == pytest.approx(coupling, abs=0.06)
    assert at_half == pytest.approx(40.0, abs=1.5)
    # Sensation may follow while threat does not: they are two things.
    assert np.corrcoef(levels, [rating.sensation for rating in ratings])[0, 1] > 0.7
    assert abs(np.corrcoef(levels, [rating.threat for rating in ratings])[0, 1]) < 0.15


def test_ratings_are_as_noisy_as_the_person_and_stay_on_the_scale() -> None:
    one = voice(rating_noise=9.0)
    suds = [one.rate(i, arousal=0.5).suds for i in range(600)]
    assert np.std(suds) == pytest.approx(9.0, rel=0.1)
    loud = voice(rating_noise=30.0, suds_base=95.0)
    assert {loud.rate(i, arousal=1.0).suds for i in range(200)} <= set(range(101))


def test_the_same_question_has_the_same_answer_and_asking_changes_nothing() -> None:
    asked, silent = Body.from_seed(4), Body.from_seed(4)
    for one in (asked, silent):
        one.until(ns_from_s(30.0))
    first = asked.rate(ns_from_s(20.0)), asked.compare_heart_rate(ns_from_s(20.0), tone_bpm=70.0)
    assert first == (asked.rate(ns_from_s(20.0)), asked.compare_heart_rate(ns_from_s(20.0), tone_bpm=70.0))
    for one in (asked, silent):
        one.until(ns_from_s(60.0))
    assert asked.beats() == silent.beats()


def test_heart_rate_comparison_has_the_true_threshold_and_bias() -> None:
    one = voice(heart_threshold_bpm=8.0, heart_bias_bpm=-6.0, lapse_share=0.0)
    tones_bpm = np.arange(40.0, 91.0, 5.0)
    faster = [
        np.mean([one.compare(1000 * i + round(tone), tone_bpm=tone, heart_rate_bpm=70.0).faster for i in range(400)])
        for tone in tones_bpm
    ]
    middle_bpm = float(np.interp(0.5, faster, tones_bpm))
    upper_bpm = float(np.interp(0.8413, faster, tones_bpm))
    assert middle_bpm == pytest.approx(64.0, abs=1.2)
    assert upper_bpm - middle_bpm == pytest.approx(8.0, abs=1.5)


def test_confidence_grows_with_distance_and_lapses_are_guesses() -> None:
    one = voice(heart_threshold_bpm=5.0, heart_bias_bpm=0.0, lapse_share=0.0)
    near = np.mean([one.compare(i, tone_bpm=71.0, heart_rate_bpm=70.0).confidence for i in range(300)])
    far = np.mean([one.compare(i, tone_bpm=95.0, heart_rate_bpm=70.0).confidence for i in range(300)])
    assert far > near + 30.0
    absent = voice(lapse_share=0.5, heart_threshold_bpm=2.0, heart_bias_bpm=0.0)
    right = np.mean([absent.compare(i, tone_bpm=110.0, heart_rate_bpm=60.0).faster for i in range(600)])
    assert right == pytest.approx(0.75, abs=0.06)


def test_counted_heartbeats_are_the_share_that_is_felt() -> None:
    body = Body(replace(Person.from_seed(2), beats_felt_share=0.6), seed=2)
    body.until(ns_from_s(1200.0))
    counted = sum(body.count_heartbeats(ns_from_s(s), end_ns=ns_from_s(s + 30.0)) for s in range(0, 1200, 30))
    assert counted / body.n_beats(body.t_ns) == pytest.approx(0.6, abs=0.06)


def test_impossible_questions_are_refused_by_name() -> None:
    body = Body.from_seed(2)
    body.until(ns_from_s(10.0))
    with pytest.raises(ValueError, match=r"^t_ns: expected 0 to 10000000000 \(what has been lived\)"):
        body.rate(ns_from_s(11.0))
    with pytest.raises(ValueError, match=r"^tone_bpm: expected 20 to 220"):
        body.compare_heart_rate(ns_from_s(5.0), tone_bpm=5.0)
