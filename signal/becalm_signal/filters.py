"""Causal filters with carried state, one sample after the other in plain Python; kernels without any by numpy.

That makes every result the same to the last bit, however the samples were cut into blocks, and at the rates of worn
sensors it is cheaper than a call into a compiled filter for every packet.
"""

import math
from collections import deque
from collections.abc import Sequence
from operator import mul

import numpy as np
import numpy.typing as npt

Kernel = npt.NDArray[np.float64]


class Biquad:
    """Second-order section in transposed direct form II, started in the steady state of its first sample.

    `step(x)` takes and returns one float, `run(samples)` many. Designs: bilinear transform of the second-order
    Butterworth prototype (Bristow-Johnson, Audio EQ Cookbook).
    """

    __slots__ = ("_a1", "_a2", "_b0", "_b1", "_b2", "_z1", "_z2", "started")

    def __init__(self, b0: float, b1: float, *, b2: float, a1: float, a2: float) -> None:
        self._b0, self._b1, self._b2, self._a1, self._a2 = b0, b1, b2, a1, a2
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next sample is taken as if it had lasted for ever."""
        self._z1 = 0.0
        self._z2 = 0.0
        self.started = False

    def step(self, x: float) -> float:
        """Return the filtered sample."""
        if not self.started:
            self._start(x)
        y = self._b0 * x + self._z1
        self._z1 = self._b1 * x - self._a1 * y + self._z2
        self._z2 = self._b2 * x - self._a2 * y
        return y

    def run(self, samples: Sequence[float]) -> list[float]:
        """Return the filtered samples, shape (n_samples,): those of `step`, at half the cost of a call for each."""
        if samples and not self.started:
            self._start(samples[0])
        b0, b1, b2, a1, a2, z1, z2 = self._b0, self._b1, self._b2, self._a1, self._a2, self._z1, self._z2
        filtered = []
        for x in samples:
            y = b0 * x + z1
            z1 = b1 * x - a1 * y + z2
            z2 = b2 * x - a2 * y
            filtered.append(y)
        self._z1, self._z2 = z1, z2
        return filtered

    def _start(self, x: float) -> None:
        self.started = True
        gain = (self._b0 + self._b1 + self._b2) / (1.0 + self._a1 + self._a2)
        self._z2 = (self._b2 - self._a2 * gain) * x
        self._z1 = (self._b1 - self._a1 * gain) * x + self._z2


class BandPass:
    """A high-pass and a low-pass of `Biquad`'s kind in one, started in the steady state of its first sample: nothing.

    Their numerators together are 1 - 2 z^-2 + z^-4, times one gain: a quarter cheaper than one after the other.
    """

    __slots__ = ("_a", "_gain", "_z", "started")

    def __init__(self, high: Biquad, low: Biquad) -> None:
        b1, a1, a2 = high._b0, high._a1, high._a2
        c1, c2 = low._a1, low._a2
        self._gain = b1 * low._b0
        self._a = (a1 + c1, a2 + a1 * c1 + c2, a1 * c2 + a2 * c1, a2 * c2)
        self._z = (0.0, 0.0, 0.0, 0.0)
        self.started = False

    def run(self, samples: Sequence[float]) -> list[float]:
        """Return the filtered samples, shape (n_samples,)."""
        gain, (a1, a2, a3, a4), (z1, z2, z3, z4) = self._gain, self._a, self._z
        if samples and not self.started:  # nothing passes of what has lasted for ever
            self.started = True
            u = gain * samples[0]
            z1, z2, z3, z4 = -u, -u, u, u
        filtered = []
        for x in samples:
            u = gain * x
            y = u + z1
            z1 = z2 - a1 * y
            z2 = z3 - a2 * y - 2.0 * u
            z3 = z4 - a3 * y
            z4 = u - a4 * y
            filtered.append(y)
        self._z = (z1, z2, z3, z4)
        return filtered


BUTTERWORTH_Q = math.sqrt(0.5)
BUTTERWORTH_4_QS = (0.5412, 1.3066)
"""The two sections of a fourth-order Butterworth filter."""


def low_pass(cutoff_hz: float, *, rate_hz: float, q: float = BUTTERWORTH_Q) -> Biquad:
    """Return a second-order low-pass; delay well below the cutoff is 1 / (2 pi cutoff_hz q) seconds."""
    cos_w, alpha = _angle(cutoff_hz, rate_hz=rate_hz, q=q)
    a0 = 1.0 + alpha
    b = (1.0 - cos_w) / 2.0
    return Biquad(b / a0, 2.0 * b / a0, b2=b / a0, a1=-2.0 * cos_w / a0, a2=(1.0 - alpha) / a0)


def high_pass(cutoff_hz: float, *, rate_hz: float) -> Biquad:
    """Return a second-order Butterworth high-pass."""
    cos_w, alpha = _angle(cutoff_hz, rate_hz=rate_hz, q=BUTTERWORTH_Q)
    a0 = 1.0 + alpha
    b = (1.0 + cos_w) / 2.0
    return Biquad(b / a0, -2.0 * b / a0, b2=b / a0, a1=-2.0 * cos_w / a0, a2=(1.0 - alpha) / a0)


def band_pass(low_hz: float, high_hz: float, *, rate_hz: float) -> BandPass:
    """Return a second-order Butterworth high-pass at `low_hz` and low-pass at `high_hz` in one."""
    return BandPass(high_pass(low_hz, rate_hz=rate_hz), low_pass(high_hz, rate_hz=rate_hz))


def _angle(cutoff_hz: float, *, rate_hz: float, q: float) -> tuple[float, float]:
    # Above 0.45 of the rate the bilinear transform has no room left: a slow stream is then passed almost unchanged.
    w = 2.0 * math.pi * min(cutoff_hz, 0.45 * rate_hz) / rate_hz
    return math.cos(w), math.sin(w) / (2.0 * q)


class OnePole:
    """First-order low-pass with time constant `tau_s`, started at its first sample; delay at low frequency is tau_s."""

    __slots__ = ("_alpha", "value")

    def __init__(self, *, tau_s: float, rate_hz: float) -> None:
        self._alpha = 1.0 - math.exp(-1.0 / (tau_s * rate_hz))
        self.value: float | None = None

    def reset(self) -> None:
        """Forget everything."""
        self.value = None

    def step(self, x: float) -> float:
        """Return the smoothed sample."""
        self.value = x if self.value is None else self.value + self._alpha * (x - self.value)
        return self.value

    def run(self, samples: Sequence[float]) -> list[float]:
        """Return the smoothed samples, shape (n_samples,): those of `step`."""
        alpha, value = self._alpha, self.value
        smooth = []
        for x in samples:
            value = x if value is None else value + alpha * (x - value)
            smooth.append(value)
        self.value = value
        return smooth


class Decimator:
    """Linear-phase low-pass and every `factor`-th sample: high rates are brought to what a QRS needs.

    `step(x)` returns a sample or None; an output lies `delay_samples` input samples before the newest input.
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
        """Take many samples; return how many come before the first that gives an output, and all outputs."""
        if self.factor == 1:
            return 0, samples
        n_before = self._countdown - 1 if self._history else self.delay_samples
        return n_before, [y for x in samples if (y := self.step(x)) is not None]

    def step(self, x: float) -> float | None:
        """Take one input sample; return an output sample at every `factor`-th."""
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
    """Return a symmetric Hann kernel, shape (n_taps,), n_taps odd, sum 1: linear phase, for placing a peak."""
    half = max(1, round(width_s * rate_hz / 2.0))
    taps = [0.5 + 0.5 * math.cos(math.pi * k / (half + 1)) for k in range(-half, half + 1)]
    total = sum(taps)
    return tuple(tap / total for tap in taps)


def weighed(samples: Sequence[float], taps: Sequence[float] | Kernel) -> list[float]:
    """Return the sums under a kernel of shape (n_taps,) where it lies whole, shape (n_samples - n_taps + 1,).

    Each is summed by itself, so that they are the same however the samples were cut.
    """
    if len(samples) < len(taps):
        return []
    if len(taps) == 3:  # as at the rates of straps: quicker in the open
        a, b, c = taps
        return [a * x + b * y + c * z for x, y, z in zip(samples, samples[1:], samples[2:], strict=False)]
    sums: list[float] = np.correlate(samples, taps, "valid").tolist()
    return sums


def parabola_vertex(before: float, at: float, after: float) -> float:
    """Return the vertex, in samples from the middle one (-0.5 to 0.5), of a parabola through three samples."""
    curvature = before - 2.0 * at + after
    if curvature == 0.0:
        return 0.0
    return max(-0.5, min(0.5, 0.5 * (before - after) / curvature))
