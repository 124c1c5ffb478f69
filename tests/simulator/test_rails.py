"""The end of a range: no noise on it, none beyond it, and noise as ever below it."""

import numpy as np
import pytest

from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind, Script
from becalm_simulator.rails import CLIPPED, read_with_noise

T_NS = np.arange(0, 60 * 50, dtype=np.int64) * NS_PER_S // 50
INSIDE = (ns_from_s(10.0) <= T_NS) & (ns_from_s(50.0) > T_NS)
AMOUNTS = {SignalKind.ECG: 200.0, SignalKind.RESPIRATION: 0.5, SignalKind.SKIN_CONDUCTANCE: 0.95}


def living(kind: EpisodeKind, amount: float) -> Body:
    body = Body.from_seed(
        3, episodes=[Episode(kind=kind, start_ns=ns_from_s(10.0), end_ns=ns_from_s(50.0), amount=amount)]
    )
    body.until(int(T_NS[-1]))
    return body


@pytest.mark.parametrize("kind", sorted(CLIPPED))
def test_a_reading_at_the_end_of_its_range_is_the_same_every_time(kind: SignalKind) -> None:
    (clipped,) = CLIPPED[kind]
    body = living(clipped, AMOUNTS[kind])
    signals = {
        SignalKind.ECG: body.ecg_uv,
        SignalKind.RESPIRATION: body.force_n,
        SignalKind.SKIN_CONDUCTANCE: body.conductance_us,
    }
    shown = signals[kind](T_NS)
    noise = 0.01 * np.ptp(shown) * np.random.default_rng(1).standard_normal(len(T_NS))
    read = read_with_noise(shown, noise, t_ns=T_NS, script=Script(body.episodes()), kind=kind)
    top = np.max(shown[INSIDE])
    at_top = INSIDE & (shown == top)
    assert np.sum(at_top) > 20
    assert np.all(read[at_top] == top)
    assert np.max(read[INSIDE]) == top
    assert np.array_equal(read[~INSIDE], (shown + noise)[~INSIDE])
    below = INSIDE & (np.abs(shown) < top - 5.0 * np.max(np.abs(noise)))
    assert np.array_equal(read[below], (shown + noise)[below])


def test_a_reading_that_is_stuck_has_no_noise() -> None:
    body = living(EpisodeKind.BELT_STUCK, 1.0)
    noise = np.random.default_rng(1).standard_normal(len(T_NS))
    script = Script(body.episodes())
    read = read_with_noise(body.force_n(T_NS), noise, t_ns=T_NS, script=script, kind=SignalKind.RESPIRATION)
    assert np.ptp(read[INSIDE]) == 0.0
    assert np.ptp(read[~INSIDE]) > 1.0
