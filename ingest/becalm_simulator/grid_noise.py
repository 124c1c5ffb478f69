"""Noise that is a function of time: white on a fixed grid, straight between its points, the same however it is cut."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.units import NS_PER_S

BLOCK = 4096
# A few seconds of each noise are enough: signals are asked for in order.
MAX_BLOCKS = 8


class GridNoise:
    """Normal noise of standard deviation 1 on a grid of `rate_hz`; `tag` makes it another noise of the same seed."""

    def __init__(self, seed: int, *, tag: int, rate_hz: int) -> None:
        self._seed = (seed, tag)
        self._period_ns = NS_PER_S // rate_hz
        self._blocks: OrderedDict[int, NDArray[np.float64]] = OrderedDict()

    def at(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the noise at ascending times (0 or later), shape (n_samples,)."""
        point = t_ns // self._period_ns
        share = (t_ns - point * self._period_ns) / self._period_ns
        first = int(point[0]) // BLOCK
        blocks = [self._block(i) for i in range(first, (int(point[-1]) + 1) // BLOCK + 1)]
        grid = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        i = point - first * BLOCK
        return np.asarray(grid[i] * (1.0 - share) + grid[i + 1] * share, dtype=np.float64)

    def _block(self, i: int) -> NDArray[np.float64]:
        block = self._blocks.get(i)
        if block is None:
            block = np.random.default_rng(np.random.SeedSequence([*self._seed, i])).standard_normal(BLOCK)
            self._blocks[i] = block
            if len(self._blocks) > MAX_BLOCKS:
                self._blocks.popitem(last=False)
        return block
