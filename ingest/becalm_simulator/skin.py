"""The skin: a tonic level that follows arousal late, and spontaneous responses."""

import math
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.person import Person

# The tonic level lags arousal by sweat-duct filling and drying.
TONIC_TAU_S = 15.0
DRIFT_TAU_S = 300.0
DRIFT_SD_US = 0.12
# Bi-exponential response: rises to its peak in 1.15 s and is back to half of it 4 s later (Boucsein 2012, ch. 2).
RISE_TAU_S = 0.40
DECAY_TAU_S = 5.5
PEAK_S = math.log(DECAY_TAU_S / RISE_TAU_S) * RISE_TAU_S * DECAY_TAU_S / (DECAY_TAU_S - RISE_TAU_S)
PEAK_HEIGHT = math.exp(-PEAK_S / DECAY_TAU_S) - math.exp(-PEAK_S / RISE_TAU_S)
# Below a thousandth of its height a response is over.
RESPONSE_NS = ns_from_s(8.0 * DECAY_TAU_S)
AMPLITUDE_SPREAD = 0.6
AMPLITUDE_RANGE_US = (0.02, 2.0)
# Two responses closer than this merge into one.
REFRACTORY_NS = ns_from_s(1.2)


@value
class Response:
    """One true skin-conductance response."""

    onset_ns: int
    amplitude_us: float

    @property
    def peak_ns(self) -> int:
        """Time of its peak, if no other response runs into it."""
        return self.onset_ns + ns_from_s(PEAK_S)


class Skin:
    """Skin conductance in fixed steps; between them the level runs along straight lines."""

    def __init__(self, person: Person, rng: np.random.Generator, *, step_s: float) -> None:
        self._person = person
        self._rng = rng
        self._step_s = step_s
        self._tonic_us = person.scl_floor_us + person.scl_gain_us * person.arousal_everyday
        self._drift_us = 0.0
        self._levels_us: list[float] = [self._tonic_us]
        self._due_ns: list[int] = []
        self._onsets_ns: list[int] = []
        self.responses: list[Response] = []

    def provoke(self, onset_ns: int) -> None:
        """Answer a stressor or a deep breath with a response at `onset_ns`."""
        self._due_ns.append(onset_ns)

    def tick(self, t_ns: int, *, arousal: float) -> None:
        """Advance from `t_ns` by one step."""
        person, rng, step_s = self._person, self._rng, self._step_s
        target_us = person.scl_floor_us + person.scl_gain_us * arousal
        self._tonic_us += step_s / TONIC_TAU_S * (target_us - self._tonic_us)
        kept = math.exp(-step_s / DRIFT_TAU_S)
        fresh = DRIFT_SD_US * math.sqrt(1.0 - kept * kept)
        self._drift_us = kept * self._drift_us + fresh * float(rng.standard_normal())
        self._levels_us.append(max(self._tonic_us + self._drift_us, 0.05))
        per_min = person.scr_rest_per_min + person.scr_gain_per_min * arousal
        chance, within = rng.random(), float(rng.random())
        onsets_ns = [due for due in self._due_ns if due < t_ns + ns_from_s(step_s)]
        self._due_ns = self._due_ns[len(onsets_ns) :]
        if chance < per_min * step_s / 60.0:
            onsets_ns.append(t_ns + ns_from_s(step_s * within))
        for onset_ns in sorted(onsets_ns):
            self._respond(onset_ns)

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

    def _respond(self, onset_ns: int) -> None:
        spread = AMPLITUDE_SPREAD * float(self._rng.standard_normal())
        if self._onsets_ns and onset_ns - self._onsets_ns[-1] < REFRACTORY_NS:
            return
        low, high = AMPLITUDE_RANGE_US
        amplitude_us = min(max(self._person.scr_amplitude_us * math.exp(spread), low), high)
        self._onsets_ns.append(onset_ns)
        self.responses.append(Response(onset_ns=onset_ns, amplitude_us=amplitude_us))
