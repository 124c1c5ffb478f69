"""The whole body: seeded to the byte, indifferent to how often it is looked at, and calmed by the pacer."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from becalm_protocol.derived import BreathPhase
from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.course import rsa_swing_bpm
from becalm_simulator.episode import AMOUNTS, Episode, EpisodeKind
from becalm_simulator.person import Person
from becalm_simulator.staging import DISTURBANCES, seeded_disturbances, seeded_life

SEEDS = range(12)
SIX_PER_MIN = Pacer(started_ns=60 * NS_PER_S, inhale_s=4.0, exhale_s=6.0)


def times(seconds: float, *, first_s: float = 0.0, rate_hz: int = 130) -> NDArray[np.int64]:
    idx = np.arange(round(first_s * rate_hz), round((first_s + seconds) * rate_hz), dtype=np.int64)
    return idx * NS_PER_S // rate_hz


def everything(seed: int, *, seconds: float) -> tuple[Episode, ...]:
    disturbed = seeded_disturbances(seed, seconds=seconds, per_hour=1500.0, rows=DISTURBANCES)
    return (*disturbed, *seeded_life(seed, seconds=seconds, per_hour=600.0))


def practising(seed: int, *, seconds: float, pacer: Pacer | None = SIX_PER_MIN, person: Person | None = None) -> Body:
    body = Body(person or Person.from_seed(seed), seed=seed)
    body.hear(pacer)
    body.until(ns_from_s(seconds))
    return body


def signals_of(body: Body) -> tuple[Callable[[NDArray[np.int64]], NDArray[np.float64]], ...]:
    return (body.ecg_uv, body.force_n, body.conductance_us, body.acceleration_mg, body.impedance_ohm, body.pulse_au)


def signals(body: Body, seconds: float) -> bytes:
    t_ns = times(seconds)
    return b"".join(signal(t_ns).tobytes() for signal in signals_of(body))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), looks_s=st.lists(st.floats(0.0, 30.0), max_size=20))
def test_the_same_seed_gives_the_same_bytes_however_often_it_is_looked_at(seed: int, looks_s: list[float]) -> None:
    episodes = everything(seed, seconds=30.0)
    at_once, in_steps = Body.from_seed(seed, episodes=episodes), Body.from_seed(seed, episodes=episodes)
    at_once.until(ns_from_s(30.0))
    for look_s in sorted(looks_s):
        in_steps.until(ns_from_s(look_s))
    in_steps.until(ns_from_s(30.0))
    assert signals(at_once, 30.0) == signals(in_steps, 30.0)
    assert at_once.beats() == in_steps.beats()
    assert at_once.turns() == in_steps.turns()
    assert at_once.responses() == in_steps.responses()
    assert at_once.end_tidal() == in_steps.end_tidal()


def test_what_was_once_told_never_changes() -> None:
    body = Body.from_seed(5)
    body.until(ns_from_s(20.0))
    before, beats = signals(body, 20.0), body.beats()
    body.hear(Pacer(started_ns=body.t_ns, inhale_s=4.0, exhale_s=6.0))
    for kind in EpisodeKind:
        amount = min(1.0, AMOUNTS[kind][1])
        body.stage(Episode(kind=kind, start_ns=ns_from_s(21.0), end_ns=ns_from_s(50.0), amount=amount))
    body.until(ns_from_s(60.0))
    assert signals(body, 20.0) == before
    assert body.beats()[: len(beats)] == beats


@pytest.mark.parametrize("seed", SEEDS)
def test_signals_cut_anywhere_are_the_same(seed: int) -> None:
    body = Body.from_seed(seed, episodes=everything(seed, seconds=40.0))
    body.until(ns_from_s(40.0))
    t_ns = times(30.0, first_s=5.0)
    for signal in signals_of(body):
        whole = signal(t_ns)
        pieces = np.concatenate([signal(piece) for piece in np.split(t_ns, (1, 8, 81, 1500))])
        np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_beat_intervals_are_those_of_a_living_heart(seed: int) -> None:
    body = practising(seed, seconds=300.0)
    rr_s = np.diff([beat.t_ns for beat in body.beats()]) / NS_PER_S
    assert rr_s.min() > 0.3
    assert rr_s.max() < 2.4
    assert 0.5 < np.median(rr_s) < 1.5


def clear_responder(seed: int) -> Person:
    traits = {"arousal_everyday": 0.65, "arousal_practised": 0.25, "settle_tau_s": 90.0, "co2_alarm_per_mmhg": 0.0}
    usual = {
        "heart_arousal_gain_bpm": 14.0,
        "scl_gain_us": 4.5,
        "scr_gain_per_min": 9.0,
        "threat_gain": 0.6,
        "vlf_bpm": 0.8,
    }
    return replace(Person.from_seed(seed), fibrillation_share=0.0, **traits | usual)


@pytest.mark.parametrize("seed", SEEDS)
def test_arousal_stays_without_practice_and_falls_with_it(seed: int) -> None:
    person = clear_responder(seed)
    practised = practising(seed, seconds=360.0, person=person)
    idle = practising(seed, seconds=360.0, pacer=None, person=person)
    start = float(np.mean(idle.arousal(times(60.0, rate_hz=4))))
    last_minute = times(60.0, first_s=300.0, rate_hz=4)
    assert abs(float(np.mean(idle.arousal(last_minute))) - start) < 0.12
    assert float(np.mean(practised.arousal(last_minute))) < start - 0.25


@pytest.mark.parametrize("seed", SEEDS)
def test_heart_rate_and_skin_conductance_follow_arousal_down(seed: int) -> None:
    body = practising(seed, seconds=420.0, person=clear_responder(seed))
    beats_s = np.asarray([beat.t_ns for beat in body.beats()]) / NS_PER_S
    assert np.sum(beats_s > 360.0) < np.sum(beats_s <= 60.0)
    first, last = body.conductance_us(times(60.0, rate_hz=8)), body.conductance_us(times(60.0, first_s=360, rate_hz=8))
    assert np.median(last) < np.median(first) - 0.5
    in_quiet = [r for r in body.responses() if r.onset_ns > ns_from_s(240.0)]
    assert len(in_quiet) / 3.0 < 9.0


def test_skin_responses_come_oftener_at_high_arousal() -> None:
    counts = np.zeros(2)
    for seed in SEEDS:
        responses = practising(seed, seconds=540.0, person=clear_responder(seed)).responses()
        counts += (
            sum(r.onset_ns < ns_from_s(60.0) for r in responses),
            sum(r.onset_ns > ns_from_s(480.0) for r in responses),
        )
    assert counts[0] > 1.5 * counts[1]


def test_the_belt_rises_with_inhalation() -> None:
    body = practising(2, seconds=120.0)
    turns = body.turns()
    for a, b in pairwise(turns):
        pull_n = body.force_n(np.asarray([a.t_ns, b.t_ns], dtype=np.int64))
        assert (pull_n[1] > pull_n[0]) == (a.phase is BreathPhase.IN)


def test_person_seven_of_the_demonstration_is_a_clear_responder() -> None:
    """Whoever changes the draws must choose `population.TAG` anew."""
    person = Person.from_seed(7)
    assert person.arousal_everyday - person.arousal_practised > 0.25
    assert person.settle_tau_s < 100.0
    assert person.heart_arousal_gain_bpm > 12.0
    assert person.scl_gain_us > 4.0
    assert person.ectopic_share == person.atrial_ectopic_share == person.fibrillation_share == 0.0
    body = practising(7, seconds=180.0)
    before, after = (float(np.mean(body.arousal(times(30.0, first_s=s, rate_hz=4)))) for s in (30.0, 120.0))
    assert after < before - 0.15


def test_a_threat_shows_in_heart_breath_and_skin_and_passes() -> None:
    person = replace(clear_responder(3), stressors_per_hour=0.0, heart_arousal_lag_s=3.0, vlf_bpm=1.0)
    threat = Episode(kind=EpisodeKind.THREAT, start_ns=ns_from_s(120.0), end_ns=ns_from_s(180.0), amount=0.5)
    body, calm = Body(person, seed=3, episodes=[threat]), Body(person, seed=3)
    for one in (body, calm):
        one.until(ns_from_s(400.0))
    during, after = times(50.0, first_s=130.0, rate_hz=4), times(60.0, first_s=330.0, rate_hz=4)
    assert np.mean(body.arousal(during)) > np.mean(calm.arousal(during)) + 0.2
    assert np.mean(body.arousal(after)) < np.mean(calm.arousal(after)) + 0.05
    assert body.heart_rate_bpm(ns_from_s(175.0)) > calm.heart_rate_bpm(ns_from_s(175.0)) + 2.0
    assert np.mean(body.conductance_us(during)) > np.mean(calm.conductance_us(during)) + 0.5


def test_what_has_been_lived_cannot_be_staged() -> None:
    body = Body.from_seed(1)
    body.until(ns_from_s(10.0))
    with pytest.raises(ValueError, match=r"^start_ns: expected 10\d+ or later: the past stays"):
        body.stage(Episode(kind=EpisodeKind.THREAT, start_ns=ns_from_s(5.0), end_ns=ns_from_s(20.0)))


@pytest.mark.parametrize(
    ("asked_s", "expected"),
    [
        ((), "at least one time"),
        ((-0.1, 1.0), r"0 to 10\d+ \(what has been lived"),
        ((1.0, 10.1), r"0 to 10\d+ \(what has been lived"),
        ((2.0, 1.0, 3.0), "ascending times"),
    ],
)
def test_impossible_times_are_refused_by_name(asked_s: tuple[float, ...], expected: str) -> None:
    body = Body.from_seed(1)
    body.until(ns_from_s(10.0))
    t_ns = np.asarray([ns_from_s(s) for s in asked_s], dtype=np.int64)
    for signal in (*signals_of(body), body.skin_us, body.arousal, body.ambient_light_au):
        with pytest.raises(ValueError, match=rf"^t_ns: expected {expected}"):
            signal(t_ns)


def test_impossible_questions_are_refused_by_name() -> None:
    body = Body.from_seed(1)
    body.until(ns_from_s(10.0))
    for ask in (body.rate, lambda t_ns: body.compare_heart_rate(t_ns, tone_bpm=60.0)):
        with pytest.raises(ValueError, match=r"^t_ns: expected 0 to 10\d+"):
            ask(ns_from_s(11.0))
    with pytest.raises(ValueError, match=r"^tone_bpm: expected 20 to 220"):
        body.compare_heart_rate(ns_from_s(5.0), tone_bpm=500.0)
    with pytest.raises(ValueError, match=r"^start_ns: expected 0 to end_ns"):
        body.count_heartbeats(ns_from_s(6.0), end_ns=ns_from_s(5.0))
    with pytest.raises(ValueError, match=r"^breathing_rate_bpm: expected 1 to 60"):
        rsa_swing_bpm(body.person, breathing_rate_bpm=0.0)


def test_a_body_lives_four_thousand_times_as_fast_as_real() -> None:
    """The bound is for one quiet core; a quarter of it must hold on any busy machine."""
    started_s = time.process_time()
    body = Body.from_seed(1)
    for first_s in range(0, 600, 10):
        body.until(ns_from_s(first_s + 10.0))
        for rate_hz, signal in ((130, body.ecg_uv), (25, body.force_n), (8, body.conductance_us)):
            signal(times(10.0, first_s=first_s, rate_hz=rate_hz))
    assert 600.0 / (time.process_time() - started_s) > 1000.0
