"""The ECG stage where a lead starts badly or turns bad: no beat of the artefact, no rate while it lasts, soon back."""

from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Metrics, Reason, SignalQuality
from becalm_protocol.events import SignalKind

RATE_HZ = 250.0
BAD_S = 5.0


def bad_lead(name: str, n_samples: int) -> Any:
    noise = np.random.default_rng(0).normal(0.0, 3000.0, n_samples)
    return {"zeros": np.zeros(n_samples), "rail": np.full(n_samples, 5000.0), "burst": noise}[name]


@pytest.mark.parametrize("name", ["zeros", "rail", "burst"])
def test_after_a_bad_start_only_true_beats_within_five_seconds(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, name: str
) -> None:
    heart = make_ecg(make_rr(80), rate_hz=RATE_HZ)
    samples = heart.samples.copy()
    n_bad = round(BAD_S * RATE_HZ)
    samples[:n_bad] = bad_lead(name, n_bad)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    beats = [event for event in derived if isinstance(event, Beat) and event.confirmed]
    true_s = heart.beats_s[heart.beats_s > BAD_S + 1.5]
    assert all(min(abs(heart.beats_s - beat.t_ns / 1e9)) < 0.02 for beat in beats)
    assert all(min(abs(beat.t_ns / 1e9 - t_s) for beat in beats) < 0.02 for t_s in true_s[:-1])
    assert [beat.flag for beat in beats] == [BeatFlag.FIRST] + [BeatFlag.OK] * (len(beats) - 1)
    ticks = [event for event in derived if isinstance(event, Metrics)]
    shown = [tick for tick in ticks if tick.heart_rate_bpm.value is not None]
    assert shown[0].t_ns / 1e9 <= BAD_S + 5.0
    assert all(tick.heart_rate_bpm.value == pytest.approx(66.7, abs=6.0) for tick in shown)


def test_no_heart_rate_while_the_lead_is_noisy(make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any) -> None:
    heart = make_ecg(make_rr(70), rate_hz=RATE_HZ)
    samples = heart.samples.copy()
    burst = slice(round(20 * RATE_HZ), round(35 * RATE_HZ))
    samples[burst] += np.random.default_rng(0).normal(0.0, 1500.0, burst.stop - burst.start)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    said = {event.emitted_ns: event.reason for event in derived if isinstance(event, SignalQuality)}
    assert {Reason.NOISY, Reason.OFF_BODY} & set(said.values())
    for tick in (event for event in derived if isinstance(event, Metrics)):
        reason = next((said[t_ns] for t_ns in sorted(said, reverse=True) if t_ns <= tick.t_ns), None)
        assert reason is None or tick.heart_rate_bpm.value is None
    after = [event for event in derived if isinstance(event, Beat) and event.confirmed and event.t_ns > 38e9]
    assert {beat.flag for beat in after[1:]} == {BeatFlag.OK}, "intervals found in noise are no measure of those after"


def test_free_electrodes_are_told_of_within_two_seconds_and_give_no_accepted_beat(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any
) -> None:
    heart = make_ecg(make_rr(60), rate_hz=RATE_HZ)
    samples = heart.samples.copy()
    off = slice(round(20 * RATE_HZ), round(30 * RATE_HZ))
    t_s = np.arange(off.stop - off.start) / RATE_HZ
    rng = np.random.default_rng(4)
    samples[off] = 300.0 * np.sin(2 * np.pi * 50.0 * t_s) + np.cumsum(rng.normal(0.0, 20.0, len(t_s)))
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    told = [event for event in derived if isinstance(event, SignalQuality)]
    assert [event.reason for event in told] == [Reason.NOISY, Reason.OFF_BODY, None]
    assert 20.0e9 < told[0].emitted_ns < 20.4e9
    assert told[0].t_ns <= told[1].t_ns < 20.5e9
    assert told[1].emitted_ns < 22.5e9
    assert 30.0e9 <= told[2].t_ns < 34.0e9
    ghosts = [event for event in derived if isinstance(event, Beat) and 20.1e9 < event.t_ns < 30e9]
    assert [beat for beat in ghosts if beat.confirmed and beat.flag is BeatFlag.OK] == []


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 512.0])
@pytest.mark.parametrize("name", ["zeros", "rail", "rails"])
@pytest.mark.parametrize("put_back", [-2.0, 0.5])
def test_a_heart_is_heard_soon_after_a_dead_lead_whatever_it_looks_like_then(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, rate_hz: float, name: str, put_back: float
) -> None:
    heart = make_ecg(make_rr(80, mean_ms=1333.0, rsa_ms=60.0), rate_hz=rate_hz)
    samples = heart.samples.copy()
    begin, end = round(40 * rate_hz), round(50 * rate_hz)
    t_s = np.arange(end - begin) / rate_hz
    samples[begin:end] = {"zeros": 0.0 * t_s, "rail": 2e5 + 0.0 * t_s, "rails": 2e5 * np.sign(np.sin(19.0 * t_s))}[name]
    samples[end:] *= put_back
    ticks = [e for e in run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=rate_hz)) if isinstance(e, Metrics)]
    shown_s = [tick.t_ns / 1e9 for tick in ticks if tick.t_ns > 50e9 and tick.heart_rate_bpm.value is not None]
    assert shown_s[0] <= 55.0
    assert shown_s[-1] - shown_s[0] < len(shown_s) / 4.0 + 1.0, "and goes on"


