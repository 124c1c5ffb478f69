"""Breathing from an ECG alone: each breath turns the heart's axis and moves the electrodes, beat by beat.

Three modulations of every QRS are read (its range, its height over the baseline, the baseline itself), laid on
an even grid and fused (`breath_spectrum`); what is told is the phase of the fused trace at the common rate. The rhythm
of the heart is left out of the rate: in ageing or ill hearts RR hardly breathes (on BIDMC it spoils the fusion).
"""

import cmath
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from statistics import median

from becalm_signal.breath_spectrum import GRID_HZ, N_WINDOW, common_breath

# A spectrum every 4 s: ten grid points.
N_STEP = 10
KEPT_HZ = 250.0
KEPT_S = 6.0
QRS_REACH_S = 0.06
BASE_S = (-0.09, -0.05)
# Beats further apart than this are no even trace.
MAX_BEAT_GAP_S = 2.5
N_USUAL = 21
N_MODULATIONS = 3
# Further from the usual than this many median deviations is an artefact or an early beat, not a breath.
CLIP_MADS = 5.0
# Told from this sharpness on, and on until it falls below the lower one. Beats that vary at random are told as breath
# for 11 % of the time (0.5 and 0.4: 18 %; 0.65 and 0.5: 2 %, but then only 40 % of BIDMC is told).
SHARP, BLURRED = 0.55, 0.45
# An even breath does not jump: the rate before and this one, in share of the rate.
MAX_JUMP = 0.12
LOOK_S = (3.0, 8.0)


@dataclass(frozen=True, slots=True)
class Turn:
    """The fused trace turned at this position (in samples of the ECG); a rise of the QRS is taken for inhalation."""

    at: float
    is_peak: bool


