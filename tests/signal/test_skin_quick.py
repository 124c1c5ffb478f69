"""Quick rises: what stays or springs back was the electrode, what goes as NeuroKit2 simulates it is skin."""

from typing import Any

import neurokit2 as nk
import numpy as np
import pytest

from becalm_protocol.derived import SignalQuality, SkinRecovery, SkinResponse
from becalm_protocol.events import SignalKind
from becalm_signal.skin_quick import was_electrode

RATES_HZ = (4.0, 8.0, 10.0, 16.0)
TOP_S = 1.0


def told(height_us: np.ndarray, rate_hz: float) -> bool | None:
    samples = (5.0 + height_us).tolist()
    return was_electrode(samples, samples.index(max(samples)), rate_hz=rate_hz, noise_us=0.0, drying_us_s=0.0)


def since_s(rate_hz: float) -> np.ndarray:
    return np.arange(-round(TOP_S * rate_hz), round(1.3 * rate_hz)) / rate_hz


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("tau_s", [0.1, 0.4, 3.0, np.inf])
def test_a_rise_within_a_sample_that_stays_or_springs_back_was_the_electrode(rate_hz: float, tau_s: float) -> None:
    t_s = since_s(rate_hz)
    assert told(np.where(t_s >= 0.0, 0.5 * np.exp(-np.clip(t_s, 0.0, None) / tau_s), 0.0), rate_hz) is True


@pytest.mark.parametrize("rate_hz", [4.0, 5.0])
def test_a_jerk_within_a_lost_sample_was_the_electrode_in_noise_too(rate_hz: float) -> None:
    noise_us, n_told, rng = 0.002, 0, np.random.default_rng(4)
    n_before, n_after = round(0.5 * rate_hz), round(1.3 * rate_hz)
    for _ in range(50):
        bridged = np.r_[np.zeros(n_before), np.full(n_after, 0.1)]
        bridged += 5.0 + noise_us * rng.standard_normal(len(bridged))
        samples = np.insert(bridged, n_before, bridged[n_before - 1 : n_before + 1].mean()).tolist()
        top = samples.index(max(samples[: n_before + 3]))
        was = was_electrode(samples, top, rate_hz=rate_hz, noise_us=noise_us, drying_us_s=0.0)
        n_told += was is True
    assert n_told >= 47


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_small_responses_in_noise_are_skin_where_no_sample_was_lost(rate_hz: float) -> None:
    noise_us, n_electrode, rng = 0.005, 0, np.random.default_rng(4)
    t_s = np.arange(-round(0.5 * rate_hz), round(4.0 * rate_hz)) / rate_hz
    for _ in range(100):
        since = np.clip(t_s - rng.uniform(0.0, 1.0 / rate_hz), 0.0, None)
        curve = np.exp(-since / 3.0) - np.exp(-since / 0.5)
        samples = 5.0 + 0.05 * curve / curve.max() + noise_us * rng.standard_normal(len(t_s))
        top = int(np.argmax(samples[: round(2.7 * rate_hz)]))
        until = top + round(1.3 * rate_hz) + 1
        was = was_electrode(samples[:until].tolist(), top, rate_hz=rate_hz, noise_us=noise_us, drying_us_s=0.0)
        n_electrode += was is True
    assert n_electrode <= 3


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_quickest_responses_that_are_simulated_are_skin(rate_hz: float, seed: int) -> None:
    fine_hz = 1000
    pure = np.asarray(nk.eda_simulate(20, sampling_rate=fine_hz, scr_number=1, noise=0, drift=0, random_state=seed))
    top_s = float(np.argmax(pure)) / fine_hz
    for offset_s in np.arange(0.0, 1.0, 0.2) / rate_hz:
        at_s = np.clip(top_s + offset_s + since_s(rate_hz), 0.0, None)
        assert told(0.5 * (np.interp(at_s, np.arange(len(pure)) / fine_hz, pure) - 1.0), rate_hz) is False