@pytest.mark.parametrize("put_back", [-2.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_a_heart_of_another_size_is_heard_soon_after_free_electrodes(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, put_back: float, seed: int
) -> None:
    heart = make_ecg(make_rr(60, mean_ms=1150.0, seed=seed), rate_hz=130.0)
    samples = heart.samples.copy()
    begin, end = 40 * 130, 43 * 130
    t_s = np.arange(end - begin) / 130.0
    samples[begin:end] = 300.0 * np.sin(2 * np.pi * 50.0 * t_s)
    samples[begin:end] += np.random.default_rng(seed).normal(0.0, 80.0, end - begin)
    samples[end:] *= put_back
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=130.0))
    told = [event for event in derived if isinstance(event, SignalQuality)]
    assert told[-1].reason is None
    assert told[-1].t_ns < 48e9
    ticks = [event for event in derived if isinstance(event, Metrics) and event.t_ns > 43e9]
    assert next(tick.t_ns for tick in ticks if tick.heart_rate_bpm.value is not None) <= 49e9


def test_a_pause_of_the_heart_is_no_free_electrode(make_ecg: Any, make_track: Any, run_tracks: Any) -> None:
    heart = make_ecg([850.0] * 25 + [4050.0] + [850.0] * 15, rate_hz=RATE_HZ)
    derived = run_tracks(make_track(heart.samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    assert [event for event in derived if isinstance(event, SignalQuality)] == []


@pytest.mark.parametrize("seed", range(4))
def test_no_heart_rate_is_told_from_half_a_second_after_electrodes_came_off(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, seed: int
) -> None:
    heart = make_ecg(make_rr(40, mean_ms=1100.0, seed=seed), rate_hz=130.0, noise_uv=10.0, seed=seed)
    t_s = np.arange(5 * 130) / 130.0
    free = 300.0 * np.sin(2 * np.pi * 50.0 * t_s) + np.random.default_rng(seed).normal(0.0, 60.0, len(t_s))
    off_s = heart.beats_s[25] + 0.1 + 0.2 * seed
    samples = np.concatenate([heart.samples[: round(off_s * 130)], free])
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=130.0))
    ticks = [event for event in derived if isinstance(event, Metrics) and event.t_ns / 1e9 > 10.0]
    told_s = [tick.t_ns / 1e9 for tick in ticks if tick.heart_rate_bpm.value is not None]
    assert all(tick.t_ns / 1e9 in told_s for tick in ticks if tick.t_ns / 1e9 < off_s)
    assert max(told_s) < off_s + 0.5


def test_noise_at_once_is_doubt_until_the_next_beat_and_breaks_no_interval(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any
) -> None:
    heart = make_ecg(make_rr(50), rate_hz=RATE_HZ, noise_uv=4.0)
    samples = heart.samples.copy()
    begin_s = heart.beats_s[25] + 0.3
    noisy = slice(round(begin_s * RATE_HZ), round((begin_s + 8.0) * RATE_HZ))
    samples[noisy] += np.random.default_rng(3).normal(0.0, 45.0, noisy.stop - noisy.start)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    told = [event for event in derived if isinstance(event, SignalQuality)]
    assert [event.reason for event in told] == [Reason.NOISY, None]
    assert begin_s < told[0].emitted_ns / 1e9 < begin_s + 0.4
    assert told[1].emitted_ns / 1e9 < heart.beats_s[26] + 0.3
    beats = [event for event in derived if isinstance(event, Beat) and event.confirmed]
    assert [beat.flag for beat in beats[1:]] == [BeatFlag.OK] * (len(heart.beats_s) - 1)
