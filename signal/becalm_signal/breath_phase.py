"""The phase between heart rate and breath at the breathing rate, by cross-spectrum."""

import cmath
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from becalm_protocol.derived import BreathPhase, Index, Reason
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95

Floats = npt.NDArray[np.float64]

GRID_HZ = 2.0
WINDOW_S = 60.0
# Five Hann segments of 20 s, each half over the next: two breaths in each at six a minute.
SEGMENT_S = 20.0
N_SEGMENTS = 5
# Neighbouring Hann segments share a sixth of their variance: five are worth about four (Welch 1967).
N_WORTH = 4.0
MIN_COHERENCE = 0.5
# Turns are this exact on average over a window (their errors are partly the same from breath to breath).
TURN_BIAS_S = 0.15
_N = round(SEGMENT_S * GRID_HZ)
_HANN = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(_N) + 0.5) / _N)
_GRID_S: Floats = np.asarray((np.arange(round(WINDOW_S * GRID_HZ)) + 0.5) / GRID_HZ - WINDOW_S)
_SEGMENTS = np.arange(_N) + _N // 2 * np.arange(N_SEGMENTS)[:, None]


def phase_between(
    rr: Sequence[tuple[float, float]], turns: Sequence[tuple[float, BreathPhase]], *, end_s: float, rate_bpm: float
) -> Index:
    """Return how far heart rate is ahead of lung volume; 0: it rises with inhalation.

    Volume runs along half a cosine from turn to turn. Withheld as `unrelated` where the squared coherence is below
    0.5.

    Parameters
    ----------
    rr : (time of the ending beat in s, interval in ms), shape (n_beats, 2)
    turns : (time in s, what begins), shape (n_turns, 2)
    end_s : end of the window of 60 s
    rate_bpm : breathing rate in 1/min

    Returns
    -------
    degrees from -180 to 180; bound: the phase of a cross-spectrum, and the error of the turns

    References
    ----------
    Carter 1987, DOI 10.1109/PROC.1987.13723.
    """
    times_s: Floats = end_s + _GRID_S
    wave = _HANN * np.exp(-2j * np.pi * rate_bpm / 60.0 / GRID_HZ * np.arange(_N))
    heart, volume = _lines(_rates(rr, times_s), wave), _lines(_volumes(turns, times_s), wave)
    cross = complex((heart * volume.conjugate()).sum())
    of_heart, of_volume = float((np.abs(heart) ** 2).sum()), float((np.abs(volume) ** 2).sum())
    if of_heart <= 0.0 or of_volume <= 0.0:
        return Index(reason=Reason.UNRELATED)
    coherence = abs(cross) ** 2 / (of_heart * of_volume)
    if coherence < MIN_COHERENCE:
        return Index(reason=Reason.UNRELATED)
    spread = math.sqrt((1.0 - coherence) / (2.0 * N_WORTH * coherence))
    bias = 2.0 * math.pi * rate_bpm / 60.0 * TURN_BIAS_S
    bound = min(180.0, math.degrees(Z_95 * spread + bias))
    return Index(value=math.degrees(cmath.phase(cross)), bound=bound, sample_ns=round(end_s * NS_PER_S))


def _lines(grid: Floats, wave: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    """Return the line of each segment at the wave's frequency."""
    parts = grid[_SEGMENTS]
    return np.asarray(((parts - parts.sum(axis=1, keepdims=True) / _N) * wave).sum(axis=1))


def _rates(rr: Sequence[tuple[float, float]], times_s: Floats) -> Floats:
    """Return heart rate in 1/min; an interval speaks of its middle."""
    ends_s, ms = np.array(rr).T
    return np.asarray(np.interp(times_s, ends_s - ms / 2000.0, 60_000.0 / ms))


def _volumes(turns: Sequence[tuple[float, BreathPhase]], times_s: Floats) -> Floats:
    turns_s = np.array([t_s for t_s, _ in turns])
    before = np.minimum(np.maximum(turns_s.searchsorted(times_s) - 1, 0), len(turns) - 2)
    lengths_s = np.maximum(turns_s[1:] - turns_s[:-1], 1e-3)
    swings = np.array([-0.5 if phase is BreathPhase.IN else 0.5 for _, phase in turns])
    shares = np.minimum(np.maximum((times_s - turns_s[before]) / lengths_s[before], 0.0), 1.0)
    return np.asarray(swings[before] * np.cos(np.pi * shares))
