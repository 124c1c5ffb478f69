"""The phase between heart rate and breath at the breathing rate, by cross-spectrum."""

import cmath
import math
from collections.abc import Sequence

from becalm_protocol.derived import BreathPhase, Index, Reason
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95

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
_HANN = [0.5 - 0.5 * math.cos(2.0 * math.pi * (k + 0.5) / _N) for k in range(_N)]


def phase_between(
    rr: Sequence[tuple[float, float]], turns: Sequence[tuple[float, BreathPhase]], *, end_s: float, rate_bpm: float
) -> Index:
    """Return how far heart rate is ahead of lung volume, in degrees from -180 to 180; 0: it rises with inhalation.

    `rr`: (time of the ending beat in s, interval in ms); `turns`: (time in s, what begins). Volume runs along half a
    cosine from turn to turn. Withheld as `unrelated` where the squared coherence is below 0.5. Bound: Carter 1987
    (10.1109/PROC.1987.13723) for the phase of a cross-spectrum, and the error of the turns.
    """
    times_s = [end_s - WINDOW_S + (k + 0.5) / GRID_HZ for k in range(round(WINDOW_S * GRID_HZ))]
    heart, volume = _rates(rr, times_s), _volumes(turns, times_s)
    turn = cmath.exp(-2j * math.pi * rate_bpm / 60.0 / GRID_HZ)
    wave = [weight * turn**k for k, weight in enumerate(_HANN)]
    cross, of_heart, of_volume = 0j, 0.0, 0.0
    for m in range(N_SEGMENTS):
        part = slice(m * _N // 2, m * _N // 2 + _N)
        x, y = _line(heart[part], wave), _line(volume[part], wave)
        cross += x * y.conjugate()
        of_heart += abs(x) ** 2
        of_volume += abs(y) ** 2
    if of_heart <= 0.0 or of_volume <= 0.0:
        return Index(reason=Reason.UNRELATED)
    coherence = abs(cross) ** 2 / (of_heart * of_volume)
    if coherence < MIN_COHERENCE:
        return Index(reason=Reason.UNRELATED)
    spread = math.sqrt((1.0 - coherence) / (2.0 * N_WORTH * coherence))
    bias = 2.0 * math.pi * rate_bpm / 60.0 * TURN_BIAS_S
    bound = min(180.0, math.degrees(Z_95 * spread + bias))
    return Index(value=math.degrees(cmath.phase(cross)), bound=bound, sample_ns=round(end_s * NS_PER_S))


def _line(part: Sequence[float], wave: Sequence[complex]) -> complex:
    mean = sum(part) / len(part)
    return sum([(x - mean) * w for x, w in zip(part, wave, strict=True)])


def _rates(rr: Sequence[tuple[float, float]], times_s: Sequence[float]) -> list[float]:
    """Return heart rate in 1/min; an interval speaks of its middle."""
    knots = [(t_s - ms / 2000.0, 60_000.0 / ms) for t_s, ms in rr]
    out, k = [], 0
    for t_s in times_s:
        while k < len(knots) - 2 and knots[k + 1][0] < t_s:
            k += 1
        (a_s, a), (b_s, b) = knots[k], knots[k + 1]
        out.append(a + min(1.0, max(0.0, (t_s - a_s) / max(b_s - a_s, 1e-3))) * (b - a))
    return out


def _volumes(turns: Sequence[tuple[float, BreathPhase]], times_s: Sequence[float]) -> list[float]:
    out, k = [], 0
    for t_s in times_s:
        while k < len(turns) - 2 and turns[k + 1][0] < t_s:
            k += 1
        (a_s, phase), (b_s, _) = turns[k], turns[k + 1]
        swing = 0.5 * math.cos(math.pi * min(1.0, max(0.0, (t_s - a_s) / max(b_s - a_s, 1e-3))))
        out.append(-swing if phase is BreathPhase.IN else swing)
    return out
