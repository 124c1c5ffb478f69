"""Powers by frequency: those of a known sum of sines, equal to the textbook's periodogram."""

import math
import random

import numpy as np
import pytest
from scipy.signal import lombscargle

from becalm_signal.spectrum import CYCLES, WINDOW_S, Spectrum


def beats(
    until_s: float, *, hole_s: tuple[float, float] = (0.0, 0.0), low_hz: float = 0.103
) -> list[tuple[float, float]]:
    """Return intervals with 60 ms at a low and 20 ms at a high frequency, and a slow drift."""
    rng = random.Random(5)
    told, t_s = [], 4_000.0
    while t_s < 4_000.0 + until_s:
        swing_ms = 60.0 * math.sin(2 * math.pi * low_hz * t_s) + 20.0 * math.sin(2 * math.pi * 0.27 * t_s)
        rr_ms = 900.0 + swing_ms + rng.gauss(0.0, 5.0) + 0.1 * (t_s - 4_000.0)
        t_s += rr_ms / 1000.0
        if not hole_s[0] < t_s - 4_000.0 < hole_s[1]:
            told.append((t_s, rr_ms))
    return told


def newest(told: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    t_s, rr_ms = np.array([beat for beat in told if beat[0] > told[-1][0] - WINDOW_S]).T
    return t_s, rr_ms


def reference(told: list[tuple[float, float]], frequencies_hz: list[float]) -> np.ndarray:
    t_s, rr_ms = newest(told)
    rr_ms = rr_ms - np.polyval(np.polyfit(t_s - t_s.mean(), rr_ms, 1), t_s - t_s.mean())
    return np.atleast_1d(lombscargle(t_s, rr_ms, 2 * np.pi * np.array(frequencies_hz)))


@pytest.mark.parametrize("hole_s", [(0.0, 0.0), (530.0, 541.0)])
def test_it_equals_scargles_periodogram(hole_s: tuple[float, float]) -> None:
    told = beats(600.0, hole_s=hole_s)
    t_s, rr_ms = newest(told)
    spectrum = Spectrum(t_s, rr_ms)
    scale = 2.0 / len(t_s) * min(1.0, rr_ms.sum() / 1000.0 / WINDOW_S)
    expected = scale * reference(told, [k / WINDOW_S for k in CYCLES])
    assert spectrum.powers_ms2() == pytest.approx(expected.tolist(), rel=1e-8, abs=1e-8)
    assert spectrum.periodogram([11.0])[0] == pytest.approx(reference(told, [11.0 / WINDOW_S])[0], rel=1e-9)


@pytest.mark.parametrize("hole_s", [(0.0, 0.0), (530.0, 541.0)])
@pytest.mark.parametrize("low_hz", [0.075, 0.1, 0.1035])
def test_powers_of_sines_and_the_peak_are_found(hole_s: tuple[float, float], low_hz: float) -> None:
    bands = Spectrum(*newest(beats(600.0, hole_s=hole_s, low_hz=low_hz))).bands()
    assert bands.lf_ms2 == pytest.approx(60.0**2 / 2, rel=0.12)
    assert bands.hf_ms2 == pytest.approx(20.0**2 / 2 + 17.0, rel=0.4 if hole_s[1] else 0.2)
    assert bands.lf_peak_hz == pytest.approx(low_hz, abs=0.001)


def test_a_steady_heart_has_no_power_and_does_not_fail() -> None:
    bands = Spectrum(*newest([(0.8 * n, 800.0) for n in range(1, 200)])).bands()
    assert bands.lf_ms2 == pytest.approx(0.0, abs=1e-6)
