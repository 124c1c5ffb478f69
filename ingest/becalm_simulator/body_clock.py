"""The clock of a living body: body time runs with the machine's monotonic clock."""

import time
from collections.abc import Callable

from becalm_protocol.events import require
from becalm_protocol.units import NS_PER_S


class BodyClock:
    """Body time from now on; `speed` above 1 lives faster than real."""

    def __init__(self, *, speed: float = 1.0, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        require(0.1 <= speed <= 100.0, "speed", "0.1 to 100", speed)
        self._speed = speed
        self._monotonic_ns = monotonic_ns
        self._begun_ns = monotonic_ns()

    def now_ns(self) -> int:
        """Return body time."""
        passed_ns = self._monotonic_ns() - self._begun_ns
        return passed_ns if self._speed == 1.0 else round(passed_ns * self._speed)

    def wait_s(self, t_ns: int) -> float:
        """Return the real seconds until body time is `t_ns`, 0 if it has passed."""
        return max((t_ns - self.now_ns()) / self._speed / NS_PER_S, 0.0)

    def real_s(self, span_ns: int) -> float:
        """Return the real seconds that so much body time takes."""
        return span_ns / self._speed / NS_PER_S

    def machine_ns(self, t_ns: int) -> int:
        """Return the reading of the machine's monotonic clock at a body time."""
        return self._begun_ns + round(t_ns / self._speed)
