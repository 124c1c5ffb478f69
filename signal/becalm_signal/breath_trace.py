"""From slow traces read beat by beat to turns of the breath: a common rate, and the phase at it.

Beats lay their levels on an even grid; every four seconds `breath_spectrum` tells at which rate the traces breathe, and
where that is clear the phase of their sum at that rate gives the turns.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import mul
from statistics import median

import numpy as np

from becalm_signal.breath_spectrum import GRID_HZ, BreathSpectrum

# A spectrum every 4 s: ten grid points.
N_STEP = 10
# Two beats nearer than this are no two.
LEAST_STEP_S = 0.2
# An even breath does not jump: the rate before and this one, in share of the rate.
MAX_JUMP = 0.12
LOOK_S = (3.0, 8.0)
# Turns follow on each other after half a breath; after so much of one, one was lost.
LOST_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Turn:
    """The sum of the traces turned at this position; a rise of the first trace is taken for inhalation."""

    at: float
    is_peak: bool
    is_torn: bool = False
    """It does not follow on the turn before: one between them was not seen."""


class TraceBreath:
    """Turns of the breath in traces that are read once a beat.

    Told from sharpness `sharp` on, and on until it falls below `blurred`.

    Notes
    -----
    Delay: 3 to 12 s (one breath and up to 4 s). Warm-up: a window of beats.

    References
    ----------
    Karlen et al. 2013, DOI 10.1109/TBME.2013.2246160; Charlton et al. 2016, DOI 10.1088/0967-3334/37/4/610.
    """

    def __init__(self, spectrum: BreathSpectrum, *, sharp: float, blurred: float, longest_step_s: float) -> None:
        self._spectrum = spectrum
        self._sharp, self._blurred = sharp, blurred
        self._longest_step_s = longest_step_s
        self.forget()

    def forget(self) -> None:
        """Begin again: nothing reaches over a gap."""
        self._before: tuple[float, Sequence[float]] | None = None
        self._rr_s: deque[float] = deque(maxlen=9)
        self._grid: deque[list[float]] = deque(maxlen=self._spectrum.n_window)
        self._next_grid: int | None = None
        self._told = False
        self.rate_bpm: float | None = None
        self._turned_s = -math.inf
        self._was_peak: bool | None = None
        self._done_s = -math.inf
        self._trace: tuple[float, ...] | None = None

    def is_torn(self, t_s: float) -> bool:
        """Whether a beat at this time is too far from the one before to go on from it."""
        return self._before is not None and t_s - self._before[0] > self._longest_step_s

    def is_near(self, t_s: float) -> bool:
        """Whether a beat at this time is too near to the one before to be another."""
        return self._before is not None and t_s - self._before[0] < LEAST_STEP_S

    def beat(self, t_s: float, levels: Sequence[float]) -> list[Turn]:
        """Take what the traces show at the next beat.

        Parameters
        ----------
        t_s : time of the beat in s
        levels : one of each trace, in its unit, shape (n_traces,)

        Returns
        -------
        the turns that it settled, in seconds, oldest first
        """
        if self.is_torn(t_s):
            self.forget()
        if self.is_near(t_s):
            return []
        before, self._before = self._before, (t_s, levels)
        if before is None or self._next_grid is None:
            self._next_grid = math.ceil(t_s * GRID_HZ)
            return []
        self._rr_s.append(t_s - before[0])
        return self._fill(before, (t_s, levels))

    def _fill(self, before: tuple[float, Sequence[float]], after: tuple[float, Sequence[float]]) -> list[Turn]:
        """Lay the stretch between two beats on the grid."""
        turns: list[Turn] = []
        (from_s, from_level), (to_s, to_level) = before, after
        assert self._next_grid is not None  # noqa: S101  (set by the first beat)
        while self._next_grid / GRID_HZ <= to_s:
            share = (self._next_grid / GRID_HZ - from_s) / (to_s - from_s)
            self._grid.append([a + share * (b - a) for a, b in zip(from_level, to_level, strict=True)])
            if len(self._grid) == self._spectrum.n_window and self._next_grid % N_STEP == 0:
                turns += self._look(self._next_grid / GRID_HZ)
            self._next_grid += 1
        return turns

    # ------------------------------------------------------------------------------------------------------ turns
    def _look(self, now_s: float) -> list[Turn]:
        traces = list(zip(*self._grid, strict=True))
        common = self._spectrum.common_breath(traces, heart_bpm=60.0 / median(self._rr_s))
        was_bpm = self.rate_bpm
        self.rate_bpm = common.rate_bpm if common is not None else None
        if common is None:
            self._told = False
            return []
        is_even = was_bpm is not None and abs(common.rate_bpm - was_bpm) <= MAX_JUMP * common.rate_bpm
        self._told = is_even and common.sharpness > (self._blurred if self._told else self._sharp)
        trace = self._same_way(common.trace)
        return self._turns(trace, common.rate_bpm / 60.0, now_s=now_s) if self._told else []

    def _same_way(self, trace: tuple[float, ...]) -> tuple[float, ...]:
        """Turn the trace so that it goes on from the one before: which way is up must not change on the way."""
        if self._trace is not None and sum(map(mul, self._trace[N_STEP:], trace)) < 0.0:
            trace = tuple(-x for x in trace)
        self._trace = trace
        return trace

    def _turns(self, trace: tuple[float, ...], hz: float, *, now_s: float) -> list[Turn]:
        """Return the turns between what was told before, as far as the trace holds it, and one breath ago."""
        look_s = min(max(1.0 / hz, LOOK_S[0]), LOOK_S[1])
        n_look = round(look_s * GRID_HZ)
        oldest_s = now_s - (self._spectrum.n_window - 1) / GRID_HZ
        reach = np.arange(-n_look, n_look + 1)
        wave = (0.5 + 0.5 * np.cos(np.pi * reach / (n_look + 1))) * np.exp(2j * np.pi * hz * reach / GRID_HZ)
        begin = round((max(self._done_s, oldest_s) - oldest_s) * GRID_HZ)
        if begin < n_look:
            begin, self._was_peak = n_look, None
        if begin >= self._spectrum.n_window - n_look:
            return []
        phases = np.angle(np.correlate(trace[begin - n_look :], wave, "valid")).tolist()
        points = [(oldest_s + k / GRID_HZ, phase) for k, phase in enumerate(phases, begin)]
        self._done_s = points[-1][0]
        return [turn for a, b in pairwise(points) for turn in self._crossings(a, b, period_s=1.0 / hz)]

    def _crossings(self, a: tuple[float, float], b: tuple[float, float], *, period_s: float) -> list[Turn]:
        """Return where the phase passes a peak (0) or a trough (pi) between two grid points."""
        step = (b[1] - a[1]) % (2.0 * math.pi)
        turns = []
        for target in (0.0, math.pi):
            ahead = (target - a[1]) % (2.0 * math.pi)
            t_s = a[0] + (b[0] - a[0]) * ahead / step if step > 0.0 else a[0]
            is_peak = target == 0.0
            if ahead < step < math.pi and is_peak is not self._was_peak and t_s - self._turned_s > 0.25 * period_s:
                turns.append(Turn(t_s, is_peak, is_torn=t_s - self._turned_s > LOST_SHARE * period_s))
                self._was_peak, self._turned_s = is_peak, t_s
        return sorted(turns, key=lambda turn: turn.at)
