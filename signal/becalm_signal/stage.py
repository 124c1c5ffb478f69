"""The shape every waveform stage has, and what stages hand to each other besides derived events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from becalm_protocol.derived import (
    Beat,
    Breath,
    BreathPause,
    BreathTurn,
    Reason,
    SignalQuality,
    SkinRecovery,
    SkinResponse,
)
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.clock import StreamClock

# A value of a lost or silent sensor is shown no longer than this.
STALE_NS = 3 * NS_PER_S


@dataclass(slots=True, kw_only=True)
class SkinLevel:
    """Skin-conductance level twice a second, for the metrics only."""

    t_ns: int
    """The moment that the level is of; it is told some seconds later."""
    emitted_ns: int
    level_us: float
    bound_us: float
    """Half width of a 95 % interval of what lies between the electrodes."""
    dried_us: float
    """How much higher the skin itself may be, if the electrodes dry."""
    sees_responses: bool
    """The smallest response can be told: from the noise, and from an electrode that comes back after a jerk."""
    is_first: bool
    """Nothing before it belongs to it: a response that was under way is lost."""
    may_have_moved: bool
    """And that is for bad contact: the electrodes may lie elsewhere."""


@dataclass(slots=True, kw_only=True)
class BreathHint:
    """What one beat of an ECG has of the breath in it, for whoever asks the ECG for the breath."""

    t_ns: int
    emitted_ns: int
    at_s: float
    """Its time on the stream's own even scale."""
    levels: tuple[float, ...]
    """Range, height and baseline of its QRS."""
    is_first: bool
    """Nothing before it belongs to it."""


@dataclass(slots=True, kw_only=True)
class BreathsHidden:
    """A half breath that just ended holds others, too small to be told: no rate reaches over it."""

    t_ns: int
    emitted_ns: int
    source: SignalKind


@dataclass(slots=True, kw_only=True)
class BreathsTorn:
    """A source begins again after a break: what it tells from now on does not follow on what it told."""

    t_ns: int
    emitted_ns: int
    source: SignalKind


@dataclass(slots=True, kw_only=True)
class BeltJump:
    """A belt's signal jumped as no chest moves: it slipped, was knocked, or is the other way round from now on."""

    t_ns: int
    emitted_ns: int


Told = Beat | BreathTurn | Breath | BreathPause | SkinResponse | SkinRecovery | SignalQuality
Output = Told | SkinLevel | BreathHint | BreathsHidden | BreathsTorn | BeltJump
Inward = (SkinLevel, BreathHint, BreathsHidden, BreathsTorn, BeltJump)
"""Outputs for the indices only."""

# Named once: a union made anew for every event costs more than the question that it is for.
OF_BREATHS = (BreathTurn, Breath, BreathPause)
OF_RESPONSES = (SkinResponse, SkinRecovery)


def moment_ns(event: Output) -> int:
    """Return the moment that an output is of.

    Parameters
    ----------
    event : with its time, a skin response with its onset

    Returns
    -------
    session time in ns
    """
    return event.onset_ns if isinstance(event, OF_RESPONSES) else event.t_ns


def known_at(event: Output, now_ns: int) -> Output:
    """Return an output that became known only at a moment, or when it says, if that is later.

    Parameters
    ----------
    event : as its stage says it
    now_ns : the moment, session time in ns

    Returns
    -------
    the output, emitted then
    """
    return event if event.emitted_ns >= now_ns else replace(event, emitted_ns=now_ns)


class Stage(Protocol):
    """One signal's own processing: samples in, events out, the same whatever the cut."""

    def restart(self, *, t_ns: int, emitted_ns: int, rate_hz: float | None) -> list[Output]:
        """Begin again after a gap that began at `t_ns`: no filter state and no interval reaches over it.

        `rate_hz`: what comes is at another rate than was thought, and nothing is left that was learned before.
        """

    def feed(self, samples: Sequence[float], *, first: int, clock: StreamClock) -> list[Output]:
        """Take samples in the unit of the signal, the first at position `first`, without a hole since `restart`."""

    def finish(self, *, clock: StreamClock) -> list[Output]:
        """Give out what only waited for more samples."""


class QualityReporter:
    """Remembers the last judgement of a signal and gives an event when it changes."""

    def __init__(self, kind: SignalKind) -> None:
        self._kind = kind
        self.reason: Reason | None = None
        self.told_ns = 0
        """The moment that the last event spoke of; a later one speaks of a later moment."""
        self._caution: Reason | None = None

    def change(
        self, reason: Reason | None, *, t_ns: int, emitted_ns: int, caution: Reason | None = None
    ) -> list[Output]:
        """Return the event of a change, or nothing; of a signal that is no use no caution is told."""
        if reason is not None:
            caution = None
        if reason is self.reason and caution is self._caution:
            return []
        self.reason, self._caution, self.told_ns = reason, caution, t_ns
        return [SignalQuality(t_ns=t_ns, emitted_ns=emitted_ns, kind=self._kind, reason=reason, caution=caution)]
