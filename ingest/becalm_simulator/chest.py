"""What breathing does to the outside of a chest: the pull on a belt, the tilt of an accelerometer, impedance."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.units import NS_PER_S
from becalm_simulator.belt_wear import BeltWear
from becalm_simulator.cough import coughed_n
from becalm_simulator.episode import EpisodeKind, Script
from becalm_simulator.grid_noise import GridNoise
from becalm_simulator.heart import HeartBeat
from becalm_simulator.person import Person
from becalm_simulator.pulse import echo

BELT_DRIFT_N = 0.25
BELT_DRIFT_S = (97.0, 211.0)
BELT_MOVING_N = 2.5
# A belt sits otherwise on a chest that lies or stands; turning over takes a while.
BELT_SUPINE_N = -1.2
BELT_STANDING_N = 0.6
TURN_OVER_S = 2.5
# Movement is slower than muscle: strides and shifts.
MOVING_RATE_HZ = 6
MOVING_MG = 180.0
GRAVITY_MG = 1000.0
# Lying, gravity points into the chest; upright, along it. Breathing tilts the plate of a strap between the two axes.
UPRIGHT_RAD = 1.45
SUPINE_RAD = 0.12
# Each beat shakes the chest: a few mg, gone within a quarter of a second.
BEAT_MG = 5.0
BEAT_HZ = 11.0
BEAT_TAU_S = 0.06
BEAT_SEEN_NS = 400_000_000
# Impedance between two electrodes on a chest, and what one beat's blood takes away from it.
BASE_OHM = 480.0
BEAT_OHM = 0.08
# A cough of 1 N on a belt shakes a strap by so much.
COUGH_MG_PER_N = 40.0
COUGH_OHM_PER_N = 0.1
STUCK = frozenset({EpisodeKind.AXIS_STUCK})

Volume = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Lung volume in habitual breaths at any ascending times."""


class Chest:
    """Signals of one chest as functions of time, lung volume and beats."""

    def __init__(self, person: Person, script: Script, *, seed: int, phases: NDArray[np.float64]) -> None:
        self._person = person
        self._script = script
        self._phases = phases
        self._belt = BeltWear(person, script)
        self._moving = GridNoise(seed, tag=12, rate_hz=MOVING_RATE_HZ)
        self._slow = GridNoise(seed, tag=13, rate_hz=1)

    def force_n(self, t_ns: NDArray[np.int64], volume: Volume) -> NDArray[np.float64]:
        """Return the pull on a chest belt in N as the belt shows it, shape (n_samples,)."""
        return self._belt.force_n(t_ns, lambda times_ns: self._pull_n(times_ns, volume(times_ns)))

    def _pull_n(self, t_ns: NDArray[np.int64], volume: NDArray[np.float64]) -> NDArray[np.float64]:
        person = self._person
        t_s = t_ns / NS_PER_S
        force_n = person.belt_tension_n + person.belt_depth_n * volume
        for period_s, phase in zip(BELT_DRIFT_S, self._phases, strict=True):
            force_n += BELT_DRIFT_N * np.sin(2.0 * np.pi * t_s / period_s + phase)
        force_n += BELT_SUPINE_N * self._script.eased(EpisodeKind.SUPINE, t_ns, ramp_s=TURN_OVER_S)
        force_n += BELT_STANDING_N * self._script.eased(EpisodeKind.STANDING, t_ns, ramp_s=TURN_OVER_S)
        moving = self._script.amounts(EpisodeKind.MOVING, t_ns)
        if np.any(moving):
            force_n += BELT_MOVING_N * moving * self._moving.at(t_ns)
        return np.maximum(force_n, 0.0)

    def acceleration_mg(
        self, t_ns: NDArray[np.int64], volume: Volume, *, beats: list[HeartBeat]
    ) -> NDArray[np.float64]:
        """Return acceleration of a strap in mg along (across, up, out of the chest), shape (n_samples, 3)."""
        shown_mg = self._moved_mg(t_ns, volume(t_ns), beats=beats)
        for episode in self._script.within(STUCK, int(t_ns[0]), last_ns=int(t_ns[-1])):
            start_ns = np.asarray([episode.start_ns], dtype=np.int64)
            stuck_mg = self._moved_mg(start_ns, volume(start_ns), beats=beats)[0, 2]
            inside = (t_ns >= episode.start_ns) & (t_ns < episode.end_ns) & (episode.amount > 0.5)
            shown_mg[:, 2] = np.where(inside, stuck_mg, shown_mg[:, 2])
        return shown_mg

    def _moved_mg(
        self, t_ns: NDArray[np.int64], volume: NDArray[np.float64], *, beats: list[HeartBeat]
    ) -> NDArray[np.float64]:
        supine = self._script.eased(EpisodeKind.SUPINE, t_ns, ramp_s=TURN_OVER_S)
        tilt_rad = UPRIGHT_RAD + (SUPINE_RAD - UPRIGHT_RAD) * supine
        tilt_rad = tilt_rad - self._person.chest_tilt_mg / GRAVITY_MG * volume
        shake = MOVING_MG * self._script.amounts(EpisodeKind.MOVING, t_ns) * self._moving.at(t_ns)
        shake += COUGH_MG_PER_N * coughed_n(self._script, t_ns)
        beat_mg = echo(beats, t_ns, shape=_thud, seen_ns=BEAT_SEEN_NS)
        return np.stack(
            (
                4.0 * self._slow.at(t_ns) + 0.5 * shake,
                GRAVITY_MG * np.sin(tilt_rad) + shake,
                GRAVITY_MG * np.cos(tilt_rad) + 0.7 * shake + BEAT_MG * beat_mg,
            ),
            axis=1,
        )

    def impedance_ohm(
        self, t_ns: NDArray[np.int64], volume: NDArray[np.float64], *, beats: list[HeartBeat]
    ) -> NDArray[np.float64]:
        """Return impedance across the chest in ohm, rising with inhalation, shape (n_samples,)."""
        person = self._person
        breath_ohm = person.impedance_ohm_per_l * person.tidal_volume_l * volume
        moving = self._script.amounts(EpisodeKind.MOVING, t_ns)
        shaken_ohm = 0.8 * moving * self._moving.at(t_ns) + COUGH_OHM_PER_N * coughed_n(self._script, t_ns)
        blood = echo(beats, t_ns, shape=_blood, seen_ns=BEAT_SEEN_NS)
        return BASE_OHM + breath_ohm - BEAT_OHM * blood + shaken_ohm


def _thud(since_s: NDArray[np.float64], _: HeartBeat) -> NDArray[np.float64]:
    return np.asarray(np.sin(2.0 * np.pi * BEAT_HZ * since_s) * np.exp(-since_s / BEAT_TAU_S))


def _blood(since_s: NDArray[np.float64], _: HeartBeat) -> NDArray[np.float64]:
    return np.asarray(np.sin(np.pi * np.clip(since_s / 0.4, 0.0, 1.0)))
