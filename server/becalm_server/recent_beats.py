"""The accepted RR intervals of the last minute: what the slow lane's windows are computed from."""

from collections import deque

from becalm_protocol.derived import Beat, BeatFlag, Derived
from becalm_protocol.events import SignalKind, value
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S

WINDOW_S = 60.0
STEP_S = 10.0
# Below this NeuroKit2 has nothing to say about variability.
MIN_BEATS = 20
# 240 beats a minute from two sources: more than a minute holds.
MAX_BEATS = 600
USABLE = frozenset({BeatFlag.OK, BeatFlag.ECTOPIC, BeatFlag.MISSED, BeatFlag.EXTRA})
"""Flags whose corrected interval is an interval between two heartbeats."""


@value
class Window:
    """The beats of one window, due for the slow lane."""

    t_ns: int
    """Its end."""
    rr_ms: tuple[float, ...]


class RecentBeats:
    """Feed it everything the pipeline gives; due() returns a window every ten seconds of session time."""

    def __init__(self) -> None:
        self._beats: deque[tuple[int, SignalKind, float]] = deque(maxlen=MAX_BEATS)
        self._next_ns = round(WINDOW_S * NS_PER_S)

    def feed(self, derived: Derived | Waveform) -> None:
        """Keep a confirmed beat."""
        if isinstance(derived, Beat) and derived.confirmed and derived.flag in USABLE and derived.rr_corrected_ms:
            self._beats.append((derived.t_ns, derived.source, derived.rr_corrected_ms))

    def due(self, now_ns: int) -> Window | None:
        """Return the window that ended last, once, where it holds enough beats."""
        if now_ns < self._next_ns:
            return None
        step_ns = round(STEP_S * NS_PER_S)
        end_ns = now_ns // step_ns * step_ns
        self._next_ns = end_ns + step_ns
        start_ns = end_ns - round(WINDOW_S * NS_PER_S)
        inside = [beat for beat in self._beats if start_ns < beat[0] <= end_ns]
        by_ecg = [rr_ms for _, source, rr_ms in inside if source is SignalKind.ECG]
        by_strap = [rr_ms for _, source, rr_ms in inside if source is SignalKind.RR]
        rr_ms = max(by_ecg, by_strap, key=len)
        return Window(t_ns=end_ns, rr_ms=tuple(rr_ms)) if len(rr_ms) >= MIN_BEATS else None
