"""The three curves a person may look at: heart rate from beats, the breath and skin conductance from waveforms."""

from enum import StrEnum

from becalm_kivy.trace_ring import TraceRing
from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.events import Gap, SignalKind
from becalm_protocol.handshake import Waveform

SPAN_S = 60
_SPAN_NS = (SPAN_S + 5) * 1_000_000_000
# Thirty beats a minute are 2 s apart; twice that is no longer one rhythm.
_WIDEST_BEAT_STEP_NS = 4_000_000_000
# The slowest stream sends packets 0.6 s apart; a sample step of 1 s is a hole in any of them.
_WIDEST_SAMPLE_STEP_NS = 1_000_000_000
# A beat that nobody has checked yet is drawn only where it fits the rhythm so far: RR changes by up to a quarter
# within a breath in young people, more is an extra or a missed beat.
_PROVISIONAL_CHANGE = 0.25
# Beats are confirmed one or two beats later; eight cover any delay.
_N_PROVISIONAL = 8


class Curve(StrEnum):
    """What a curve shows."""

    HEART = "heart"
    BREATH = "breath"
    SKIN = "skin"


CURVE_OF_KIND = {
    SignalKind.ECG: Curve.HEART,
    SignalKind.RR: Curve.HEART,
    SignalKind.PPI: Curve.HEART,
    SignalKind.RESPIRATION: Curve.BREATH,
    SignalKind.SKIN_CONDUCTANCE: Curve.SKIN,
}


class Traces:
    """The last minute of each curve."""

    def __init__(self) -> None:
        self.rings = {
            Curve.HEART: TraceRing(span_ns=_SPAN_NS, widest_step_ns=_WIDEST_BEAT_STEP_NS),
            Curve.BREATH: TraceRing(span_ns=_SPAN_NS, widest_step_ns=_WIDEST_SAMPLE_STEP_NS),
            Curve.SKIN: TraceRing(span_ns=_SPAN_NS, widest_step_ns=_WIDEST_SAMPLE_STEP_NS),
        }
        self._provisional: dict[int, int] = {}
        self._last_bpm: float | None = None

    def clear(self) -> None:
        """Forget everything: another session."""
        for ring in self.rings.values():
            ring.clear()
        self._provisional.clear()
        self._last_bpm = None

    def add_beat(self, beat: Beat) -> None:
        """Draw a provisional beat where it fits, and the confirmed one in its place."""
        ring = self.rings[Curve.HEART]
        drawn_ns = self._provisional.pop(beat.beat_idx, None)
        if drawn_ns is not None:
            ring.remove(drawn_ns)
        bpm = _bpm(beat)
        if beat.confirmed:
            self._last_bpm = bpm or self._last_bpm
            ring.put(beat.t_ns, bpm)
        elif bpm and self._last_bpm and abs(bpm / self._last_bpm - 1) <= _PROVISIONAL_CHANGE:
            self._provisional[beat.beat_idx] = beat.t_ns
            ring.put(beat.t_ns, bpm)
            while len(self._provisional) > _N_PROVISIONAL:
                del self._provisional[next(iter(self._provisional))]

    def add_waveform(self, waveform: Waveform) -> None:
        """Take the samples of the breath or of the skin; the ECG itself is not drawn."""
        curve = CURVE_OF_KIND.get(waveform.kind)
        if curve is None or curve is Curve.HEART:
            return
        ring = self.rings[curve]
        newest_ns = ring.newest_ns
        for idx, level in enumerate(waveform.values):
            t_ns = waveform.t_ns + round(idx * waveform.sample_period_ns)
            if newest_ns is None or t_ns > newest_ns:
                ring.put(t_ns, level)

    def add_gap(self, gap: Gap, curve: Curve) -> None:
        """Nothing is drawn across a gap."""
        if curve is not Curve.HEART:  # a beat after a gap carries no interval, which breaks the curve already
            self.rings[curve].put(gap.start_ns + 1, None)


def _bpm(beat: Beat) -> float | None:
    rr_ms = beat.rr_corrected_ms
    if rr_ms is None and beat.flag is BeatFlag.OK:
        rr_ms = beat.rr_ms
    return 60_000 / rr_ms if rr_ms else None
