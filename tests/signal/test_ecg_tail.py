"""What follows a beat tells a heart from knocks: known in any size and turned, learned where it is another heart's."""

import math
from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat, BeatFlag, Metrics, Reason, SignalQuality
from becalm_protocol.events import SignalKind
from becalm_signal.ecg_recent import RecentSamples
from becalm_signal.ecg_tail import N_ALIKE, N_LONGEST, N_STRANGE, N_SWINGING, N_UNREAD, ODD_COUNTS, TailWatch

RATE_HZ = 130.0


def watched(heights: list[float], t_shares: list[float], rr_s: list[float] | None = None) -> list[float]:
    """Return how many tails in a row were strange by each beat of such R and T waves; `rr_s`: what follows each."""
    recent, rng = RecentSamples(RATE_HZ), np.random.default_rng(1)
    watch, counts, at = TailWatch(recent), [], 0
    for height, share, rr in zip(heights, t_shares, rr_s or [1.0] * len(heights), strict=True):
        watch.beat(float(at), height=height, noise=1.0)
        counts.append(watch.n_strange)
        since_s = np.arange(round(rr * RATE_HZ)) / RATE_HZ
        tail = share * np.exp(-0.5 * ((since_s - 0.27) / 0.04) ** 2)
        recent.feed((height * tail + rng.normal(0.0, 8.0, len(since_s))).tolist())
        at += len(since_s)
    return counts


def test_the_same_heart_is_known_in_any_size_and_turned() -> None:
    assert watched([1000.0] * 10 + [3000.0] * 5 + [-1000.0] * 5, [0.2] * 20) == [0] * 20


def test_beats_without_their_t_wave_are_strange_until_one_has_it() -> None:
    counts = watched([1000.0] * 14, [0.2] * 10 + [0.0] * 2 + [0.2] * 2)
    assert counts[:11] == [0] * 11
    assert counts[11:] == [1, 2, 0]


@pytest.mark.parametrize(("rr_s", "is_strange"), [(0.5, False), (0.9, True)])
def test_two_early_beats_in_a_row_with_tails_of_their_own_are_no_knocks(rr_s: float, is_strange: bool) -> None:
    rr = [1.0] * 9 + [rr_s] * 2 + [1.4] + [1.0] * 4
    counts = watched([1000.0] * 16, [0.2] * 10 + [-0.3] * 2 + [0.2] * 4, rr)
    assert (max(counts) >= N_STRANGE) == is_strange
    assert counts[-1] == 0


def test_a_tail_a_little_odd_ends_no_doubt() -> None:
    counts = watched([1000.0] * 16, [0.2] * 10 + [0.0] * 2 + [0.125] * 2 + [0.2] * 2)
    assert counts[11:] == pytest.approx([1, 2, 2 + ODD_COUNTS, 2 + 2 * ODD_COUNTS, 0])


def test_small_knocks_have_nothing_of_the_wave_that_small_beats_have() -> None:
    knocks = [350.0, 420.0, 290.0, 380.0, 310.0, 450.0, 270.0, 400.0, 330.0, 360.0]
    assert watched([1000.0] * 10 + knocks, [0.08] * 20) == [0] * 20
    assert min(watched([1000.0] * 10 + knocks, [0.08] * 10 + [0.0] * 10)[12:]) >= N_STRANGE


def test_after_a_dead_lead_the_heart_is_learned_anew() -> None:
    recent, rng = RecentSamples(RATE_HZ), np.random.default_rng(2)
    watch, t_s = TailWatch(recent), np.arange(130) / RATE_HZ
    usual, recognised = [], []
    for n in range(22):
        if n == 11:
            watch.begin_anew()
        watch.beat(130.0 * n, height=1000.0, noise=1.0)
        usual.append(watch.n_strange == 0)
        recognised.append(watch.recognised_at)
        share = 0.2 if n < 11 else -0.3
        tail = 1000.0 * share * np.exp(-0.5 * ((t_s - 0.27) / 0.04) ** 2)
        recent.feed((tail + rng.normal(0.0, 8.0, 130)).tolist())
    assert all(usual)
    assert recognised[8:18] == [910.0, 1040.0, 1170.0, None, None, None, None, None, 1950.0, 2080.0]


def test_a_heart_that_is_another_is_learned() -> None:
    counts = watched([1000.0] * 20, [0.2] * 10 + [-0.3] * 10)
    assert max(counts) <= N_ALIKE
    assert counts[-1] == 0


def test_a_heart_too_fast_for_its_tails_to_be_read_is_not_held_strange() -> None:
    watch, counts = TailWatch(RecentSamples(RATE_HZ)), []
    watch.n_strange = 2
    for n in range(1, N_UNREAD + 3):
        watch.beat(45.0 * n, height=1000.0, noise=1.0)
        counts.append(watch.n_strange)
    assert counts == [2] * N_UNREAD + [0] * 2


