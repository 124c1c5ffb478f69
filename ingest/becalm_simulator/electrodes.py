"""What electrodes add to what a body gives: wander, hum, muscle, pops, loose contact."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.cough import coughed_n
from becalm_simulator.episode import ECG_KINDS, SKIN_KINDS, Episode, EpisodeKind, Script
from becalm_simulator.grid_noise import GridNoise
from becalm_simulator.person import Person

# Muscle fires from a few Hz to hundreds: white up to half of this grid.
MUSCLE_RATE_HZ = 500
# The baseline moves with sweat and cable within seconds.
WANDER_RATE_HZ = 1
# A disturbance comes and goes within this time; pops and loose contacts come at once.
RAMP_S = 0.5
# An electrode pop: a jump that leaks away; one every second or so.
POP_PERIOD_S = 1.3
POP_TAU_S = 0.35
# Free electrodes: the amplifier sees hum and drift, and no heart.
OFF_HUM_UV = 400.0
OFF_DRIFT_UV = 900.0
OFF_NOISE_UV = 120.0
# Jerks of a skin electrode: pressure changes conductance at once, and it creeps back.
JERK_PERIOD_S = 0.9
JERK_TAU_S = 0.8
OFF_SKIN_US = 0.02
# A jump is gone after eight time constants; it outlasts its episode by so much.
GONE_TAUS = 8.0
TAIL_NS = ns_from_s(GONE_TAUS * max(POP_TAU_S, JERK_TAU_S))
# A cough of 1 N on a belt: muscle and cable.
COUGH_MUSCLE_UV_PER_N = 60.0
COUGH_UV_PER_N = 80.0
COUGH_US_PER_N = 0.02
POWERLINE_HZ = {EpisodeKind.POWERLINE_50: 50.0, EpisodeKind.POWERLINE_60: 60.0}

Levels = Callable[[NDArray[np.int64]], NDArray[np.float64]]


class Electrodes:
    """The ECG and skin electrodes of one person; what they add is a function of time."""

    def __init__(self, person: Person, script: Script, *, seed: int) -> None:
        self._person = person
        self._script = script
        self._muscle = GridNoise(seed, tag=9, rate_hz=MUSCLE_RATE_HZ)
        self._wander = GridNoise(seed, tag=10, rate_hz=WANDER_RATE_HZ)
        self._jerks = GridNoise(seed, tag=11, rate_hz=1)

    def ecg_uv(
        self, heart_uv: NDArray[np.float64], *, t_ns: NDArray[np.int64], volume: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what the electrodes show of what the heart gives, at ascending times."""
        person, script = self._person, self._script
        moving = self._script.eased(EpisodeKind.MOVING, t_ns, ramp_s=RAMP_S)
        muscle, wander = self._muscle.at(t_ns), self._wander.at(t_ns)
        t_s = t_ns / NS_PER_S
        shown_uv = person.electrode_gain * heart_uv
        shown_uv += person.wander_uv * ((volume - 0.5) + 0.5 * wander)
        shown_uv += (person.muscle_uv + 90.0 * moving) * muscle + 350.0 * moving * wander
        shown_uv += person.hum_uv * np.sin(2.0 * math.pi * person.hum_hz * t_s)
        cough_n = coughed_n(script, t_ns)
        shown_uv += COUGH_UV_PER_N * cough_n + COUGH_MUSCLE_UV_PER_N * np.abs(cough_n) * muscle
        for episode in script.within(ECG_KINDS, int(t_ns[0]) - TAIL_NS, last_ns=int(t_ns[-1])):
            shown_uv = self._disturb(shown_uv, episode, t_ns=t_ns, muscle=muscle, wander=wander)
        return shown_uv

    def skin_us(self, skin_us: Levels, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what the skin electrodes show at ascending times; `skin_us` gives the skin's own at any times."""
        moving = self._script.eased(EpisodeKind.MOVING, t_ns, ramp_s=RAMP_S)
        shown_us = skin_us(t_ns) + COUGH_US_PER_N * coughed_n(self._script, t_ns)
        if np.any(moving):
            shown_us = shown_us + 0.25 * moving * self._muscle.at(t_ns)
        for episode in self._script.within(SKIN_KINDS, int(t_ns[0]) - TAIL_NS, last_ns=int(t_ns[-1])):
            shown_us = self._disturb_skin(shown_us, episode, t_ns=t_ns, skin_us=skin_us)
        return np.maximum(shown_us, 0.0)

    def _disturb_skin(
        self, shown_us: NDArray[np.float64], episode: Episode, *, t_ns: NDArray[np.int64], skin_us: Levels
    ) -> NDArray[np.float64]:
        kind, amount = episode.kind, episode.amount
        inside = (t_ns >= episode.start_ns) & (t_ns < episode.end_ns)
        if kind is EpisodeKind.SKIN_OFF:
            return np.where(inside, OFF_SKIN_US, shown_us)
        if kind is EpisodeKind.SKIN_NOISE:
            return np.asarray(shown_us + amount * episode.ramp(t_ns, ramp_s=RAMP_S) * self._muscle.at(t_ns))
        if kind is EpisodeKind.SKIN_DRYING:  # paste dries slowly; wetted again, it is as it was
            share = (t_ns - episode.start_ns) / (episode.end_ns - episode.start_ns)
            return np.where(inside, shown_us * (1.0 - amount * np.clip(share, 0.0, 1.0)), shown_us)
        if kind is EpisodeKind.SKIN_CLIPPED:
            top_us = amount * skin_us(np.asarray([episode.start_ns], dtype=np.int64))[0]
            return np.where(inside, np.minimum(shown_us, top_us), shown_us)
        return shown_us + amount * self._jumps(episode, t_ns, every_s=JERK_PERIOD_S, tau_s=JERK_TAU_S)

    def _disturb(
        self,
        shown_uv: NDArray[np.float64],
        episode: Episode,
        *,
        t_ns: NDArray[np.int64],
        muscle: NDArray[np.float64],
        wander: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        kind, amount = episode.kind, episode.amount
        inside = (t_ns >= episode.start_ns) & (t_ns < episode.end_ns)
        if kind in POWERLINE_HZ:
            wave = np.sin(2.0 * math.pi * POWERLINE_HZ[kind] * t_ns / NS_PER_S)
            return np.asarray(shown_uv + amount * episode.ramp(t_ns, ramp_s=RAMP_S) * wave)
        if kind is EpisodeKind.WANDER:
            return np.asarray(shown_uv + amount * episode.ramp(t_ns, ramp_s=RAMP_S) * wander)
        if kind is EpisodeKind.MUSCLE:
            return np.asarray(shown_uv + amount * episode.ramp(t_ns, ramp_s=RAMP_S) * muscle)
        if kind is EpisodeKind.POPS:
            return shown_uv + amount * self._jumps(episode, t_ns, every_s=POP_PERIOD_S, tau_s=POP_TAU_S)
        if kind is EpisodeKind.ECG_CLIPPED:
            return np.where(inside, np.clip(shown_uv, -amount, amount), shown_uv)
        if kind is EpisodeKind.POLARITY:
            return np.where(inside & (amount > 0.5), -shown_uv, shown_uv)
        if kind is EpisodeKind.OFF_BODY:
            hum = OFF_HUM_UV * np.sin(2.0 * math.pi * self._person.hum_hz * t_ns / NS_PER_S)
            return np.where(inside, hum + OFF_DRIFT_UV * wander + OFF_NOISE_UV * muscle, shown_uv)
        return shown_uv  # tall T waves are already in what the heart gives

    def _jumps(self, episode: Episode, t_ns: NDArray[np.int64], *, every_s: float, tau_s: float) -> NDArray[np.float64]:
        """Return jumps of about size 1, one every `every_s`, that leak away."""
        total = np.zeros(len(t_ns))
        every_ns = ns_from_s(every_s)
        first = max((int(t_ns[0]) - episode.start_ns - ns_from_s(GONE_TAUS * tau_s)) // every_ns, 0)
        last = (min(int(t_ns[-1]), episode.end_ns - 1) - episode.start_ns) // every_ns
        for i in range(first, last + 1):
            at_ns = episode.start_ns + i * every_ns
            size = float(self._jerks.at(np.asarray([at_ns], dtype=np.int64))[0])
            begin, end = np.searchsorted(t_ns, (at_ns, at_ns + ns_from_s(GONE_TAUS * tau_s)))
            total[begin:end] += size * np.exp(-(t_ns[begin:end] - at_ns) / (tau_s * NS_PER_S))
        return total
