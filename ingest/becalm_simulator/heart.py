"""The heart: a rate that arousal, breath, posture and slow waves move; beats by integral pulse frequency modulation."""

import cmath
import math

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.dice import Dice
from becalm_simulator.person import Person
from becalm_simulator.rhythm import BeatKind, Rhythm

# Hirsch & Bishop 1981 (doi:10.1152/ajpheart.1981.241.4.H620): RSA is flat to 7.2 breaths/min and falls by 21 dB a
# decade above: a first-order low-pass of lung volume with its corner there (7.2 / 60 Hz) has tau = 1.33 s.
RSA_TAU_S = 60.0 / (2.0 * math.pi * 7.2)
# The heart answers changes of volume, not its mean: forgotten within a minute.
VOLUME_MEAN_TAU_S = 40.0
MEAN_VOLUME = 0.5
# Full arousal takes away half of the vagal modulation that is there at arousal 0.
RSA_WITHDRAWAL = 0.5
# The baroreflex loop as a resonator of quality 3: half as strong 0.17 of its rate away, forgotten in three waves.
# Breathing that drives it at its own rate is what "resonance" means (Vaschillo 2006, doi:10.1007/s10484-006-9009-3).
RESONANCE_QUALITY = 3.0
VLF_TAU_S = 30.0
POSTURE_TAU_S = 8.0
# Walking adds 30 bpm; standing and walking leave less vagal modulation, lying a little more.
MOVING_BPM = 30.0
SUPINE_BPM = -4.0
VAGAL_STANDING, VAGAL_MOVING, VAGAL_SUPINE = -0.45, -0.6, 0.1
# Atria without a rhythm pass more impulses on.
FIBRILLATION_BPM = 18.0
MIN_RATE_BPM = 35.0
MAX_RATE_BPM = 180.0


@value
class HeartBeat:
    """One true beat."""

    t_ns: int
    """Its R peak."""
    rr_s: float
    """Interval from the beat before."""
    kind: BeatKind = BeatKind.SINUS

    @property
    def ventricular(self) -> bool:
        """Whether it came early from a ventricle."""
        return self.kind is BeatKind.VENTRICULAR


@value
class Strain:
    """What the heart has to cope with besides arousal: shares from 0 to 1."""

    standing: float = 0.0
    supine: float = 0.0
    moving: float = 0.0
    early_beats: float = 0.0
    """Share of beats that come early from a ventricle, besides the person's own."""
    fibrillation: float = 0.0
    """1: the atria have no rhythm."""


AT_EASE = Strain()


class Heart:
    """Beats in fixed steps: the result does not depend on how often anybody looks."""

    def __init__(self, person: Person, dice: Dice, *, step_s: float) -> None:
        self._person = person
        self._dice = dice
        self._step_s = step_s
        self._rhythm = Rhythm(person, dice)
        self._volume_mean = MEAN_VOLUME
        self._rsa = 0.0
        omega = 2.0 * math.pi * person.resonance_rate_bpm / 60.0
        self._resonance_tau_s = 2.0 * RESONANCE_QUALITY / omega
        self._turn = cmath.exp(step_s * complex(-1.0 / self._resonance_tau_s, omega))
        self._omega = omega
        # Twice the drive, because only the real part of the wave is felt.
        self._drive = 2.0 * person.resonance_gain * step_s / self._resonance_tau_s
        self._resonance = 0.0j
        self._vlf = person.vlf_bpm * dice.normal()
        self._mayer = person.mayer_bpm * complex(dice.normal(), dice.normal())
        self._strain_bpm = 0.0
        self._arousal = person.arousal_everyday
        self._base_bpm = person.resting_heart_rate_bpm + person.heart_arousal_gain_bpm * self._arousal
        self._vagal_bpm = person.rsa_bpm
        self._vagal = 1.0
        self._charge = dice.uniform()
        self._threshold = 1.0
        self._last_beat_ns: int | None = None
        self.beats: list[HeartBeat] = []
        self.rate_bpm = self._base_bpm

    def settle(self, step_s: float, *, arousal: float, strain: Strain = AT_EASE) -> None:
        """Move everything slow by one (longer) step: arousal felt late, posture, wander of the rate."""
        person, dice = self._person, self._dice
        self._arousal += (1.0 - math.exp(-step_s / person.heart_arousal_lag_s)) * (arousal - self._arousal)
        towards_bpm = person.standing_bpm * strain.standing + SUPINE_BPM * strain.supine + MOVING_BPM * strain.moving
        moved = 1.0 - math.exp(-step_s / POSTURE_TAU_S)
        self._strain_bpm += moved * (towards_bpm - self._strain_bpm)
        vagal = 1.0 + VAGAL_STANDING * strain.standing + VAGAL_MOVING * strain.moving + VAGAL_SUPINE * strain.supine
        self._vagal += moved * (max(vagal, 0.1) - self._vagal)
        kept = math.exp(-step_s / VLF_TAU_S)
        self._vlf = kept * self._vlf + person.vlf_bpm * math.sqrt(1.0 - kept * kept) * dice.normal()
        kept = math.exp(-step_s / self._resonance_tau_s)
        fresh = person.mayer_bpm * math.sqrt(1.0 - kept * kept)
        turned = self._mayer * kept * cmath.exp(1j * self._omega * step_s)
        self._mayer = turned + fresh * complex(dice.normal(), dice.normal())
        self._rhythm.drift(step_s)
        self._rhythm.force(early_share=strain.early_beats, fibrillating=strain.fibrillation > 0.0)
        self._vagal_bpm = person.rsa_bpm * (1.0 - RSA_WITHDRAWAL * self._arousal) * self._vagal
        wander_bpm = self._vlf + self._mayer.real * self._vagal
        if self._rhythm.fibrillating:  # atria without a rhythm follow neither breath nor baroreflex
            self._vagal_bpm, wander_bpm = 0.0, self._vlf + FIBRILLATION_BPM
        arousal_bpm = person.heart_arousal_gain_bpm * self._arousal
        self._base_bpm = person.resting_heart_rate_bpm + arousal_bpm + self._strain_bpm + wander_bpm

    def tick(self, t_ns: int, *, volume: float) -> None:
        """Advance from `t_ns` by one step with this lung volume (habitual breaths)."""
        step_s = self._step_s
        self._volume_mean += step_s / VOLUME_MEAN_TAU_S * (volume - self._volume_mean)
        self._rsa += step_s / RSA_TAU_S * (volume - self._volume_mean - self._rsa)
        self._resonance = self._turn * self._resonance + self._drive * self._rsa
        rate_bpm = self._base_bpm + self._vagal_bpm * (self._rsa + self._resonance.real)
        self.rate_bpm = min(max(rate_bpm, MIN_RATE_BPM), MAX_RATE_BPM)
        gain = step_s * self.rate_bpm / 60.0
        if self._charge + gain >= self._threshold:
            beat_ns = t_ns + ns_from_s(step_s * (self._threshold - self._charge) / gain)
            self._charge += gain - self._threshold
            self._beat(beat_ns)
        else:
            self._charge += gain

    def _beat(self, t_ns: int) -> None:
        before_ns = self._last_beat_ns
        rr_s = (t_ns - before_ns) / NS_PER_S if before_ns is not None else 60.0 / self.rate_bpm
        self.beats.append(HeartBeat(t_ns=t_ns, rr_s=rr_s, kind=self._rhythm.kind))
        self._last_beat_ns = t_ns
        self._threshold = self._rhythm.next_share()
