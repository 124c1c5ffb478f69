"""Depth, regularity and ventilation of the breath, and how well it goes with a pacer."""

import math
from collections import deque
from dataclasses import dataclass

from becalm_protocol.derived import Breath, BreathPhase, BreathTurn, Index, Reason
from becalm_protocol.events import Pacer, Phase, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.bounds import Z_95, moments, variation
from becalm_signal.breath_board import HINTS
from becalm_signal.slow_board import Moment
from becalm_signal.stage import Output

N_BREATHS = 6
WINDOW_S = 60.0
MIN_SHARE = 0.6
"""Of a minute in whole breaths, for ventilation and adherence."""
WHOLE_SHARE = 0.7
MIN_ONSETS = 3
NEAR_SHARE = 0.12
"""An onset within this share of a cycle of its cue goes with the pacer."""
# 95 % of onsets lie within this of the true ones; those of an ECG are vaguer.
ONSET_ERROR_S = {SignalKind.RESPIRATION: 0.4}
VAGUE_ONSET_ERROR_S = 1.0
# Noise and pulsation of a belt move peaks and troughs outwards by about this share of a breath, those of all breaths.
DEPTH_NOISE_SHARE = 0.03
NAMES = ("breath_depth", "breath_irregularity", "ventilation", "adherence")


@dataclass(frozen=True, slots=True)
class _Whole:
    start_s: float
    length_s: float
    depth: float
    source: SignalKind


class BreathSection:
    """`breath_depth`, `breath_irregularity`, `ventilation`, `adherence`.

    Notes
    -----
    Delay: a breath is told when it has ended. Warm-up: six breaths; a minute of the pacer for `adherence`.

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self) -> None:
        self._breaths: deque[_Whole] = deque(maxlen=128)
        self._onsets_s: deque[float] = deque(maxlen=64)
        self._quiet: dict[SignalKind, tuple[float, float]] = {}
        """Volume a second in the first quiet minute, and its standard error, of each source."""
        self._settled: set[SignalKind] = set()
        """Sources whose quiet minute is whole."""

    def apply(self, event: Output) -> None:
        """Take turns and breaths of the chosen source."""
        if isinstance(event, BreathTurn) and event.phase is BreathPhase.IN:
            self._onsets_s.append(event.t_ns / NS_PER_S)
        elif isinstance(event, Breath):
            source = event.source or SignalKind.RESPIRATION
            self._breaths.append(_Whole(event.t_ns / NS_PER_S, 60.0 / event.breathing_rate_bpm, event.depth, source))

    def indices(self, moment: Moment) -> dict[str, Index]:
        """Return all four at a moment."""
        reason = moment.metrics.breathing_rate_bpm.reason
        source = moment.breath
        if source is None or reason is not None:
            told = dict.fromkeys(NAMES, Index(reason=reason or Reason.NO_SENSOR))
            return told | ({} if _pacer(moment) else {"adherence": Index(reason=Reason.NOT_PACED)})
        last = [breath for breath in self._breaths if breath.source is source][-N_BREATHS:]
        return {
            "breath_depth": self._depth(last, source),
            "breath_irregularity": _irregularity(last),
            "ventilation": self._ventilation(moment, source),
            "adherence": self._adherence(moment, source),
        }

    def _depth(self, last: list[_Whole], source: SignalKind) -> Index:
        if source in HINTS:
            return Index(reason=Reason.CANNOT_TELL)
        if len(last) < N_BREATHS:
            return Index(reason=Reason.WARMING_UP)
        mean, deviation = moments([breath.depth for breath in last])
        bound = Z_95 * (deviation / math.sqrt(N_BREATHS) + DEPTH_NOISE_SHARE * mean)
        return Index(value=mean, bound=bound, sample_ns=_end_ns(last))

    def _ventilation(self, moment: Moment, source: SignalKind) -> Index:
        """Return volume a minute over that of the first minute with breaths enough, of the same source."""
        if source in HINTS:
            return Index(reason=Reason.CANNOT_TELL)
        since_s = moment.now_ns / NS_PER_S - WINDOW_S
        window = [b for b in self._breaths if b.source is source and b.start_s >= since_s]
        told_s = sum([breath.length_s for breath in window])
        if told_s < MIN_SHARE * WINDOW_S or len(window) < MIN_ONSETS:
            return Index(reason=Reason.WARMING_UP if source in self._quiet else Reason.BASELINE)
        volume = sum([breath.depth for breath in window]) / told_s
        error = moments([breath.depth / breath.length_s for breath in window])[1] / math.sqrt(len(window))
        is_quiet = moment.phase is None or moment.phase.phase is Phase.BASELINE
        if is_quiet and volume > 0.0 and source not in self._settled:
            self._quiet[source] = (volume, error)
            if told_s > WHOLE_SHARE * WINDOW_S:
                self._settled.add(source)
        if source not in self._quiet:
            return Index(reason=Reason.BASELINE)
        quiet, quiet_error = self._quiet[source]
        value = volume / quiet
        bound = value * Z_95 * math.hypot(error / max(volume, 1e-12), quiet_error / quiet, DEPTH_NOISE_SHARE)
        return Index(value=value, bound=bound, sample_ns=_end_ns(window))

    def _adherence(self, moment: Moment, source: SignalKind) -> Index:
        """Return the share of onsets near a cue; bound: those that an error of time could move over the border."""
        pacer = _pacer(moment)
        if pacer is None:
            return Index(reason=Reason.NOT_PACED)
        if not moment.is_way_known:
            self._onsets_s.clear()
            return Index(reason=Reason.CANNOT_TELL)
        begun_s = max(moment.now_ns / NS_PER_S - WINDOW_S, pacer.started_ns / NS_PER_S)
        onsets_s = [t_s for t_s in self._onsets_s if t_s >= begun_s]
        if len(onsets_s) < MIN_ONSETS:
            return Index(reason=Reason.WARMING_UP)
        cycle_s = pacer.inhale_s + pacer.exhale_s
        late_s = [(t_s - pacer.started_ns / NS_PER_S + cycle_s / 2.0) % cycle_s - cycle_s / 2.0 for t_s in onsets_s]
        reach_s, error_s = NEAR_SHARE * cycle_s, ONSET_ERROR_S.get(source, VAGUE_ONSET_ERROR_S)
        n_near = sum(abs(late) <= reach_s for late in late_s)
        n_moot = sum(abs(abs(late) - reach_s) <= error_s for late in late_s)
        n = len(late_s)
        # One onset more or less at the edge of the window, besides those at the border of "near".
        return Index(value=n_near / n, bound=min(1.0, (n_moot + 0.5) / n), sample_ns=round(onsets_s[-1] * NS_PER_S))


def _pacer(moment: Moment) -> Pacer | None:
    phase = moment.phase
    return phase.pacer if phase is not None and phase.phase is Phase.PRACTICE else None


def _irregularity(last: list[_Whole]) -> Index:
    """Return the coefficient of variation of the last six breaths."""
    if len(last) < N_BREATHS:
        return Index(reason=Reason.WARMING_UP)
    value, bound = variation([breath.length_s for breath in last])
    return Index(value=value, bound=bound + 0.01, sample_ns=_end_ns(last))


def _end_ns(breaths: list[_Whole]) -> int:
    return round((breaths[-1].start_s + breaths[-1].length_s) * NS_PER_S)
