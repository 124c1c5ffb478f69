"""The breathing pacer on the client's own clock: no server, sensor or network can stop it."""

import math
from enum import StrEnum

from becalm_protocol.events import Pacer, value
from becalm_protocol.units import NS_PER_S

# Six breaths a minute with a longer way out: the pattern most people find comfortable.
DEFAULT_INHALE_S, DEFAULT_EXHALE_S = 4.0, 6.0
# Eyes do not see a pacer that is a tenth of a second off, but they see a jump: small errors are eased away.
LARGEST_EASED_NS = 1_500_000_000
EASED_NS_PER_S = 30_000_000


class PacerPhase(StrEnum):
    """What the pacer asks for."""

    IDLE = "idle"
    IN = "in"
    OUT = "out"


@value
class PacerPose:
    """The pacer at one moment."""

    phase: PacerPhase
    fullness: float
    """0 after the whole way out, 1 after the whole way in; eased at both turns."""
    seconds_left: float
    """Until the next turn."""
    n_turns: int
    """Turns since the start, so that a cue can be given once at each."""


IDLE = PacerPose(phase=PacerPhase.IDLE, fullness=0.35, seconds_left=0.0, n_turns=0)


def pose_at(pacer: Pacer, elapsed_ns: int) -> PacerPose:
    """Return the pose `elapsed_ns` after the start; idle before it."""
    if elapsed_ns < 0:
        return IDLE
    cycle_ns = round((pacer.inhale_s + pacer.exhale_s) * NS_PER_S)
    n_cycles, within_ns = divmod(elapsed_ns, cycle_ns)
    within_s = within_ns / NS_PER_S
    if within_s < pacer.inhale_s:
        fullness = 0.5 - 0.5 * math.cos(math.pi * within_s / pacer.inhale_s)
        left_s, phase, n_turns = pacer.inhale_s - within_s, PacerPhase.IN, 2 * n_cycles
    else:
        out_s = within_s - pacer.inhale_s
        fullness = 0.5 + 0.5 * math.cos(math.pi * out_s / pacer.exhale_s)
        left_s, phase, n_turns = pacer.exhale_s - out_s, PacerPhase.OUT, 2 * n_cycles + 1
    return PacerPose(phase=phase, fullness=fullness, seconds_left=max(0.0, left_s), n_turns=n_turns)


class PacerClock:
    """Runs one pacer on the local clock, following session time gently while it is known."""

    def __init__(self) -> None:
        self._pacer: Pacer | None = None
        self._started_ns = 0
        self._eased_ns = 0

    @property
    def pacer(self) -> Pacer | None:
        """The pacer that runs or will run."""
        return self._pacer

    def start_alone(self, *, now_ns: int) -> None:
        """Run the default pattern from now on."""
        self._pacer = Pacer(started_ns=0, inhale_s=DEFAULT_INHALE_S, exhale_s=DEFAULT_EXHALE_S)
        self._started_ns = now_ns

    def stop(self) -> None:
        """Be idle."""
        self._pacer = None

    def follow(self, pacer: Pacer, *, now_ns: int, session_ns: int | None) -> None:
        """Run `pacer`, as near to its start in session time as can be told; call it at every frame."""
        target_ns = now_ns if session_ns is None else now_ns - session_ns + pacer.started_ns
        if self._pacer != pacer:
            self._pacer, self._started_ns = pacer, target_ns
        elif session_ns is not None:
            self._ease(target_ns - self._started_ns, now_ns)
        self._eased_ns = now_ns

    def pose(self, now_ns: int) -> PacerPose:
        """Return the pose at the local time `now_ns`."""
        return pose_at(self._pacer, now_ns - self._started_ns) if self._pacer else IDLE

    def _ease(self, error_ns: int, now_ns: int) -> None:
        if abs(error_ns) > LARGEST_EASED_NS:
            self._started_ns += error_ns
            return
        step_ns = EASED_NS_PER_S * max(0, now_ns - self._eased_ns) // NS_PER_S
        self._started_ns += max(-step_ns, min(step_ns, error_ns))
