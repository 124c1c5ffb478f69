"""The pulse: a wave after each beat by the person's own delay, smaller when early or aroused; motion and light."""

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


def test_arousal_hastens_the_pulse() -> None:
    threat = Episode(kind=EpisodeKind.THREAT, start_ns=ns_from_s(60.0), end_ns=ns_from_s(119.0), amount=1.0)
    body = living(3, threat, threat_gain=1.0, arousal_everyday=0.2, stressors_per_hour=0.0, pulse_delay_s=0.25)
    delays_ms: dict[bool, list[float]] = {True: [], False: []}
    for beat in body.beats()[2:-3]:
        since = beat.t_ns + np.arange(150, 450, dtype=np.int64) * 1_000_000
        delays_ms[beat.t_ns > ns_from_s(75.0)].append(150.0 + int(np.argmax(np.diff(body.pulse_au(since)))))
    assert 15.0 < np.mean(delays_ms[False]) - np.mean(delays_ms[True]) < 32.0


def test_an_early_beat_sends_a_small_wave() -> None:
    body = living(3, ectopic_share=0.1)
    rises = {True: [], False: []}  # type: dict[bool, list[float]]
    for beat in body.beats()[2:-3]:
        since = beat.t_ns + np.arange(0, 450, 5, dtype=np.int64) * 1_000_000
        rises[beat.ventricular].append(float(np.max(np.diff(body.pulse_au(since)))))
    assert np.median(rises[True]) < 0.7 * np.median(rises[False])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
def test_the_wave_rises_fast_falls_slowly_and_its_second_wave_is_the_smaller(share: float) -> None:
    body = living(3, notch_share=share, resting_heart_rate_bpm=50.0)
    waves = []
    for beat in body.beats()[2:-3]:
        since = beat.t_ns + np.arange(0, 900, 5, dtype=np.int64) * 1_000_000
        waves.append(body.pulse_au(since))
    wave = np.mean(waves, axis=0)
    foot, top = int(np.argmin(wave[:60])), int(np.argmax(wave))
    half = 0.5 * (wave[top] + wave[foot])
    rise_s = 0.005 * (top - foot - int(np.flatnonzero(wave[foot:top] > half)[0]))
    fall_s = 0.005 * int(np.flatnonzero(wave[top:] < half)[0])
    tenth = wave[foot] + 0.1 * (wave[top] - wave[foot])
    assert 0.05 < 0.005 * (top - foot - int(np.flatnonzero(wave[foot:top] > tenth)[0])) < 0.15
    assert fall_s > 1.5 * rise_s
    second = top + round((0.34 - 0.11) / 0.005)
    assert wave[second] < wave[foot] + 0.95 * (wave[top] - wave[foot])
    assert wave[-1] < wave[foot] + 0.15 * (wave[top] - wave[foot])


def test_a_lamp_leaks_a_little_into_the_pulse_and_wholly_into_the_light_from_outside() -> None:
    lamp = Episode(kind=EpisodeKind.LAMP_LIGHT, start_ns=ns_from_s(60.0), end_ns=ns_from_s(90.0), amount=10.0)
    lit, dark = living(3, lamp, hum_hz=50.0), living(3, hum_hz=50.0)
    t_ns = np.arange(50_000, 90_000, dtype=np.int64) * 1_000_000
    during = t_ns >= ns_from_s(60.0)
    light = lit.ambient_light_au(t_ns) - dark.ambient_light_au(t_ns)
    assert np.all(light[~during] == 0.0)
    assert np.mean(light[during]) == pytest.approx(10.0, rel=0.01)
    power = np.abs(np.fft.rfft(light[during] - np.mean(light[during])))
    assert np.argmax(power) * 1000.0 / np.sum(during) == pytest.approx(100.0, abs=0.1)
    leaked = dark.pulse_au(t_ns) - lit.pulse_au(t_ns)
    assert leaked[during] == pytest.approx(0.04 * light[during])


def test_walking_drowns_the_pulse_and_a_sensor_on_nothing_shows_none() -> None:
    walk = Episode(kind=EpisodeKind.MOVING, start_ns=ns_from_s(30.0), end_ns=ns_from_s(60.0))
    off = Episode(kind=EpisodeKind.PULSE_OFF, start_ns=ns_from_s(60.0), end_ns=ns_from_s(90.0))
    wave, still = living(3, walk, off).pulse_au(T_NS), living(3).pulse_au(T_NS)
    walking = (ns_from_s(31.0) < T_NS) & (ns_from_s(59.0) > T_NS)
    lying = (ns_from_s(60.0) <= T_NS) & (ns_from_s(90.0) > T_NS)
    assert np.std(wave[walking] - still[walking]) > 1.5 * np.std(still[walking])
    assert np.ptp(wave[lying]) == 0.0
    assert np.array_equal(wave[ns_from_s(30.0) > T_NS], still[ns_from_s(30.0) > T_NS])