def test_exercise_after_a_strange_beat_is_shown(make_ecg: Any, make_track: Any, run_tracks: Any) -> None:
    rng = np.random.default_rng(4)
    rr_ms = np.r_[np.full(60, 860.0), np.full(4, 480.0), np.full(150, 340.0)] + rng.normal(0.0, 8.0, 214)
    calm, strained = (make_ecg(rr_ms, rate_hz=250.0, t_uv=t_uv).samples for t_uv in (250.0, -300.0))
    samples = np.where(np.arange(len(calm)) < 52.1 * 250, calm, strained)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=250.0))
    told = [e.reason for e in derived if isinstance(e, SignalQuality) and e.t_ns > 52e9]
    assert told[0] is Reason.POOR_CONTACT
    shown = [e.heart_rate_bpm.value for e in derived if isinstance(e, Metrics) and 65e9 < e.t_ns < 105e9]
    assert shown == pytest.approx([60_000 / 340] * len(shown), abs=8.0)


def test_one_early_beat_with_a_tail_of_its_own_counts_as_early(make_ecg: Any, make_track: Any, run_tracks: Any) -> None:
    rr_ms = np.full(40, 1000.0) + np.random.default_rng(4).normal(0.0, 15.0, 40)
    rr_ms[30:32] = 650.0, 1350.0
    usual, other = (make_ecg(rr_ms, rate_hz=RATE_HZ, t_uv=t_uv) for t_uv in (250.0, -300.0))
    t_s, early_s = np.arange(len(usual.samples)) / RATE_HZ, usual.beats_s[30]
    samples = np.where(abs(t_s - early_s - 0.3) < 0.22, other.samples, usual.samples)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    flags = {round(b.t_ns / 1e9 - early_s): b.flag for b in derived if isinstance(b, Beat) and b.confirmed}
    assert flags[0] is BeatFlag.ECTOPIC
    assert BeatFlag.OUT_OF_RANGE not in flags.values()


@pytest.mark.parametrize("seed", range(3))
def test_knocks_on_electrodes_that_came_off_are_told_of_and_not_counted(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, seed: int
) -> None:
    heart = make_ecg(make_rr(70, seed=seed), rate_hz=RATE_HZ, noise_uv=8.0, seed=seed)
    samples, rng = heart.samples.copy(), np.random.default_rng(400 + seed)
    off = slice(round(25 * RATE_HZ), round(35 * RATE_HZ))
    t_s = np.arange(off.stop - off.start) / RATE_HZ
    samples[off] = rng.normal(0.0, 8.0, len(t_s))
    for at_s in np.arange(0.3, 9.5, 0.9):
        since_s = t_s - at_s - rng.uniform(-0.08, 0.08)
        ring = np.sin(2 * np.pi * 9.0 * since_s) * np.exp(-np.maximum(since_s, 0.0) / 0.07)
        samples[off] += 1000.0 * rng.normal(1.0, 0.2) * np.where(since_s > 0.0, ring, 0.0)
    derived = run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=RATE_HZ))
    told = [event for event in derived if isinstance(event, SignalQuality)]
    assert Reason.POOR_CONTACT in {event.reason for event in told if event.t_ns < 30e9}
    settled = {event.beat_idx: event for event in derived if isinstance(event, Beat)}
    assert sum(b.flag is BeatFlag.OK for b in settled.values() if 25e9 < b.t_ns < 35e9) <= 2
    shown = [e for e in derived if isinstance(e, Metrics) and e.heart_rate_bpm.value is not None]
    assert not [tick for tick in shown if 29e9 < tick.t_ns < 35e9]
    assert [tick for tick in shown if 35e9 < tick.t_ns < 41e9]


def test_another_heart_whose_height_swings_with_the_breath_is_known_after_some_more_beats() -> None:
    swings = [1000.0 * (1.0 + 0.15 * math.sin(2.1 * n)) for n in range(60)]
    counts = watched([1000.0] * 20 + swings, [0.2] * 20 + [-0.3] * 60)
    assert counts[24] > N_STRANGE
    assert counts[22 + N_SWINGING :] == [0.0] * len(counts[22 + N_SWINGING :])


def test_a_heart_is_not_hidden_without_end_however_uneven_it_has_become() -> None:
    counts = watched([1000.0] * 20 + [1000.0, 1600.0] * 80, [0.2] * 20 + [-0.3] * 160)
    assert max(counts) > N_STRANGE
    assert max(counts[24 + N_LONGEST :]) < N_STRANGE
