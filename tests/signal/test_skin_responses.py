"""The finder of responses outlives whatever comes."""

import numpy as np
import pytest

from becalm_signal.skin_responses import ResponseFinder


@pytest.mark.parametrize("rate_hz", [4.0, 8.0, 12.0, 16.0])
def test_walks_at_random_are_no_error(rate_hz: float) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        walk = 5.0 + np.cumsum(rng.normal(0.0, 0.02, size=600))
        cleaned = np.convolve(walk, np.ones(3) / 3.0, "same") if seed % 2 else walk
        finder = ResponseFinder(rate_hz)
        for raw_us, cleaned_us in zip(walk.tolist(), cleaned.tolist(), strict=True):
            finder.step(cleaned_us, raw=raw_us, noise_us=0.0, raw_noise_us=0.0)
