"""The pulse: one wave after each beat by the person's own delay, smaller after an early beat and when aroused."""

from dataclasses import replace

import numpy as np
import pytest

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.person import Person

T_NS = np.arange(0, 120 * 100, dtype=np.int64) * NS_PER_S // 100
REGULAR = {"ectopic_share": 0.0, "atrial_ectopic_share": 0.0, "fibrillation_share": 0.0}


def living(seed: int, *episodes: Episode, **traits: float) -> Body:
    body = Body(replace(Person.from_seed(seed), **REGULAR | traits), seed=seed, episodes=episodes)
    body.until(int(T_NS[-1]))
    return body


@pytest.mark.parametrize("seed", range(6))
def test_each_beat_sends_one_wave_after_the_persons_delay(seed: int) -> None:
    body = living(seed)
    wave = body.pulse_au(T_NS)
    rises = np.diff(wave)
    delays_s = []
    for beat in body.beats()[2:-3]:
        begin, end = np.searchsorted(T_NS, (beat.t_ns, beat.t_ns + ns_from_s(0.55)))
        steepest = begin + int(np.argmax(rises[begin:end]))
        delays_s.append((T_NS[steepest] - beat.t_ns) / NS_PER_S)
    # The steepest rise lies one width of the rise before its top.
    assert np.median(delays_s) == pytest.approx(body.person.pulse_delay_s + 0.06, abs=0.015)
    assert np.std(delays_s) < 0.03


def test_arousal_narrows_the_pulse() -> None:
    threat = Episode(kind=EpisodeKind.THREAT, start_ns=ns_from_s(60.0), end_ns=ns_from_s(120.0), amount=1.0)
    body = living(3, threat, threat_gain=1.0, arousal_everyday=0.2, stressors_per_hour=0.0)
    wave = body.pulse_au(T_NS)
    at_ease, aroused = wave[(T_NS > 0) & (ns_from_s(58.0) > T_NS)], wave[ns_from_s(80.0) < T_NS]
    assert np.std(np.diff(aroused)) < 0.6 * np.std(np.diff(at_ease))


def test_an_early_beat_sends_a_small_wave() -> None:
    body = living(3, ectopic_share=0.1)
    rises = {True: [], False: []}  # type: dict[bool, list[float]]
    for beat in body.beats()[2:-3]:
        since = beat.t_ns + np.arange(0, 450, 5, dtype=np.int64) * 1_000_000
        rises[beat.ventricular].append(float(np.max(np.diff(body.pulse_au(since)))))
    assert np.median(rises[True]) < 0.7 * np.median(rises[False])