class EcgBreath:
    """Turns of the breath in one ECG.

    `feed` takes every sample, `beat(at)` every R peak found and returns the turns that it settled, oldest first.
    Delay: 3 to 12 s (one breath and up to 4 s). Warm-up: 24 s of beats. State: 6 s of samples, 24 s of modulations.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._stride = max(1, int(rate_hz / KEPT_HZ))
        self._kept: list[float] = []
        self._n_kept = round(KEPT_S * rate_hz / self._stride)
        self.restart()

    def restart(self) -> None:
        """Begin again after a gap; nothing reaches over it."""
        self._kept.clear()
        self._first_kept = 0
        self._n_seen = 0
        self._forget_beats()

    def _forget_beats(self) -> None:
        self._before: tuple[float, list[float]] | None = None
        self._usual = [deque[float](maxlen=N_USUAL) for _ in range(N_MODULATIONS)]
        self._rr_s: deque[float] = deque(maxlen=9)
        self._grid: deque[list[float]] = deque(maxlen=N_WINDOW)
        self._next_grid: int | None = None
        self._told = False
        self.rate_bpm: float | None = None
        self._turned_s = -math.inf
        self._was_peak: bool | None = None
        self._done_s = -math.inf
        self._trace: tuple[float, ...] | None = None

    def feed(self, samples: Sequence[float]) -> None:
        """Take samples of the ECG, shape (n_samples,)."""
        self._kept += samples[-self._n_seen % self._stride :: self._stride]
        self._n_seen += len(samples)
        while len(self._kept) > 2 * self._n_kept:
            self._first_kept += self._n_kept
            del self._kept[: self._n_kept]

    def beat(self, at: float) -> list[Turn]:
        """Take the position of an R peak, counted in samples since `restart`."""
        t_s = at / self._rate_hz
        before = self._before
        if before is not None and t_s - before[0] > MAX_BEAT_GAP_S:
            self._forget_beats()
            before = None
        if before is not None and t_s - before[0] < 0.2:
            return []
        read = self._read(at)
        if read is None:
            return []
        level = self._clipped(read)
        self._before = (t_s, level)
        if before is None or self._next_grid is None:
            self._next_grid = math.ceil(t_s * GRID_HZ)
            return []
        self._rr_s.append(t_s - before[0])
        return self._fill(before, (t_s, level))

    # ------------------------------------------------------------------------------------------------ modulations
    def _read(self, at: float) -> list[float] | None:
        """Return range, height and baseline of the QRS at this position."""
        kept_hz = self._rate_hz / self._stride
        middle = round(at / self._stride) - self._first_kept
        reach = max(2, round(QRS_REACH_S * kept_hz))
        base_from, base_to = (middle + round(s * kept_hz) for s in BASE_S)
        qrs = self._kept[max(0, middle - reach) : middle + reach + 1]
        before = self._kept[max(0, base_from) : max(0, base_to) + 1]
        if len(qrs) < 2 * reach + 1 or not before:
            return None
        base = sum(before) / len(before)
        top, bottom = _vertex(qrs), -_vertex([-x for x in qrs])
        height = top - base if top - base >= base - bottom else base - bottom
        return [top - bottom, height, base]

    def _clipped(self, read: Sequence[float]) -> list[float]:
        level = []
        for x, usual in zip(read, self._usual, strict=True):
            usual.append(x)
            middle = median(usual)
            reach = CLIP_MADS * median([abs(known - middle) for known in usual])
            level.append(min(max(x, middle - reach), middle + reach))
        return level

    def _fill(self, before: tuple[float, list[float]], after: tuple[float, list[float]]) -> list[Turn]:
        """Lay the stretch between two beats on the grid."""
        turns: list[Turn] = []
        (from_s, from_level), (to_s, to_level) = before, after
        assert self._next_grid is not None  # noqa: S101  (set by the first beat)
        while self._next_grid / GRID_HZ <= to_s:
            share = (self._next_grid / GRID_HZ - from_s) / (to_s - from_s)
            self._grid.append([a + share * (b - a) for a, b in zip(from_level, to_level, strict=True)])
            if len(self._grid) == N_WINDOW and self._next_grid % N_STEP == 0:
                turns += self._look(self._next_grid / GRID_HZ)
            self._next_grid += 1
        return turns

    # ------------------------------------------------------------------------------------------------------ turns
    def _look(self, now_s: float) -> list[Turn]:
        traces = list(zip(*self._grid, strict=True))
        common = common_breath(traces, heart_bpm=60.0 / median(self._rr_s))
        was_bpm = self.rate_bpm
        self.rate_bpm = common.rate_bpm if common is not None else None
        if common is None:
            self._told = False
            return []
        is_even = was_bpm is not None and abs(common.rate_bpm - was_bpm) <= MAX_JUMP * common.rate_bpm
        self._told = is_even and common.sharpness > (BLURRED if self._told else SHARP)
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
        oldest_s = now_s - (N_WINDOW - 1) / GRID_HZ
        reach = range(-n_look, n_look + 1)
        taper = [0.5 + 0.5 * math.cos(math.pi * k / (n_look + 1)) for k in reach]
        wave = [cmath.exp(-2j * math.pi * hz * k / GRID_HZ) for k in reach]
        begin = round((max(self._done_s, oldest_s) - oldest_s) * GRID_HZ)
        if begin < n_look:
            begin, self._was_peak = n_look, None
        turns: list[Turn] = []
        last: tuple[float, float] | None = None
        for k in range(begin, N_WINDOW - n_look):
            line = sum(map(mul, map(mul, trace[k - n_look : k + n_look + 1], taper), wave))
            phase, t_s = cmath.phase(line), oldest_s + k / GRID_HZ
            if last is not None:
                turns += self._crossings(last, (t_s, phase), period_s=1.0 / hz)
            last = (t_s, phase)
        if last is not None:
            self._done_s = last[0]
        return turns

    def _crossings(self, a: tuple[float, float], b: tuple[float, float], *, period_s: float) -> list[Turn]:
        """Return where the phase passes a peak (0) or a trough (pi) between two grid points."""
        step = (b[1] - a[1]) % (2.0 * math.pi)
        turns = []
        for target in (0.0, math.pi):
            ahead = (target - a[1]) % (2.0 * math.pi)
            t_s = a[0] + (b[0] - a[0]) * ahead / step if step > 0.0 else a[0]
            is_peak = target == 0.0
            if ahead < step < math.pi and is_peak is not self._was_peak and t_s - self._turned_s > 0.25 * period_s:
                self._was_peak, self._turned_s = is_peak, t_s
                turns.append(Turn(t_s * self._rate_hz, is_peak))
        return sorted(turns, key=lambda turn: turn.at)


def _vertex(samples: Sequence[float]) -> float:
    """Return the highest value of a parabola through the highest sample and its neighbours."""
    top = max(range(len(samples)), key=samples.__getitem__)
    if not 0 < top < len(samples) - 1:
        return samples[top]
    before, at, after = samples[top - 1 : top + 2]
    curvature = before - 2.0 * at + after
    return at - (before - after) ** 2 / (8.0 * curvature) if curvature < 0.0 else at
