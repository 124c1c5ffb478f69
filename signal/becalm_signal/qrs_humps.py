"""Humps of QRS-band energy: what may be a beat."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from becalm_signal.filters import band_pass

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
    """Band-pass, slope, 90 ms box: one number a sample that is large during a QRS only.

    Notes
    -----
    Delay: 65 ms. Warm-up: none.

    References
    ----------
    Pan & Tompkins 1985, DOI 10.1109/TBME.1985.325532.
    """

    def __init__(self, rate_hz: float) -> None:
        self._band_pass = band_pass(7.0, 22.0, rate_hz=rate_hz)
        self._n_apart = max(1, round(0.012 * rate_hz))
        self._n_box = max(3, round(0.09 * rate_hz))
        self._band: list[float] = []
        self._slopes = [0.0] * self._n_box
        self._energy = 0.0
        self._n_afresh = self._n_left = round(rate_hz)
        """How many samples are left until the box is summed afresh, once a second."""

    def run(self, samples: Sequence[float]) -> tuple[list[float], list[float]]:
        """Take samples.

        Parameters
        ----------
        samples : in the unit of the signal, shape (n_samples,)

        Returns
        -------
        energy and steepness at each, shape (n_samples,) both
        """
        passed = self._band_pass.run(samples)
        band = (self._band or passed[:1] * self._n_apart) + passed
        slopes, energy, n_left = self._slopes, self._energy, self._n_left
        energies: list[float] = []
        for after, before, oldest in zip(passed, band, slopes, strict=False):  # slopes grow while they are read
            slope = after - before if after > before else before - after
            slopes.append(slope)
            n_left -= 1
            if n_left:
                energy += slope - oldest
            else:  # afresh: a running sum drifts by rounding and would remember its start
                energy, n_left = sum(slopes[-self._n_box :]), self._n_afresh
            energies.append(energy)
        self._band, self._energy, self._n_left = band[len(passed) :], energy, n_left
        self._slopes = slopes[len(passed) :]
        return energies, slopes[self._n_box :]


class MeanEnergy:
    """Mean energy of the last seconds, renewed every half second.

    Notes
    -----
    Delay: half a second at most. Warm-up: half a second.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, rate_hz: float) -> None:
        self._n_segment = max(1, round(MEAN_SEGMENT_S * rate_hz))
        self._means: deque[float] = deque(maxlen=N_MEAN_SEGMENTS)
        self._open: list[float] = []

    def feed(self, energies: Sequence[float]) -> None:
        """Take energies.

        Parameters
        ----------
        energies : of consecutive samples, shape (n_samples,)
        """
        self._open += energies
        while len(self._open) >= self._n_segment:
            self._means.append(sum(self._open[: self._n_segment]) / self._n_segment)
            del self._open[: self._n_segment]

    def forget(self, kept_s: float) -> None:
        """Keep the last of what came.

        Parameters
        ----------
        kept_s : so much, to whole half seconds
        """
        while len(self._means) > max(1, math.ceil(kept_s / MEAN_SEGMENT_S)):
            self._means.popleft()

    @property
    def value(self) -> float:
        """The mean; 0 before the first half second."""
        return sum(self._means) / len(self._means) if self._means else 0.0


class HumpFinder:
    """Local maxima of the energy, each given out when the energy has clearly fallen or 100 ms have passed.

    Notes
    -----
    Delay: until the energy has clearly fallen, 100 ms at most. Warm-up: none.

    References
    ----------
    Pan & Tompkins 1985, DOI 10.1109/TBME.1985.325532.
    """

    def __init__(self, rate_hz: float) -> None:
        self._hold = max(2, round(0.1 * rate_hz))
        self._best: tuple[int, float, float] | None = None
        """Place, energy and slope of the hump that is open."""
        self._valley = 0.0

    def run(self, first: int, energies: Sequence[float], slopes: Sequence[float]) -> dict[int, Candidate]:
        """Take consecutive samples.

        Parameters
        ----------
        first : decimated sample of the first
        energies, slopes : of each sample, shape (n_samples,)

        Returns
        -------
        the humps, by the sample they ended at
        """
        finished: dict[int, Candidate] = {}
        best, valley, hold = self._best, self._valley, self._hold
        at, top, steepest = best or (0, 0.0, 0.0)
        is_open = best is not None
        begin = first
        rise, fall = 1.2 * valley, 0.65 * top
        for n, energy in enumerate(energies, first):
            if not is_open:
                if energy < valley:
                    valley, rise = energy, 1.2 * energy
                elif energy > rise:
                    is_open, begin, steepest = True, n, 0.0
                    at, top, fall = n, energy, 0.65 * energy
            elif energy > top:
                at, top, fall = n, energy, 0.65 * energy
            elif energy <= fall or n - at >= hold:
                finished[n] = Candidate(at, top, max([steepest, *slopes[begin - first : n + 1 - first]]))
                is_open, valley, rise = False, energy, 1.2 * energy
        if is_open:
            steepest = max([steepest, *slopes[begin - first :]])
        self._best, self._valley = (at, top, steepest) if is_open else None, valley
        return finished
