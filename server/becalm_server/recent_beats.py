"""What the slow lane's windows are computed from: accepted intervals, breathing and skin conductance of late."""

from collections import deque

from becalm_protocol.derived import Beat, BeatFlag, Derived, SlowMetrics
from becalm_protocol.events import SignalKind, value
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S
from becalm_server.recent_samples import RecentSamples
from becalm_signal.neurokit_signals import RawSignal

# A minute every ten seconds; and every minute five of them, in which low frequencies have their cycles.
WINDOWS_S = ((60.0, 10.0), (300.0, 60.0))
# Below this NeuroKit2 has nothing to say about variability.
MIN_BEATS = 20
# Five minutes of 180 beats a minute, from each of four sources.
MAX_BEATS = 3_600
HEARD_BEST = (SignalKind.ECG, SignalKind.RR, SignalKind.PPI)
"""Who counts where several tell as many beats; pulses found in an optical waveform come last."""
USABLE = frozenset({BeatFlag.OK, BeatFlag.ECTOPIC, BeatFlag.MISSED, BeatFlag.EXTRA})
"""Flags whose corrected interval is an interval between two heartbeats."""


@value
class Window:
    """One window that is due for the slow lane."""

    t_ns: int
    """Its end."""
    window_s: float
    rr_ms: tuple[float, ...]
    beats_s: tuple[float, ...]
    """When each interval ended, from the start of the window on."""
    signals: tuple[RawSignal, ...] = ()


class RecentBeats:
    """Feed it everything the pipeline gives; due() returns the windows that have ended, by session time."""

    def __init__(self) -> None:
        self._beats: deque[tuple[int, SignalKind, float]] = deque(maxlen=MAX_BEATS)
        self._samples: dict[SignalKind, RecentSamples] = {}
        self._breath = SignalKind.RESPIRATION
        self._next_ns = {window_s: round(window_s * NS_PER_S) for window_s, _ in WINDOWS_S}

    def feed(self, derived: Derived | Waveform) -> None:
        """Keep a confirmed beat, or the samples of breathing and skin."""
        if isinstance(derived, Waveform):
            if derived.kind in {self._breath, SignalKind.SKIN_CONDUCTANCE}:
                self._samples.setdefault(derived.kind, RecentSamples(derived.stream_id)).feed(derived)
        elif isinstance(derived, Beat):
            if derived.confirmed and derived.flag in USABLE and derived.rr_corrected_ms:
                self._beats.append((derived.t_ns, derived.source, derived.rr_corrected_ms))
        elif isinstance(derived, SlowMetrics) and derived.breath_source not in {None, SignalKind.ECG, self._breath}:
            self._samples.pop(self._breath, None)
            self._breath = derived.breath_source or self._breath

    def due(self, now_ns: int) -> tuple[Window, ...]:
        """Return the windows of each length that ended last, once, where they hold enough."""
        if now_ns < min(self._next_ns.values()):
            return ()
        return tuple(
            window
            for window_s, step_s in WINDOWS_S
            if now_ns >= self._next_ns[window_s]
            and (window := self._window(window_s, end_ns=self._step(now_ns, window_s, step_s))) is not None
        )

    def _step(self, now_ns: int, window_s: float, step_s: float) -> int:
        step_ns = round(step_s * NS_PER_S)
        end_ns = now_ns // step_ns * step_ns
        self._next_ns[window_s] = end_ns + step_ns
        return end_ns

    def _window(self, window_s: float, *, end_ns: int) -> Window | None:
        start_ns = end_ns - round(window_s * NS_PER_S)
        by_source: dict[SignalKind, list[tuple[int, float]]] = {source: [] for source in HEARD_BEST}
        for t_ns, source, rr_ms in self._beats:
            if start_ns < t_ns <= end_ns:
                by_source.setdefault(source, []).append((t_ns, rr_ms))
        beats = sorted(by_source[max(by_source, key=lambda source: len(by_source[source]))])
        signals = [recent.between(start_ns, end_ns, kind=kind) for kind, recent in self._samples.items()]
        told = tuple(signal for signal in signals if signal is not None)
        if len(beats) < MIN_BEATS and not told:
            return None
        return Window(
            t_ns=end_ns,
            window_s=window_s,
            rr_ms=tuple(rr_ms for _, rr_ms in beats),
            beats_s=tuple((t_ns - start_ns) / NS_PER_S for t_ns, _ in beats),
            signals=told,
        )
