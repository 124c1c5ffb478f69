"""Electrodes that come off: what is found then counts for nothing, and what is kept of their contact stays small."""

import sys
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag
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
