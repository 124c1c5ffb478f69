"""Quick rises: what stays or springs back was the electrode, what goes as NeuroKit2 simulates it is skin."""

import neurokit2 as nk
import numpy as np
import pytest

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
