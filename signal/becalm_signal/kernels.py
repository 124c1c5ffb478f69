"""Symmetric kernels: rates brought down without aliases, peaks placed between samples. Linear phase; by numpy.

Every sum stands by itself, so that results are the same to the last bit, however the samples were cut into blocks.
"""

import math
from collections import deque
from collections.abc import Sequence
from operator import mul

import numpy as np
import numpy.typing as npt

Kernel = npt.NDArray[np.float64]


class Decimator:
    """Linear-phase low-pass and every `factor`-th sample: high rates are brought to what a QRS needs.

    Notes
    -----
    Delay: `delay_samples` samples of the input, 2 `factor` (none for factor 1). Warm-up: as long.

    References
    ----------
    Sinc under a Hann window: Harris 1978, DOI 10.1109/PROC.1978.10837.
    """

    __slots__ = ("_countdown", "_history", "_taps", "delay_samples", "factor")

    def __init__(self, factor: int) -> None:
        self.factor = factor
        half = 2 * factor if factor > 1 else 0
        self.delay_samples = half
        self._taps = _hann_sinc(half, cutoff=0.4 / factor)
        self._history: deque[float] = deque(maxlen=2 * half + 1)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._history.clear()
        self._countdown = 0

    def run(self, samples: Sequence[float]) -> tuple[int, Sequence[float]]:
        """Take many samples.

        Parameters
        ----------
        samples : in any unit, shape (n_samples,)

        Returns
        -------
        how many come before the first that gives an output; all outputs, in that unit, one for `factor` samples
        """
        if self.factor == 1:
            return 0, samples
        n_before = self._countdown - 1 if self._history else self.delay_samples
        return n_before, [y for x in samples if (y := self.step(x)) is not None]

    def step(self, x: float) -> float | None:
        """Take one sample.

        Parameters
        ----------
        x : in any unit

        Returns
        -------
        an output at every `factor`-th, in that unit; else None
        """
        if self.factor == 1:
            return x
        history = self._history
        if not history:  # steady state of the first sample
            history.extend([x] * len(self._taps))
            self._countdown = self.delay_samples
        else:
            history.append(x)
            self._countdown -= 1
        if self._countdown > 0:
            return None
        self._countdown = self.factor
        output: float = sum(map(mul, self._taps, history))
        return output


def _hann_sinc(half: int, *, cutoff: float) -> tuple[float, ...]:
    if half == 0:
        return (1.0,)
    taps = []
    for k in range(-half, half + 1):
        sinc = 2.0 * cutoff if k == 0 else math.sin(2.0 * math.pi * cutoff * k) / (math.pi * k)
        taps.append(sinc * (0.5 + 0.5 * math.cos(math.pi * k / (half + 1))))
    total = sum(taps)
    return tuple(tap / total for tap in taps)


def smoothing_taps(width_s: float, *, rate_hz: float) -> tuple[float, ...]:
    """Return a symmetric Hann kernel for placing a peak: linear phase.

    Parameters
    ----------
    width_s : of the kernel, in s
    rate_hz : of the samples

    Returns
    -------
    taps with the sum 1, shape (n_taps,), n_taps odd
    """
    half = max(1, round(width_s * rate_hz / 2.0))
    taps = [0.5 + 0.5 * math.cos(math.pi * k / (half + 1)) for k in range(-half, half + 1)]
    total = sum(taps)
    return tuple(tap / total for tap in taps)


def weighed(samples: Sequence[float], taps: Sequence[float] | Kernel) -> list[float]:
    """Return the sums under a kernel where it lies whole.

    Each is summed by itself, so that they are the same however the samples were cut.

    Parameters
    ----------
    samples : in any unit, shape (n_samples,)
    taps : the kernel, shape (n_taps,)

    Returns
    -------
    sums, in that unit, shape (n_samples - n_taps + 1,)
    """
    if len(samples) < len(taps):
        return []
    if len(taps) == 3:  # as at the rates of straps: quicker in the open
        a, b, c = taps
        x, y = samples[:2]
        smooth: list[float] = []
        for z in samples[2:]:
            smooth.append(a * x + b * y + c * z)
            x, y = y, z
        return smooth
    sums: list[float] = np.correlate(samples, taps, "valid").tolist()
    return sums


def parabola_vertex(before: float, at: float, after: float) -> float:
    """Return where a parabola through three samples has its vertex.

    Parameters
    ----------
    before, at, after : three samples in a row, in any unit

    Returns
    -------
    samples from the middle one, -0.5 to 0.5
    """
    curvature = before - 2.0 * at + after
    if curvature == 0.0:
        return 0.0
    return max(-0.5, min(0.5, 0.5 * (before - after) / curvature))
