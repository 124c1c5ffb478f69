"""The model foretells what an autoregressive heart does next, and artefacts are no part of it."""

import numpy as np
import pytest

from becalm_signal.swings import MIN_DEVIATION_MS, N_MOST, ORDER, swings

NOISE_MS = 12.0


def heart(seed: int, n_beats: int = N_MOST) -> tuple[float, ...]:
    """Return intervals of a second-order process around 900 ms: swings of about five beats."""
    rng = np.random.default_rng(seed)
    around = [0.0, 0.0]
    for _ in range(n_beats + 50):
        around.append(0.55 * around[-1] - 0.8 * around[-2] + rng.normal(0.0, NOISE_MS))
    return tuple(900.0 + one for one in around[-n_beats:])


def test_it_foretells_as_well_as_the_heart_lets_it() -> None:
    errors_ms, deviations_ms = [], []
    for seed in range(40):
        *known, last = heart(seed, N_MOST + 1)
        model = swings(tuple(known))
        foretold_ms = model.rest_ms + sum(w * rr for w, rr in zip(model.before, reversed(known), strict=False))
        errors_ms.append(last - foretold_ms)
        deviations_ms.append(model.deviation_ms)
    assert np.std(errors_ms) == pytest.approx(NOISE_MS, rel=0.3)
    assert np.median(deviations_ms) == pytest.approx(NOISE_MS, rel=0.15)


def test_early_beats_hardly_change_it() -> None:
    for seed in range(10):
        clean = heart(seed)
        spoilt = tuple(rr - 150.0 if at in {20, 45, 70} else rr for at, rr in enumerate(clean))
        model, disturbed = swings(clean), swings(spoilt)
        assert disturbed.deviation_ms < 2.0 * model.deviation_ms
        assert disturbed.before[1] < -0.3  # still a heart that swings


def test_shapes_are_what_one_and_two_intervals_leave_in_the_errors() -> None:
    model = swings(heart(3))
    assert len(model.before) == ORDER
    assert model.single == (1.0, *[-weight for weight in model.before])
    assert model.pair[0] == 1.0
    assert sum(model.pair) == pytest.approx(0.0, abs=1e-9)


def test_a_metronome_has_a_model_too() -> None:
    model = swings((800.0,) * N_MOST)
    assert model.deviation_ms == MIN_DEVIATION_MS
    assert model.rest_ms + sum(model.before) * 800.0 == pytest.approx(800.0)
