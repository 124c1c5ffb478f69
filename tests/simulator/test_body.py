"""The whole body: seeded to the byte, indifferent to how often it is looked at, and calmed by the pacer."""

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

SEEDS = range(12)
SIX_PER_MIN = Pacer(started_ns=60 * NS_PER_S, inhale_s=4.0, exhale_s=6.0)


def times(seconds: float, *, first_s: float = 0.0, rate_hz: int = 130) -> NDArray[np.int64]:
    idx = np.arange(round(first_s * rate_hz), round((first_s + seconds) * rate_hz), dtype=np.int64)
    return idx * NS_PER_S // rate_hz


def practising(seed: int, *, seconds: float, pacer: Pacer | None = SIX_PER_MIN) -> Body:
    body = Body.from_seed(seed)
    body.hear(pacer)
    body.until(ns_from_s(seconds))
    return body


def signals(body: Body, seconds: float) -> bytes:
    t_ns = times(seconds)
    return b"".join(signal(t_ns).tobytes() for signal in (body.ecg_uv, body.force_n, body.conductance_us))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), looks_s=st.lists(st.floats(0.0, 30.0), max_size=20))
def test_the_same_seed_gives_the_same_bytes_however_often_it_is_looked_at(seed: int, looks_s: list[float]) -> None:
    at_once, in_steps = Body.from_seed(seed), Body.from_seed(seed)
    at_once.until(ns_from_s(30.0))
    for look_s in sorted(looks_s):
        in_steps.until(ns_from_s(look_s))
    in_steps.until(ns_from_s(30.0))
    assert signals(at_once, 30.0) == signals(in_steps, 30.0)
    assert at_once.beats() == in_steps.beats()
    assert at_once.turns() == in_steps.turns()
    assert at_once.responses() == in_steps.responses()


def test_what_was_once_told_never_changes() -> None:
    body = Body.from_seed(5)
    body.until(ns_from_s(20.0))
    before, beats = signals(body, 20.0), body.beats()
    body.hear(Pacer(started_ns=body.t_ns, inhale_s=4.0, exhale_s=6.0))
    body.until(ns_from_s(60.0))
    assert signals(body, 20.0) == before
    assert body.beats()[: len(beats)] == beats


@pytest.mark.parametrize("seed", SEEDS)
def test_signals_cut_anywhere_are_the_same(seed: int) -> None:
    body = practising(seed, seconds=40.0)
    t_ns = times(30.0, first_s=5.0)
    for signal in (body.ecg_uv, body.force_n, body.conductance_us):
        whole = signal(t_ns)
        pieces = np.concatenate([signal(piece) for piece in np.split(t_ns, (1, 8, 81, 1500))])
        np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_beat_intervals_are_those_of_a_living_heart(seed: int) -> None:
    body = practising(seed, seconds=300.0)
    rr_s = np.diff([beat.t_ns for beat in body.beats()]) / NS_PER_S
    assert rr_s.min() > 0.3
    assert rr_s.max() < 2.0
    assert 0.5 < np.median(rr_s) < 1.3


@pytest.mark.parametrize("seed", SEEDS)
def test_arousal_stays_without_practice_and_falls_with_it(seed: int) -> None:
    practised, idle = practising(seed, seconds=360.0), practising(seed, seconds=360.0, pacer=None)
    start = float(np.mean(idle.arousal(times(60.0, rate_hz=4))))
    last_minute = times(60.0, first_s=300.0, rate_hz=4)
    assert abs(float(np.mean(idle.arousal(last_minute))) - start) < 0.12
    assert float(np.mean(practised.arousal(last_minute))) < start - 0.25


@pytest.mark.parametrize("seed", SEEDS)
def test_heart_rate_and_skin_conductance_follow_arousal_down(seed: int) -> None:
    body = practising(seed, seconds=420.0)
    beats_s = np.asarray([beat.t_ns for beat in body.beats()]) / NS_PER_S
    assert np.sum(beats_s > 360.0) < np.sum(beats_s <= 60.0)
    first, last = body.conductance_us(times(60.0, rate_hz=8)), body.conductance_us(times(60.0, first_s=360, rate_hz=8))
    assert np.median(last) < np.median(first) - 0.5
    in_quiet = [r for r in body.responses() if r.onset_ns > ns_from_s(240.0)]
    assert len(in_quiet) / 3.0 < 9.0


def test_skin_responses_come_oftener_at_high_arousal() -> None:
    counts = np.zeros(2)
    for seed in SEEDS:
        responses = practising(seed, seconds=540.0).responses()
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