@pytest.mark.parametrize("rate_hz", [1.0, 2.0, *RATES_HZ])
@pytest.mark.parametrize("fall_tau_s", [2.0, 6.0])
def test_an_ordinary_response_is_not_quick(rate_hz: float, fall_tau_s: float) -> None:
    t_s = np.arange(-round(rate_hz), round(4.0 * rate_hz)) / rate_hz
    after_s = np.clip(t_s, 0.0, None)
    assert told(0.5 * (np.exp(-after_s / fall_tau_s) - np.exp(-after_s / 0.75)), rate_hz) is None


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_slow_rise_that_is_gone_at_once_was_the_electrode(rate_hz: float) -> None:
    t_s = since_s(rate_hz)
    assert told(np.where(t_s < 0.0, 0.5 * (1.0 + t_s / TOP_S), 0.0), rate_hz) is True


@pytest.mark.parametrize("rate_hz", [8, 10, 32, 100, 1000])
@pytest.mark.parametrize("amplitude_us", [0.1, 1.0, 5.0])
def test_the_quick_responses_that_neurokit2_simulates_are_skin(
    make_track: Any, run_tracks: Any, rate_hz: int, amplitude_us: float
) -> None:
    fine_hz, n_seconds, n_responses = 1000, 60, 4
    pure = nk.eda_simulate(n_seconds, sampling_rate=fine_hz, scr_number=n_responses, noise=0, drift=0, random_state=3)
    pure = np.asarray(pure) - 1.0
    parts = pure.reshape(n_responses, -1)
    peaks = parts.argmax(axis=1)
    halves = [peak + np.flatnonzero(part[peak:] <= 0.5)[0] for part, peak in zip(parts, peaks, strict=True)]
    begins_s = np.arange(n_responses) * n_seconds / n_responses
    whole_us = 5.0 + amplitude_us * pure + np.random.default_rng(2).normal(0.0, 0.002, len(pure))
    samples = whole_us[:: fine_hz // rate_hz]
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=fine_hz / (fine_hz // rate_hz)))
    assert not [event for event in derived if isinstance(event, SignalQuality)]
    found = [event for event in derived if isinstance(event, SkinResponse)]
    recovered_ns = [event.recovered_ns for event in derived if isinstance(event, SkinRecovery)]
    assert [event.peak_ns / 1e9 for event in found] == pytest.approx(list(begins_s + peaks / fine_hz), abs=0.15)
    assert [event.onset_ns / 1e9 for event in found] == pytest.approx(list(begins_s + peaks / fine_hz - 0.24), abs=0.2)
    assert [event.amplitude_us for event in found] == pytest.approx([amplitude_us] * n_responses, rel=0.2)
    assert [t_ns / 1e9 for t_ns in recovered_ns] == pytest.approx(list(begins_s + np.array(halves) / fine_hz), abs=0.25)


@pytest.mark.parametrize("amplitude_us", [0.3, 1.0])
@pytest.mark.parametrize("seed", [1, 3, 4])
def test_responses_that_are_up_in_one_sample_of_a_slow_sensor_are_found(
    make_track: Any, run_tracks: Any, seed: int, amplitude_us: float
) -> None:
    rate_hz, n_seconds, n_responses = 4, 120, 8
    unit = nk.eda_simulate(n_seconds, sampling_rate=rate_hz, scr_number=n_responses, noise=0.01, random_state=seed)
    samples = 5.0 + amplitude_us * np.asarray(unit)
    derived = run_tracks(make_track(samples, kind=SignalKind.SKIN_CONDUCTANCE, rate_hz=float(rate_hz)))
    found_s = [event.onset_ns / 1e9 for event in derived if isinstance(event, SkinResponse)]
    # Each is simulated to begin within a second of its even share of the time; the first has nothing before it.
    begins_s = np.arange(n_responses) * n_seconds / n_responses
    assert [at_s for at_s in found_s if at_s > 2.0] == pytest.approx(list(begins_s[1:] + 0.4), abs=0.8)


def test_what_the_level_loses_meanwhile_makes_no_electrode_of_a_small_response() -> None:
    # 0.1 uS of `nk.eda_simulate` at 4 Hz, and on a level that falls by 0.01 uS/s.
    pure_us = [0.0, 0.0, 0.0105, 0.1, 0.0645, 0.045, 0.0335, 0.026, 0.0215]
    falling_us = [4.0 + us - 0.0025 * at for at, us in enumerate(pure_us)]
    assert was_electrode(pure_us, 3, rate_hz=4.0, noise_us=0.0, drying_us_s=0.0) is False
    assert was_electrode(falling_us, 3, rate_hz=4.0, noise_us=0.0, drying_us_s=0.0086) is False
