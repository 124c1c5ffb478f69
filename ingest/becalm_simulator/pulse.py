"""The pulse at a finger or wrist (photoplethysmogram): one wave for each beat, later and smaller after an early one."""

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.cough import coughed_n
from becalm_simulator.episode import EpisodeKind, Script
from becalm_simulator.grid_noise import GridNoise
from becalm_simulator.heart import HeartBeat
from becalm_simulator.person import Person

SEEN_NS = ns_from_s(1.3)
# A steep rise, a slower fall, a second wave from the body's periphery, and blood running off.
RISE_S = 0.11
FALL_S = 0.11
NOTCH_AT_S = 0.34
NOTCH_WIDTH_S = 0.075
RUN_OFF_SHARE = 0.18
RUN_OFF_AT_S = 0.42
RUN_OFF_WIDTH_S = 0.17
# A short interval fills the heart less: the pulse after it is smaller.
FULL_INTERVAL_S = 0.75
# Arousal narrows the vessels of the skin: a third of the pulse is left at full arousal.
VASOCONSTRICTION = 0.65
# It stiffens them too, and the wave comes sooner: an eighth of the delay at full arousal against none.
HASTE = 0.125
BREATH_MODULATION = 0.08
BASELINE_BREATH = 0.25
BASELINE_WANDER = 0.15
# Walking moves sensor and blood: several pulses high, at the pace of strides, and it opens a slit to the light.
MOVING_RATE_HZ = 4
MOVING_PULSES = 2.5
COUGH_PULSES_PER_N = 0.4
# What is left of outside light after the sensor has taken its dark measurement away. Lamps flicker at twice the mains.
DAYLIGHT_PULSES = 0.5
FLICKER_SHARE = 0.3
LEAK_SHARE = 0.04
MOVING_LEAK = 3.0

Shape = Callable[[NDArray[np.float64], HeartBeat], NDArray[np.float64]]


class Pulse:
    """The photoplethysmogram of one person, in units of a resting pulse: absorbed light, rising with each pulse."""

    def __init__(self, person: Person, script: Script, *, seed: int) -> None:
        self._person = person
        self._script = script
        self._wander = GridNoise(seed, tag=14, rate_hz=1)
        self._moving = GridNoise(seed, tag=18, rate_hz=MOVING_RATE_HZ)

    def wave_au(
        self,
        t_ns: NDArray[np.int64],
        beats: list[HeartBeat],
        *,
        volume: NDArray[np.float64],
        arousal: NDArray[np.float64],
        arousal_at: Callable[[int], float],
    ) -> NDArray[np.float64]:
        """Return it at ascending times, shape (n_samples,), with motion and what leaks of the light from outside.

        `arousal` is that of the times, `arousal_at` tells it at a beat.
        """
        height = (1.0 - VASOCONSTRICTION * arousal) * (1.0 - BREATH_MODULATION * (volume - 0.5))
        waves = echo(beats, t_ns, shape=lambda s, beat: self._wave(s, beat, arousal_at(beat.t_ns)), seen_ns=SEEN_NS)
        shown = height * waves - BASELINE_BREATH * height * volume + BASELINE_WANDER * self._wander.at(t_ns)
        moving = self._script.amounts(EpisodeKind.MOVING, t_ns)
        shown += MOVING_PULSES * moving * self._moving.at(t_ns) + COUGH_PULSES_PER_N * coughed_n(self._script, t_ns)
        light = self.ambient_au(t_ns)
        shown -= LEAK_SHARE * (1.0 + MOVING_LEAK * moving) * light
        is_off = self._script.amounts(EpisodeKind.PULSE_OFF, t_ns) > 0.5
        return np.where(is_off, -light, shown)

    def ambient_au(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the light from outside at ascending times, in resting pulses, shape (n_samples,)."""
        lamp = self._script.amounts(EpisodeKind.LAMP_LIGHT, t_ns)
        flicker = 1.0 + FLICKER_SHARE * np.sin(2.0 * np.pi * 2.0 * self._person.hum_hz * t_ns / NS_PER_S)
        return np.asarray(DAYLIGHT_PULSES + lamp * flicker)

    def _wave(self, since_s: NDArray[np.float64], beat: HeartBeat, arousal: float) -> NDArray[np.float64]:
        person = self._person
        late_s = since_s - person.pulse_delay_s * (1.0 - HASTE * (arousal - person.arousal_everyday))
        main = np.where(late_s < RISE_S, _bell((late_s - RISE_S) / (0.45 * RISE_S)), _bell((late_s - RISE_S) / FALL_S))
        second = person.notch_share * _bell((late_s - NOTCH_AT_S) / NOTCH_WIDTH_S)
        run_off = RUN_OFF_SHARE * _bell((late_s - RUN_OFF_AT_S) / RUN_OFF_WIDTH_S)
        filling = min(beat.rr_s / FULL_INTERVAL_S, 1.25) ** 1.5
        return np.asarray(filling * (main + second + run_off))


def echo(beats: list[HeartBeat], t_ns: NDArray[np.int64], *, shape: Shape, seen_ns: int) -> NDArray[np.float64]:
    """Return the sum of `shape` after every beat, each seen for `seen_ns`, at ascending times."""
    total = np.zeros(len(t_ns))
    first = bisect_left(beats, int(t_ns[0]) - seen_ns, key=_when)
    last = bisect_left(beats, int(t_ns[-1]) + 1, key=_when)
    for beat in beats[first:last]:
        begin, end = np.searchsorted(t_ns, (beat.t_ns, beat.t_ns + seen_ns))
        total[begin:end] += shape((t_ns[begin:end] - beat.t_ns) / NS_PER_S, beat)
    return total


def _bell(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * x * x))


def _when(beat: HeartBeat) -> int:
    return beat.t_ns
