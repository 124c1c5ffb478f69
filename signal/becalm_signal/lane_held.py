"""What a live stream's stage says before its sample rate is known: held back, and dropped where that was another."""

from collections import deque
from collections.abc import Sequence

from becalm_protocol.derived import Beat
from becalm_signal.clock import StreamClock
from becalm_signal.stage import OF_BREATHS, BreathsHidden, BreathsTorn, Output, known_at

OF_RATES = (Beat, *OF_BREATHS)
"""What is only as right as the sample rate."""

WAITING = (*OF_RATES, BreathsHidden, BreathsTorn)
"""What waits: the last two part breaths that wait, and, at once, those that were told."""

# A quarter of an hour of provisional and confirmed beats.
MAX_HELD = 2_000


class Held:
    """Outputs that wait for the rate.

    Notes
    -----
    Delay and Warm-up: none while the rate is known.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._held: deque[Output] = deque(maxlen=MAX_HELD)

    def drop(self) -> None:
        """Forget what waits: the rate was another."""
        self._held.clear()

    def pass_on(self, outputs: list[Output], *, clock: StreamClock, at: int) -> list[Output]:
        """Return what may be told: while the rate is unknown what does not depend on it, then all that waited, first.

        Parameters
        ----------
        outputs : of the stage
        clock : of the stream
        at : position of the sample with which they are told

        Returns
        -------
        outputs, those that waited emitted now
        """
        if clock.is_rate_known:
            if not self._held:
                return outputs
            now_ns = clock.session_ns(at)
            waited = [known_at(event, now_ns) for event in self._held]
            self._held.clear()
            return waited + outputs
        self._held += [event for event in outputs if isinstance(event, WAITING)]
        return without_rates(outputs)


def without_rates(outputs: Sequence[Output]) -> list[Output]:
    """Return what does not depend on the sample rate.

    Parameters
    ----------
    outputs : of a stage

    Returns
    -------
    those of them
    """
    return [event for event in outputs if not isinstance(event, OF_RATES)]
