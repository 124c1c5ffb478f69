"""A beat among noise says how well its time is known."""

from typing import Any

import numpy as np
import pytest

from becalm_protocol.derived import Beat
from becalm_protocol.events import SignalKind
from becalm_signal.ecg_recent import RecentSamples
from becalm_signal.ecg_timing import UNPLACED_MS, TimingWatch

RATE_HZ = 130.0


def confirmed(derived: Any) -> list[Beat]:
    return [event for event in derived if isinstance(event, Beat) and event.confirmed]


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 250.0, 1000.0])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_time_of_a_beat_in_noise_is_as_sure_as_told(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, rate_hz: float, side: float
) -> None:
    noise_uv = 70.0 * (rate_hz / RATE_HZ) ** 0.5  # the same power in each band
    heart = make_ecg(make_rr(90), rate_hz=rate_hz, noise_uv=noise_uv)
    beats = confirmed(run_tracks(make_track(side * heart.samples, kind=SignalKind.ECG, rate_hz=rate_hz)))[3:]
    off_ms = np.array([min(1000.0 * heart.beats_s - beat.t_ns / 1e6, key=abs) for beat in beats])
    told_ms = np.array([beat.t_error_ms for beat in beats])
    assert np.mean(np.abs(off_ms - np.median(off_ms)) <= told_ms) >= 0.95
    assert 0.5 < np.median(told_ms) < 6.0


def popped(heart: Any, *, at_s: float) -> Any:
    t_s = np.arange(len(heart.samples)) / heart.rate_hz
    return heart.samples + np.where(t_s >= at_s, 2500.0 * np.exp(-(t_s - at_s) / 0.15), 0.0)


def test_rmssd_keeps_within_its_bound_where_a_pop_beside_a_beat_was_taken_for_it(
    make_ecg: Any, make_rr: Any, make_track: Any, run_tracks: Any, check_rmssd: Any
) -> None:
    rr_ms = make_rr(100, rsa_ms=90.0)
    heart = make_ecg(rr_ms, rate_hz=RATE_HZ, noise_uv=15.0)
    pop_s = heart.beats_s[50] - 0.05
    derived = run_tracks(make_track(popped(heart, at_s=pop_s), kind=SignalKind.ECG, rate_hz=RATE_HZ))
    beat = min(confirmed(derived), key=lambda beat: abs(beat.t_ns / 1e9 - heart.beats_s[50]))
    assert beat.rr_error_ms is not None
    assert beat.rr_error_ms > 20.0
    check_rmssd(derived, heart, rr_ms)


def beat(width: float = 3.0, *, noise: float = 0.0, seed: int = 0) -> list[float]:
    at = np.arange(130)
    course = np.exp(-(((at - 65.0) / width) ** 2)) + noise * np.random.default_rng(seed).normal(size=130)
    return [float(x) for x in course]


def told_ms(beats: list[list[float]]) -> list[float]:
    recent = RecentSamples(RATE_HZ)
    watch = TimingWatch(recent)
    for samples in beats:
        recent.feed(samples)
    return [watch.error_ms(65.0 + 130.0 * k) for k in range(len(beats))]


def test_the_first_of_its_kind_may_be_noise() -> None:
    assert told_ms([beat(), beat(), beat(12.0), beat(12.0)])[2:] == [UNPLACED_MS, pytest.approx(0.0, abs=1e-3)]


def test_turned_electrodes_show_a_beat_that_is_known() -> None:
    mirrored = [-x for x in beat()]
    assert max(told_ms([beat(), beat(), mirrored, mirrored])[1:]) < 0.001


def test_the_error_grows_with_the_noise_and_with_the_width_of_the_beat() -> None:
    def typical(width: float, noise: float) -> float:
        return float(np.median(told_ms([beat(width, noise=noise, seed=seed) for seed in range(5)])[1:]))

    assert typical(3.0, 0.05) == pytest.approx(2.0 * typical(3.0, 0.025), rel=0.2)
    assert typical(6.0, 0.025) > 1.2 * typical(3.0, 0.025)


def test_shapes_outlive_a_gap() -> None:
    recent = RecentSamples(RATE_HZ)
    watch = TimingWatch(recent)
    recent.feed(beat())
    assert watch.error_ms(65.0) == 0.0
    recent.restart()
    recent.feed(beat(12.0))
    assert watch.error_ms(65.0) == UNPLACED_MS


@pytest.mark.parametrize("rate_hz", [0.1, 1.0, 5.0, 8.0, 25.0])
def test_a_rate_far_below_any_ecg_has_no_sure_beats_and_raises_nothing(
    make_track: Any, run_tracks: Any, rate_hz: float
) -> None:
    """A validated stream may say any rate: with one point about a peak there is nothing to compare."""
    samples = np.random.default_rng(1).normal(0.0, 20.0, 600)
    samples[::9] = 900.0
    for beat in confirmed(run_tracks(make_track(samples, kind=SignalKind.ECG, rate_hz=rate_hz), block_s=4.0 / rate_hz)):
        assert beat.t_error_ms is not None
        assert beat.t_error_ms > 1.0
