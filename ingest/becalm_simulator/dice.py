"""Random numbers one at a time, drawn in blocks: many times cheaper than asking the generator for each."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024


class Dice:
    """Two independent streams, normal and uniform, whose numbers do not depend on each other's use."""

    def __init__(self, rng: np.random.Generator) -> None:
        for_normals, for_uniforms = rng.spawn(2)
        self.normal: Callable[[], float] = _stream(for_normals.standard_normal).__next__
        """Return the next number of mean 0 and standard deviation 1."""
        self.uniform: Callable[[], float] = _stream(for_uniforms.random).__next__
        """Return the next number in [0, 1)."""

    def between(self, low: float, high: float) -> float:
        """Return a number evenly distributed from `low` to `high`."""
        return low + (high - low) * self.uniform()


def _stream(draw: Callable[[int], NDArray[np.float64]]) -> Iterator[float]:
    while True:
        yield from draw(BLOCK).tolist()
