"""Humps of QRS-band energy: what may be a beat."""

from collections import deque
from dataclasses import dataclass

from becalm_signal.filters import high_pass, low_pass


@dataclass(slots=True)
class Candidate:
    """One hump of QRS-band energy; `at` counts decimated samples."""

    at: int
    energy: float
    slope: float


class Energy:
    """Band-pass, slope, 90 ms box: one number a sample that is large during a QRS only."""

    def __init__(self, rate_hz: float) -> None:
        self._high = high_pass(7.0, rate_hz=rate_hz)
        self._low = low_pass(22.0, rate_hz=rate_hz)
        self._band: deque[float] = deque(maxlen=max(2, round(0.012 * rate_hz) + 1))
        self._box: deque[float] = deque(maxlen=max(3, round(0.09 * rate_hz)))
        self.slope = 0.0

    def step(self, x: float) -> float:
        """Return the energy; `slope` holds the newest steepness."""
        band = self._band
        band.append(self._low.step(self._high.step(x)))
        slope = abs(band[-1] - band[0])
        self.slope = slope
        self._box.append(slope)
        # Summed afresh: a running sum drifts by rounding and would remember its start.
        return sum(self._box)


class HumpFinder:
    """Local maxima of the energy, each given out when the energy has clearly fallen or 100 ms have passed."""

    def __init__(self, rate_hz: float) -> None:
        self._hold = max(2, round(0.1 * rate_hz))
        self._best: Candidate | None = None
        self._slope = 0.0
        self._valley = 0.0

    def step(self, n: int, energy: float, *, slope: float) -> Candidate | None:
        """Take the energy of decimated sample `n`; return a finished hump."""
        best = self._best
        if best is None:
            if energy < self._valley:
                self._valley = energy
            elif energy > 1.2 * self._valley:
                self._best = Candidate(n, energy, slope)
            return None
        if energy > best.energy:
            best.at, best.energy = n, energy
        if slope > best.slope:
            best.slope = slope
        if energy > 0.65 * best.energy and n - best.at < self._hold:
            return None
        self._best = None
        self._valley = energy
        return best
