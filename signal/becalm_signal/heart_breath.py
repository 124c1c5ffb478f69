"""Heart and breath together: RSA within each breath, coherence of the heart's rhythm, phase between the two."""

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from itertools import product
from statistics import median

from becalm_protocol.derived import Beat, Breath, BreathPhase, BreathTurn, Index, Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.breath_board import HINTS
from becalm_signal.breath_phase import phase_between
from becalm_signal.coherence import COHERENCE_S, coherence_share
from becalm_signal.intervals import is_sound
from becalm_signal.slow_board import MINUTE_RENEWED_NS, Moment
from becalm_signal.stage import Output

PHASE_S = 60.0
MIN_ACCEPTED_SHARE = 0.8
N_RSA_BREATHS = 6
# A breath with fewer intervals has no longest and shortest; one of six may be left out.
MIN_BEATS_OF_BREATH = 3
MIN_RSA_BREATHS = 5
# 95 % of turns lie within this of the true ones (virtual people: 0.35 s on a belt, an ECG's are vaguer).
TURN_ERROR_S = {SignalKind.RESPIRATION: 0.4}
VAGUE_TURN_ERROR_S = 1.0
# Two ends of an interval, 0.5 ms each, at either extreme.
JITTER_MS = 2.0
# Another source may place the turn between two breaths so much elsewhere.
MAX_SLIP_S = 1.5
OLDEST_S = 150.0
N_KEPT_RR = 400
MIN_RR_S = 0.2


@dataclass(frozen=True, slots=True)
class Rr:
    """One interval and the time of the beat that ends it."""

    t_s: float
    ms: float
    is_accepted: bool


