"""Electrodes that come off: what is found then counts for nothing, and what is kept of their contact stays small."""

import sys
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Metrics, Reason, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_signal.ecg_contact import ContactWatch


def test_a_long_time_without_a_beat_is_not_kept() -> None:
    watch = ContactWatch(130.0)
    for n in range(200):
        watch.feed([float(k % 7) for k in range(n, n + 65)])
    kept = sum(sys.getsizeof(part) for part in vars(watch).values())
    for n in range(2000):
        watch.feed([float(k % 7) for k in range(n, n + 65)])
    assert sum(sys.getsizeof(part) for part in vars(watch).values()) <= kept + 1024


@pytest.mark.parametrize("is_recognised", [True, False])
def test_beats_that_look_like_none_before_are_a_heart_where_it_is_recognised(is_recognised: bool) -> None:
    watch, told = ContactWatch(130.0), []
    for n in range(20):
        watch.feed([float(k % 7) for k in range(130)])
        watch.beat(130.0 * (n + 1), is_known=n < 10)
        if is_recognised:
            watch.recognise(130.0 * n)
        told.append(watch.judge())
    assert told[:14] == [None] * 14
    assert told[14:] == [None if is_recognised else Reason.NOISY] * 6


@pytest.mark.parametrize("is_usual", [True, False])
def test_amid_much_noise_only_beats_shown_often_say_that_electrodes_are_on(is_usual: bool) -> None:
    watch, told = ContactWatch(130.0), []
    for n in range(16):
        watch.feed([(1.0 if n < 10 else 20.0) * (k % 2) for k in range(130)])
        watch.beat(130.0 * (n + 1), is_known=True, is_usual=is_usual or n < 10)
        told.append(watch.judge())
    assert told[:11] == [None] * 11
    assert told[-1] is (None if is_usual else Reason.OFF_BODY)


def test_what_is_usual_is_learned_anew_after_a_dead_lead() -> None:
    watch, told = ContactWatch(130.0), []
    for n in range(20):
        if n == 10:
            watch.begin_anew()
        watch.feed([(1.0 if n < 10 else 20.0) * (k % 7) for k in range(130)])
        watch.beat(130.0 * (n % 10 + 1), is_known=n % 10 > 4)
        told.append(watch.judge())
    assert told[6:] == [None] * 14


def test_a_fall_of_noise_is_told_once_where_no_beat_has_come_for_long() -> None:
    noise = np.random.default_rng(1).normal(0.0, 1.0, 130)
    for silent_s, is_told in ((2, False), (6, True)):
        watch = ContactWatch(130.0)
        watch.feed((20.0 * noise).tolist())
        watch.beat(65.0, is_known=True)
        fallen = []
        for second in range(silent_s + 2):
            watch.feed(((20.0 if second < silent_s else 1.0) * noise).tolist())
            fallen.append(watch.has_fallen())
        assert fallen == [False] * silent_s + [is_told, False]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_counts_that_was_found_after_the_last_beat_before_electrodes_came_off(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, seed: int
) -> None:
    heart = make_ecg(make_rr(40, seed=seed), rate_hz=130.0, noise_uv=10.0, seed=seed)
    t_s = np.arange(6 * 130) / 130.0
    free = 400.0 * np.sin(2 * np.pi * 50.0 * t_s) + np.random.default_rng(seed).normal(0.0, 120.0, len(t_s)) + 600.0
    samples = np.concatenate([heart.samples[: 30 * 130], free])
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=130.0))
    settled = {event.beat_idx: event for event in derived if isinstance(event, Beat)}
    last_s = max(heart.beats_s[heart.beats_s < 30.0])
    assert [b for b in settled.values() if b.t_ns / 1e9 > last_s + 0.1 and b.flag is BeatFlag.OK] == []


@pytest.mark.parametrize("times", [1.0, -1.0, 3.0, -3.0, 1.0 / 3.0], ids=lambda times: f"times {times:.1f}")
@pytest.mark.parametrize("seed", range(2))
def test_electrodes_put_back_in_any_way_are_heard_within_five_seconds(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, times: float, seed: int
) -> None:
    heart = make_ecg(make_rr(70, seed=seed), rate_hz=130.0, noise_uv=10.0, seed=seed)
    samples, rng = heart.samples.copy(), np.random.default_rng(seed)
    t_s = np.arange(len(samples)) / 130.0
    off = (t_s >= 25.0) & (t_s < 33.0)
    samples[t_s >= 33.0] *= times
    samples[off] = 400.0 * np.sin(2 * np.pi * 50.0 * t_s[off]) + rng.normal(0.0, 100.0, int(off.sum()))
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=130.0))
    ticks = [event for event in derived if isinstance(event, Metrics) and event.heart_rate_bpm.value is not None]
    assert [tick for tick in ticks if 25.5e9 < tick.t_ns < 33e9] == []
    assert min(tick.t_ns for tick in ticks if tick.t_ns >= 33e9) <= 38e9
    told = [event for event in derived if isinstance(event, SignalQuality)]
    assert [event.reason for event in told] == [Reason.NOISY, Reason.OFF_BODY, None]
    beats = [event for event in derived if isinstance(event, Beat) and event.confirmed and event.t_ns > 33e9]
    assert all(min(abs(heart.beats_s - beat.t_ns / 1e9)) < 0.03 for beat in beats)
    assert len(beats) >= np.sum(heart.beats_s > 38.0)


def test_free_electrodes_that_fall_silent_are_still_off_the_body(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any
) -> None:
    heart = make_ecg(make_rr(70), rate_hz=130.0, noise_uv=10.0)
    samples, t_s = heart.samples.copy(), np.arange(len(heart.samples)) / 130.0
    off, quiet = (t_s >= 25.0) & (t_s < 35.0), (t_s >= 29.0) & (t_s < 35.0)
    samples[off] = 400.0 * np.sin(2 * np.pi * 50.0 * t_s[off])
    samples[quiet] = np.random.default_rng(1).normal(0.0, 15.0, int(quiet.sum()))
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=130.0))
    told = [event for event in derived if isinstance(event, SignalQuality)]
    assert [event.reason for event in told if event.emitted_ns < 35e9] == [Reason.NOISY, Reason.OFF_BODY]
    assert told[-1].reason is None
    assert told[-1].t_ns < 40e9
