"""The electrocardiogram of given beats: P, Q, R, S and T as Gaussians around each R peak."""

import math
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.episode import EpisodeKind, Script
from becalm_simulator.heart import HeartBeat
from becalm_simulator.person import Person
from becalm_simulator.rhythm import BeatKind

# A beat is seen from its P wave (0.3 s before R) to the end of a slow T wave (0.7 s after).
BEFORE_NS = ns_from_s(0.35)
AFTER_NS = ns_from_s(0.75)
# Breathing turns the heart's axis: R height changes by this share a habitual breath.
R_MODULATION = 0.05
# A wave is nothing five widths from its centre.
SEEN_WIDTHS = 5.0
# Atria without a rhythm: small irregular waves between beats, 5 to 7 Hz.
FIBRILLATION_WAVES = ((5.3, 0.0), (6.7, 1.3))
FIBRILLATION_UV = 28.0


@value
class Wave:
    """One Gaussian of a beat."""

    at_s: float
    """Centre against the R peak; that of a T wave is scaled with the square root of the interval (Bazett)."""
    width_s: float
    height_uv: float
    is_t: bool = False


def beat_waves(person: Person, kind: BeatKind) -> tuple[Wave, ...]:
    """Return the waves of one beat. Timing after the model of McSharry 2003, doi:10.1109/TBME.2003.808805, table I."""
    r_uv, t_uv, wide = person.r_wave_uv, person.t_wave_uv, person.qrs_stretch
    if kind is BeatKind.VENTRICULAR:  # no P wave, broad, T against it
        r_uv *= person.ventricular_gain
        return (
            Wave(at_s=0.0, width_s=0.032, height_uv=r_uv),
            Wave(at_s=0.085, width_s=0.035, height_uv=-0.33 * r_uv),
            Wave(at_s=0.300, width_s=0.065, height_uv=-0.28 * r_uv, is_t=True),
        )
    qrst = (
        Wave(at_s=-0.028 * wide, width_s=0.009 * wide, height_uv=-person.q_share * r_uv),
        Wave(at_s=0.0, width_s=0.010 * wide, height_uv=r_uv),
        Wave(at_s=0.028 * wide, width_s=0.009 * wide, height_uv=-person.s_share * r_uv),
        # A T wave rises slowly and falls fast.
        Wave(at_s=0.250, width_s=0.055, height_uv=0.72 * t_uv, is_t=True),
        Wave(at_s=0.290, width_s=0.032, height_uv=0.45 * t_uv, is_t=True),
    )
    if kind is BeatKind.FIBRILLATION:
        return qrst
    # An early atrial beat has a P wave of another shape, closer to R.
    early = kind is BeatKind.ATRIAL
    p_wave = Wave(
        at_s=-0.130 if early else -0.170,
        width_s=0.020 if early else 0.024,
        height_uv=(-0.6 if early else 1.0) * person.p_wave_uv,
    )
    return (p_wave, *qrst)


class Electrocardiogram:
    """The ECG of one person's beats on well placed electrodes, in uV."""

    def __init__(self, person: Person, script: Script) -> None:
        self._waves = {kind: beat_waves(person, kind) for kind in BeatKind}
        self._script = script

    def uv(
        self, beats: list[HeartBeat], *, t_ns: NDArray[np.int64], volume: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return it at ascending times, shape (n_samples,). Beats must reach 0.35 s past the last time."""
        total_uv = np.zeros(len(t_ns))
        first = bisect_left(beats, int(t_ns[0]) - AFTER_NS, key=_when)
        last = bisect_left(beats, int(t_ns[-1]) + BEFORE_NS, key=_when)
        turn = 1.0 + R_MODULATION * (volume - 0.5)
        for beat in beats[first:last]:
            begin, end = np.searchsorted(t_ns, (beat.t_ns - BEFORE_NS, beat.t_ns + AFTER_NS))
            if begin < end:
                since_s = (t_ns[begin:end] - beat.t_ns) / NS_PER_S
                self._add(total_uv[begin:end], beat, since_s=since_s, turn=turn[begin:end])
                if beat.kind is BeatKind.FIBRILLATION:
                    total_uv[begin:end] += _atrial_waves(t_ns[begin:end], since_s)
        return total_uv

    def _add(
        self,
        total_uv: NDArray[np.float64],
        beat: HeartBeat,
        *,
        since_s: NDArray[np.float64],
        turn: NDArray[np.float64],
    ) -> None:
        stretch = math.sqrt(min(max(beat.rr_s, 0.4), 1.5))
        t_gain = self._script.amount(EpisodeKind.TALL_T, beat.t_ns) or 1.0
        for wave in self._waves[beat.kind]:
            at_s = wave.at_s * stretch if wave.is_t else wave.at_s
            reach_s = SEEN_WIDTHS * wave.width_s
            low, high = np.searchsorted(since_s, (at_s - reach_s, at_s + reach_s))
            if low < high:
                shape = np.exp(-0.5 * ((since_s[low:high] - at_s) / wave.width_s) ** 2)
                if wave.is_t:
                    total_uv[low:high] += t_gain * wave.height_uv * shape
                else:
                    total_uv[low:high] += wave.height_uv * shape * turn[low:high]


def _atrial_waves(t_ns: NDArray[np.int64], since_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the small waves around one beat of atria without a rhythm; those of neighbours overlap."""
    before_s, after_s = BEFORE_NS / NS_PER_S, AFTER_NS / NS_PER_S
    window = np.sin(math.pi * (since_s + before_s) / (before_s + after_s)) ** 2
    t_s = t_ns / NS_PER_S
    waves = sum(np.sin(2.0 * math.pi * hz * t_s + phase + np.sin(0.9 * t_s)) for hz, phase in FIBRILLATION_WAVES)
    return np.asarray(FIBRILLATION_UV * window * waves)


def _when(beat: HeartBeat) -> int:
    return beat.t_ns
