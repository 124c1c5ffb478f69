"""The axes of a strap on their way into the one breath that they make together."""

from collections.abc import Sequence

from becalm_protocol.events import SignalKind, StreamInfo
from becalm_signal.breath_motion import AXES, TARGET_RATE_HZ, ChestTilt
from becalm_signal.clock import StreamClock
from becalm_signal.stage import BreathsTorn, Output, Stage


class AxisStage:
    """One axis on its way into the sensor's `ChestTilt`; a `Stage`.

    Notes
    -----
    Delay and Warm-up: those of `ChestTilt`.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, kind: SignalKind, chest: ChestTilt) -> None:
        self._axis = AXES.index(kind)
        self._chest = chest

    def restart(self, *, t_ns: int, emitted_ns: int, rate_hz: float | None) -> list[Output]:
        """Begin again after a gap, see `Stage`."""
        self._chest.tear(self._axis)
        if rate_hz is not None:
            self._chest.retune(rate_hz)
        return [BreathsTorn(t_ns=t_ns, emitted_ns=emitted_ns, source=AXES[self._axis])]

    def feed(self, samples: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples; see `Stage.feed`."""
        return self._chest.feed(self._axis, samples, first=first, clock=clock)

    def finish(self, *, clock: StreamClock) -> list[Output]:  # noqa: ARG002  (every stage has this shape)
        """Nothing waits: a turn is certain only once the chest has come back."""
        return []


def chest_streams(streams: Sequence[StreamInfo]) -> dict[str, Stage]:
    """Return the stages of the first sensor that sends all three axes at one rate, by stream; empty where none does."""
    by_sensor: dict[tuple[str, float | None], dict[SignalKind, StreamInfo]] = {}
    for info in streams:
        if info.kind in AXES:
            axes = by_sensor.setdefault((info.device, info.sample_rate_hz), {})
            axes.setdefault(info.kind, info)
            if len(axes) == len(AXES):
                chest = ChestTilt(info.sample_rate_hz or TARGET_RATE_HZ)
                return {axis.stream_id: AxisStage(kind, chest) for kind, axis in axes.items()}
    return {}
