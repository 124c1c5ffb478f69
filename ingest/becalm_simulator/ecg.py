"""The electrocardiogram of given beats: P, Q, R, S and T as Gaussians around each R peak."""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.heart import HeartBeat
from becalm_simulator.person import Person

# A beat is seen from its P wave (0.3 s before R) to the end of a slow T wave (0.7 s after).
BEFORE_NS = ns_from_s(0.35)
AFTER_NS = ns_from_s(0.75)
# Breathing moves the electrodes: the baseline by this much a habitual breath, R height by a twentieth.
WANDER_UV = 60.0
R_MODULATION = 0.05


@value
class Wave:
    """One Gaussian of a beat."""

    at_s: float
    """Centre against the R peak; after it, scaled with the square root of the interval (Bazett)."""
    width_s: float
    height: float
    """Share of the R wave, or of the T wave where `is_t`."""
    is_t: bool = False


# After the dynamical model of McSharry 2003, doi:10.1109/TBME.2003.808805, table I.
SINUS = (
    Wave(at_s=-0.170, width_s=0.024, height=0.11),
    Wave(at_s=-0.028, width_s=0.009, height=-0.11),
    Wave(at_s=0.0, width_s=0.010, height=1.0),
    Wave(at_s=0.028, width_s=0.009, height=-0.22),
    Wave(at_s=0.270, width_s=0.050, height=1.0, is_t=True),
)
# From a ventricle: no P wave, broad and tall, T against it.
VENTRICULAR = (
    Wave(at_s=0.0, width_s=0.032, height=1.35),
    Wave(at_s=0.085, width_s=0.035, height=-0.45),
    Wave(at_s=0.300, width_s=0.065, height=-1.2, is_t=True),
)


def ecg_uv(
    person: Person, beats: list[HeartBeat], *, t_ns: NDArray[np.int64], volume: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the ECG in uV at ascending times, shape (n_samples,). Beats must reach 0.35 s past the last time."""
    total_uv = WANDER_UV * volume
    first = bisect_left(beats, int(t_ns[0]) - AFTER_NS, key=_when)
    last = bisect_left(beats, int(t_ns[-1]) + BEFORE_NS, key=_when)
    for beat in beats[first:last]:
        begin, end = np.searchsorted(t_ns, (beat.t_ns - BEFORE_NS, beat.t_ns + AFTER_NS))
        if begin < end:
            since_s = (t_ns[begin:end] - beat.t_ns) / NS_PER_S
            total_uv[begin:end] += _beat_uv(person, beat, since_s=since_s, volume=volume[begin:end])
    return total_uv


def _when(beat: HeartBeat) -> int:
    return beat.t_ns


def _beat_uv(
    person: Person, beat: HeartBeat, *, since_s: NDArray[np.float64], volume: NDArray[np.float64]
) -> NDArray[np.float64]:
    stretch = min(max(beat.rr_s, 0.4), 1.5) ** 0.5
    r_uv = person.r_wave_uv * (1.0 + R_MODULATION * (volume - 0.5))
    beat_uv = np.zeros_like(since_s)
    for wave in VENTRICULAR if beat.ventricular else SINUS:
        at_s = wave.at_s * stretch if wave.is_t else wave.at_s
        shape = np.exp(-0.5 * ((since_s - at_s) / wave.width_s) ** 2)
        beat_uv += shape * wave.height * (person.t_wave_uv if wave.is_t else r_uv)
    return beat_uv
