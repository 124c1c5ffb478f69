"""Causal filters with carried state, one sample after the other in plain Python.

That makes every result the same to the last bit, however the samples were cut into blocks, and at the rates of worn
sensors it is cheaper than a call into a compiled filter for every packet.
"""

import math
from collections.abc import Sequence


class Biquad:
    """Second-order section in transposed direct form II, started in the steady state of its first sample.

    Notes
    -----
    Delay: that of the design. Warm-up: none.

    References
    ----------
    Bilinear transform of the Butterworth prototype: Bristow-Johnson, Audio EQ Cookbook (no DOI).
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
        """Return the filtered sample.

        Parameters
        ----------
        x : in any unit

        Returns
        -------
        the filtered sample, in that unit
        """
        if not self.started:
            self._start(x)
        y = self._b0 * x + self._z1
        self._z1 = self._b1 * x - self._a1 * y + self._z2
        self._z2 = self._b2 * x - self._a2 * y
        return y

    def run(self, samples: Sequence[float]) -> list[float]:
        """Return what `step` would of each sample, at half the cost of a call for each.

        Parameters
        ----------
        samples : in any unit, shape (n_samples,)

        Returns
        -------
        filtered samples, in that unit, shape (n_samples,)
        """
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

    Notes
    -----
    Delay: that of both together. Warm-up: none.

    References
    ----------
    Bilinear transform of the Butterworth prototype: Bristow-Johnson, Audio EQ Cookbook (no DOI).
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
        """Return the filtered samples, shape (n_samples,).

        Parameters
        ----------
        samples : in any unit, shape (n_samples,)

        Returns
        -------
        filtered samples, in that unit, shape (n_samples,)
        """
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
    """Return a second-order low-pass.

    Parameters
    ----------
    cutoff_hz : where it halves the power (q of Butterworth)
    rate_hz : of the samples to come
    q : quality of the pole pair

    Returns
    -------
    the filter; well below the cutoff its delay is 1 / (2 pi cutoff_hz q) seconds

    References
    ----------
    Bilinear transform of the Butterworth prototype: Bristow-Johnson, Audio EQ Cookbook (no DOI).
    """
    cos_w, alpha = _angle(cutoff_hz, rate_hz=rate_hz, q=q)
    a0 = 1.0 + alpha
    b = (1.0 - cos_w) / 2.0
    return Biquad(b / a0, 2.0 * b / a0, b2=b / a0, a1=-2.0 * cos_w / a0, a2=(1.0 - alpha) / a0)


def high_pass(cutoff_hz: float, *, rate_hz: float) -> Biquad:
    """Return a second-order Butterworth high-pass.

    Parameters
    ----------
    cutoff_hz : where it halves the power
    rate_hz : of the samples to come

    Returns
    -------
    the filter; well above the cutoff it leads by cutoff_hz / (2 pi q f^2) seconds at f Hz
    """
    cos_w, alpha = _angle(cutoff_hz, rate_hz=rate_hz, q=BUTTERWORTH_Q)
    a0 = 1.0 + alpha
    b = (1.0 + cos_w) / 2.0
    return Biquad(b / a0, -2.0 * b / a0, b2=b / a0, a1=-2.0 * cos_w / a0, a2=(1.0 - alpha) / a0)


def band_pass(low_hz: float, high_hz: float, *, rate_hz: float) -> BandPass:
    """Return a second-order Butterworth high-pass and low-pass in one.

    Parameters
    ----------
    low_hz : cutoff of the high-pass
    high_hz : cutoff of the low-pass
    rate_hz : of the samples to come

    Returns
    -------
    the filter
    """
    return BandPass(high_pass(low_hz, rate_hz=rate_hz), low_pass(high_hz, rate_hz=rate_hz))


def _angle(cutoff_hz: float, *, rate_hz: float, q: float) -> tuple[float, float]:
    # Above 0.45 of the rate the bilinear transform has no room left: a slow stream is then passed almost unchanged.
    w = 2.0 * math.pi * min(cutoff_hz, 0.45 * rate_hz) / rate_hz
    return math.cos(w), math.sin(w) / (2.0 * q)


class OnePole:
    """First-order low-pass, started at its first sample.

    Notes
    -----
    Delay: at low frequencies the time constant `tau_s`. Warm-up: none.

    References
    ----------
    Discretised RC low-pass (no DOI).
    """

    __slots__ = ("_alpha", "value")

    def __init__(self, *, tau_s: float, rate_hz: float) -> None:
        self._alpha = 1.0 - math.exp(-1.0 / (tau_s * rate_hz))
        self.value: float | None = None

    def reset(self) -> None:
        """Forget everything."""
        self.value = None

    def step(self, x: float) -> float:
        """Return the smoothed sample.

        Parameters
        ----------
        x : in any unit

        Returns
        -------
        the smoothed sample, in that unit
        """
        value = self.value
        self.value = value = x if value is None else value + self._alpha * (x - value)
        return value

    def run(self, samples: Sequence[float]) -> list[float]:
        """Return what `step` would of each sample.

        Parameters
        ----------
        samples : in any unit, shape (n_samples,)

        Returns
        -------
        smoothed samples, in that unit, shape (n_samples,)
        """
        alpha, value = self._alpha, self.value
        smooth = []
        for x in samples:
            value = x if value is None else value + alpha * (x - value)
            smooth.append(value)
        self.value = value
        return smooth
