"""Filters: steady from the first sample, right gain and delay, the same to the last bit for every cut."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt, sosfilt_zi

from becalm_signal.filters import BUTTERWORTH_4_QS, OnePole, band_pass, high_pass, low_pass


@pytest.mark.parametrize(("make", "kind"), [(low_pass, "low"), (high_pass, "high")])
@pytest.mark.parametrize(("cutoff_hz", "rate_hz"), [(1.0, 25.0), (22.0, 130.0), (7.0, 180.0), (1.0, 8.0)])
def test_equal_to_scipy_butterworth(make: Any, kind: Any, cutoff_hz: float, rate_hz: float) -> None:
    x = np.random.default_rng(1).normal(size=300)
    biquad = make(cutoff_hz, rate_hz=rate_hz)
    ours = np.array([biquad.step(float(value)) for value in x])
    sos = butter(2, cutoff_hz, kind, fs=rate_hz, output="sos")
    theirs, _ = sosfilt(sos, x, zi=sosfilt_zi(sos) * x[0])
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_many_samples_are_filtered_as_one_at_a_time() -> None:
    x = np.random.default_rng(1).normal(size=300).tolist()
    one_by_one, cut = low_pass(0.7, rate_hz=25.0), low_pass(0.7, rate_hz=25.0)
    expected = [one_by_one.step(value) for value in x]
    assert [*cut.run(x[:1]), *cut.run([]), *cut.run(x[1:74]), *cut.run(x[74:])] == expected


@pytest.mark.parametrize("rate_hz", [125.0, 130.0, 249.0])
def test_a_band_pass_is_a_high_pass_and_a_low_pass(rate_hz: float) -> None:
    x = (500.0 + 100.0 * np.random.default_rng(4).standard_normal(2_000)).tolist()
    apart = low_pass(22.0, rate_hz=rate_hz).run(high_pass(7.0, rate_hz=rate_hz).run(x))
    both = band_pass(7.0, 22.0, rate_hz=rate_hz)
    joined = both.run(x[:1]) + both.run([]) + both.run(x[1:700]) + both.run(x[700:])
    np.testing.assert_allclose(joined, apart, atol=1e-9)


def test_two_sections_make_a_fourth_order_butterworth() -> None:
    sections = [low_pass(0.7, rate_hz=25.0, q=q) for q in BUTTERWORTH_4_QS]
    x = np.random.default_rng(1).normal(size=300)
    ours = []
    for value in x.tolist():
        y = value
        for section in sections:
            y = section.step(y)
        ours.append(y)
    sos = butter(4, 0.7, fs=25.0, output="sos")
    theirs, _ = sosfilt(sos, x, zi=sosfilt_zi(sos) * x[0])
    assert ours == pytest.approx(theirs, abs=1e-4)


@given(level=st.floats(-1e6, 1e6), cutoff_hz=st.floats(0.05, 40.0))
def test_a_constant_passes_from_the_first_sample(level: float, cutoff_hz: float) -> None:
    low, high = low_pass(cutoff_hz, rate_hz=130.0), high_pass(cutoff_hz, rate_hz=130.0)
    for _ in range(50):
        assert low.step(level) == pytest.approx(level, rel=1e-6, abs=1e-6)
        assert high.step(level) == pytest.approx(0.0, abs=1e-6 * (1 + abs(level)))


def test_one_pole_reaches_63_percent_in_its_time_constant() -> None:
    pole = OnePole(tau_s=2.0, rate_hz=100.0)
    pole.step(0.0)
    for _ in range(200):
        y = pole.step(1.0)
    assert y == pytest.approx(1 - math.exp(-1), abs=1e-6)