class HeartBreathSection:
    """`rsa_ms`, `coherence`, `phase_deg`.

    Notes
    -----
    Delay: one or two beats, and a breath for `rsa_ms`. Warm-up: six breaths, 64 s and 60 s.

    References
    ----------
    Definition of becalm: docs/indices.md; McCraty & Zayas 2014, DOI 10.3389/fpsyg.2014.01090; Carter 1987, DOI
    10.1109/PROC.1987.13723.
    """

    def __init__(self) -> None:
        self._rr: dict[SignalKind, deque[Rr]] = {}
        self._settled_s: dict[SignalKind, float] = {}
        self._breaths: deque[tuple[float, float]] = deque(maxlen=N_RSA_BREATHS)
        self._turns: deque[tuple[float, BreathPhase]] = deque(maxlen=128)
        self._of: object = None
        self._told: dict[str, Index] = {}

    def apply(self, event: Output) -> None:
        """Take confirmed beats of every source, turns and breaths of the chosen one."""
        if isinstance(event, Beat) and event.confirmed:
            self._settled_s[event.source] = event.t_ns / NS_PER_S
            kept = self._rr.setdefault(event.source, deque(maxlen=N_KEPT_RR))
            if kept and event.t_ns / NS_PER_S - kept[-1].t_s < MIN_RR_S:
                return  # untimed intervals are laid on arrival times, which may run together
            kept.append(Rr(event.t_ns / NS_PER_S, event.rr_ms or 0.0, is_sound(event)))
        elif isinstance(event, Breath):
            start_s = event.t_ns / NS_PER_S
            if self._breaths and abs(start_s - self._breaths[-1][1]) > MAX_SLIP_S:
                self._breaths.clear()  # six breaths in a row are wanted
            self._breaths.append((start_s, start_s + 60.0 / event.breathing_rate_bpm))
        elif isinstance(event, BreathTurn):
            self._turns.append((event.t_ns / NS_PER_S, event.phase))

    def indices(self, moment: Moment) -> dict[str, Index]:
        """Return all three at a moment."""
        heart, breath = moment.heart, moment.breath
        if heart is None:
            return dict.fromkeys(("rsa_ms", "coherence", "phase_deg"), Index(reason=Reason.NO_SENSOR))
        bad, breathing = moment.metrics.heart_rate_bpm.reason, moment.metrics.breathing_rate_bpm.reason
        of = (moment.now_ns // MINUTE_RENEWED_NS, heart, breath, bad, breathing, moment.is_way_known)
        if of != self._of:
            self._of, self._told = of, self._work_out(moment, heart=heart)
        return self._told

    def _work_out(self, moment: Moment, *, heart: SignalKind) -> dict[str, Index]:
        breath, bad = moment.breath, moment.metrics.heart_rate_bpm.reason
        beats = self._beats(heart, since_s=moment.now_ns / NS_PER_S - OLDEST_S)
        rr = [x for x in beats if x.is_accepted]
        told = {"coherence": Index(reason=bad) if bad is not None else self._coherence(rr)}
        reason = Reason.NO_SENSOR if breath is None else bad or moment.metrics.breathing_rate_bpm.reason
        if reason is not None or breath is None:
            return told | dict.fromkeys(("rsa_ms", "phase_deg"), Index(reason=reason or Reason.NO_SENSOR))
        told["rsa_ms"] = self._rsa(beats, settled_s=self._settled_s.get(heart, 0.0), source=breath)
        if not moment.is_way_known:
            self._turns.clear()
            return told | {"phase_deg": Index(reason=Reason.CANNOT_TELL)}
        told["phase_deg"] = self._phase(rr, rate_bpm=moment.metrics.breathing_rate_bpm.value, source=breath)
        return told

    def _beats(self, heart: SignalKind, *, since_s: float) -> list[Rr]:
        """Forget what is older; return the rest."""
        kept = self._rr.get(heart, deque())
        while kept and kept[0].t_s <= since_s:
            kept.popleft()
        return list(kept)

    def _coherence(self, rr: list[Rr]) -> Index:
        if not rr:
            return Index(reason=Reason.WARMING_UP)
        window = [x for x in rr if x.t_s > rr[-1].t_s - COHERENCE_S]
        accepted_s = sum([x.ms for x in window]) / 1000.0
        if accepted_s < MIN_ACCEPTED_SHARE * COHERENCE_S:
            spans = rr[-1].t_s - rr[0].t_s >= COHERENCE_S
            return Index(reason=Reason.TOO_MANY_ARTEFACTS if spans else Reason.WARMING_UP)
        share, bound = coherence_share([x.t_s for x in window], [x.ms for x in window])
        return Index(value=share, bound=bound, sample_ns=round(window[-1].t_s * NS_PER_S))

    # -------------------------------------------------------------------------------------------------------- RSA
    def _rsa(self, rr: list[Rr], *, settled_s: float, source: SignalKind) -> Index:
        """Return the median of the last six swings.

        Bound: what turns found too early or too late may change, and what one breath that was none may.
        """
        breaths = [breath for breath in self._breaths if breath[1] <= settled_s]
        if len(breaths) < N_RSA_BREATHS:
            return Index(reason=Reason.WARMING_UP)
        told = ([x.t_s for x in rr], [x.ms if x.is_accepted else math.inf for x in rr])
        swings = _swings(*told, breaths, shift_s=(0.0, 0.0))
        if len(swings) < MIN_RSA_BREATHS:
            return Index(reason=Reason.TOO_MANY_ARTEFACTS)
        value = median(swings)
        reach_s = TURN_ERROR_S.get(source, VAGUE_TURN_ERROR_S)
        moved = [_swings(*told, breaths, shift_s=shift_s) for shift_s in product((-reach_s, reach_s), repeat=2)]
        changed_ms = max(abs(median(other) - value) if other else 0.0 for other in moved)
        ordered = sorted(swings)
        one_off_ms = max(value - median(ordered[:-1]), median(ordered[1:]) - value)
        bound = JITTER_MS + changed_ms + (N_RSA_BREATHS + 1 - len(swings)) * one_off_ms
        return Index(value=value, bound=bound, sample_ns=round(breaths[-1][1] * NS_PER_S))

    # ------------------------------------------------------------------------------------------------------ phase
    def _phase(self, rr: list[Rr], *, rate_bpm: float | None, source: SignalKind) -> Index:
        """Return how far the heart's rate is ahead of the breath, at the breathing rate.

        A breath told from the heart itself has no phase of its own.
        """
        if source in HINTS or rate_bpm is None:
            return Index(reason=Reason.CANNOT_TELL)
        turns = self._turns
        if not rr or len(turns) < 4:
            return Index(reason=Reason.WARMING_UP)
        end_s = min(rr[-1].t_s, turns[-1][0])
        window = [x for x in rr if end_s - PHASE_S <= x.t_s <= end_s]
        if sum([x.ms for x in window]) < 1000.0 * MIN_ACCEPTED_SHARE * PHASE_S or turns[0][0] > end_s - PHASE_S:
            return Index(reason=Reason.WARMING_UP)
        n_turns = sum([t_s > end_s - PHASE_S for t_s, _ in turns]) + 1  # with the one that the window begins after
        recent = list(turns)[-max(2, n_turns) :]
        return phase_between([(x.t_s, x.ms) for x in window], recent, end_s=end_s, rate_bpm=rate_bpm)


def _swings(
    times_s: list[float], told_ms: list[float], breaths: list[tuple[float, float]], *, shift_s: tuple[float, ...]
) -> list[float]:
    """Return longest minus shortest interval of each breath whose intervals are all accepted, that is finite."""
    swings = []
    for start_s, end_s in breaths:
        first = bisect_right(times_s, start_s + shift_s[0])
        inside = told_ms[first : bisect_right(times_s, end_s + shift_s[1], lo=first)]
        if len(inside) >= MIN_BEATS_OF_BREATH and (longest := max(inside)) < math.inf:
            swings.append(longest - min(inside))
    return swings
