"""Kernels: where a sample lies, and what is kept out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_signal.kernels import Decimator, parabola_vertex, smoothing_taps


@pytest.mark.parametrize("factor", [1, 2, 5, 40])
def test_decimated_samples_lie_where_they_say(factor: int) -> None:
    decimator = Decimator(factor)
    rate_hz = 1000.0
    out: list[tuple[int, float]] = []
    for n in range(4000):
        y = decimator.step(math.sin(2 * math.pi * 2.0 * n / rate_hz))
        if y is not None:
            out.append((len(out) * factor, y))
    for at, y in out[10:]:
        assert y == pytest.approx(math.sin(2 * math.pi * 2.0 * at / rate_hz), abs=0.03)
    assert len(out) == pytest.approx((4000 - decimator.delay_samples) / factor, abs=1)


def test_decimation_keeps_fast_noise_out() -> None:
    decimator = Decimator(5)
    out = [y for n in range(2000) if (y := decimator.step(math.sin(2 * math.pi * 170.0 * n / 1000.0))) is not None]
    assert max(abs(y) for y in out[5:]) < 0.1


@given(shift=st.floats(-0.5, 0.5), height=st.floats(0.1, 100.0))
def test_parabola_vertex_is_exact_for_a_parabola(shift: float, height: float) -> None:
    before, at, after = (height - (k - shift) ** 2 for k in (-1, 0, 1))
    assert parabola_vertex(before, at, after) == pytest.approx(shift, abs=1e-9 * (1 + height))


def test_smoothing_taps_are_symmetric_and_sum_to_one() -> None:
    taps = smoothing_taps(0.03, rate_hz=250.0)
    assert taps == pytest.approx(taps[::-1])
    assert sum(taps) == pytest.approx(1.0)
    assert len(taps) % 2 == 1
