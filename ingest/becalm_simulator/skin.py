"""The skin: a tonic level that follows arousal late, spontaneous responses, and answers to stimuli that wear off."""

import math
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.dice import Dice
from becalm_simulator.person import Person

# The tonic level lags arousal by sweat-duct filling and drying.
TONIC_TAU_S = 15.0
DRIFT_TAU_S = 300.0
# Bi-exponential response: rises to its peak in 1.15 s and is back to half of it 4 s later (Boucsein 2012, ch. 2).
RISE_TAU_S = 0.40
DECAY_TAU_S = 5.5
PEAK_S = math.log(DECAY_TAU_S / RISE_TAU_S) * RISE_TAU_S * DECAY_TAU_S / (DECAY_TAU_S - RISE_TAU_S)
PEAK_HEIGHT = math.exp(-PEAK_S / DECAY_TAU_S) - math.exp(-PEAK_S / RISE_TAU_S)
# Below a thousandth of its height a response is over.
RESPONSE_NS = ns_from_s(8.0 * DECAY_TAU_S)
AMPLITUDE_SPREAD = 0.6
AMPLITUDE_RANGE_US = (0.02, 2.0)
# What a stimulus took from the answer to the next one comes back within minutes.
RECOVERY_TAU_S = 120.0
# Two responses closer than this merge into one.
REFRACTORY_NS = ns_from_s(1.2)


@value
class Response:
    """One true skin-conductance response."""

    onset_ns: int
    amplitude_us: float
    evoked: bool = False
    """Whether it answers a stimulus, a stressor or a deep breath."""

    @property
    def peak_ns(self) -> int:
        """Time of its peak, if no other response runs into it."""
        return self.onset_ns + ns_from_s(PEAK_S)


class Skin:
    """Skin conductance in fixed steps; between them the level runs along straight lines."""

    def __init__(self, person: Person, dice: Dice, *, step_s: float) -> None:
        self._person = person
        self._dice = dice
        self._step_s = step_s
        self._tonic_us = person.scl_floor_us + person.scl_gain_us * person.arousal_everyday
        self._drift_us = 0.0
        self._kept = math.exp(-step_s / DRIFT_TAU_S)
        self._fresh_us = person.skin_drift_us * math.sqrt(1.0 - self._kept * self._kept)
        self._levels_us: list[float] = [self._tonic_us]
        self._due: list[tuple[int, float]] = []
        self._onsets_ns: list[int] = []
        self._vigour = 1.0
        self.responses: list[Response] = []

    def provoke(self, onset_ns: int, *, strength: float = 1.0) -> None:
        """Answer a stressor or a deep breath with a response at `onset_ns`, weaker the more came just before."""
        self._due.append((onset_ns, strength))
        self._due.sort()

    def tick(self, t_ns: int, *, arousal: float) -> None:
        """Advance from `t_ns` by one step."""
        person, dice, step_s = self._person, self._dice, self._step_s
        target_us = person.scl_floor_us + person.scl_gain_us * arousal
        self._tonic_us += step_s / TONIC_TAU_S * (target_us - self._tonic_us)
        self._drift_us = self._kept * self._drift_us + self._fresh_us * dice.normal()
        self._levels_us.append(max(self._tonic_us + self._drift_us, 0.05))
        self._vigour += step_s / RECOVERY_TAU_S * (1.0 - self._vigour)
        # Few at ease, many when aroused: 1 to 3 a minute at rest (Dawson, Schell, Filion 2007).
        per_min = person.scr_rest_per_min + person.scr_gain_per_min * arousal * arousal
        chance, within = dice.uniform(), dice.uniform()
        end_ns = t_ns + ns_from_s(step_s)
        while self._due and self._due[0][0] < end_ns:
            onset_ns, strength = self._due.pop(0)
            self._respond(onset_ns, strength=strength * self._vigour, evoked=True)
            self._vigour *= 1.0 - person.scr_habituation * min(strength, 1.0)
        if chance < per_min * step_s / 60.0:
            self._respond(t_ns + ns_from_s(step_s * within), strength=1.0, evoked=False)

    def tonic_us(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tonic level at ascending times, shape (n_samples,)."""
        steps = t_ns / (self._step_s * NS_PER_S)
        first = max(int(steps[0]), 0)
        levels = self._levels_us[first : int(steps[-1]) + 2]
        return np.asarray(np.interp(steps, np.arange(first, first + len(levels)), levels), dtype=np.float64)

    def conductance_us(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Skin conductance at ascending times, shape (n_samples,)."""
        total_us = self.tonic_us(t_ns)
        first = bisect_left(self._onsets_ns, int(t_ns[0]) - RESPONSE_NS)
        last = bisect_left(self._onsets_ns, int(t_ns[-1]) + 1)
        for response in self.responses[first:last]:
            begin, end = np.searchsorted(t_ns, (response.onset_ns, response.onset_ns + RESPONSE_NS))
            since_s = (t_ns[begin:end] - response.onset_ns) / NS_PER_S
            shape = np.exp(-since_s / DECAY_TAU_S) - np.exp(-since_s / RISE_TAU_S)
            total_us[begin:end] += response.amplitude_us / PEAK_HEIGHT * shape
        return total_us

    def _respond(self, onset_ns: int, *, strength: float, evoked: bool) -> None:
        spread = AMPLITUDE_SPREAD * self._dice.normal()
        if self._onsets_ns and onset_ns - self._onsets_ns[-1] < REFRACTORY_NS:
            return
        low, high = AMPLITUDE_RANGE_US
        amplitude_us = min(max(strength * self._person.scr_amplitude_us * math.exp(spread), low), high)
        self._onsets_ns.append(onset_ns)
        self.responses.append(Response(onset_ns=onset_ns, amplitude_us=amplitude_us, evoked=evoked))
