"""The heart: a rate that arousal, breath and slow waves move, and beats by integral pulse frequency modulation."""

import math

import numpy as np

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.person import Person

# Hirsch & Bishop 1981 (doi:10.1152/ajpheart.1981.241.4.H620): RSA is flat to 7.2 breaths/min and falls by 21 dB a
# decade above: a first-order low-pass of lung volume with its corner there (7.2 / 60 Hz) has tau = 1.33 s.
RSA_TAU_S = 60.0 / (2.0 * math.pi * 7.2)
# The heart answers changes of volume, not its mean: forgotten within a minute.
VOLUME_MEAN_TAU_S = 40.0
# Full arousal takes away half of the vagal modulation that is there at arousal 0.
RSA_WITHDRAWAL = 0.5
# Very-low-frequency wander and the 0.1 Hz Mayer wave.
VLF_SD_BPM = 1.2
VLF_TAU_S = 30.0
MAYER_HZ = 0.1
MAYER_SD_BPM = 0.9
MAYER_TAU_S = 25.0
# Jitter of the single beat, as a share of the interval (about 3 ms).
BEAT_JITTER = 0.0035
# A ventricular beat comes early, and the pause after it makes up for it (compensatory pause).
ECTOPIC_PREMATURITY = 0.62
MIN_RATE_BPM = 35.0
MAX_RATE_BPM = 180.0


@value
class HeartBeat:
    """One true beat."""

    t_ns: int
    """Its R peak."""
    rr_s: float
    """Interval from the beat before."""
    ventricular: bool = False


class Heart:
    """Beats in fixed steps: the result does not depend on how often anybody looks."""

    def __init__(self, person: Person, rng: np.random.Generator) -> None:
        self._person = person
        self._rng = rng
        self._volume_mean: float | None = None
        self._rsa = 0.0
        self._vlf = VLF_SD_BPM * float(rng.standard_normal())
        self._mayer = (MAYER_SD_BPM * float(rng.standard_normal()), MAYER_SD_BPM * float(rng.standard_normal()))
        self._charge = float(rng.random())
        self._threshold = 1.0
        self._ectopic_next = False
        self._last_beat_ns: int | None = None
        self.beats: list[HeartBeat] = []
        self.rate_bpm = person.resting_heart_rate_bpm

    def tick(self, t_ns: int, step_s: float, *, arousal: float, volume: float) -> None:
        """Advance from `t_ns` by one step with this arousal (0 to 1) and lung volume (habitual breaths)."""
        self.rate_bpm = self._rate_bpm(step_s, arousal=arousal, volume=volume)
        gain = step_s * self.rate_bpm / 60.0
        if self._charge + gain >= self._threshold:
            beat_ns = t_ns + ns_from_s(step_s * (self._threshold - self._charge) / gain)
            self._charge += gain - self._threshold
            self._beat(beat_ns)
        else:
            self._charge += gain

    def _rate_bpm(self, step_s: float, *, arousal: float, volume: float) -> float:
        person = self._person
        mean = volume if self._volume_mean is None else self._volume_mean
        self._volume_mean = mean + step_s / VOLUME_MEAN_TAU_S * (volume - mean)
        self._rsa += step_s / RSA_TAU_S * (volume - self._volume_mean - self._rsa)
        self._wander(step_s)
        rsa_bpm = person.rsa_bpm * (1.0 - RSA_WITHDRAWAL * arousal) * self._rsa
        rate_bpm = person.resting_heart_rate_bpm + person.heart_arousal_gain_bpm * arousal + rsa_bpm
        return min(max(rate_bpm + self._vlf + self._mayer[0], MIN_RATE_BPM), MAX_RATE_BPM)

    def _wander(self, step_s: float) -> None:
        rng = self._rng
        kept = math.exp(-step_s / VLF_TAU_S)
        self._vlf = kept * self._vlf + VLF_SD_BPM * math.sqrt(1.0 - kept * kept) * float(rng.standard_normal())
        kept = math.exp(-step_s / MAYER_TAU_S)
        fresh = MAYER_SD_BPM * math.sqrt(1.0 - kept * kept)
        angle = 2.0 * math.pi * MAYER_HZ * step_s
        x, y = self._mayer
        cos, sin = kept * math.cos(angle), kept * math.sin(angle)
        self._mayer = (
            cos * x - sin * y + fresh * float(rng.standard_normal()),
            sin * x + cos * y + fresh * float(rng.standard_normal()),
        )

    def _beat(self, t_ns: int) -> None:
        person, rng = self._person, self._rng
        before_ns = self._last_beat_ns
        rr_s = (t_ns - before_ns) / NS_PER_S if before_ns is not None else 60.0 / self.rate_bpm
        self.beats.append(HeartBeat(t_ns=t_ns, rr_s=rr_s, ventricular=self._ectopic_next))
        self._last_beat_ns = t_ns
        jitter = BEAT_JITTER * float(rng.standard_normal())
        early = bool(rng.random() < person.ectopic_share) and not self._ectopic_next
        if self._ectopic_next:
            self._threshold = 2.0 - ECTOPIC_PREMATURITY
        else:
            self._threshold = ECTOPIC_PREMATURITY if early else 1.0 + jitter
        self._ectopic_next = early
