"""When a sensor takes its samples: evenly by its own clock, so many to a packet."""

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.units import NS_PER_S
from becalm_simulator.sensors.device_clock import DeviceClock


class SampleGrid:
    """The samples of one stream while it runs."""

    def __init__(self, clock: DeviceClock, *, rate_hz: int, n_samples: int, now_ns: int) -> None:
        self._clock = clock
        self._rate_hz = rate_hz
        self._n_samples = n_samples
        self._next_sample_idx = clock.running_ns(now_ns) * rate_hz // NS_PER_S + 1

    def due_ns(self) -> int:
        """Return the body time at which the last sample of the next packet has been taken."""
        return self._body_ns(self._next_sample_idx + self._n_samples - 1)

    def take(self) -> NDArray[np.int64]:
        """Return the body times of the next packet's samples, shape (n_samples,)."""
        first = self._next_sample_idx
        self._next_sample_idx += self._n_samples
        return np.asarray([self._body_ns(idx) for idx in range(first, self._next_sample_idx)], dtype=np.int64)

    def _body_ns(self, sample_idx: int) -> int:
        return self._clock.body_ns(sample_idx * NS_PER_S // self._rate_hz)
