"""Humps of QRS-band energy: what may be a beat."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from becalm_signal.filters import high_pass, low_pass

# The mean energy forgets wholly after 4 s: a burst must not make the heart after it look like noise for longer.
MEAN_SEGMENT_S = 0.5
N_MEAN_SEGMENTS = 8


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
        self._n_apart = max(1, round(0.012 * rate_hz))
        self._n_box = max(3, round(0.09 * rate_hz))
        self._band: list[float] = []
        self._slopes = [0.0] * (self._n_box - 1)

    def run(self, samples: Sequence[float]) -> list[tuple[float, float]]:
        """Return energy and steepness at each sample."""
        passed = self._low.run(self._high.run(samples))
        band = (self._band or passed[:1] * self._n_apart) + passed
        steps = zip(band, band[self._n_apart :], strict=False)
        slopes = self._slopes + [abs(after - before) for before, after in steps]
        # Summed afresh: a running sum drifts by rounding and would remember its start.
        energies = [sum(slopes[at : at + self._n_box]) for at in range(len(passed))]
        self._band, self._slopes = band[len(passed) :], slopes[len(passed) :]
        return list(zip(energies, slopes[self._n_box - 1 :], strict=True))


class MeanEnergy:
    """Mean energy of the last seconds, renewed every half second."""

    def __init__(self, rate_hz: float) -> None:
        self._n_segment = max(1, round(MEAN_SEGMENT_S * rate_hz))
        self._means: deque[float] = deque(maxlen=N_MEAN_SEGMENTS)
        self._sum, self._n = 0.0, 0

    def step(self, energy: float) -> None:
        """Take the energy of one sample."""
        self._sum += energy
        self._n += 1
        if self._n == self._n_segment:
            self._means.append(self._sum / self._n)
            self._sum, self._n = 0.0, 0

    @property
    def value(self) -> float:
        """The mean; 0 before the first half second."""
        return sum(self._means) / len(self._means) if self._means else 0.0


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
